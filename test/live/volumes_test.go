package live

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/observe"
	"example.com/ai-agent/test/internal/profile"
)

// aVolume is the volume data in persistence, with further fields.
func aVolume(mode corev1.PersistentVolumeAccessMode, fields chart.Map) chart.Values {
	volume := chart.Map{"mountPath": "/data", "spec": chart.Map{
		"accessModes": chart.List{string(mode)}, "resources": chart.Map{"requests": chart.Map{"storage": "1Gi"}},
	}}
	for name, value := range fields {
		volume[name] = value
	}
	return chart.Values{"persistence.data": volume}
}

// write has the agent's container write a file of the volume.
func write(t *testing.T, n *cluster.Namespace, pod, text string) {
	t.Helper()
	out, err := n.Exec(t, pod, "sh", "-c", `echo "$0" >/data/written`, text)
	require.NoError(t, err)
	require.Zero(t, out.Code, out.Stderr)
}

// read returns what was written.
func read(t *testing.T, n *cluster.Namespace, pod string) string {
	t.Helper()
	out, err := n.Exec(t, pod, "cat", "/data/written")
	require.NoError(t, err)
	require.Zero(t, out.Code, out.Stderr)
	return strings.TrimSpace(out.Stdout)
}

// The claim of a singleton outlives a rollout, in which no run is interrupted, and an
// uninstall: the next release of the name finds its data.
func TestClaimOutlivesRolloutAndUninstall(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	n.LocalVolume(t, workers(t)[0], "ai-agent-data", corev1.ReadWriteOnce)
	values := servers["uvicorn"].values(t).And(aVolume(corev1.ReadWriteOnce, nil)).With("singleton", true)
	agents := observe.Of(n, "ai-agent")
	rollout := func(t *testing.T, n *cluster.Namespace) {
		write(t, n, agents.Pod(t).Name, "before the rollout")
		disturbances["rollout"](t, n)
	}
	requireDone(t, disturbedRuns(t, n, rollout, values, runTokens), runTokens)
	cluster.Eventually(t, "the next pod", 2*time.Minute, agents.Ready(1))
	assert.Equal(t, "before the rollout", read(t, n, agents.Pod(t).Name))

	n.MustHelm(t, "uninstall", "ai-agent", "--wait", "--cascade=foreground", "--timeout=3m")
	n.Install(t, "ai-agent", values)
	assert.Equal(t, "before the rollout", read(t, n, agents.Pod(t).Name))
}

// Control: without the rule, the next pod of a rollout with a surge waits for a claim that
// the last one has, and the last one for the next. A singleton ends that.
func TestSurgeWaitsForTheClaimForever(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	n.LocalVolume(t, workers(t)[0], "ai-agent-data", corev1.ReadWriteOncePod)
	n.Install(t, "ai-agent", profile.Single(aVolume(corev1.ReadWriteOncePod, nil)).With("validation.skip", chart.List{"claim-of-one-node"}))
	agents := observe.Of(n, "ai-agent")
	old := agents.UIDs(t)
	disturbances["rollout"](t, n)
	stuck := func(ctx context.Context) error {
		pods, err := agents.ListPods(ctx)
		if err != nil {
			return err
		}
		waits := 0
		for _, pod := range pods {
			for _, condition := range pod.Status.Conditions {
				if condition.Reason == corev1.PodReasonUnschedulable && strings.Contains(condition.Message, "ReadWriteOncePod") {
					waits++
				}
			}
		}
		if len(pods) != 2 || waits != 1 {
			err = fmt.Errorf("%d pods, of which %d wait for the claim", len(pods), waits)
		}
		return err
	}
	cluster.Eventually(t, "a pod that waits for the claim", time.Minute, stuck)
	cluster.Consistently(t, "a pod that waits for the claim", 30*time.Second, stuck)

	n.Upgrade(t, "ai-agent", chart.Values{"singleton": true, "validation.skip": chart.List{}})
	cluster.Eventually(t, "the end of the old pod", time.Minute, agents.Gone(old))
	cluster.Eventually(t, "the next pod", time.Minute, agents.Ready(1))
}

