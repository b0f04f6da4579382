// Package flux runs Flux's controllers on this machine, for one namespace of a cluster.
package flux

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gruntwork-io/terratest/modules/k8s"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/process"
)

// Release is a HelmRelease ai-agent, of the chart in an OCIRepository of the same name.
type Release struct {
	namespace *cluster.Namespace
}

// Start starts source-controller and helm-controller, which read the chart ai-agent in
// this version from an OCI repository without TLS. The objects and the release are
// removed when the test ends, and then the controllers.
func Start(t *testing.T, n *cluster.Namespace, repository, version string) Release {
	t.Helper()
	config := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, os.WriteFile(config, []byte(n.MustKubectl(t, "config", "view", "--minify", "--flatten", "--raw")), 0o600))
	environment := []string{"KUBECONFIG=" + config, "RUNTIME_NAMESPACE=" + n.Name, "HOME=" + t.TempDir()}
	artifacts := process.FreeAddress(t)
	start := func(name string, flags ...string) {
		health := process.FreeAddress(t)
		process.Start(t, health, environment, name, append(flags, "--health-addr="+health, "--metrics-addr=0", "--watch-all-namespaces=false", "--log-level=error")...)
	}
	start("source-controller", "--storage-path="+t.TempDir(), "--storage-addr="+artifacts, "--storage-adv-addr="+artifacts)
	start("helm-controller")

	apply(t, n, chart.Map{
		"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "OCIRepository", "metadata": chart.Map{"name": "ai-agent"},
		"spec": chart.Map{
			"interval": "1h", "url": repository + "/ai-agent", "insecure": true, "ref": chart.Map{"tag": version},
			"layerSelector": chart.Map{"mediaType": "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "operation": "copy"},
		},
	})
	t.Cleanup(func() { // without it, Flux's finalizers would keep the namespace
		out, err := k8s.RunKubectlAndGetOutputContextE(t, context.WithoutCancel(t.Context()), n.Options(), "delete", "helmreleases,ocirepositories", "--all", "--timeout=3m")
		assert.NoError(t, err, out)
	})
	return Release{n}
}

// Sync gives the release its values. Flux corrects drift, and rolls back an upgrade whose
// pods are not Ready in time.
func (r Release) Sync(t *testing.T, values chart.Values, ready time.Duration) {
	t.Helper()
	text, err := values.YAML()
	require.NoError(t, err)
	var nested chart.Map
	require.NoError(t, yaml.Unmarshal(text, &nested))
	apply(t, r.namespace, chart.Map{
		"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "metadata": chart.Map{"name": "ai-agent"},
		"spec": chart.Map{
			"interval": "1h", "chartRef": chart.Map{"kind": "OCIRepository", "name": "ai-agent"}, "driftDetection": chart.Map{"mode": "enabled"},
			"install": chart.Map{"timeout": ready.String()},
			"upgrade": chart.Map{"timeout": ready.String(), "remediation": chart.Map{"retries": 0, "remediateLastFailure": true, "strategy": "rollback"}},
			"values":  nested,
		},
	})
}

// Reconcile asks Flux to compare the release with the cluster now, and waits until it
// has. With force, it also upgrades if nothing has changed.
func (r Release) Reconcile(t *testing.T, force bool) {
	t.Helper()
	token := time.Now().Format(time.RFC3339Nano)
	annotations := []string{"annotate", "--overwrite", "helmrelease/ai-agent", "reconcile.fluxcd.io/requestedAt=" + token}
	if force {
		annotations = append(annotations, "reconcile.fluxcd.io/forceAt="+token)
	}
	r.namespace.MustKubectl(t, annotations...)
	r.await(t, "the reconciliation", func(s Status) error {
		if s.LastHandledReconcileAt != token {
			return fmt.Errorf("the last one was asked for at %s", s.LastHandledReconcileAt)
		}
		return nil
	})
}

// Status is what helm-controller reports of a HelmRelease.
type Status struct {
	ObservedGeneration     int64
	LastHandledReconcileAt string
	Conditions             []metav1.Condition
	History                []struct {
		Version int // revision of the Helm release
	}
}

// AwaitReady waits until the current values are deployed, and returns the revision.
func (r Release) AwaitReady(t *testing.T) int {
	t.Helper()
	return r.await(t, "Ready", func(s Status) error { return s.is("Ready") }).History[0].Version
}

// AwaitRollback waits until the upgrade to the current values has been rolled back.
func (r Release) AwaitRollback(t *testing.T) {
	t.Helper()
	r.await(t, "the rollback", func(s Status) error { return s.is("Remediated") })
}

func (s Status) is(condition string) error {
	for _, c := range s.Conditions {
		if c.Type == condition && c.Status == metav1.ConditionTrue {
			return nil
		}
	}
	return fmt.Errorf("the conditions are %+v", s.Conditions)
}

func (r Release) await(t *testing.T, what string, holds func(Status) error) Status {
	t.Helper()
	var release struct {
		Metadata metav1.ObjectMeta
		Status   Status
	}
	cluster.Eventually(t, what, 4*time.Minute, func(context.Context) error {
		out, err := r.namespace.Kubectl(t, "get", "helmrelease", "ai-agent", "--output=json")
		if err != nil {
			return err
		}
		release.Status = Status{}
		if err := json.Unmarshal([]byte(out), &release); err != nil {
			return err
		}
		if release.Status.ObservedGeneration != release.Metadata.Generation {
			return fmt.Errorf("generation %d is not reconciled: %+v", release.Metadata.Generation, release.Status.Conditions)
		}
		return holds(release.Status)
	})
	return release.Status
}

// apply applies an object as Flux's kustomize-controller does, which keeps a null in the
// values.
func apply(t *testing.T, n *cluster.Namespace, object chart.Map) {
	t.Helper()
	data, err := yaml.Marshal(object)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "object.yaml")
	require.NoError(t, os.WriteFile(file, data, 0o600))
	n.MustKubectl(t, "apply", "--server-side", "--filename", file)
}
