package check

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/yannh/kubeconform/pkg/validator"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/schemas"
)

// KubernetesVersions are those that schemas are there for, the oldest first.
func KubernetesVersions() ([]string, error) {
	folders, err := schemas.FS.ReadDir(".")
	if err != nil {
		return nil, err
	}
	var versions []string
	for _, folder := range folders {
		if version, ok := strings.CutPrefix(folder.Name(), "v"); ok {
			versions = append(versions, version)
		}
	}
	return versions, nil
}

// conforms checks every object against the schemas of each version of
// Kubernetes, which it writes into a folder: kubeconform reads files.
func conforms(folder string) (Check, error) {
	versions, err := KubernetesVersions()
	if err != nil {
		return Check{}, err
	}
	if err := os.CopyFS(folder, schemas.FS); err != nil {
		return Check{}, err
	}
	validators := map[string]validator.Validator{}
	for _, version := range versions {
		locations := []string{
			folder + "/{{ .NormalizedKubernetesVersion }}/{{ .ResourceKind }}{{ .KindSuffix }}.json",
			folder + "/custom/{{ .ResourceKind }}{{ .KindSuffix }}.json",
		}
		options := validator.Opts{KubernetesVersion: version, Strict: true, IgnoreMissingSchemas: true}
		if validators[version], err = validator.New(locations, options); err != nil {
			return Check{}, err
		}
	}
	return Check{
		ID:       "schema",
		Title:    fmt.Sprintf("objects are what Kubernetes %s to %s take", minor(versions[0]), minor(versions[len(versions)-1])),
		Source:   "Kubernetes' OpenAPI documents, CustomResourceDefinitions",
		Severity: Error,
		run: func(ctx context.Context, subject Subject) ([]Finding, error) {
			return append(conform(ctx, versions, validators, subject.Manifest), unknown(folder, subject.Objects)...), nil
		},
	}, nil
}

func minor(version string) string { return version[:strings.LastIndex(version, ".")] }

// conform tells each problem once, with the versions that have it.
func conform(ctx context.Context, versions []string, validators map[string]validator.Validator, manifest string) []Finding {
	var found []Finding
	in := map[Finding][]string{}
	for _, version := range versions {
		for _, result := range validators[version].ValidateWithContext(ctx, "manifest", io.NopCloser(strings.NewReader(manifest))) {
			for _, finding := range problems(result) {
				if in[finding] == nil {
					found = append(found, finding)
				}
				in[finding] = append(in[finding], minor(version))
			}
		}
	}
	for i, finding := range found {
		found[i].Problem += " (Kubernetes " + strings.Join(in[finding], ", ") + ")"
	}
	return found
}

// unknown tells of custom resources that no schema is there for. Kubernetes' own
// have been decoded strictly.
func unknown(folder string, objects chart.Objects) []Finding {
	var found []Finding
	for _, object := range chart.All[*unstructured.Unstructured](objects) {
		kind := object.GroupVersionKind()
		group, _, _ := strings.Cut(kind.Group, ".")
		file := strings.ToLower(kind.Kind) + "-" + group + "-" + kind.Version + ".json"
		if _, err := os.Stat(filepath.Join(folder, "custom", file)); err != nil {
			found = append(found, Finding{
				Severity: Info, Object: name(object), Problem: "no schema of " + object.GetAPIVersion() + " is at hand: its fields were not looked at",
				Fix: "Try it with `kubectl apply --dry-run=server`.",
			})
		}
	}
	return found
}

func problems(result validator.Result) []Finding {
	if result.Status != validator.Invalid && result.Status != validator.Error {
		return nil
	}
	const fix = "Compare the field with the API's reference; the value that it comes from has it wrong."
	object := "the manifest"
	if signature, err := result.Resource.Signature(); err == nil && signature.Kind != "" {
		object = signature.Kind + "/" + signature.Name
	}
	// Not ValidationErrors: they are the outermost, and say only that something is wrong.
	var found []Finding
	for _, part := range strings.Split(result.Err.Error(), "- at '")[1:] {
		path, problem, _ := strings.Cut(part, "': ")
		if problem = strings.TrimSpace(problem); problem != "validation failed" {
			found = append(found, Finding{Object: object, Field: field(path), Problem: problem, Fix: fix})
		}
	}
	if found == nil {
		found = []Finding{{Object: object, Problem: result.Err.Error(), Fix: fix}}
	}
	return found
}

// field turns a JSON pointer into the path that a person reads.
func field(pointer string) string {
	return strings.ReplaceAll(strings.Trim(pointer, "/"), "/", ".")
}
