package bench

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/observe"
)

// recorder records the pods of a subject, its replicas and what they use, from start
// until the test ends.
type recorder struct {
	namespace *cluster.Namespace
	start     time.Time

	lock    sync.Mutex
	pods    map[types.UID]*life
	now     Scaling
	scaling []Scaling
}

// life is that of a pod, with the CPU seconds that it has used.
type life struct {
	Pod
	used float64 // since the recorder started
	last float64 // reading; it begins with 0 again if the pod's node does
	read bool
}

// record starts a recorder of the pods that Plan.prepared labels.
func record(t *testing.T, n *cluster.Namespace) *recorder {
	t.Helper()
	r := &recorder{namespace: n, start: time.Now(), pods: map[types.UID]*life{}}
	all := informers.NewSharedInformerFactoryWithOptions(n.Client(), 0, informers.WithNamespace(n.Name))
	agents := informers.NewSharedInformerFactoryWithOptions(n.Client(), 0, informers.WithNamespace(n.Name),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.LabelSelector = agentsIn(n) }))
	for informer, handler := range map[cache.SharedIndexInformer]cache.ResourceEventHandler{
		agents.Core().V1().Pods().Informer():                         on(r.pod, r.podGone),
		all.Apps().V1().Deployments().Informer():                     on(r.deployment, nil),
		all.Autoscaling().V2().HorizontalPodAutoscalers().Informer(): on(r.autoscaler, nil),
	} {
		_, err := informer.AddEventHandler(handler)
		require.NoError(t, err)
	}
	for _, factory := range []informers.SharedInformerFactory{all, agents} {
		factory.Start(t.Context().Done())
		factory.WaitForCacheSync(t.Context().Done())
	}
	go r.readCPU(t.Context())
	return r
}

// agentsIn selects the pods of the subject in a namespace.
func agentsIn(n *cluster.Namespace) string { return cluster.NamespaceLabel + "=" + n.Name }

// on calls changed for each state of an object, and gone when it is deleted.
func on[T any](changed, gone func(T)) cache.ResourceEventHandlerFuncs {
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { changed(object.(T)) },
		UpdateFunc: func(_, object any) { changed(object.(T)) },
		DeleteFunc: func(object any) {
			if unknown, missed := object.(cache.DeletedFinalStateUnknown); missed {
				object = unknown.Obj
			}
			if gone != nil {
				gone(object.(T))
			}
		},
	}
}

// since returns the seconds since the start.
func (r *recorder) since(at time.Time) float64 { return at.Sub(r.start).Seconds() }

func (r *recorder) pod(pod *corev1.Pod) {
	r.lock.Lock()
	defer r.lock.Unlock()
	seen := r.pods[pod.UID]
	if seen == nil {
		seen = &life{Pod: Pod{Name: pod.Name, Created: r.created(pod)}}
		r.pods[pod.UID] = seen
	}
	seen.Node, seen.Restarts = pod.Spec.NodeName, int(observe.Restarts(*pod))
	if started := observe.Started(*pod); seen.Started == 0 && !started.IsZero() {
		seen.Started = max(seen.Created, r.since(started))
	}
	if seen.Ready == 0 && observe.IsReady(*pod) {
		seen.Ready = max(seen.Started, r.since(observe.ReadySince(*pod)))
	}
	if seen.Deleted == 0 && pod.DeletionTimestamp != nil {
		seen.Deleted = r.since(time.Now())
	}
	r.count()
}

// created returns when a pod was created. Timestamps in its object have whole seconds, so a pod
// that a disturbance created would seem older than that.
func (r *recorder) created(pod *corev1.Pod) float64 {
	if at := r.since(pod.CreationTimestamp.Time); at < 0 {
		return at
	}
	return r.since(time.Now())
}

func (r *recorder) podGone(pod *corev1.Pod) {
	r.pod(pod)
	r.lock.Lock()
	defer r.lock.Unlock()
	r.pods[pod.UID].Gone = r.since(time.Now())
	r.count()
}

func (r *recorder) deployment(d *appsv1.Deployment) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.now.Wanted = int(*d.Spec.Replicas)
	r.count()
}

func (r *recorder) autoscaler(hpa *autoscalingv2.HorizontalPodAutoscaler) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.now.Min, r.now.Max = int(*hpa.Spec.MinReplicas), int(hpa.Spec.MaxReplicas)
	r.count()
}

// count adds to the history of scaling what has changed. The lock is held.
func (r *recorder) count() {
	now := r.now
	now.Ready, now.Running, now.At = 0, 0, 0
	for _, pod := range r.pods {
		if pod.Gone == 0 && pod.Started != 0 {
			now.Running++
		}
		if pod.Gone == 0 && pod.Ready != 0 && pod.Deleted == 0 {
			now.Ready++
		}
	}
	if last := len(r.scaling) - 1; last >= 0 {
		now.At = r.scaling[last].At
		if now == r.scaling[last] {
			return
		}
	}
	now.At = r.since(time.Now())
	r.scaling = append(r.scaling, now)
}

// cpuInterval is how often the kubelets are polled: the CPU time of a pod's last seconds may
// be missing.
const cpuInterval = 5 * time.Second

func (r *recorder) readCPU(ctx context.Context) {
	for ; ctx.Err() == nil; time.Sleep(cpuInterval) {
		nodes, err := r.namespace.Client().CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			continue
		}
		for _, node := range nodes.Items {
			text, err := r.namespace.Client().CoreV1().RESTClient().Get().Resource("nodes").Name(node.Name).SubResource("proxy", "metrics", "resource").DoRaw(ctx)
			if err != nil {
				continue // the node may be off
			}
			r.addCPU(string(text))
		}
	}
}

// addCPU reads the metrics of a kubelet.
func (r *recorder) addCPU(text string) {
	families, err := observe.ParseMetrics(strings.NewReader(text))
	if err != nil {
		return
	}
	r.lock.Lock()
	defer r.lock.Unlock()
	used := map[string]float64{} // by pod
	for _, metric := range families["pod_cpu_usage_seconds_total"].GetMetric() {
		if observe.Label(metric, "namespace") == r.namespace.Name {
			used[observe.Label(metric, "pod")] = metric.GetCounter().GetValue()
		}
	}
	for _, pod := range r.pods {
		seconds, known := used[pod.Name]
		if !known {
			continue
		}
		switch {
		case !pod.read && pod.Created < 0: // used before
		case seconds < pod.last:
			pod.used += seconds
		default:
			pod.used += seconds - pod.last
		}
		pod.last, pod.read = seconds, true
	}
}

// restarted says which container has restarted so far, if any.
func (r *recorder) restarted() string {
	r.lock.Lock()
	defer r.lock.Unlock()
	for _, pod := range r.pods {
		if pod.Restarts > 0 {
			return fmt.Sprintf("a container of pod %s restarted before the disturbance", pod.Name)
		}
	}
	return ""
}

// fill puts what was recorded into a scenario.
func (r *recorder) fill(s *Scenario) {
	r.lock.Lock()
	defer r.lock.Unlock()
	s.Started, s.Scaling = r.start, slices.Clone(r.scaling)
	byName := func(a, b *life) int { return strings.Compare(a.Name, b.Name) }
	for _, pod := range slices.SortedFunc(maps.Values(r.pods), byName) {
		s.Pods = append(s.Pods, pod.Pod)
		end := pod.Gone
		if end == 0 {
			end = s.Ended
		}
		s.Cost.PodSeconds += end - max(pod.Created, 0)
		s.Cost.CPUSeconds += pod.used
	}
}
