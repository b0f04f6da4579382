package render

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/chart"
)

// Values that would hurt a user, and what they are told.
func TestRefused(t *testing.T) {
	t.Parallel()
	t.Cleanup(func() { eachGuardIsRefused(t) })
	ingress := `[{"host": "agent.example.com"}]`
	for name, tc := range map[string]struct {
		values chart.Values
		says   string
	}{
		// Rules between values: the guards.
		"tag latest":                 {chart.Values{"image.tag": `"latest"`}, "Set image.tag to a version"},
		"test image latest":          {chart.Values{"helmTest.image": `"check:latest"`}, "helmTest.image is latest"},
		"tag in repository":          {chart.Values{"image.repository": `"agent:1.0"`}, "would be written twice"},
		"digest in repository":       {chart.Values{"image.repository": `"agent@sha256:0"`}, "would be written twice"},
		"short grace":                {chart.Values{"terminationGracePeriodSeconds": "30"}, "Set terminationGracePeriodSeconds to 330 or null"},
		"grace short by one":         {chart.Values{"terminationGracePeriodSeconds": "329"}, "329 would cut a run"},
		"grace for a longer run":     {chart.Values{"terminationGracePeriodSeconds": "330", "agent.maxRunSeconds": "301"}, "it takes 331"},
		"no preStop":                 {chart.Values{"lifecycle": `{"postStart": {"sleep": {"seconds": 1}}}`}, "Set lifecycle.preStop.sleep.seconds to 10"},
		"short preStop":              {chart.Values{"lifecycle": `{"preStop": {"sleep": {"seconds": 5}}}`}, "before every proxy knows"},
		"long preStop":               {chart.Values{"lifecycle": `{"preStop": {"sleep": {"seconds": 60}}}`}, "Set agent.endpointDelaySeconds to 60"},
		"nginx read timeout":         {chart.Values{"ingress.hosts": ingress, "ingress.annotations": `{"nginx.ingress.kubernetes.io/proxy-read-timeout": "60"}`}, "Set it to 300 seconds or more"},
		"nginx send timeout":         {chart.Values{"ingress.hosts": ingress, "ingress.annotations": `{"nginx.ingress.kubernetes.io/proxy-send-timeout": "60"}`}, "60 would cut a run"},
		"HAProxy timeout":            {chart.Values{"ingress.hosts": ingress, "ingress.annotations": `{"haproxy.org/timeout-server": "1m"}`}, "1m would cut a run"},
		"HAProxy milliseconds":       {chart.Values{"ingress.hosts": ingress, "ingress.annotations": `{"haproxy-ingress.github.io/timeout-server": "50000"}`}, "50000 would cut a run"},
		"HAProxy milliseconds, told": {chart.Values{"ingress.hosts": ingress, "ingress.annotations": `{"haproxy.org/timeout-server": "60000ms"}`}, "60000ms would cut a run"},
		"ALB idle timeout":           {chart.Values{"ingress.hosts": ingress, "ingress.annotations": `{"alb.ingress.kubernetes.io/load-balancer-attributes": "idle_timeout.timeout_seconds=120"}`}, "would cut a run"},
		"ALB without idle timeout":   {chart.Values{"ingress.hosts": ingress, "ingress.annotations": `{"alb.ingress.kubernetes.io/load-balancer-attributes": "routing.http2.enabled=true"}`}, "would cut a run"},
		"route request timeout":      {chart.Values{"httpRoute.timeouts": `{"request": "1m"}`}, "httpRoute.timeouts.request 1m would cut a run"},
		"route backend timeout":      {chart.Values{"httpRoute.timeouts": `{"backendRequest": "4m59s"}`}, "at least 300s"},
		"short scale-down window":    {chart.Values{"autoscaling.behavior.scaleDown.stabilizationWindowSeconds": "60"}, "Set it to at least 300"},
		"window of zero":             {chart.Values{"autoscaling.behavior.scaleDown.stabilizationWindowSeconds": "0"}, "shorter than a run"},
		"window under a long run":    {chart.Values{"autoscaling.behavior.scaleDown.stabilizationWindowSeconds": "300", "agent.maxRunSeconds": "900"}, "at least 900"},
		"min over max":               {chart.Values{"autoscaling.minReplicas": "11"}, "Set minReplicas to at most 10"},
		"no metric":                  {chart.Values{"autoscaling.targetCPUUtilizationPercentage": "null", "autoscaling.targetMemoryUtilizationPercentage": "null"}, "nothing would ever scale"},
		"budget of all":              {chart.Values{"podDisruptionBudget.minAvailable": "2"}, "would block every drain"},
		"budget of 100 %":            {chart.Values{"podDisruptionBudget.minAvailable": `"100%"`}, "would block every drain"},
		"budget of one alone":        {chart.Values{"autoscaling.enabled": "false", "replicaCount": "1"}, "podDisruptionBudget.enabled to false"},
		"budget of none away":        {chart.Values{"podDisruptionBudget.maxUnavailable": "0"}, "no pod could ever be evicted"},
		"budget of 0 % away":         {chart.Values{"podDisruptionBudget.maxUnavailable": `"0%"`}, "Set it to 1"},
		"budget of nothing":          {chart.Values{"podDisruptionBudget.minAvailable": "null"}, "neither minAvailable nor maxUnavailable"},
		"key in config":              {chart.Values{"config.OPENAI_API_KEY": `"abc"`}, "config.OPENAI_API_KEY looks like a credential"},
		"token in config":            {chart.Values{"config.GITHUB_TOKEN": `"abc"`}, "Move it to a Secret"},
		"password in config":         {chart.Values{"config.DATABASE_PASSWORD": `"abc"`}, "config.DATABASE_PASSWORD"},
		"password in a URL":          {chart.Values{"config.DATABASE_URL": `"postgresql://me:secret@db:5432/a"`}, "leave the password out"},
		"password alone in a URL":    {chart.Values{"config.REDIS_URL": `"redis://:secret@redis:6379"`}, "config.REDIS_URL"},
		"key by its looks":           {chart.Values{"config.SOMETHING": `"sk-proj-abc"`}, "config.SOMETHING looks like a credential"},
		"private key":                {chart.Values{"config.CERT": `"-----BEGIN PRIVATE KEY-----"`}, "config.CERT"},
		"GitHub's token by looks":    {chart.Values{"config.SOMETHING": `"github_pat_abc"`}, "config.SOMETHING looks like a credential"},
		"password as a parameter":    {chart.Values{"config.REDIS_URL": `"redis://r?password=abc"`}, "config.REDIS_URL looks"},
		"short password name":        {chart.Values{"config.DB_PASS": `"abc"`}, "What is none goes into env"},
		"run time in config":         {chart.Values{"config.MAX_RUN_SECONDS": "60"}, "Set agent.maxRunSeconds"},
		"run time in env":            {chart.Values{"env": `[{"name": "MAX_RUN_SECONDS", "value": "60"}]`}, "env has MAX_RUN_SECONDS"},
		"URL without a scheme":       {chart.Values{"config.REDIS_URL": `"redis-service:6379"`}, "Write it as scheme://host:port"},
		"URL of an unknown scheme":   {chart.Values{"config.DATABASE_URL": `"oracle://db/agents"`}, "does not tell the NetworkPolicy"},
		"URL with a bad port":        {chart.Values{"config.REDIS_URL": `"redis://r.data:x"`}, "config.REDIS_URL"},
		"request over the limit":     {chart.Values{"resources.requests.memory": `"4Gi"`}, "resources would request 4Gi of memory and allow 2Gi"},
		"schedule over its limit":    {chart.Values{"schedules.a": `{"schedule": "@daily", "task": "a", "resources": {"limits": {"memory": "256Mi"}}}`}, "Set schedules.a.resources.limits.memory to 512Mi"},
		"backend over request":       {chart.Values{"httpRoute.timeouts": `{"request": "310s", "backendRequest": "400s"}`}, "which the Gateway API refuses"},
		"budget of 51 % of two":      {chart.Values{"podDisruptionBudget.minAvailable": `"51%"`}, "would block every drain"},
		"budget of 50 % of one":      {chart.Values{"podDisruptionBudget.minAvailable": `"50%"`, "autoscaling.enabled": "false", "replicaCount": "1"}, "would block every drain"},
		"schedule that replaces":     {chart.Values{"schedules.a": `{"schedule": "* * * * *", "task": "a", "concurrencyPolicy": "Replace"}`}, "Set it to Forbid or Allow"},
		"deadline of the run alone":  {chart.Values{"schedules.a": `{"schedule": "@daily", "task": "a", "activeDeadlineSeconds": 300}`}, "Set it to at least 420"},
		"two secret sources":         {chart.Values{"secret.existingSecret": `"a"`, "secret.sealedSecret.encryptedData": `{"A": "b"}`}, "secret.existingSecret, secret.sealedSecret"},
		"values beside a source":     {chart.Values{"secret.existingSecret": `"a"`, "secret.stringData.OPENAI_API_KEY": `"b"`}, "secret.stringData would be lost"},
		"external without store":     {chart.Values{"secret.externalSecret.enabled": "true", "secret.externalSecret.data": "[{}]"}, "secretStoreRef.name"},
		"external without data":      {chart.Values{"secret.externalSecret.enabled": "true", "secret.externalSecret.secretStoreRef.name": `"a"`}, "reads nothing"},
		"secrets over /tmp":          {chart.Values{"secret.mountPath": `"/tmp"`}, "secret.mountPath is /tmp"},
		"route without gateway":      {chart.Values{"httpRoute.enabled": "true"}, "Set httpRoute.parentRefs"},
		"LoadBalancer and policy":    {chart.Values{"service.type": `"LoadBalancer"`}, "Add an ipBlock"},
		"NodePort and policy":        {chart.Values{"service.type": `"NodePort"`}, "they would be dropped"},
		"ALB and policy":             {chart.Values{"ingress.hosts": ingress, "ingress.className": `"alb"`}, "a load balancer of the controller alb"},
		"GKE and policy":             {chart.Values{"ingress.hosts": ingress, "ingress.className": `"gce-internal"`}, "Add an ipBlock"},
		"long schedule name":         {chart.Values{"schedules.a-name-of-forty-four-characters-is-too-long-x": `{"schedule": "@daily", "task": "a"}`}, "Kubernetes allows 52"},
		"bad schedule name":          {chart.Values{"schedules.Daily": `{"schedule": "@daily", "task": "a"}`}, "lower-case letters"},
		"short job deadline":         {chart.Values{"schedules.a": `{"schedule": "@daily", "task": "a", "activeDeadlineSeconds": 60}`}, "activeDeadlineSeconds 60 would cut a run"},
		"time zone in the schedule":  {chart.Values{"schedules.a": `{"schedule": "TZ=UTC 0 8 * * *", "task": "a"}`}, "Set schedules.a.timeZone"},
		"sidecar that is latest":     {chart.Values{"extraContainers": `[{"name": "a", "image": "a:latest"}]`}, "extraContainers has \"a\" of an image that is latest"},
		"init container, no tag":     {chart.Values{"initContainers": `[{"name": "a", "image": "registry:5000/a"}]`}, "without a tag"},
		"second agent":               {chart.Values{"extraContainers": `[{"name": "agent", "image": "a:1"}]`}, "Give it another name"},
		"own image without a tag":    {chart.Values{"image.repository": `"registry:5000/team/agent"`}, "Set image.tag or image.digest"},
		"preStop of no time":         {chart.Values{"lifecycle": `{"preStop": {"sleep": {"seconds": 0}}}`}, "sleeps 0 s, which is less"},
		"preStop that execs sleep":   {chart.Values{"lifecycle": `{"preStop": {"exec": {"command": ["sleep", "300"]}}}`}, "sleeps 300 s and takes its time"},
		"preStop through a shell":    {chart.Values{"lifecycle": `{"preStop": {"exec": {"command": ["sh", "-c", "sleep 5"]}}}`}, "sleeps 5 s, which is less"},
		"two preStop handlers":       {chart.Values{"lifecycle": `{"preStop": {"sleep": {"seconds": 10}, "exec": {"command": ["a"]}}}`}, "more than one preStop handler"},
		"ALB drain":                  {chart.Values{"ingress.annotations": `{"alb.ingress.kubernetes.io/target-group-attributes": "deregistration_delay.timeout_seconds=30"}`}, "would cut a run"},
		"ALB drain left to AWS":      {chart.Values{"agent.maxRunSeconds": "900", "ingress.annotations": `{"alb.ingress.kubernetes.io/target-group-attributes": "stickiness.enabled=true"}`}, "Set it to 900 seconds"},
		"F5's nginx":                 {chart.Values{"ingress.annotations": `{"nginx.org/proxy-read-timeout": "10s"}`}, "10s would cut a run"},
		"nginx snippet":              {chart.Values{"ingress.annotations": `{"nginx.ingress.kubernetes.io/configuration-snippet": "proxy_read_timeout 10s;"}`}, "would cut a run"},
		"OpenShift's router":         {chart.Values{"ingress.annotations": `{"haproxy.router.openshift.io/timeout": "30s"}`}, "30s would cut a run"},
		"load balancer's idle time":  {chart.Values{"service.annotations": `{"service.beta.kubernetes.io/aws-load-balancer-connection-idle-timeout": "30"}`}, "service.annotations"},
		"deadline without retries":   {chart.Values{"schedules.a": `{"schedule": "@daily", "task": "a", "backoffLimit": 3, "activeDeadlineSeconds": 420}`}, "Set it to at least 1680"},
		"run time in the Secret":     {chart.Values{"secret.stringData.MAX_RUN_SECONDS": `"3600"`}, "secret.stringData has MAX_RUN_SECONDS"},
		"run time sealed":            {chart.Values{"secret.sealedSecret.encryptedData": `{"MAX_RUN_SECONDS": "a"}`}, "secret.sealedSecret.encryptedData has MAX_RUN_SECONDS"},
		"window over an hour":        {chart.Values{"autoscaling.behavior.scaleDown.stabilizationWindowSeconds": "7200"}, "more than Kubernetes takes"},
		"no policy down":             {chart.Values{"autoscaling.behavior.scaleDown.policies": "[]"}, "policies is empty"},
		"rollout that cannot move":   {chart.Values{"strategy.rollingUpdate.maxSurge": `"0%"`}, "Set strategy.rollingUpdate.maxSurge to 1"},
		"unknown strategy":           {chart.Values{"strategy.type": `"Rolling"`}, "Set it to RollingUpdate"},
		"budget of 100 % of any":     {chart.Values{"podDisruptionBudget.minAvailable": `"100%"`, "autoscaling.enabled": "false", "replicaCount": "null"}, "however many pods there are"},
		"budget of 00 % away":        {chart.Values{"podDisruptionBudget.maxUnavailable": `"00%"`}, "no pod could ever be evicted"},
		"secrets over /tmp/":         {chart.Values{"secret.mountPath": `"/tmp/"`}, "secret.mountPath is /tmp/"},
		"secrets over everything":    {chart.Values{"secret.mountPath": `"/"`}, "secret.mountPath is /,"},
		"second volume of secrets":   {chart.Values{"secret.mountPath": `"/s"`, "volumes": `[{"name": "secrets", "emptyDir": {}}]`}, "volumes has one called secrets"},
		"two ingress classes":        {chart.Values{"ingress.className": `"nginx"`, "ingress.annotations": `{"kubernetes.io/ingress.class": "alb"}`}, "name two controllers"},
		"API key in one word":        {chart.Values{"config.OPENAI_APIKEY": `"abc"`}, "config.OPENAI_APIKEY looks"},
		"webhook":                    {chart.Values{"config.NOTIFY": `"https://hooks.slack.com/services/T/B/x"`}, "config.NOTIFY looks"},
		"bearer":                     {chart.Values{"config.HEADER": `"Bearer eyJhbGciOiJI"`}, "config.HEADER looks"},
		"both monitors":              {chart.Values{"serviceMonitor.enabled": "true", "podMonitor.enabled": "true"}, "read twice"},

		// Single values: the schema. helm names the path.
		"pod's field given twice":  {chart.Values{"podSpec.terminationGracePeriodSeconds": "30"}, "at '/podSpec': additional properties 'terminationGracePeriodSeconds'"},
		"digest in the tag":        {chart.Values{"image.tag": `"1.2.3@sha256:0"`}, "at '/image/tag'"},
		"name with a capital":      {chart.Values{"fullnameOverride": `"My_Agent"`}, "at '/fullnameOverride'"},
		"name with a space":        {chart.Values{"nameOverride": `"Team Agent"`}, "at '/nameOverride'"},
		"bad label":                {chart.Values{"commonLabels.team": `"a b"`}, "at '/commonLabels/team'"},
		"bad quantity":             {chart.Values{"resources.limits.memory": `"2 Gi"`}, "at '/resources/limits/memory'"},
		"bad size of /tmp":         {chart.Values{"tmp.sizeLimit": `"big"`}, "at '/tmp/sizeLimit'"},
		"bad budget":               {chart.Values{"podDisruptionBudget.minAvailable": `"abc"`}, "at '/podDisruptionBudget/minAvailable'"},
		"run of weeks":             {chart.Values{"agent.maxRunSeconds": "1000000"}, "at '/agent/maxRunSeconds'"},
		"object without a kind":    {chart.Values{"extraObjects": `[{"apiVersion": "v1"}]`}, "missing properties 'kind', 'metadata'"},
		"test image without a tag": {chart.Values{"helmTest.image": `"check"`}, "at '/helmTest/image'"},
		"relative mount path":      {chart.Values{"secret.mountPath": `"secrets"`}, "at '/secret/mountPath'"},
		"interval without unit":    {chart.Values{"serviceMonitor.interval": `"30"`}, "at '/serviceMonitor/interval'"},
		"unknown key":              {chart.Values{"foo": "1"}, "additional properties 'foo' not allowed"},
		"misspelt agent key":       {chart.Values{"agent.maxRunSecond": "1"}, "at '/agent': additional properties 'maxRunSecond'"},
		"misspelt image key":       {chart.Values{"image.tags": `"1"`}, "at '/image'"},
		"misspelt probe field":     {chart.Values{"livenessProbe.periodSecond": "1"}, "at '/livenessProbe'"},
		"misspelt resource":        {chart.Values{"resources.request.cpu": `"1"`}, "at '/resources'"},
		"misspelt pod field":       {chart.Values{"podSpec.hostUser": "false"}, "at '/podSpec'"},
		"misspelt peer":            {chart.Values{"networkPolicy.ingress.from": `[{"podSelectors": {}}]`}, "at '/networkPolicy/ingress/from/0'"},
		"misspelt toleration":      {chart.Values{"tolerations": `[{"kye": "a"}]`}, "at '/tolerations/0'"},
		"misspelt schedule field":  {chart.Values{"schedules.a": `{"schedule": "@daily", "task": "a", "timezone": "UTC"}`}, "at '/schedules/a'"},
		"misspelt policy":          {chart.Values{"autoscaling.behavior.scaleDown.policies": `[{"kind": "Pods"}]`}, "at '/autoscaling/behavior/scaleDown/policies/0'"},
		"misspelt host":            {chart.Values{"ingress.hosts": `[{"name": "a"}]`}, "at '/ingress/hosts/0'"},
		"misspelt secret source":   {chart.Values{"secret.existingSecrets": `"a"`}, "at '/secret'"},
		"misspelt volume":          {chart.Values{"volumes": `[{"name": "a", "emptydir": {}}]`}, "at '/volumes/0'"},
		"misspelt env":             {chart.Values{"env": `[{"name": "a", "val": "b"}]`}, "at '/env/0'"},
		"schedule without task":    {chart.Values{"schedules.a": `{"schedule": "@daily"}`}, "missing property 'task'"},
		"unknown agent type":       {chart.Values{"agent.type": `"huge"`}, "at '/agent/type': value must be one of"},
		"run of no time":           {chart.Values{"agent.maxRunSeconds": "0"}, "at '/agent/maxRunSeconds'"},
		"run time with unit":       {chart.Values{"agent.maxRunSeconds": `"5m"`}, "at '/agent/maxRunSeconds': got string, want integer"},
		"digest without sha":       {chart.Values{"image.digest": `"abc"`}, "at '/image/digest'"},
		"empty repository":         {chart.Values{"image.repository": `""`}, "at '/image/repository'"},
		"unknown pull policy":      {chart.Values{"image.pullPolicy": `"Sometimes"`}, "at '/image/pullPolicy'"},
		"port out of range":        {chart.Values{"service.port": "70000"}, "at '/service/port'"},
		"unknown service type":     {chart.Values{"service.type": `"Cluster"`}, "at '/service/type'"},
		"unknown controller":       {chart.Values{"ingress.controller": `"apache"`}, "at '/ingress/controller'"},
		"pod's own deadline":       {chart.Values{"podSpec.activeDeadlineSeconds": "60"}, "at '/podSpec': additional properties 'activeDeadlineSeconds'"},
		"misspelt route timeout":   {chart.Values{"httpRoute.timeouts": `{"requests": "400s"}`}, "at '/httpRoute/timeouts'"},
		"negative budget":          {chart.Values{"podDisruptionBudget.minAvailable": "-1"}, "at '/podDisruptionBudget/minAvailable'"},
		"schedule in words":        {chart.Values{"schedules.a": `{"schedule": "every day", "task": "a"}`}, "at '/schedules/a/schedule'"},
		"schedule of four fields":  {chart.Values{"schedules.a": `{"schedule": "0 8 * *", "task": "a"}`}, "at '/schedules/a/schedule'"},
		"grace of nothing":         {chart.Values{"terminationGracePeriodSeconds": "0"}, "at '/terminationGracePeriodSeconds'"},
		"run time taken away":      {chart.Values{"agent.maxRunSeconds": "null"}, "at '/agent': missing property 'maxRunSeconds'"},
		"negative replicas":        {chart.Values{"replicaCount": "-1"}, "at '/replicaCount'"},
		"no pods at least":         {chart.Values{"autoscaling.minReplicas": "0"}, "at '/autoscaling/minReplicas'"},
		"percentage as text":       {chart.Values{"autoscaling.targetCPUUtilizationPercentage": `"70%"`}, "at '/autoscaling/targetCPUUtilizationPercentage'"},
		"unknown concurrency":      {chart.Values{"schedules.a": `{"schedule": "@daily", "task": "a", "concurrencyPolicy": "Never"}`}, "at '/schedules/a/concurrencyPolicy'"},
		"path without slash":       {chart.Values{"ingress.hosts": `[{"host": "a.example.com", "paths": [{"path": "v1"}]}]`}, "at '/ingress/hosts/0/paths/0/path'"},
		"no ingress peers":         {chart.Values{"networkPolicy.ingress.from": "[]"}, "at '/networkPolicy/ingress/from'"},
		"config as a list":         {chart.Values{"config.MODELS": `["a"]`}, "at '/config/MODELS'"},
		"unknown eviction policy":  {chart.Values{"podDisruptionBudget.unhealthyPodEvictionPolicy": `"Never"`}, "at '/podDisruptionBudget/unhealthyPodEvictionPolicy'"},
		"bad route timeout":        {chart.Values{"httpRoute.timeouts": `{"request": "5 minutes"}`}, "at '/httpRoute/timeouts/request'"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := chart.Template(t, chart.Options{Set: tc.values})
			require.Error(t, err)
			require.NotEmpty(t, tc.says)
			assert.Contains(t, err.Error(), tc.says)
			refusals.Lock()
			defer refusals.Unlock()
			refusals.all = append(refusals.all, err.Error())
		})
	}
}