// Each pod of a StatefulSet keeps its own data in a rollout, in which no run is
// interrupted. An upgrade without a change replaces no pod.
func TestEachPodKeepsItsVolume(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	for i := range 2 {
		n.LocalVolume(t, workers(t)[i], fmt.Sprint("data-ai-agent-", i), corev1.ReadWriteOnce)
	}
	values := servers["uvicorn"].values(t).And(aVolume(corev1.ReadWriteOnce, chart.Map{"perPod": true}))
	agents := observe.Of(n, "ai-agent")
	rollout := func(t *testing.T, n *cluster.Namespace) {
		for _, pod := range agents.Pods(t) {
			write(t, n, pod.Name, pod.Name)
		}
		n.MustKubectl(t, "rollout", "restart", "statefulset/ai-agent")
	}
	requireDone(t, disturbedRuns(t, n, rollout, values, runTokens), runTokens)
	n.MustKubectl(t, "rollout", "status", "statefulset/ai-agent", "--timeout=3m")
	pods := agents.Pods(t)
	require.Len(t, pods, 2)
	for _, pod := range pods {
		assert.Equal(t, pod.Name, read(t, n, pod.Name))
	}

	generation := func() int64 {
		set, err := n.Client().AppsV1().StatefulSets(n.Name).Get(t.Context(), "ai-agent", metav1.GetOptions{})
		require.NoError(t, err)
		return set.Generation
	}
	n.Upgrade(t, "ai-agent", nil) // Helm 3 removes the annotation of the restart: another template
	before, uids := generation(), agents.UIDs(t)
	n.Upgrade(t, "ai-agent", nil)
	assert.Equal(t, before, generation())
	assert.Equal(t, uids, agents.UIDs(t))
}

// The documented Role suffices for claims, StatefulSets and files.
func TestInstallRoleSufficesForVolumes(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	n.LocalVolume(t, workers(t)[0], "ai-agent-data", corev1.ReadWriteOnce)
	n.LocalVolume(t, workers(t)[1], "own-ai-agent-queue-0", corev1.ReadWriteOnce)
	own := aVolume(corev1.ReadWriteOnce, chart.Map{"perPod": true})["persistence.data"]
	values := profile.Single(aVolume(corev1.ReadWriteOnce, nil)).And(chart.Values{
		"singleton": true, "configFiles.main": chart.Map{"mountPath": "/etc/agent.yaml", "content": "a: b"},
		"workers": chart.Map{"queue": chart.Map{"args": chart.List{"serve"}, "persistence": chart.Map{"data": nil, "own": own}}},
	})
	as := grant(t, n, installRole(t))
	n.InstallNoWait(t, "ai-agent", values, append(as, "--wait", "--timeout=3m")...)
	out, err := n.TryUpgrade(t, "ai-agent", chart.Values{"configFiles.main.content": "a: c"}, append(as, "--reuse-values", "--wait", "--timeout=3m")...)
	require.NoError(t, err, out)
	n.MustHelm(t, append([]string{"uninstall", "ai-agent"}, as...)...)
	out, err = n.Kubectl(t, "get", "pvc", "--output=name")
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{"persistentvolumeclaim/ai-agent-data", "persistentvolumeclaim/own-ai-agent-queue-0"}, strings.Fields(out))
}

// With its own user, or one that the platform assigns, an image finds its files, writes to
// its folders, has a home and a name, and reads an image volume. Control: another folder
// is read-only, and without home the user has no name.
func TestImageOfAnyUser(t *testing.T) {
	t.Parallel()
	for name, user := range map[string]any{"its own": nil, "assigned": 1000650000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNamespace(t)
			values := servers["uvicorn"].values(t).And(chart.Values{
				"replicaCount": 1, "podDisruptionBudget.enabled": false, "home": "/app/home", "writableDirs": chart.List{"/app/home"},
				"sharedMemory.sizeLimit": "100Mi", "configFiles.main": chart.Map{"mountPath": "/etc/agent/main.yaml", "content": "from: values"},
				"volumes":      chart.List{chart.Map{"name": "other", "image": chart.Map{"reference": "docker.io/library/ai-agent:1.1.0", "pullPolicy": "IfNotPresent"}}},
				"volumeMounts": chart.List{chart.Map{"name": "other", "mountPath": "/other"}},
			})
			for _, field := range []string{"runAsUser", "runAsGroup", "fsGroup"} {
				values["podSecurityContext."+field] = user
			}
			n.Install(t, "ai-agent", values)
			pod := observe.Of(n, "ai-agent").Pod(t).Name
			sh := func(script string) cluster.Output {
				out, err := n.Exec(t, pod, "sh", "-c", script)
				require.NoError(t, err)
				return out
			}
			for script, want := range map[string]string{
				"cat /etc/agent/main.yaml":                              "from: values",
				"touch ~/file /tmp/file && ls ~":                        "file",
				`python3 -c "import getpass; print(getpass.getuser())"`: "agent",
				"df --output=size -m /dev/shm | tail -1":                "100",
				"ls /other":                                             "agent",
			} {
				assert.Contains(t, sh(script).Stdout, want, script)
			}
			assert.Contains(t, sh("touch /app/file").Stderr, "Read-only file system", "control")
			if user != nil {
				assert.Equal(t, fmt.Sprint(user), sh("id -u").Stdout)
				assert.NotZero(t, sh(`env -u USER python3 -c "import getpass; getpass.getuser()"`).Code, "control")
			}
		})
	}
}
