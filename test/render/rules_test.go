package render

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
	"example.com/ai-agent/test/internal/finding"
)

// Each rule reports its cases at the path to change, together with exactly the
// findings of other rules that the case lists. A render fails on errors alone.
func TestRulesReport(t *testing.T) {
	t.Parallel()
	severities := severities(t)
	for id, cases := range ruleCases {
		for i := range cases.reported {
			tc := &cases.reported[i]
			t.Run(id+": "+tc.name, func(t *testing.T) {
				t.Parallel()
				findings := tc.findings(t)
				var found []string
				for _, f := range findings {
					if f.Severity.AtLeast(severities[id]) {
						found = append(found, f.ID+" "+f.Path.String())
					}
				}
				assert.ElementsMatch(t, append([]string{id + " " + tc.at}, tc.also...), found)
				if severities[id] != finding.Error {
					return // TestNotesPrintEachWarning renders it
				}
				_, err := tc.chart(t).Render(tc.options())
				require.Error(t, err)
				assert.ElementsMatch(t, errorsOf(findings), idsIn(err.Error()))
				assert.NotContains(t, err.Error(), "abc-secret", "a message must not have the value")
			})
		}
	}
}

// Near misses are not reported, and render.
func TestRulesAccept(t *testing.T) {
	t.Parallel()
	severities := severities(t)
	for id, cases := range ruleCases {
		for name, values := range cases.accepted {
			t.Run(id+": "+name, func(t *testing.T) {
				t.Parallel()
				accept(t, values)
				if severities[id] == finding.Error {
					return // it would have failed the render
				}
				findings, err := charttest.Own(t).Findings(chart.Options{Set: values})
				require.NoError(t, err)
				assert.NotContains(t, finding.IDs(findings), id)
			})
		}
	}
	for name, values := range valid {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			accept(t, values)
		})
	}
}

// accept renders values.
func accept(t *testing.T, values chart.Values) {
	t.Helper()
	manifest, err := charttest.Template(t, chart.Options{Set: values})
	require.NoError(t, err)
	objects, err := chart.Decode(manifest)
	require.NoError(t, err)
	require.NotEmpty(t, objects)
}

// Every rule has a case that it reports and one that it accepts, and every case
// is one of a rule.
func TestEveryRuleHasCases(t *testing.T) {
	t.Parallel()
	rules := slices.Sorted(maps.Keys(severities(t)))
	var reported, accepted []string
	for id, cases := range ruleCases {
		if len(cases.reported) > 0 {
			reported = append(reported, id)
		}
		if len(cases.accepted) > 0 {
			accepted = append(accepted, id)
		}
	}
	assert.ElementsMatch(t, rules, reported)
	assert.ElementsMatch(t, rules, accepted)
}

// timeoutFormats has, for each annotation that carries a timeout, two ways to write
// one of %d seconds.
var timeoutFormats = map[string][2]string{
	"nginx.ingress.kubernetes.io/proxy-read-timeout":          {"%d", "%d"},
	"nginx.ingress.kubernetes.io/proxy-send-timeout":          {"%d", "%d"},
	"nginx.ingress.kubernetes.io/configuration-snippet":       {"proxy_read_timeout %ds; proxy_send_timeout 1h;", "proxy_send_timeout\t\"%d\";"},
	"nginx.ingress.kubernetes.io/server-snippet":              {"proxy_read_timeout 1h;\nproxy_send_timeout %d;", "proxy_read_timeout %d;"},
	"nginx.org/proxy-read-timeout":                            {"%ds", "%d"},
	"nginx.org/proxy-send-timeout":                            {"%ds", "%d"},
	"nginx.org/location-snippets":                             {"proxy_read_timeout %d;", "proxy_send_timeout %ds;"},
	"nginx.org/server-snippets":                               {"proxy_read_timeout %d;", "proxy_send_timeout %ds;"},
	"haproxy.org/timeout-server":                              {"%ds", "%d000"},
	"haproxy.com/timeout-server":                              {"%ds", "%d000"},
	"haproxy-ingress.github.io/timeout-server":                {"%ds", "%d000"},
	"ingress.kubernetes.io/timeout-server":                    {"%ds", "%d000ms"},
	"haproxy.router.openshift.io/timeout":                     {"%ds", "%d000"},
	"haproxy.router.openshift.io/timeout-tunnel":              {"%ds", "%d000"},
	"appgw.ingress.kubernetes.io/request-timeout":             {"%d", "%d"},
	"appgw.ingress.kubernetes.io/connection-draining-timeout": {"%d", "%d"},
	"konghq.com/read-timeout":                                 {"%d000", "%d000"},
	"konghq.com/write-timeout":                                {"%d000", "%d000"},
	"projectcontour.io/response-timeout":                      {"%ds", "%d000ms"},
	awsIdle:                                                   {"%d", "%d"},
	albAttributes:                                             {"idle_timeout.timeout_seconds=%d", "a=b,idle_timeout.timeout_seconds=%d,c=d"},
	albTargets:                                                {"deregistration_delay.timeout_seconds=%d", "a=b,deregistration_delay.timeout_seconds=%d"},
}

