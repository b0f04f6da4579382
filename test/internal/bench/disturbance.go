package bench

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/observe"
	"example.com/ai-agent/test/internal/prober"
)

// Disturbance is what replaces, removes or kills pods of a subject.
type Disturbance struct {
	Name     string
	Replicas int32                   // before it; 4 if it is 0
	Removes  int                     // pods at least
	Kills    bool                    // no manifest can save the runs
	Ends     bool                    // the subject is gone afterwards
	Proxy    bool                    // it disturbs only clients behind the proxy
	Slow     bool                    // the subject's autoscaler does it, which takes minutes
	Alone    bool                    // it disturbs everything in the cluster
	Long     bool                    // it shows nothing unless runs are longer than the defaults of proxies
	before   func(*site, *testing.T) // prepares the subject, without load; nil if nothing is needed
	disturb  func(*testing.T, *site, prober.Loading)
}

// Disturbances are all of them, in the order of the table.
var Disturbances = []Disturbance{
	{Name: "rollout", Removes: 4, disturb: func(t *testing.T, s *site, _ prober.Loading) { s.restart(t) }},
	{Name: "scale-down", Replicas: 6, Removes: 4, disturb: func(t *testing.T, s *site, _ prober.Loading) { s.scale(t, 2) }},
	{Name: "drain", Removes: 4, disturb: func(t *testing.T, s *site, _ prober.Loading) { s.drain(t) }},
	{Name: "simultaneous drain", Replicas: 2, Removes: 2, disturb: func(t *testing.T, s *site, _ prober.Loading) { s.drainTogether(t) }},
	{Name: upgrade, Removes: 4, disturb: func(t *testing.T, s *site, _ prober.Loading) { s.upgrade(t) }},
	{Name: "rollback", Removes: 4, before: (*site).upgrade, disturb: func(t *testing.T, s *site, _ prober.Loading) { s.rollback(t) }},
	{Name: secretRotation, Removes: 4, disturb: func(t *testing.T, s *site, _ prober.Loading) { s.rotate(t) }},
	{Name: "rollout and drain", Removes: 6, disturb: func(t *testing.T, s *site, _ prober.Loading) {
		s.restart(t)
		s.drain(t)
	}},
	{Name: "uninstall", Removes: 4, Ends: true, disturb: func(t *testing.T, s *site, load prober.Loading) {
		load.Stop(t) // nothing answers new runs
		s.uninstall(t)
	}},
	{Name: "autoscaler", Removes: 2, Slow: true, disturb: func(t *testing.T, s *site, _ prober.Loading) { s.calm(t) }},
	{Name: "lull", Slow: true, disturb: func(t *testing.T, s *site, _ prober.Loading) { s.lull(t) }},
	{Name: loadStep, Slow: true, disturb: func(t *testing.T, s *site, _ prober.Loading) { s.burn(t) }},
	{Name: "unrelated Ingress", Proxy: true, disturb: func(t *testing.T, s *site, load prober.Loading) { s.editUnrelated(t, load) }},
	{Name: "rollout of the proxy", Proxy: true, disturb: func(t *testing.T, s *site, _ prober.Loading) { s.restartProxy(t) }},
	{Name: "no disturbance", Proxy: true, Long: true, disturb: func(t *testing.T, _ *site, load prober.Loading) { load.Stop(t) }},
	{Name: "force deletion", Removes: 1, Kills: true, disturb: func(t *testing.T, s *site, _ prober.Loading) { s.kill(t) }},
	{Name: "model unreachable", Kills: true, disturb: func(t *testing.T, s *site, _ prober.Loading) { s.cutOff(t) }},
	{Name: "power-off of a node", Kills: true, Alone: true, disturb: func(t *testing.T, s *site, load prober.Loading) { s.powerOff(t, load) }},
}

