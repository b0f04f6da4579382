// Command schema takes the definitions that the chart's values refer to out of
// Kubernetes' own OpenAPI document, given as its argument, and prints them as a
// JSON Schema that refuses unknown fields.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

const (
	core    = "io.k8s.api.core.v1."
	network = "io.k8s.api.networking.v1."
	scaling = "io.k8s.api.autoscaling.v2."
)

// roots are the definitions that values.yaml names by the last part.
var roots = []string{
	core + "Affinity", core + "Container", core + "ContainerResizePolicy", core + "EnvFromSource", core + "EnvVar",
	core + "Lifecycle", core + "PodSecurityContext", core + "PodSpec", core + "Probe", core + "ResourceRequirements",
	core + "SecurityContext", core + "Toleration", core + "TopologySpreadConstraint", core + "Volume", core + "VolumeMount",
	"io.k8s.api.apps.v1.DeploymentStrategy", scaling + "HPAScalingRules", scaling + "MetricSpec",
	network + "NetworkPolicyEgressRule", network + "NetworkPolicyIngressRule", network + "NetworkPolicyPeer",
}

// definition is the part of an OpenAPI definition that a JSON Schema shares.
type definition struct {
	Type                 any                    `json:"type,omitempty"`
	Format               string                 `json:"format,omitempty"`
	Ref                  string                 `json:"$ref,omitempty"`
	Items                *definition            `json:"items,omitempty"`
	Properties           map[string]*definition `json:"properties,omitempty"`
	Required             []string               `json:"required,omitempty"`
	AdditionalProperties any                    `json:"additionalProperties,omitempty"`
}

func main() {
	if len(os.Args) != 2 {
		fail("usage: schema SWAGGER.JSON")
	}
	data, err := os.ReadFile(os.Args[1])
	if err != nil {
		fail(err)
	}
	var swagger struct{ Definitions map[string]*definition }
	if err := json.Unmarshal(data, &swagger); err != nil {
		fail(os.Args[1], err)
	}
	taken := map[string]*definition{}
	for _, name := range roots {
		take(swagger.Definitions, taken, name)
	}
	// The chart fills in what a pod must have; podSpec only adds to it.
	taken["PodSpec"].Required = nil
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", " ")
	if err := out.Encode(map[string]any{"$defs": taken}); err != nil {
		fail(err)
	}
}

func fail(args ...any) {
	fmt.Fprintln(os.Stderr, append([]any{"schema:"}, args...)...)
	os.Exit(1)
}

// take copies a definition and everything that it refers to.
func take(from, to map[string]*definition, name string) {
	short := name[strings.LastIndex(name, ".")+1:]
	if to[short] != nil {
		return
	}
	d := from[name]
	if d == nil {
		fail("no definition", name)
	}
	to[short] = d
	tighten(from, to, d)
}

func tighten(from, to map[string]*definition, d *definition) {
	if full, ok := strings.CutPrefix(d.Ref, "#/definitions/"); ok {
		d.Ref = "#/$defs/" + full[strings.LastIndex(full, ".")+1:]
		take(from, to, full)
		return
	}
	switch {
	case d.Format == "int-or-string":
		d.Type = []string{"string", "integer"}
	case d.Type == "string" && d.Format == "" && isQuantity(to, d):
		d.Type = []string{"string", "number"}
	}
	d.Format = ""
	if d.Items != nil {
		tighten(from, to, d.Items)
	}
	for _, property := range d.Properties {
		tighten(from, to, property)
	}
	if d.Properties != nil {
		d.AdditionalProperties = false
		slices.Sort(d.Required)
		return
	}
	if m, ok := d.AdditionalProperties.(map[string]any); ok {
		values := &definition{}
		if err := json.Unmarshal(must(json.Marshal(m)), values); err != nil {
			fail(err)
		}
		tighten(from, to, values)
		d.AdditionalProperties = values
	}
}

// isQuantity reports whether d is the definition Quantity: 1 and "1" are the same amount.
func isQuantity(taken map[string]*definition, d *definition) bool { return taken["Quantity"] == d }

func must(data []byte, err error) []byte {
	if err != nil {
		fail(err)
	}
	return data
}
