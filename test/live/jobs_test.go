package live

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/observe"
	"example.com/ai-agent/test/internal/prober"
	"example.com/ai-agent/test/internal/profile"
)

// migration is a job that fails unless these variables are set.
func migration(variables ...string) chart.Values {
	args := chart.List{"check"}
	for _, name := range variables {
		args = append(args, "--env="+name)
	}
	return chart.Values{"jobs.migrate": chart.Map{"command": chart.List{"/agent"}, "args": args, "resources": chart.Map{"requests": chart.Map{"cpu": "10m", "memory": "32Mi"}}}}
}

// objectsOfHooks fails while an object of a hook is left.
func objectsOfHooks(n *cluster.Namespace) cluster.Condition {
	return func(ctx context.Context) error {
		_, config := n.Client().CoreV1().ConfigMaps(n.Name).Get(ctx, "ai-agent-hook-config", metav1.GetOptions{})
		_, secret := n.Client().CoreV1().Secrets(n.Name).Get(ctx, "ai-agent-hook-secrets", metav1.GetOptions{})
		_, account := n.Client().CoreV1().ServiceAccounts(n.Name).Get(ctx, "ai-agent-hook", metav1.GetOptions{})
		_, policy := n.Client().NetworkingV1().NetworkPolicies(n.Name).Get(ctx, "ai-agent-hook", metav1.GetOptions{})
		for _, err := range []error{config, secret, account, policy} {
			if !apierrors.IsNotFound(err) {
				return errors.Join(err, errors.New("an object of a hook is left"))
			}
		}
		return nil
	}
}

// A job runs before the objects of a first install exist, and sees the configuration and
// the Secret of its revision, in an upgrade too. One that fails stops the upgrade: Helm
// prints its log, the pods stay and no run is interrupted. Nothing but the failed Job is
// left. Control: where the job is no hook, the same upgrade replaces the pods.
func TestJobGuardsTheRollout(t *testing.T) {
	t.Parallel()
	eachHelm(t, func(t *testing.T, helm string) {
		n := newNamespace(t).Using(helm)
		secret := chart.Values{"secret.stringData.OPENAI_API_KEY": "a"}
		n.Install(t, "ai-agent", profile.Single(migration("OPENAI_BASE_URL", "OPENAI_API_KEY").And(secret)))
		cluster.Eventually(t, "the end of the hook's objects", time.Minute, objectsOfHooks(n))
		agents := observe.Of(n, "ai-agent")
		first := agents.UIDs(t)
		n.Upgrade(t, "ai-agent", migration("ADDED").With("config.ADDED", "yes"))
		cluster.Eventually(t, "only new pods", 2*time.Minute, agents.Replaced(first))

		before := agents.UIDs(t)
		client := prober.Start(t, n, prober.Run{URL: serviceURL, Task: "count", MaxTokens: runTokens})[0]
		client.AwaitTokens(t)
		failing := migration("MISSING").With("config.LOG_LEVEL", "DEBUG")
		out, err := n.TryUpgrade(t, "ai-agent", failing, "--reuse-values", "--wait", "--timeout=3m")
		require.Error(t, err)
		assert.Contains(t, out, "MISSING is not set", "the log of the job")
		assert.Equal(t, before, agents.UIDs(t))
		require.NoError(t, client.Asking(t.Context()), "the run has to outlast the upgrade")
		requireDone(t, client.Await(t), runTokens)
		job, err := n.Client().BatchV1().Jobs(n.Name).Get(t.Context(), "ai-agent-migrate", metav1.GetOptions{})
		require.NoError(t, err)
		assert.Equal(t, batchv1.JobFailed, job.Status.Conditions[len(job.Status.Conditions)-1].Type)
		cluster.Eventually(t, "the end of the hook's objects", time.Minute, objectsOfHooks(n))

		n.MustKubectl(t, "delete", "job", "ai-agent-migrate")
		control := n.Chart(broken(t, "_jobs.tpl", "helm.sh/hook: {{ .events }}", "helm.sh/hooks: {{ .events }}"))
		_, err = control.TryUpgrade(t, "ai-agent", failing, "--reuse-values")
		require.NoError(t, err, "control")
		cluster.Eventually(t, "control: only new pods", 2*time.Minute, agents.Replaced(before))
	})
}
