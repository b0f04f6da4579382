// Package chart renders a Helm chart in process, as the helm command does, and
// reads what came out, strictly: an unknown field, a wrong kind or a key given
// twice is an error.
package chart

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/cli/values"
	kubefake "helm.sh/helm/v3/pkg/kube/fake"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage"
	"helm.sh/helm/v3/pkg/storage/driver"

	"example.com/ai-agent/test/internal/repo"
)

// KubeVersion is the version of Kubernetes that a render is for unless it says
// another: the one that bin/helm takes too.
const KubeVersion = "v1.37.0"

// MonitoringAPIs are those of the Prometheus operator, without which the chart
// makes no monitor and no alert.
var MonitoringAPIs = []string{
	"monitoring.coreos.com/v1/PodMonitor",
	"monitoring.coreos.com/v1/PrometheusRule",
	"monitoring.coreos.com/v1/ServiceMonitor",
}

// DirVariable names the environment variable that puts another folder in the
// place of charts/ai-agent, such as a mutated copy.
const DirVariable = "CHART_DIR"

// Dir returns the folder of the chart ai-agent.
func Dir() string { return cmp.Or(os.Getenv(DirVariable), repo.Path("charts", "ai-agent")) }

// Values are single values as `helm --set-json` takes them: a dotted path and JSON.
type Values map[string]string

// With returns a copy in which one more value is set.
func (v Values) With(path, json string) Values { return v.And(Values{path: json}) }

// And returns a copy in which further values are set, over these.
func (v Values) And(further Values) Values {
	all := maps.Clone(v)
	if all == nil {
		all = Values{}
	}
	maps.Copy(all, further)
	return all
}

// Options are what a render can be told. The zero value renders the chart's own
// values.
type Options struct {
	Files       []string // of values; later ones win
	Set         Values   // over the files
	KubeVersion string   // the constant KubeVersion if empty
	APIVersions []string // that the cluster has beyond Kubernetes' own
}

// Chart is a chart that was read once, to be rendered many times, also at the
// same time.
type Chart struct {
	files  []*loader.BufferedFile
	schema *jsonschema.Schema // nil where helm must look itself
}

// Load reads a chart's folder or its packaged archive.
func Load(path string) (*Chart, error) {
	loaded, err := loader.Load(path)
	if err != nil {
		return nil, err
	}
	c := &Chart{}
	for _, file := range loaded.Raw {
		c.files = append(c.files, &loader.BufferedFile{Name: file.Name, Data: file.Data})
	}
	if loaded.Schema == nil || len(loaded.Dependencies()) > 0 {
		return c, nil
	}
	c.schema, err = compile(loaded.Schema)
	return c, err
}

func compile(schema []byte) (*jsonschema.Schema, error) {
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return nil, fmt.Errorf("values.schema.json: %w", err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(schemaURL, parsed); err != nil {
		return nil, err
	}
	return compiler.Compile(schemaURL)
}

// schemaURL is what helm calls a chart's schema.
const schemaURL = "file:///values.schema.json"

// violation says in helm's words how values break the chart's schema. Helm would
// compile it for each render, which takes as long as the render itself.
func (c *Chart) violation(loaded *chart.Chart, given map[string]any) error {
	merged, err := chartutil.CoalesceValues(loaded, given)
	if err != nil {
		return err
	}
	if err := c.schema.Validate(merged.AsMap()); err != nil {
		what := strings.TrimPrefix(err.Error(), "jsonschema validation failed with '"+schemaURL+"#'\n")
		return fmt.Errorf("values don't meet the specifications of the schema(s) in the following chart(s):\n%s:\n%s", loaded.Name(), what)
	}
	return nil
}

// Metadata returns what Chart.yaml says.
func (c *Chart) Metadata() (*chart.Metadata, error) {
	loaded, err := loader.LoadFiles(c.files)
	if err != nil {
		return nil, err
	}
	return loaded.Metadata, nil
}

// Defaults returns what values.yaml says.
func (c *Chart) Defaults() (map[string]any, error) {
	loaded, err := loader.LoadFiles(c.files)
	if err != nil {
		return nil, err
	}
	return loaded.Values, nil
}

// Render returns the manifest of the release ai-agent in the namespace default,
// byte for byte as `helm template` prints it. The error is helm's.
func (c *Chart) Render(options Options) (string, error) {
	rendered, err := c.release(options)
	if err != nil {
		return "", err
	}
	var manifest strings.Builder
	fmt.Fprintln(&manifest, strings.TrimSpace(rendered.Manifest))
	for _, hook := range rendered.Hooks {
		fmt.Fprintf(&manifest, "---\n# Source: %s\n%s\n", hook.Path, hook.Manifest)
	}
	return manifest.String(), nil
}

// Notes returns what NOTES.txt says of the release that Render makes.
func (c *Chart) Notes(options Options) (string, error) {
	rendered, err := c.release(options)
	if err != nil {
		return "", err
	}
	return rendered.Info.Notes, nil
}

func (c *Chart) release(options Options) (*release.Release, error) {
	given, err := options.values()
	if err != nil {
		return nil, err
	}
	kube, err := chartutil.ParseKubeVersion(cmp.Or(options.KubeVersion, KubeVersion))
	if err != nil {
		return nil, err
	}
	loaded, err := loader.LoadFiles(c.files) // anew: a render changes the chart it is given
	if err != nil {
		return nil, err
	}
	install := action.NewInstall(&action.Configuration{
		KubeClient: &kubefake.PrintingKubeClient{Out: io.Discard},
		Releases:   storage.Init(driver.NewMemory()),
		Log:        func(string, ...any) {},
	})
	if c.schema != nil {
		if err := c.violation(loaded, given); err != nil {
			return nil, err
		}
		install.SkipSchemaValidation = true
	}
	install.DryRun, install.ClientOnly, install.Replace = true, true, true
	install.ReleaseName, install.Namespace = "ai-agent", "default"
	install.KubeVersion, install.APIVersions = kube, options.APIVersions
	return install.Run(loaded, given)
}

func (o Options) values() (map[string]any, error) {
	merged := values.Options{ValueFiles: o.Files}
	for _, path := range slices.Sorted(maps.Keys(o.Set)) {
		merged.JSONValues = append(merged.JSONValues, path+"="+o.Set[path])
	}
	return merged.MergeValues(nil)
}
