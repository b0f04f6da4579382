// Package schemas has JSON Schemas of the objects that the chart creates: those of
// Kubernetes by version, and custom resources in the folder custom. `make generate`
// derives them.
package schemas

import (
	"embed"
	"strings"
)

// FS has a folder for each version of Kubernetes, and custom.
//
//go:embed v1.* custom
var FS embed.FS

// KubernetesVersions returns the versions that have schemas, such as 1.37.2, the
// oldest first.
func KubernetesVersions() []string {
	folders, err := FS.ReadDir(".")
	if err != nil {
		panic(err) // it is embedded
	}
	var versions []string
	for _, folder := range folders {
		if version, ok := strings.CutPrefix(folder.Name(), "v"); ok {
			versions = append(versions, version)
		}
	}
	return versions
}

// Minor returns the minor version of a version, such as 1.37.
func Minor(version string) string { return version[:strings.LastIndex(version, ".")] }
