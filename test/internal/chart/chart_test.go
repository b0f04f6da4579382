package chart

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
)

const service = "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n"

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ manifest, says string }{
		"an unknown field":                     {service + "spec:\n  prots: []\n", `unknown field "spec.prots"`},
		"a duplicate key":                      {service + "spec: {}\nspec: {}\n", `key "spec" already set`},
		"a duplicate key of a custom resource": {"apiVersion: example.com/v1\nkind: Other\nspec: {}\nspec: {}\n", `key "spec" already set`},
		"an unknown kind":                      {"apiVersion: v1\nkind: Srevice\n", `no kind "Srevice"`},
		"a removed version":                    {"apiVersion: autoscaling/v2beta1\nkind: HorizontalPodAutoscaler\n", "v2beta1"},
		"a wrong type":                         {service + "spec:\n  ports: http\n", "ports"},
		"not a manifest":                       {"hello\n", "cannot unmarshal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Decode(tc.manifest)
			require.Error(t, err)
			assert.Contains(t, err.Error(), tc.says)
		})
	}
}

// A key that overrides a merged one is no duplicate, in no kind of object.
func TestDecodeMergesKeys(t *testing.T) {
	t.Parallel()
	const merge = "metadata:\n  name: a\n  labels: &all {a: b}\n  annotations: {<<: *all, a: c}\n"
	objects, err := Decode("apiVersion: v1\nkind: Service\n" + merge + "---\napiVersion: example.com/v1\nkind: Other\n" + merge)
	require.NoError(t, err)
	require.Len(t, objects, 2)
	for _, object := range objects {
		accessor, err := meta.Accessor(object)
		require.NoError(t, err)
		assert.Equal(t, map[string]string{"a": "c"}, accessor.GetAnnotations())
	}
}

func TestDecodeLeavesOutEmptyDocuments(t *testing.T) {
	t.Parallel()
	objects, err := Decode("---\n# Source: nothing\n---\n" + service + "---\n\n")
	require.NoError(t, err)
	services := All[*corev1.Service](objects)
	require.Len(t, services, 1)
	assert.Equal(t, "a", services[0].Name)
}
