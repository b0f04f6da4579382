package chart

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

const service = "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n"

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ manifest, says string }{
		"an unknown field":       {service + "spec:\n  prots: []\n", `unknown field "spec.prots"`},
		"a key given twice":      {service + "spec: {}\nspec: {}\n", `key "spec" already set`},
		"an unknown kind":        {"apiVersion: v1\nkind: Srevice\n", `no kind "Srevice"`},
		"a version that is gone": {"apiVersion: autoscaling/v2beta1\nkind: HorizontalPodAutoscaler\n", "v2beta1"},
		"a wrong type":           {service + "spec:\n  ports: http\n", "ports"},
		"something else":         {"hello\n", "cannot unmarshal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Decode(tc.manifest)
			require.Error(t, err)
			assert.Contains(t, err.Error(), tc.says)
		})
	}
}

func TestDecodeLeavesOutEmptyDocuments(t *testing.T) {
	t.Parallel()
	objects, err := Decode("---\n# Source: nothing\n---\n" + service + "---\n\n")
	require.NoError(t, err)
	assert.Equal(t, "a", One[*corev1.Service](t, objects).Name)
}
