package check

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/finding"
)

// pod is the pod that an object creates.
type pod struct {
	object string       // Kind/name
	path   finding.Path // of its spec in the object
	owner  runtime.Object
	meta   metav1.ObjectMeta
	spec   corev1.PodSpec
}

// pods returns the pods that the objects create. Any object may hold a pod: those of
// Kubernetes, and custom resources such as an Argo Rollout.
func pods(objects chart.Objects) []pod {
	var found []pod
	for _, object := range objects {
		fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		if err != nil {
			continue // not an object of the API
		}
		for _, inner := range podsIn(fields, nil, object.GetObjectKind().GroupVersionKind().Kind == "Pod") {
			inner.object, inner.owner = name(object), object
			found = append(found, inner)
		}
	}
	return found
}

// podsIn returns the pods in a part of an object. A pod is a mapping with metadata and
// a spec of containers, under a key such as template or podTemplate: containers
// elsewhere may be patches, as in a Prometheus.
func podsIn(part any, at finding.Path, isTemplate bool) []pod {
	var found []pod
	switch typed := part.(type) {
	case chart.Map:
		if p, ok := newPod(typed, at); ok && isTemplate {
			return []pod{p}
		}
		for _, key := range slices.Sorted(maps.Keys(typed)) {
			found = append(found, podsIn(typed[key], at.With(key), strings.HasSuffix(strings.ToLower(key), "template"))...)
		}
	case chart.List:
		for i, item := range typed {
			found = append(found, podsIn(item, at.With(strconv.Itoa(i)), false)...)
		}
	}
	return found
}

func newPod(fields chart.Map, at finding.Path) (pod, bool) {
	spec, _ := fields["spec"].(chart.Map)
	if _, isList := spec["containers"].(chart.List); !isList {
		return pod{}, false
	}
	template := corev1.PodTemplateSpec{}
	metadata, _ := fields["metadata"].(chart.Map) // the time in it may be null
	err := errors.Join(
		runtime.DefaultUnstructuredConverter.FromUnstructured(spec, &template.Spec),
		runtime.DefaultUnstructuredConverter.FromUnstructured(metadata, &template.ObjectMeta))
	return pod{path: at.With("spec"), meta: template.ObjectMeta, spec: template.Spec}, err == nil
}

// container is one container of a pod.
type container struct {
	corev1.Container
	pod  pod
	path finding.Path // in the object
}

// containers returns the containers of every pod, init containers first.
func containers(objects chart.Objects) []container {
	var found []container
	for _, pod := range pods(objects) {
		for i, c := range pod.spec.InitContainers {
			found = append(found, container{c, pod, pod.path.With("initContainers", strconv.Itoa(i))})
		}
		for i, c := range pod.spec.Containers {
			found = append(found, container{c, pod, pod.path.With("containers", strconv.Itoa(i))})
		}
	}
	return found
}

// Images returns the images of all containers, each once, in alphabetical order.
func Images(objects chart.Objects) []string {
	var images []string
	for _, c := range containers(objects) {
		images = append(images, c.Image)
	}
	slices.Sort(images)
	return slices.Compact(images)
}

// workload is what runs the serving pods: a Deployment or a StatefulSet.
type workload struct {
	runtime.Object
	metav1.ObjectMeta
	replicas *int32
	pod      corev1.PodTemplateSpec
}

// workloads returns the Deployments and StatefulSets.
func workloads(objects chart.Objects) []workload {
	var found []workload
	for _, object := range objects {
		switch of := object.(type) {
		case *appsv1.Deployment:
			found = append(found, workload{of, of.ObjectMeta, of.Spec.Replicas, of.Spec.Template})
		case *appsv1.StatefulSet:
			found = append(found, workload{of, of.ObjectMeta, of.Spec.Replicas, of.Spec.Template})
		}
	}
	return found
}

// serves reports whether the container is part of a Deployment or a StatefulSet and
// listens on a port. One that Prometheus alone connects to, as to a worker, serves nobody.
func (c container) serves() bool {
	isServing := func(port corev1.ContainerPort) bool { return port.Name != "metrics" }
	return len(workloads(chart.Objects{c.pod.owner})) > 0 && slices.ContainsFunc(c.Ports, isServing)
}

// agentName is the name of the chart's own container.
const agentName = "agent"

// isAgent reports whether the container is the chart's own.
func (c container) isAgent() bool { return c.serves() && c.Name == agentName }

// isWorker reports whether the container is part of one of the chart's workers, which no
// Service selects.
func (c container) isWorker() bool {
	component := c.pod.meta.Labels["app.kubernetes.io/component"]
	return component != "" && component != "server"
}

// finding returns a finding of a field, with a problem that continues "Container X".
func (c container) finding(field finding.Path, problem, fix string) finding.Finding {
	return finding.Finding{Object: c.pod.object, Path: c.path.With(field...), Problem: "Container " + c.Name + " " + problem, Fix: fix}
}

// name returns an object's Kind/name.
func name(object runtime.Object) string {
	kind := object.GetObjectKind().GroupVersionKind().Kind
	accessor, err := meta.Accessor(object)
	if err != nil {
		return kind
	}
	return kind + "/" + accessor.GetName()
}
