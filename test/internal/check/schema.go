package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/finding"
	jsonschema "example.com/ai-agent/test/internal/schema"
	"example.com/ai-agent/test/schemas"
)

// KubernetesVersions returns the versions whose schemas objects must meet, the oldest
// first.
func KubernetesVersions() []string { return schemas.KubernetesVersions() }

// KubernetesRange returns the supported minor versions, such as "1.34 to 1.37".
func KubernetesRange() string {
	versions := KubernetesVersions()
	return schemas.Minor(versions[0]) + " to " + schemas.Minor(versions[len(versions)-1])
}

// conforms evaluates every object with the schemas of each version of Kubernetes.
func conforms() Check {
	return Check{
		Rule: finding.Rule{
			ID: "schema", Title: "objects meet the schemas of Kubernetes " + KubernetesRange(),
			Source: "Kubernetes' OpenAPI documents, CustomResourceDefinitions", Severity: finding.Error,
		},
		run: func(ctx context.Context, subject Subject) ([]finding.Finding, error) {
			documents, err := chart.Manifests(subject.Manifest)
			if err != nil {
				return nil, err
			}
			var found []finding.Finding
			for _, document := range documents {
				object := unstructured.Unstructured{}
				if err := yaml.Unmarshal(document, &object.Object); err != nil {
					return nil, err
				}
				violations, err := violations(object)
				if err != nil {
					return nil, err
				}
				found = append(found, violations...)
			}
			return append(found, unknown(subject.Objects)...), ctx.Err()
		},
	}
}

// violations returns each problem of an object once, with the versions of
// Kubernetes that have it.
func violations(object unstructured.Unstructured) ([]finding.Finding, error) {
	file := schemaFile(object.GroupVersionKind())
	if exists("custom/" + file) {
		custom, err := evaluate("custom/"+file, object.Object)
		return findings(&object, custom, nil), err
	}
	var all []jsonschema.Violation
	in := map[string][]string{} // versions, by problem
	for _, version := range KubernetesVersions() {
		if !exists("v" + version + "/" + file) {
			continue
		}
		violations, err := evaluate("v"+version+"/"+file, object.Object)
		if err != nil {
			return nil, err
		}
		for _, violation := range violations {
			if in[violation.Message] == nil {
				all = append(all, violation)
			}
			in[violation.Message] = append(in[violation.Message], schemas.Minor(version))
		}
	}
	return findings(&object, all, in), nil
}

func findings(object *unstructured.Unstructured, violations []jsonschema.Violation, in map[string][]string) []finding.Finding {
	var found []finding.Finding
	for _, violation := range violations {
		problem := violation.Message
		if versions := in[problem]; versions != nil {
			problem += " (Kubernetes " + strings.Join(versions, ", ") + ")"
		}
		found = append(found, finding.Finding{Object: name(object), Path: violation.Path, Problem: problem, Fix: violation.Fix})
	}
	return found
}

// schemaFile returns the name of the file that has the schema of a kind.
func schemaFile(kind schema.GroupVersionKind) string {
	group, _, _ := strings.Cut(kind.Group, ".")
	return strings.ToLower(kind.Kind + strings.TrimSuffix("-"+group, "-") + "-" + kind.Version + ".json")
}

func exists(file string) bool {
	_, err := fs.Stat(schemas.FS, file)
	return err == nil
}

// compiled has the schemas that were needed so far, by file.
var compiled sync.Map

func evaluate(file string, object any) ([]jsonschema.Violation, error) {
	compile, _ := compiled.LoadOrStore(file, sync.OnceValues(func() (*jsonschema.Schema, error) {
		text, err := schemas.FS.ReadFile(file)
		if err != nil {
			return nil, err
		}
		return jsonschema.Compile("file:///"+file, text)
	}))
	made, err := compile.(func() (*jsonschema.Schema, error))()
	if err != nil {
		return nil, err
	}
	err = made.Validate(object)
	var invalid *jsonschema.Error
	if errors.As(err, &invalid) {
		return invalid.Violations, nil
	}
	return nil, err
}

// unknown reports custom resources without a known schema. Kubernetes' own kinds
// have been decoded strictly.
func unknown(objects chart.Objects) []finding.Finding {
	var found []finding.Finding
	for _, object := range chart.All[*unstructured.Unstructured](objects) {
		if !exists("custom/" + schemaFile(object.GroupVersionKind())) {
			found = append(found, finding.Finding{
				Severity: finding.Info, Object: name(object),
				Problem: fmt.Sprintf("The schema of %s is not known: its fields were not checked.", object.GetAPIVersion()),
				Fix:     "Check it with `kubectl apply --dry-run=server`.",
			})
		}
	}
	return found
}
