package check

import (
	"cmp"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/finding"
)

// identity is what an object may share with no other.
type identity struct {
	kind            schema.GroupKind
	namespace, name string
}

// uniqueNames finds objects that overwrite an earlier one of the same render. Helm
// applies both, so the later one wins or the install fails.
func uniqueNames() Check {
	return newRow("unique-names", finding.Error, "objects of one kind have different names", "Kubernetes", func(objects chart.Objects) []finding.Finding {
		var found []finding.Finding
		seen := map[identity]bool{}
		for _, object := range objects {
			accessor, err := meta.Accessor(object)
			if err != nil || accessor.GetName() == "" { // generateName
				continue
			}
			id := identity{object.GetObjectKind().GroupVersionKind().GroupKind(), namespaceOf(object), accessor.GetName()}
			if seen[id] {
				found = append(found, finding.Finding{
					Object: name(object), Path: finding.Path{"metadata", "name"},
					Problem: "Two objects of the render have this kind and name: one overwrites the other, or the install fails.",
					Fix:     "Rename the one in extraObjects; to change the chart's own, set its values.",
				})
			}
			seen[id] = true
		}
		return found
	})
}

// namespaceOf returns the namespace of an object; that of the release by default.
func namespaceOf(object runtime.Object) string {
	accessor, err := meta.Accessor(object)
	if err != nil {
		return releaseNamespace
	}
	return cmp.Or(accessor.GetNamespace(), releaseNamespace)
}

// releaseNamespace is the one for which the chart is rendered.
const releaseNamespace = "default"