// Near misses that are right, so that no guard refuses too much.
func TestAccepted(t *testing.T) {
	t.Parallel()
	for name, values := range map[string]chart.Values{
		"defaults":                  nil,
		"digest":                    {"image.digest": `"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"`, "image.tag": `"1.2.3"`},
		"registry with a port":      {"image.repository": `"registry.internal:5000/team/agent"`, "image.tag": `"1.0"`},
		"grace just enough":         {"terminationGracePeriodSeconds": "330"},
		"HAProxy just enough":       {"ingress.annotations": `{"haproxy.org/timeout-server": "5m"}`},
		"ALB with idle timeout":     {"ingress.annotations": `{"alb.ingress.kubernetes.io/load-balancer-attributes": "a=b,idle_timeout.timeout_seconds=300"}`},
		"any other annotation":      {"ingress.annotations": `{"nginx.ingress.kubernetes.io/proxy-body-size": "8m"}`},
		"route without limit":       {"httpRoute.timeouts": `{"request": "0s"}`},
		"route just enough":         {"httpRoute.timeouts": `{"request": "5m", "backendRequest": "300s"}`},
		"longer window":             {"autoscaling.behavior.scaleDown.stabilizationWindowSeconds": "600"},
		"budget with one spare":     {"autoscaling.minReplicas": "3", "podDisruptionBudget.minAvailable": "2"},
		"budget in percent":         {"podDisruptionBudget.minAvailable": `"50%"`},
		"budget the other way":      {"podDisruptionBudget.maxUnavailable": "1"},
		"MAX_TOKENS is no token":    {"config.MAX_TOKENS": "100"},
		"URL with a user":           {"config.DATABASE_URL": `"postgresql://agent@db.data:5432/a"`},
		"LoadBalancer with a range": {"service.type": `"LoadBalancer"`, "networkPolicy.ingress.from": `[{"ipBlock": {"cidr": "0.0.0.0/0"}}]`},
		"global of a parent":        {"global.anything": "1", "enabled": "false"},
		"one pod without a budget":  {"autoscaling.enabled": "false", "replicaCount": "1", "podDisruptionBudget.enabled": "false"},
		"a monkey is no key":        {"config.MONKEY": `"see"`, "config.BASELINE_TOKENS": "5"},
		"no pod at all":             {"autoscaling.enabled": "false", "replicaCount": "0"},
		"another autoscaler's pods": {"autoscaling.enabled": "false", "replicaCount": "null"},
		"no Redis":                  {"config.REDIS_URL": `""`},
		"a socket":                  {"config.REDIS_URL": `"unix:///var/run/redis.sock"`},
		"HAProxy in milliseconds":   {"ingress.annotations": `{"haproxy.org/timeout-server": "300000ms"}`},
		"HAProxy in days":           {"ingress.annotations": `{"haproxy.org/timeout-server": "1d"}`},
		"no CPU limit":              {"resources.limits.cpu": "null"},
		"no readiness on GKE":       {"readinessProbe": "null", "ingress.className": `"gce"`, "ingress.hosts": `[{"host": "a.example.com"}]`, "networkPolicy.enabled": "false"},
		"latest with a digest":      {"image.tag": `"latest"`, "image.digest": `"sha256:` + strings.Repeat("a", 64) + `"`},
		"own image with its digest": {"image.repository": `"team/agent"`, "image.digest": `"sha256:` + strings.Repeat("a", 64) + `"`},
		"preStop that execs 10 s":   {"lifecycle": `{"preStop": {"exec": {"command": ["sleep", "10"]}}}`},
		"an ALB's most":             {"agent.maxRunSeconds": "5000", "ingress.annotations": `{"alb.ingress.kubernetes.io/load-balancer-attributes": "idle_timeout.timeout_seconds=4000"}`},
		"short connect timeout":     {"ingress.annotations": `{"nginx.ingress.kubernetes.io/proxy-connect-timeout": "5"}`},
		"a language":                {"config.LOCALE": `"sk-SK"`, "config.LANG": `"sk_SK.UTF-8"`},
		"a model of a hub":          {"config.MODEL_NAME": `"hf-internal-testing/tiny-random-gpt2"`},
		"a generated secret":        {"secret.externalSecret.enabled": "true", "secret.externalSecret.dataFrom": `[{"sourceRef": {"generatorRef": {"kind": "Password", "name": "a", "apiVersion": "generators.external-secrets.io/v1alpha1"}}}]`},
		"route with no end":         {"httpRoute.timeouts": `{"request": "0m"}`},
		"a listener's long name":    {"httpRoute.enabled": "true", "httpRoute.parentRefs": `[{"name": "a", "sectionName": "https.public"}]`},
		"a schedule taken back":     {"schedules.a": "null"},
		"an annotation taken back":  {"ingress.annotations.a": "null", "ingress.hosts": `[{"host": "a.example.com"}]`},
		"a setting taken back":      {"config.LOG_LEVEL": "null", "config.MINE": "null"},
		"a label taken back":        {"nodeSelector.disk": "null", "commonLabels.team": "null"},
		"own preStop":               {"lifecycle": `{"preStop": {"exec": {"command": ["/agent", "drain"]}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.NotEmpty(t, chart.Render(t, values))
		})
	}
}
