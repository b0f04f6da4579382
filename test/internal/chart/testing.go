package chart

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime"
)

// own is the chart ai-agent, read once.
var own = sync.OnceValues(func() (*Chart, error) { return Load(Dir()) })

// Own returns the chart ai-agent.
func Own(t testing.TB) *Chart {
	t.Helper()
	c, err := own()
	require.NoError(t, err)
	return c
}

// Template renders the chart ai-agent. The error is helm's.
func Template(t testing.TB, options Options) (string, error) {
	t.Helper()
	return Own(t).Render(options)
}

// Render renders the chart ai-agent with single values over values files. A
// render that fails, or a manifest that does not decode strictly, fails the test.
func Render(t testing.TB, set Values, files ...string) Objects {
	t.Helper()
	manifest, err := Template(t, Options{Set: set, Files: files})
	require.NoError(t, err)
	objects, err := Decode(manifest)
	require.NoError(t, err)
	return objects
}

// All returns the objects of one type.
func All[T runtime.Object](objects Objects) []T {
	var found []T
	for _, object := range objects {
		if typed, ok := object.(T); ok {
			found = append(found, typed)
		}
	}
	return found
}

// One returns the only object of its type; none or several fail the test.
func One[T runtime.Object](t testing.TB, objects Objects) T {
	t.Helper()
	found := All[T](objects)
	require.Lenf(t, found, 1, "objects of type %T", *new(T))
	return found[0]
}
