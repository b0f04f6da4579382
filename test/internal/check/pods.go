package check

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"example.com/ai-agent/test/internal/chart"
)

// pod is the pod that an object makes.
type pod struct {
	object string // Kind/name
	field  string // where its spec lies
	owner  runtime.Object
	meta   metav1.ObjectMeta
	spec   corev1.PodSpec
}

// pods returns the pods that the objects make.
func pods(objects chart.Objects) []pod {
	var found []pod
	for _, object := range objects {
		p := pod{object: name(object), owner: object}
		switch typed := object.(type) {
		case *corev1.Pod:
			p.field, p.meta, p.spec = "spec", typed.ObjectMeta, typed.Spec
		case *appsv1.Deployment:
			p.field, p.meta, p.spec = "spec.template.spec", typed.Spec.Template.ObjectMeta, typed.Spec.Template.Spec
		case *appsv1.StatefulSet:
			p.field, p.meta, p.spec = "spec.template.spec", typed.Spec.Template.ObjectMeta, typed.Spec.Template.Spec
		case *appsv1.DaemonSet:
			p.field, p.meta, p.spec = "spec.template.spec", typed.Spec.Template.ObjectMeta, typed.Spec.Template.Spec
		case *batchv1.Job:
			p.field, p.meta, p.spec = "spec.template.spec", typed.Spec.Template.ObjectMeta, typed.Spec.Template.Spec
		case *batchv1.CronJob:
			template := typed.Spec.JobTemplate.Spec.Template
			p.field, p.meta, p.spec = "spec.jobTemplate.spec.template.spec", template.ObjectMeta, template.Spec
		default:
			continue
		}
		found = append(found, p)
	}
	return found
}

// container is one container of a pod.
type container struct {
	corev1.Container
	pod  pod
	path string // where it lies in the object
}

// containers returns the containers of every pod, init containers first.
func containers(objects chart.Objects) []container {
	var found []container
	for _, pod := range pods(objects) {
		for i, c := range pod.spec.InitContainers {
			found = append(found, container{c, pod, fmt.Sprintf("%s.initContainers[%d]", pod.field, i)})
		}
		for i, c := range pod.spec.Containers {
			found = append(found, container{c, pod, fmt.Sprintf("%s.containers[%d]", pod.field, i)})
		}
	}
	return found
}

// serves reports whether the container is a Deployment's and listens on a port.
func (c container) serves() bool {
	_, serves := c.pod.owner.(*appsv1.Deployment)
	return serves && len(c.Ports) > 0
}

// isAgent reports whether the container is the one that the chart makes.
func (c container) isAgent() bool { return c.serves() && c.Name == "agent" }

func (c container) finding(field, problem, fix string) Finding {
	return Finding{Object: c.pod.object, Field: c.path + "." + field, Problem: "container " + c.Name + ": " + problem, Fix: fix}
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