// About says what each disturbance does.
var About = map[string]string{
	"rollout":              "All pods are replaced, by kubectl rollout restart.",
	"scale-down":           "The bounds of the autoscaler, or the replicas without one, change from six pods to two.",
	"drain":                "Each node is drained, one after the other, and uncordoned.",
	"simultaneous drain":   "The nodes of two pods are drained at the same time.",
	upgrade:                "A changed ConfigMap is applied. The chart ai-agent then replaces its pods by itself; others are restarted.",
	"rollback":             "The manifests from before an upgrade are applied, or the rollout is undone.",
	secretRotation:         "A changed Secret is applied. The chart ai-agent then replaces its pods by itself; others are restarted.",
	"rollout and drain":    "During a rollout, each node is drained, one after the other.",
	"uninstall":            "The manifests are deleted. From then on, clients ask for no new run.",
	"autoscaler":           "The minimum of the autoscaler becomes one pod, and it removes half of the pods.",
	"lull":                 "The minimum of a new autoscaler is one pod for two minutes.",
	loadStep:               "Each pod uses twice the CPU that it requests, until the autoscaler has doubled the pods.",
	"unrelated Ingress":    "An Ingress with another host name is created and changed, so the proxy reloads its configuration.",
	"rollout of the proxy": "The pods of the proxy are replaced.",
	"no disturbance":       "Nothing is replaced, but runs are longer than the default timeouts of nginx and HAProxy.",
	"force deletion":       "A pod is deleted without a grace period.",
	"model unreachable":    "One pod cannot connect to the model for 20 s.",
	"power-off of a node":  "A node with pods is powered off, and on again when a pod of it is not Ready.",
	"soak":                 "Rollouts, scale-downs, drains, upgrades, rollbacks and rotated Secrets follow one another at random.",
}

func (s *site) target() string { return "deployment/" + s.deployment().Name }

func (s *site) restart(t *testing.T) { s.n.MustKubectl(t, "rollout", "restart", s.target()) }

// scale sets the number of replicas: that of the autoscaler, if there is one.
func (s *site) scale(t *testing.T, replicas int) {
	hpa := s.autoscaler()
	if hpa == nil {
		s.n.MustKubectl(t, "scale", s.target(), fmt.Sprint("--replicas=", replicas))
		return
	}
	bounds := fmt.Sprintf(`{"spec": {"minReplicas": %d, "maxReplicas": %d}}`, replicas, replicas)
	s.n.MustKubectl(t, "patch", "hpa", hpa.Name, "--patch", bounds)
	s.awaitReplicas(t, replicas, replicas)
}

// awaitReplicas waits until the autoscaler has set a number of replicas within bounds.
func (s *site) awaitReplicas(t *testing.T, least, most int) {
	what := fmt.Sprintf("%d replicas", most)
	if least < most {
		what = fmt.Sprintf("%d to %s", least, what)
	}
	cluster.Eventually(t, what, settledWithin, func(ctx context.Context) error {
		d, err := s.current(ctx)
		if err == nil && (int(*d.Spec.Replicas) < least || int(*d.Spec.Replicas) > most) {
			err = fmt.Errorf("spec.replicas of the Deployment is %d, expected %s", *d.Spec.Replicas, what)
		}
		return err
	})
}

// calm lets the autoscaler remove pods, as it does after a peak: the load does not need more
// than half of them.
func (s *site) calm(t *testing.T) {
	half := int(*s.deployment().Spec.Replicas) / 2
	s.setMinimum(t, 1)
	s.awaitReplicas(t, 1, half)
}

// lull lets the autoscaler remove pods for two minutes only. The autoscaler is a new one, whose
// window begins with the current number of pods: the earlier one remembers that the load has
// needed fewer all the time. Its memory ends at the next of its syncs, which are 15 s apart.
func (s *site) lull(t *testing.T) {
	s.n.MustKubectl(t, "delete", "hpa", s.autoscaler().Name)
	time.Sleep(40 * time.Second)
	s.apply(t)
	s.setMinimum(t, 1)
	time.Sleep(2 * time.Minute)
	pods := *s.deployment().Spec.Replicas
	s.setMinimum(t, pods)
	s.awaitReplicas(t, int(pods), int(pods))
}

func (s *site) setMinimum(t *testing.T, replicas int32) {
	s.n.MustKubectl(t, "patch", "hpa", s.autoscaler().Name, "--patch", fmt.Sprintf(`{"spec": {"minReplicas": %d}}`, replicas))
}

// loadStep is the name of the disturbance that needs an agent whose CPU usage can be raised, and
// whose new pods Usage.Steps measures.
const loadStep = "load step"

// burn makes each pod use twice the CPU that it requests, until the autoscaler has doubled
// their number.
func (s *site) burn(t *testing.T) {
	pods := s.pods(t)
	s.n.MustKubectl(t, "patch", "hpa", s.autoscaler().Name, "--patch", fmt.Sprintf(`{"spec": {"maxReplicas": %d}}`, 2*len(pods)))
	for _, pod := range pods {
		err := s.n.Client().CoreV1().RESTClient().Post().Namespace(s.n.Name).Resource("pods").Name(pod.Name+":8000").
			SubResource("proxy", "faults").Param("fault", "burn-cpu=10m").Do(t.Context()).Error()
		require.NoError(t, err)
	}
	cluster.Eventually(t, "twice the pods", settledWithin, func(ctx context.Context) error {
		d, err := s.current(ctx)
		if err == nil && int(d.Status.ReadyReplicas) < 2*len(pods) {
			err = fmt.Errorf("%d pods of the Deployment are Ready, expected %d", d.Status.ReadyReplicas, 2*len(pods))
		}
		return err
	})
}

