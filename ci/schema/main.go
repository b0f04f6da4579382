// Command schema takes definitions out of Kubernetes' own OpenAPI document or a
// CustomResourceDefinition, as JSON Schemas that refuse unknown fields:
//
//	schema values SWAGGER.JSON         what the chart's values refer to, on standard output
//	schema kinds SWAGGER.JSON FOLDER   a file for each kind that the chart makes, named as kubeconform looks for it
//	schema custom CRD.YAML FOLDER      the same for a custom resource
//	schema require SCHEMA VALUES.YAML  adds to the chart's schema which values it cannot do without
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	core    = "io.k8s.api.core.v1."
	network = "io.k8s.api.networking.v1."
	scaling = "io.k8s.api.autoscaling.v2."
	api     = "io.k8s.api."
)

// roots are the definitions that values.yaml names by the last part.
var roots = []string{
	core + "Affinity", core + "Container", core + "ContainerResizePolicy", core + "EnvFromSource", core + "EnvVar",
	core + "Lifecycle", core + "PodSecurityContext", core + "PodSpec", core + "Probe", core + "ResourceRequirements",
	core + "SecurityContext", core + "Toleration", core + "TopologySpreadConstraint", core + "Volume", core + "VolumeMount",
	"io.k8s.api.apps.v1.DeploymentStrategy", scaling + "HPAScalingRules", scaling + "MetricSpec",
	network + "NetworkPolicyEgressRule", network + "NetworkPolicyIngressRule", network + "NetworkPolicyPeer",
}

// notInPodSpec are the fields of a pod that templates/_pod.tpl writes, which in
// podSpec would stand twice, and those that a Deployment refuses.
var notInPodSpec = []string{
	"activeDeadlineSeconds", "affinity", "automountServiceAccountToken", "containers", "enableServiceLinks", "ephemeralContainers",
	"imagePullSecrets", "initContainers",
	"nodeSelector", "priorityClassName", "restartPolicy", "runtimeClassName", "securityContext", "serviceAccount",
	"serviceAccountName", "terminationGracePeriodSeconds", "tolerations", "topologySpreadConstraints", "volumes",
}

// kinds are the definitions of the objects that the chart makes.
var kinds = []string{
	core + "ConfigMap", core + "Pod", core + "Secret", core + "Service", core + "ServiceAccount",
	api + "apps.v1.Deployment", api + "batch.v1.CronJob", api + "policy.v1.PodDisruptionBudget",
	scaling + "HorizontalPodAutoscaler", network + "Ingress", network + "NetworkPolicy",
}

// definition is the part of an OpenAPI definition that a JSON Schema shares.
type definition struct {
	Type                 any                    `json:"type,omitempty"`
	Format               string                 `json:"format,omitempty"`
	Pattern              string                 `json:"pattern,omitempty"`
	Ref                  string                 `json:"$ref,omitempty"` // a full name once read
	Items                *definition            `json:"items,omitempty"`
	Properties           map[string]*definition `json:"properties,omitempty"`
	Required             []string               `json:"required,omitempty"`
	AdditionalProperties *definition            `json:"additionalProperties,omitempty"`
	closed               bool
}

// document is a JSON Schema: a set of definitions, and for a kind a reference to
// the one that it is.
type document struct {
	Ref  string                 `json:"$ref,omitempty"`
	Defs map[string]*definition `json:"$defs"`
}

func main() {
	args := os.Args[1:]
	switch {
	case len(args) == 2 && args[0] == "values":
		fail(values(args[1]))
	case len(args) == 3 && args[0] == "kinds":
		fail(writeKinds(args[1], args[2]))
	case len(args) == 3 && args[0] == "custom":
		fail(writeCustom(args[1], args[2]))
	case len(args) == 3 && args[0] == "require":
		fail(require(args[1], args[2]))
	default:
		fail(errors.New("usage: schema values SWAGGER.JSON | kinds SWAGGER.JSON FOLDER | custom CRD.YAML FOLDER | require SCHEMA VALUES.YAML"))
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "schema:", err)
		os.Exit(1)
	}
}

