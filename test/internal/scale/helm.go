// Package scale measures what one more release of the chart costs a cluster, and what one
// more item costs a release.
//
// In reading order: helm, controlplane, stored (what a release costs), items, bend.
package scale

import (
	"fmt"
	"io"
	"net/http"
	"sync/atomic"

	"helm.sh/helm/v3/pkg/action"
	helmchart "helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/rest"

	"example.com/ai-agent/test/internal/chart"
)

// Helm installs releases as the helm command does, but in process, where it can count
// requests. It leaves validation to the server, and does not wait for pods.
type Helm struct {
	context, cache  string
	requests, bytes atomic.Int64
}

// NewHelm returns a Helm for a context of kubectl. It caches the kinds that the server
// has in a folder.
func NewHelm(context, cache string) *Helm { return &Helm{context: context, cache: cache} }

// Traffic is what was sent to the API server, and what it answered.
type Traffic struct {
	Requests int64
	Bytes    int64 // of the bodies of requests and answers, before compression
}

// Traffic returns what Helm has caused so far.
func (h *Helm) Traffic() Traffic { return Traffic{h.requests.Load(), h.bytes.Load()} }

// Install installs a release of a chart in a folder.
func (h *Helm) Install(namespace, release, folder string, values chart.Values) error {
	config, loaded, given, err := h.prepare(namespace, folder, values)
	if err != nil {
		return err
	}
	install := action.NewInstall(config)
	install.ReleaseName, install.Namespace, install.DisableOpenAPIValidation = release, namespace, true
	_, err = install.Run(loaded, given)
	return err
}

// Upgrade changes values of a release.
func (h *Helm) Upgrade(namespace, release, folder string, values chart.Values) error {
	config, loaded, given, err := h.prepare(namespace, folder, values)
	if err != nil {
		return err
	}
	upgrade := action.NewUpgrade(config)
	upgrade.Namespace, upgrade.ReuseValues, upgrade.DisableOpenAPIValidation = namespace, true, true
	_, err = upgrade.Run(release, loaded, given)
	return err
}

// Uninstall removes a release. Its pods may still exist for a while.
func (h *Helm) Uninstall(namespace, release string) error {
	config, err := h.configuration(namespace)
	if err != nil {
		return err
	}
	_, err = action.NewUninstall(config).Run(release)
	return err
}

// prepare reads what an install and an upgrade need.
func (h *Helm) prepare(namespace, folder string, values chart.Values) (*action.Configuration, *helmchart.Chart, chartutil.Values, error) {
	loaded, err := loader.Load(folder)
	if err != nil {
		return nil, nil, nil, err
	}
	text, err := values.YAML()
	if err != nil {
		return nil, nil, nil, err
	}
	given, err := chartutil.ReadValues(text)
	if err != nil {
		return nil, nil, nil, err
	}
	config, err := h.configuration(namespace)
	return config, loaded, given, err
}

// configuration is new for each command, as if it were a process.
func (h *Helm) configuration(namespace string) (*action.Configuration, error) {
	flags := genericclioptions.NewConfigFlags(true)
	flags.Context, flags.Namespace, flags.CacheDir = &h.context, &namespace, &h.cache
	flags.WrapConfigFn = func(config *rest.Config) *rest.Config {
		config.Burst = 100 // as the helm command has it
		config.Wrap(func(next http.RoundTripper) http.RoundTripper { return counted{h, next} })
		return config
	}
	config := &action.Configuration{}
	if err := config.Init(flags, namespace, "secret", func(string, ...any) {}); err != nil {
		return nil, fmt.Errorf("connecting Helm to namespace %s: %w", namespace, err)
	}
	return config, nil
}

// counted counts what goes through a transport.
type counted struct {
	helm *Helm
	next http.RoundTripper
}

func (c counted) RoundTrip(request *http.Request) (*http.Response, error) {
	c.helm.requests.Add(1)
	if request.Body != nil {
		body := *request
		body.Body = countedBody{request.Body, &c.helm.bytes}
		request = &body
	}
	response, err := c.next.RoundTrip(request)
	if err == nil {
		response.Body = countedBody{response.Body, &c.helm.bytes}
	}
	return response, err
}

type countedBody struct {
	io.ReadCloser
	bytes *atomic.Int64
}

func (b countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.bytes.Add(int64(n))
	return n, err
}