// drain drains every node in turn.
func (s *site) drain(t *testing.T) {
	for _, node := range observe.Workers(t, s.n.Client()) {
		s.n.DrainOf(t, node)
	}
}

// drainTogether drains all nodes with pods of the subject at the same time.
func (s *site) drainTogether(t *testing.T) {
	nodes := map[string]bool{}
	for _, pod := range s.pods(t) {
		nodes[pod.Spec.NodeName] = true
	}
	s.n.DrainTogether(t, slices.Collect(maps.Keys(nodes)))
}

// Names of the disturbances that change manifests: Subject.Changed has what results.
const (
	upgrade        = "upgrade"
	secretRotation = "secret rotation"
)

// upgrade applies the manifests with a changed configuration.
func (s *site) upgrade(t *testing.T) {
	s.change(t, upgrade, func() {
		for _, config := range chart.All[*corev1.ConfigMap](s.Objects) {
			config.BinaryData = map[string][]byte{"changed": []byte("yes")}
			return
		}
	})
}

// rollback applies the manifests that an upgrade has replaced, as Helm does.
func (s *site) rollback(t *testing.T) {
	if s.Changed[upgrade] != nil {
		s.upgrade(t)
		return
	}
	s.n.MustKubectl(t, "rollout", "undo", s.target())
}

// rotate applies the manifests with another Secret.
func (s *site) rotate(t *testing.T) {
	s.change(t, secretRotation, func() {
		for _, secret := range chart.All[*corev1.Secret](s.Objects) {
			secret.StringData = map[string]string{"ROTATED": "yes"}
			return
		}
	})
}

// change applies the subject's changed manifests, and the next time those from before. If the
// subject has none, it edits the manifests and restarts the pods.
func (s *site) change(t *testing.T, disturbance string, edit func()) {
	if objects := s.Changed[disturbance]; objects != nil {
		s.Objects, s.Changed[disturbance] = objects, s.Objects
		s.apply(t)
		return
	}
	edit()
	s.apply(t)
	s.restart(t)
}

func (s *site) uninstall(t *testing.T) {
	manifest, err := s.Manifest()
	require.NoError(t, err)
	s.n.Delete(t, manifest)
}

// kill deletes a pod without a grace period, as if its node had failed.
func (s *site) kill(t *testing.T) {
	now := int64(0)
	require.NoError(t, s.n.Client().CoreV1().Pods(s.n.Name).Delete(t.Context(), s.pods(t)[0].Name, metav1.DeleteOptions{GracePeriodSeconds: &now}))
}

// cutOff resets the connections from one pod to the model, and refuses new ones for a while.
func (s *site) cutOff(t *testing.T) {
	servers := s.n.Cluster().Servers()
	model, err := servers.Client().CoreV1().Services(servers.Name).Get(t.Context(), "llm-service", metav1.GetOptions{})
	require.NoError(t, err)
	s.n.CutOff(t, s.pods(t)[0], model.Spec.ClusterIP, model.Spec.Ports[0].Port, 20*time.Second)
}

// powerOff powers off a node that runs pods of the subject, but neither the clients nor the
// model. It powers the node on again once a pod of it is not Ready.
func (s *site) powerOff(t *testing.T, load prober.Loading) {
	spared := []string{load.Node(t), s.n.Cluster().Model(t).Spec.NodeName}
	pods := slices.DeleteFunc(s.pods(t), func(pod corev1.Pod) bool { return slices.Contains(spared, pod.Spec.NodeName) })
	require.NotEmpty(t, pods, "all pods of the subject are on nodes with the clients or the model: %v", spared)
	lost := pods[0]
	on := s.n.PowerOff(t, lost.Spec.NodeName)
	cluster.Eventually(t, "a pod that is not Ready", 3*time.Minute, func(ctx context.Context) error {
		pod, err := s.n.Client().CoreV1().Pods(s.n.Name).Get(ctx, lost.Name, metav1.GetOptions{})
		if err == nil && observe.IsReady(*pod) {
			err = fmt.Errorf("pod %s is Ready", lost.Name)
		}
		return err
	})
	on()
}

// pods returns the pods of the subject.
func (s *site) pods(t *testing.T) []corev1.Pod {
	t.Helper()
	pods, err := s.n.Client().CoreV1().Pods(s.n.Name).List(t.Context(), metav1.ListOptions{LabelSelector: agentsIn(s.n)})
	require.NoError(t, err)
	return pods.Items
}
