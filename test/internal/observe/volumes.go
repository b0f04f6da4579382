package observe

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// VolumeUse returns how many bytes the kubelet has measured in a volume of a pod, which
// is what it evicts by.
func (r *Release) VolumeUse(ctx context.Context, pod corev1.Pod, volume string) (int64, error) {
	body, err := r.namespace.Client().CoreV1().RESTClient().Get().
		AbsPath(fmt.Sprintf("/api/v1/nodes/%s/proxy/stats/summary", pod.Spec.NodeName)).DoRaw(ctx)
	if err != nil {
		return 0, err
	}
	var summary struct {
		Pods []struct {
			PodRef  struct{ UID types.UID }
			Volumes []struct {
				Name      string
				UsedBytes int64
			} `json:"volume"`
		}
	}
	if err := json.Unmarshal(body, &summary); err != nil {
		return 0, err
	}
	for _, measured := range summary.Pods {
		for _, v := range measured.Volumes {
			if measured.PodRef.UID == pod.UID && v.Name == volume {
				return v.UsedBytes, nil
			}
		}
	}
	return 0, fmt.Errorf("the kubelet has not measured %s of %s", volume, pod.Name)
}
