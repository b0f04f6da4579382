package check

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/yannh/kubeconform/pkg/validator"

	"ai-agent/test/schemas"
)

// noSchema are kinds whose owner publishes none.
var noSchema = map[string]struct{}{"BackendConfig": {}}

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
		options := validator.Opts{KubernetesVersion: version, Strict: true, SkipKinds: noSchema}
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
			return conform(ctx, versions, validators, subject.Manifest), nil
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

func problems(result validator.Result) []Finding {
	if result.Status != validator.Invalid && result.Status != validator.Error {
		return nil
	}
	const fix = "Compare the field with the API's reference; the value that it comes from has it wrong."
	object := "the manifest"
	if signature, err := result.Resource.Signature(); err == nil && signature.Kind != "" {
		object = signature.Kind + "/" + signature.Name
	}
	if len(result.ValidationErrors) == 0 {
		return []Finding{{Object: object, Problem: result.Err.Error(), Fix: fix}}
	}
	var found []Finding
	for _, problem := range result.ValidationErrors {
		found = append(found, Finding{Object: object, Field: field(problem.Path), Problem: problem.Msg, Fix: fix})
	}
	return found
}

// field turns a JSON pointer into the path that a person reads.
func field(pointer string) string {
	return strings.ReplaceAll(strings.Trim(pointer, "/"), "/", ".")
}
