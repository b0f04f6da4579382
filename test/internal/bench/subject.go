package bench

import (
	_ "embed"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"helm.sh/helm/v3/pkg/chartutil"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
)

// Subject is what the benchmark disturbs: the manifests of one agent with a Deployment
// and a Service.
type Subject struct {
	Name    string
	Objects chart.Objects
	// Changed are the objects after an upgrade and a secretRotation, if the manifests
	// replace the pods by themselves. The pods of other subjects are restarted. Only clients
	// of the Service can reach the pods afterwards.
	Changed map[string]chart.Objects
}

//go:embed specification.yaml
var specification string

// Specification returns the manifests of the specification.
func Specification() (Subject, error) { return newSubject("specification", specification) }

// HelmCreate returns the chart that `helm create` writes, with the agent's port and
// probes. It uses the folder dir.
func HelmCreate(dir string) (Subject, error) {
	folder, err := chartutil.Create("ai-agent", dir)
	if err != nil {
		return Subject{}, err
	}
	created, err := chart.Load(folder)
	if err != nil {
		return Subject{}, err
	}
	return Render("helm create", created, chart.Values{
		"service.port": 8000, "autoscaling.enabled": true, // its container listens on the Service's port
		"livenessProbe.httpGet.path": "/health", "readinessProbe.httpGet.path": "/ready",
	})
}

// RenderOwn returns what this chart renders, before and after changes.
func RenderOwn(c *chart.Chart, values chart.Values) (Subject, error) {
	own, err := Render(Own, c, values)
	if err != nil {
		return Subject{}, err
	}
	own.Changed = map[string]chart.Objects{}
	for disturbance, change := range map[string]chart.Values{
		upgrade:        {"config.LOG_LEVEL": "DEBUG"},
		secretRotation: {"secret.stringData.LANGSMITH_API_KEY": "another"},
	} {
		changed, err := Render(Own, c, values.And(change))
		if err != nil {
			return Subject{}, err
		}
		own.Changed[disturbance] = changed.Objects
	}
	return own, nil
}

// Render returns what a chart renders, without the hooks.
func Render(name string, c *chart.Chart, values chart.Values) (Subject, error) {
	manifest, err := c.Render(chart.Options{Set: values})
	if err != nil {
		return Subject{}, fmt.Errorf("%s: %w", name, err)
	}
	return newSubject(name, manifest)
}

// Peers returns the manifests in a folder: each subfolder is one subject, made
// of its .yaml files; each other file is one, too. A manifest must have one Deployment, which runs the agent, and a Service.
func Peers(dir string) ([]Subject, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var peers []Subject
	for _, entry := range entries {
		files := []string{filepath.Join(dir, entry.Name())}
		if entry.IsDir() {
			if files, err = filepath.Glob(filepath.Join(files[0], "*.yaml")); err != nil {
				return nil, err
			}
		}
		var manifest strings.Builder
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(&manifest, "---\n%s\n", text)
		}
		peer, err := newSubject(strings.TrimSuffix(entry.Name(), ".yaml"), manifest.String())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(dir, entry.Name()), err)
		}
		peers = append(peers, peer)
	}
	return peers, nil
}

func newSubject(name, manifest string) (Subject, error) {
	objects, err := chart.Decode(manifest)
	if err != nil {
		return Subject{}, err
	}
	isHook := func(object runtime.Object) bool {
		accessor, err := meta.Accessor(object)
		return err == nil && accessor.GetAnnotations()["helm.sh/hook"] != ""
	}
	s := Subject{Name: name, Objects: slices.DeleteFunc(objects, isHook)}
	if deployments := chart.All[*appsv1.Deployment](s.Objects); len(deployments) != 1 {
		return Subject{}, fmt.Errorf("%d Deployments, expected 1: the one that runs the agent", len(deployments))
	}
	if s.service() == nil {
		return Subject{}, fmt.Errorf("no Service selects the pods of Deployment %s", s.deployment().Name)
	}
	return s, nil
}

func (s Subject) deployment() *appsv1.Deployment { return chart.All[*appsv1.Deployment](s.Objects)[0] }

// pod returns the Deployment's pod spec.
func (s Subject) pod() *corev1.PodSpec { return &s.deployment().Spec.Template.Spec }

// agent returns the first container, which is the agent's.
func (s Subject) agent() *corev1.Container { return &s.pod().Containers[0] }

// service returns the first Service that selects the Deployment's pods, or nil.
func (s Subject) service() *corev1.Service {
	pods := labels.Set(s.deployment().Spec.Template.Labels)
	for _, service := range chart.All[*corev1.Service](s.Objects) {
		if len(service.Spec.Selector) > 0 && labels.SelectorFromSet(service.Spec.Selector).Matches(pods) {
			return service
		}
	}
	return nil
}

func (s Subject) autoscaler() *autoscalingv2.HorizontalPodAutoscaler {
	for _, hpa := range chart.All[*autoscalingv2.HorizontalPodAutoscaler](s.Objects) {
		return hpa
	}
	return nil
}

// Without returns a copy of the subject without one of the Protections.
func (s Subject) Without(protection string) Subject {
	without := s.copy()
	without.Name += " without " + protection
	Protections[protection](&without)
	return without
}

// abrupt is part of the names of subjects that Abrupt returns.
const abrupt = " (abrupt)"

// Abrupt returns a copy of the subject with an agent that refuses connections from SIGTERM
// on, as most servers do, and takes 10 s to start. Runs in flight continue.
func (s Subject) Abrupt() Subject {
	s = s.copy()
	s.Name += abrupt
	s.agent().Args = []string{"serve", "--drain-delay=0s", "--fault=slow-start=10s"}
	return s
}