// Each timeout that is too short by one second is reported, and none that is just
// long enough.
func TestTimeoutOfEachAnnotationIsValidated(t *testing.T) {
	t.Parallel()
	var table map[string]any
	require.NoError(t, yaml.Unmarshal(charttest.Own(t).File("files/timeouts.yaml"), &table))
	assert.ElementsMatch(t, slices.Collect(maps.Keys(table)), slices.Collect(maps.Keys(timeoutFormats)))
	for _, list := range []string{"ingress", "service"} {
		for way := range 2 {
			tooShort, longEnough := chart.Map{}, chart.Map{}
			var want []string
			for name, formats := range timeoutFormats {
				tooShort[name], longEnough[name] = fmt.Sprintf(formats[way], 599), fmt.Sprintf(formats[way], 600)
				want = append(want, finding.Path{list, "annotations", name}.String())
			}
			assert.ElementsMatch(t, want, shortTimeouts(t, list, tooShort))
			assert.Empty(t, shortTimeouts(t, list, longEnough))
		}
	}
}

// shortTimeouts returns the paths of the annotations that would interrupt a run of
// 600 s.
func shortTimeouts(t *testing.T, list string, annotations chart.Map) []string {
	t.Helper()
	findings, err := charttest.Own(t).Findings(chart.Options{Set: chart.Values{"agent.maxRunSeconds": 600, list + ".annotations": annotations}})
	require.NoError(t, err)
	var paths []string
	for _, f := range findings {
		if f.ID == "timeout-annotation-too-short" {
			paths = append(paths, f.Path.String())
		}
	}
	return paths
}

// A finding survives any text in the names and values that it mentions.
func TestFindingsSurviveAnyText(t *testing.T) {
	t.Parallel()
	const odd = "a\n  - b: #\u0085\"'{{ . }}"
	schedule := chart.Map{"schedule": "@daily", "task": "a", "resources": chart.Map{"requests": chart.Map{"cpu": "9"}}}
	values := chart.Values{
		"terminationGracePeriodSeconds": 30, "config": chart.Map{odd: "sk-abcdefgh12345678"}, "schedules": chart.Map{odd: schedule},
		"secret.mountPath": "/\u0085/..",
		"extraContainers":  chart.List{chart.Map{"name": odd, "image": "a"}}, "validation.skip": chart.List{odd},
		"ingress.className": odd, "ingress.annotations": chart.Map{"kubernetes.io/ingress.class": "a"},
	}
	want := []string{
		"config-credential", "grace-period-too-short", "ingress-class-conflict", "request-exceeds-limit", "mount-path-taken", "schedule-name",
		"sidecar-image-tag", "validation-skip",
	}
	findings, err := charttest.Own(t).Findings(chart.Options{Set: values})
	require.NoError(t, err)
	assert.Subset(t, errorsOf(findings), want)
	_, err = charttest.Template(t, chart.Options{Set: values})
	require.Error(t, err)
	for _, id := range want {
		assert.Contains(t, err.Error(), "["+id+"]")
	}
}

// YAML has no control characters, and Helm drops without an error what it cannot
// encode as YAML: findings, or a whole ConfigMap.
func TestControlCharactersHideNothing(t *testing.T) {
	t.Parallel()
	for values, want := range map[string]string{
		`{"schedules": {"a\u007f": {"schedule": "@daily", "task": "a"}}, "image": {"tag": "latest"}}`: "[image-tag-latest]",
		`{"config": {"\u007f": "sk-abcdefgh12345678"}}`:                                               "[config-credential]",
		`{"config": {"A": "x\u0080y"}}`:                                                               "config contains a control character",
	} {
		file := filepath.Join(t.TempDir(), "values.json")
		require.NoError(t, os.WriteFile(file, []byte(values), 0o600))
		out, err := exec.CommandContext(t.Context(), "helm", "template", "ai-agent", chart.Dir(), "--values", file).CombinedOutput()
		require.Error(t, err, values)
		assert.Contains(t, string(out), want, values)
	}
}

// A render reports all mistakes at once.
func TestFiveMistakesAreReportedAtOnce(t *testing.T) {
	t.Parallel()
	values := chart.Values{
		"image.tag": "latest", "terminationGracePeriodSeconds": 30, "autoscaling.minReplicas": 11,
		"config.OPENAI_API_KEY": "abc-secret", "schedules.Daily": chart.Map{"schedule": "@daily", "task": "a"},
	}
	want := []string{"config-credential", "grace-period-too-short", "image-tag-latest", "replica-range", "schedule-name"}
	findings, err := charttest.Own(t).Findings(chart.Options{Set: values})
	require.NoError(t, err)
	assert.Equal(t, want, errorsOf(findings))
	_, err = charttest.Template(t, chart.Options{Set: values})
	require.ErrorContains(t, err, "5 problems in the values of ai-agent")
	assert.Equal(t, want, idsIn(err.Error()))
}

