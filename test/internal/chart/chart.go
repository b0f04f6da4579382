// Package chart renders a Helm chart in process, as the helm command does, returns
// what the chart's own rules find in its values, and decodes manifests strictly: an
// unknown field, a wrong kind or a duplicate key is an error.
package chart

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

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
	"example.com/ai-agent/test/internal/schema"
	"example.com/ai-agent/test/schemas"
)

// Name is that of the chart of this repository.
const Name = "ai-agent"

// KubeVersion is the version of Kubernetes for which a chart is rendered by
// default: the latest that has schemas. bin/helm has the same.
var KubeVersion = "v" + schemas.Minor(slices.Max(schemas.KubernetesVersions())) + ".0"

// DirVariable names the environment variable that replaces charts/ai-agent by
// another folder, such as a mutated copy.
const DirVariable = "CHART_DIR"

// Dir returns the folder of the chart ai-agent.
func Dir() string { return cmp.Or(os.Getenv(DirVariable), repo.Path("charts", Name)) }

// Options are what a render depends on. The zero value renders the chart's own
// values.
type Options struct {
	Files       []string // of values; later files take precedence
	Read        Map      // the content of further files, which take precedence over Files
	Set         Values   // these take precedence over all files
	Release     string   // its name; if empty, ai-agent
	KubeVersion string   // if empty, the variable KubeVersion
	APIVersions []string // that the cluster has in addition to Kubernetes' own
}

// Chart is a chart that was read once. It can be rendered many times, also
// concurrently.
type Chart struct {
	path    string
	files   []*loader.BufferedFile
	schemas map[string]*schema.Schema // by their text; those of subcharts too
}

// Load reads a chart's folder or its packaged archive.
func Load(path string) (*Chart, error) {
	loaded, err := loader.Load(path)
	if err != nil {
		return nil, err
	}
	return newChart(path, loaded)
}

// Read reads the content of a packaged archive.
func Read(archive []byte) (*Chart, error) {
	loaded, err := loader.LoadArchive(bytes.NewReader(archive))
	if err != nil {
		return nil, err
	}
	return newChart("", loaded)
}

func newChart(path string, loaded *chart.Chart) (*Chart, error) {
	c := &Chart{path, buffered(loaded), map[string]*schema.Schema{}}
	return c, c.compile(loaded)
}

// buffered returns a chart's files, from which it can be loaded again.
func buffered(loaded *chart.Chart) []*loader.BufferedFile {
	var files []*loader.BufferedFile
	for _, file := range loaded.Raw {
		files = append(files, &loader.BufferedFile{Name: file.Name, Data: file.Data})
	}
	return files
}

// load returns a new copy of the chart: a render changes the one that it is given.
func (c *Chart) load() (*chart.Chart, error) { return loader.LoadFiles(c.files) }

// Metadata returns the content of Chart.yaml.
func (c *Chart) Metadata() (*chart.Metadata, error) {
	loaded, err := c.load()
	if err != nil {
		return nil, err
	}
	return loaded.Metadata, nil
}

// Defaults returns the content of values.yaml.
func (c *Chart) Defaults() (Map, error) {
	loaded, err := c.load()
	if err != nil {
		return nil, err
	}
	return loaded.Values, nil
}

// Render returns the manifest of a release in the namespace default, byte for byte
// as `helm template` prints it. Errors have Helm's text.
func (c *Chart) Render(options Options) (string, error) {
	rendered, err := c.release(options)
	if err != nil {
		return "", err
	}
	return text(rendered), nil
}

func text(rendered *release.Release) string {
	var manifest strings.Builder
	fmt.Fprintln(&manifest, strings.TrimSpace(rendered.Manifest))
	for _, hook := range rendered.Hooks {
		fmt.Fprintf(&manifest, "---\n# Source: %s\n%s\n", hook.Path, hook.Manifest)
	}
	return manifest.String()
}

// Notes returns the text of NOTES.txt for the release that Render returns.
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
	loaded, err := c.valid(given)
	if err != nil {
		return nil, err
	}
	if len(loaded.Dependencies()) > 0 {
		if loaded, err = c.load(); err != nil { // Helm resolves the dependencies itself
			return nil, err
		}
	}
	return releaseOf(loaded, given, options)
}

// releaseOf renders a loaded chart, and does not evaluate its schema.
func releaseOf(loaded *chart.Chart, given Map, options Options) (*release.Release, error) {
	kube, err := options.kubeVersion()
	if err != nil {
		return nil, err
	}
	install := action.NewInstall(&action.Configuration{
		KubeClient: &kubefake.PrintingKubeClient{Out: io.Discard},
		Releases:   storage.Init(driver.NewMemory()),
		Log:        func(string, ...any) {},
	})
	install.SkipSchemaValidation = true // Helm would compile each schema again, which takes as long as the render
	install.DryRun, install.ClientOnly, install.Replace = true, true, true
	install.ReleaseName, install.Namespace = cmp.Or(options.Release, Name), "default"
	install.KubeVersion, install.APIVersions = kube, options.APIVersions
	return install.Run(loaded, given)
}

func (o Options) values() (Map, error) {
	merged, err := (&values.Options{ValueFiles: o.Files}).MergeValues(nil)
	if err != nil {
		return nil, err
	}
	return o.Set.over(Merge(merged, o.Read))
}

func (o Options) kubeVersion() (*chartutil.KubeVersion, error) {
	return chartutil.ParseKubeVersion(cmp.Or(o.KubeVersion, KubeVersion))
}