// IsOwn reports whether a subject is this repository's chart with all of its protections.
func IsOwn(subject string) bool { return strings.TrimSuffix(subject, abrupt) == Own }

// Protections maps the name of each feature that protects runs to the function that
// removes it.
var Protections = map[string]func(*Subject){
	"preStop":      func(s *Subject) { s.agent().Lifecycle = nil },
	"grace period": func(s *Subject) { s.pod().TerminationGracePeriodSeconds = nil }, // Kubernetes' default: 30 s
	"strategy":     func(s *Subject) { s.deployment().Spec.Strategy = appsv1.DeploymentStrategy{} },
	"PDB":          func(s *Subject) { s.Objects = without[*policyv1.PodDisruptionBudget](s.Objects) },
	"scale-down window": func(s *Subject) { // without behavior, Kubernetes has one of 300 s
		none := int32(0)
		s.autoscaler().Spec.Behavior.ScaleDown = &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: &none}
	},
	"probes": func(s *Subject) {
		s.agent().StartupProbe, s.agent().LivenessProbe, s.agent().ReadinessProbe = nil, nil, nil
	},
	"agent's drain": func(s *Subject) { s.agent().Args = []string{"serve", "--fault=drain-limit=1s"} },
}

// ProtectionNames returns the names of the Protections, sorted.
func ProtectionNames() []string { return slices.Sorted(maps.Keys(Protections)) }

func (s Subject) copy() Subject {
	objects := make(chart.Objects, len(s.Objects))
	for i, object := range s.Objects {
		objects[i] = object.DeepCopyObject()
	}
	return Subject{Name: s.Name, Objects: objects}
}

// without returns the objects that are not of a type.
func without[T runtime.Object](objects chart.Objects) chart.Objects {
	return slices.DeleteFunc(objects, func(object runtime.Object) bool {
		_, is := object.(T)
		return is
	})
}

// prepared returns a copy of the subject for a plan in a namespace. All subjects get the
// same agent image and addresses, enough time for a run, small resource requests, and a
// fixed number of replicas.
func (p Plan) prepared(n *cluster.Namespace, image string) Subject {
	s := p.prepare(p.Subject, n, image)
	s.Changed = map[string]chart.Objects{}
	for disturbance, objects := range p.Subject.Changed {
		s.Changed[disturbance] = p.prepare(Subject{Objects: objects}, n, image).Objects
	}
	return s
}

func (p Plan) prepare(original Subject, n *cluster.Namespace, image string) Subject {
	s, replicas := original.copy(), p.Replicas
	for _, object := range s.Objects {
		if accessor, err := meta.Accessor(object); err == nil {
			accessor.SetNamespace("")
		}
	}
	agent := s.agent()
	agent.Image, agent.ImagePullPolicy = image, corev1.PullIfNotPresent
	for name, value := range map[string]string{"OPENAI_BASE_URL": n.ModelURL(), "OPENAI_API_KEY": "not-checked", "REDIS_URL": "", "DATABASE_URL": ""} {
		agent.Env = slices.DeleteFunc(agent.Env, func(v corev1.EnvVar) bool { return v.Name == name })
		agent.Env = append(agent.Env, corev1.EnvVar{Name: name, Value: value})
	}
	if !slices.ContainsFunc(agent.Env, func(v corev1.EnvVar) bool { return v.Name == "MAX_RUN_SECONDS" }) {
		agent.Env = append(agent.Env, corev1.EnvVar{Name: "MAX_RUN_SECONDS", Value: strconv.Itoa(MaxRunSeconds(p.runSeconds()))})
	}
	agent.Resources = corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("50m"), "memory": resource.MustParse("64Mi")}}
	if p.Name == loadStep {
		if len(agent.Args) == 0 {
			agent.Args = []string{"serve"}
		}
		agent.Args = append(agent.Args, "--fault=http")
		agent.Resources.Limits = corev1.ResourceList{"cpu": resource.MustParse("100m")}
	}
	sleepWithoutShell(agent.Lifecycle)
	template := &s.deployment().Spec.Template
	template.Labels = maps.Clone(template.Labels)
	template.Labels[cluster.NamespaceLabel] = n.Name
	s.deployment().Spec.Replicas = &replicas
	if hpa := s.autoscaler(); hpa != nil {
		hpa.Spec.MinReplicas, hpa.Spec.MaxReplicas = &replicas, replicas
	}
	return s
}

// sleepWithoutShell makes the kubelet sleep where a preStop hook runs the command sleep,
// which the agent's image does not have.
func sleepWithoutShell(l *corev1.Lifecycle) {
	if l == nil || l.PreStop == nil || l.PreStop.Exec == nil || len(l.PreStop.Exec.Command) != 2 || l.PreStop.Exec.Command[0] != "sleep" {
		return
	}
	if seconds, err := strconv.ParseInt(l.PreStop.Exec.Command[1], 10, 64); err == nil {
		l.PreStop = &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: seconds}}
	}
}

// Scales reports whether the subject has an autoscaler.
func (s Subject) Scales() bool { return s.autoscaler() != nil }

// Manifest returns the objects as a YAML stream.
func (s Subject) Manifest() (string, error) {
	var all strings.Builder
	for _, object := range s.Objects {
		text, err := yaml.Marshal(object)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&all, "---\n%s", text)
	}
	return all.String(), nil
}
