// Package schemas holds JSON Schemas of what the chart makes: Kubernetes' own
// objects by version, and those of others under custom. `make generate` derives
// them.
package schemas

import "embed"

// FS are the schemas, a folder for each version of Kubernetes and custom.
//
//go:embed v1.* custom
var FS embed.FS