// Rules about best practices, and about settings outside the chart, can be skipped. A
// finding says that they are.
func TestSkippedRules(t *testing.T) {
	t.Parallel()
	for _, id := range skippable(t, true) {
		tc := &ruleCases[id].reported[0]
		skip := "validation.skip"
		if tc.aliases != nil {
			agent, _, _ := strings.Cut(tc.at, ".")
			skip = agent + "." + skip
		}
		want := []string{id}
		for _, also := range tc.also {
			want = append(want, strings.Fields(also)[0])
		}
		options := chart.Options{Set: tc.values.With(skip, chart.List{id})}
		findings, err := tc.chart(t).Findings(options)
		require.NoError(t, err)
		assert.ElementsMatch(t, want, finding.IDs(findings))
		skipped := findings[slices.IndexFunc(findings, func(f finding.Finding) bool { return f.ID == id })]
		assert.Equal(t, finding.Info, skipped.Severity, id)
		assert.Equal(t, skip, skipped.Path.String(), id)
		_, err = tc.chart(t).Render(options)
		require.NoError(t, err, id)
	}
	assert.Equal(t, []string{
		"calls-longer-agent", "claim-access-unknown", "claim-of-one-node", "cloud-identity-blocked", "config-credential", "config-name-not-text", "credential-in-plain-text", "egress-unrestricted",
		"gke-backend-config", "haproxy-reload", "helm-test-image-latest", "image-tag-latest", "ingress-controller-unknown", "ingress-unrestricted",
		"job-cloud-identity", "kubernetes-api-blocked", "kubernetes-api-open", "nginx-reload", "package-manager-starts-server", "probe-port-undeclared", "public-name-private-address",
		"rbac-escalation", "rbac-wildcard", "sample-config-kept",
		"server-drain-too-short", "server-drain-unset",
		"sessions-spread", "shell-without-exec", "sidecar-ends-first", "sidecar-image-tag",
		"traefik-grace", "url-overridden", "url-unknown",
	}, skippable(t, true))
}

// No other rule can be skipped: each that is named is a finding, and what it reports
// remains one.
func TestOtherRulesCannotBeSkipped(t *testing.T) {
	t.Parallel()
	skip := chart.List{"no-such-rule"}
	for _, id := range skippable(t, false) {
		skip = append(skip, id)
	}
	findings, err := charttest.Own(t).Findings(chart.Options{Set: chart.Values{
		"terminationGracePeriodSeconds": 30, "image.tag": "latest", "validation.skip": append(skip, "image-tag-latest"),
	}})
	require.NoError(t, err)
	errors := errorsOf(findings)
	assert.Equal(t, append([]string{"grace-period-too-short"}, slices.Repeat([]string{"validation-skip"}, len(skip))...), errors)
}

// skippable returns the IDs of the rules that can, or cannot, be skipped.
func skippable(t *testing.T, can bool) []string {
	t.Helper()
	rules, err := charttest.Own(t).Rules()
	require.NoError(t, err)
	var ids []string
	for _, rule := range rules {
		if rule.Skippable == can {
			ids = append(ids, rule.ID)
		}
	}
	return ids
}

// particulars may differ between messages of the same wording: numbers and quoted text.
var particulars = regexp.MustCompile(`"[^"]*"|[0-9]+`)

// The wording of messages is tested only here: each one that the cases of a rule produce.
func TestMessages(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for _, id := range slices.Sorted(maps.Keys(ruleCases)) {
		seen := map[string]bool{}
		for i := range ruleCases[id].reported {
			for _, f := range ruleCases[id].reported[i].findings(t) {
				wording := particulars.ReplaceAllString(f.Problem+f.Fix, "")
				if f.ID == id && !seen[wording] {
					seen[wording] = true
					fmt.Fprintf(&text, "%s: %s at %s\n  problem: %s\n  fix:     %s\n\n", f.ID, f.Severity, f.Path, f.Problem, f.Fix)
				}
			}
		}
		require.NotEmpty(t, seen, id)
	}
	golden(t, "messages.golden", text.String())
}

// severities returns the severity of each rule of the chart.
func severities(t *testing.T) map[string]finding.Severity {
	t.Helper()
	rules, err := charttest.Own(t).Rules()
	require.NoError(t, err)
	found := map[string]finding.Severity{}
	for _, rule := range rules {
		found[rule.ID] = rule.Severity
	}
	return found
}

// errorsOf returns the IDs of the errors, sorted, as often as they occur.
func errorsOf(findings []finding.Finding) []string {
	var ids []string
	for _, f := range findings {
		if f.Severity == finding.Error {
			ids = append(ids, f.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

var printedID = regexp.MustCompile(`(?m)^\[([a-z0-9-]+)\] `)

// idsIn returns the IDs in the text of a failed render, sorted.
func idsIn(text string) []string {
	var ids []string
	for _, match := range printedID.FindAllStringSubmatch(text, -1) {
		ids = append(ids, match[1])
	}
	slices.Sort(ids)
	return ids
}
