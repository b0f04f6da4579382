package observe

import (
	"context"
	"errors"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Jobs returns the Jobs of all of the release's schedules, by the schedule's name in
// the values.
func (r *Release) Jobs(ctx context.Context) (map[string][]batchv1.Job, error) {
	list, err := r.namespace.Client().BatchV1().Jobs(r.namespace.Name).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	jobs := map[string][]batchv1.Job{}
	for _, job := range list.Items {
		schedule := job.OwnerReferences[0].Name[len(r.fullname+"-"):]
		jobs[schedule] = append(jobs[schedule], job)
	}
	return jobs, nil
}

// PodsOf returns the pods of a Job.
func (r *Release) PodsOf(ctx context.Context, job batchv1.Job) ([]corev1.Pod, error) {
	pods, err := r.namespace.Client().CoreV1().Pods(r.namespace.Name).List(ctx, metav1.ListOptions{LabelSelector: batchv1.JobNameLabel + "=" + job.Name})
	if err != nil {
		return nil, err
	}
	return pods.Items, nil
}

// RunningPod returns a pod of one of these Jobs that runs.
func (r *Release) RunningPod(ctx context.Context, jobs []batchv1.Job) (corev1.Pod, error) {
	for _, job := range jobs {
		pods, err := r.PodsOf(ctx, job)
		if err != nil {
			return corev1.Pod{}, err
		}
		for _, pod := range pods {
			if pod.Status.Phase == corev1.PodRunning {
				return pod, nil
			}
		}
	}
	return corev1.Pod{}, errors.New("no pod runs")
}
