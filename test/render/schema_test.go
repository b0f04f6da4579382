package render

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/yannh/kubeconform/pkg/validator"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"ai-agent/test/internal/chart"
	"ai-agent/test/internal/repo"
)

// kubernetesVersions are those with schemas in test/schemas.
func kubernetesVersions(t *testing.T) []string {
	t.Helper()
	folders, err := os.ReadDir(repo.Path("test", "schemas"))
	require.NoError(t, err)
	var versions []string
	for _, folder := range folders {
		versions = append(versions, strings.TrimPrefix(folder.Name(), "v"))
	}
	require.Len(t, versions, 4, "1.34 to 1.37")
	return versions
}

// conform checks a manifest against Kubernetes' own schemas. Objects of the
// other APIs that the chart knows are skipped.
func conform(t *testing.T, version, manifest string) []validator.Result {
	t.Helper()
	custom := map[string]struct{}{}
	if objects, err := chart.Decode(manifest); err == nil { // what does not decode is for the validator to refuse
		for _, object := range chart.All[*unstructured.Unstructured](objects) {
			custom[object.GetKind()] = struct{}{}
		}
	}
	schemas := repo.Path("test", "schemas") + "/{{ .NormalizedKubernetesVersion }}/{{ .ResourceKind }}{{ .KindSuffix }}.json"
	v, err := validator.New([]string{schemas}, validator.Opts{KubernetesVersion: version, Strict: true, SkipKinds: custom})
	require.NoError(t, err)
	return v.Validate("manifest", io.NopCloser(strings.NewReader(manifest)))
}

// Every object of every environment and fixture, in every supported version.
func TestKubeconform(t *testing.T) {
	t.Parallel()
	for _, version := range kubernetesVersions(t) {
		for _, file := range append(valuesFiles(t), filepath.Join(chart.Dir(), "values.yaml")) {
			t.Run(version+"/"+filepath.Base(file), func(t *testing.T) {
				t.Parallel()
				manifest, err := chart.Template(t, nil, "--values", file, "--kube-version", version)
				require.NoError(t, err)
				valid := 0
				for _, result := range conform(t, version, manifest) {
					if result.Status == validator.Valid {
						valid++
						continue
					}
					assert.Contains(t, []validator.Status{validator.Skipped, validator.Empty}, result.Status, "%v", result.Err)
				}
				assert.Greater(t, valid, 4)
			})
		}
	}
}

// Control: mistakes that real charts have shipped.
func TestKubeconformRefuses(t *testing.T) {
	t.Parallel()
	for name, manifest := range map[string]string{
		"startingDeadlineSeconds in the Job": `{"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "a"}, "spec": {"schedule": "@daily",
			"jobTemplate": {"spec": {"startingDeadlineSeconds": 60, "template": {"spec": {"containers": [{"name": "a"}]}}}}}}`,
		"a probe's field on the container": `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"name": "a", "periodSeconds": 1}]}}`,
		"an API that is gone":              `{"apiVersion": "autoscaling/v2beta1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "a"}, "spec": {}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, version := range kubernetesVersions(t) {
				results := conform(t, version, manifest)
				require.Len(t, results, 1)
				assert.Contains(t, []validator.Status{validator.Invalid, validator.Error}, results[0].Status, version)
			}
		})
	}
}
