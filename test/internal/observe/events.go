package observe

import (
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/ai-agent/test/internal/cluster"
)

// Event holds if the namespace has an event with this reason whose message contains a
// text.
func Event(n *cluster.Namespace, reason, message string) cluster.Condition {
	return func(ctx context.Context) error {
		events, err := n.Client().CoreV1().Events(n.Name).List(ctx, metav1.ListOptions{FieldSelector: "reason=" + reason})
		if err != nil {
			return err
		}
		for _, event := range events.Items {
			if strings.Contains(event.Message, message) {
				return nil
			}
		}
		return fmt.Errorf("none of %d events %s contains %q", len(events.Items), reason, message)
	}
}