func values(swagger string) error {
	all, err := read(swagger)
	if err != nil {
		return err
	}
	taken := map[string]*definition{}
	for _, name := range roots {
		if err := take(all, taken, name); err != nil {
			return err
		}
	}
	// The chart fills in what a pod must have; podSpec only adds to it.
	taken["PodSpec"].Required = nil
	// A null takes away what agent.type fills in.
	taken["Quantity"].Type = []string{"string", "number", "null"}
	for _, field := range notInPodSpec {
		delete(taken["PodSpec"].Properties, field)
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", " ")
	return out.Encode(document{Defs: taken})
}

func writeKinds(swagger, folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	all, err := read(swagger)
	if err != nil {
		return err
	}
	for _, name := range kinds {
		taken := map[string]*definition{}
		if err := take(all, taken, name); err != nil {
			return err
		}
		group, version, kind := split(name)
		data, err := json.Marshal(document{Ref: "#/$defs/" + kind, Defs: taken})
		if err != nil {
			return err
		}
		file := strings.ToLower(kind) + strings.TrimSuffix("-"+group, "-core") + "-" + version + ".json"
		if err := os.WriteFile(filepath.Join(folder, file), append(data, '\n'), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// read returns the definitions of an OpenAPI document, each closed to unknown fields.
func read(swagger string) (map[string]*definition, error) {
	data, err := os.ReadFile(swagger)
	if err != nil {
		return nil, err
	}
	var file struct{ Definitions map[string]*definition }
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", swagger, err)
	}
	for name, d := range file.Definitions {
		if strings.HasSuffix(name, ".Quantity") {
			d.Type = []string{"string", "number"}                                            // 1 and "1" are the same amount
			d.Pattern = `^([0-9]{1,18}(\.[0-9]{1,9})?)([KMGTPE]i|[numkMGTPE]|e[0-9]{1,2})?$` // a longer one takes Kubernetes minutes to read
		}
		d.walk(tighten)
	}
	return file.Definitions, nil
}

// split takes the last three parts of a definition's name.
func split(name string) (group, version, kind string) {
	parts := strings.Split(name, ".")
	last := len(parts) - 1
	return parts[last-2], parts[last-1], parts[last]
}

// take copies a definition and everything that it refers to.
func take(from, to map[string]*definition, name string) error {
	_, _, kind := split(name)
	if to[kind] != nil {
		return nil
	}
	d := from[name]
	if d == nil {
		return fmt.Errorf("no definition %s", name)
	}
	to[kind] = d
	var err error
	d.walk(func(d *definition) {
		if d.Ref != "" && err == nil {
			err = take(from, to, d.Ref)
		}
	})
	return err
}

// walk visits a definition and all that lies in it.
func (d *definition) walk(visit func(*definition)) {
	visit(d)
	for _, property := range d.Properties {
		property.walk(visit)
	}
	for _, inner := range []*definition{d.Items, d.AdditionalProperties} {
		if inner != nil {
			inner.walk(visit)
		}
	}
}

func tighten(d *definition) {
	d.Ref = strings.TrimPrefix(d.Ref, "#/definitions/")
	if d.Format == "int-or-string" {
		d.Type = []string{"string", "integer"}
	}
	d.Format = ""
	d.closed = d.Properties != nil
	slices.Sort(d.Required)
}

// MarshalJSON writes a reference as one within the document, and of a closed
// definition that there is nothing beside its properties.
func (d *definition) MarshalJSON() ([]byte, error) {
	type plain definition
	out := plain(*d)
	if d.Ref != "" {
		_, _, kind := split(d.Ref)
		out.Ref = "#/$defs/" + kind
	}
	if !d.closed {
		return json.Marshal(out)
	}
	return json.Marshal(struct {
		plain
		AdditionalProperties bool `json:"additionalProperties"`
	}{out, false})
}
