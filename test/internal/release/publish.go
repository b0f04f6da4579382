package release

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/registry"
)

// Publishing says what to publish, and where to.
type Publishing struct {
	From      string // folder of Packaging, in which the folder of Imaging is image
	To        string // oci://HOST/PATH
	Key       string // private key of cosign that signs
	Identity  string // that signs without a key, as its certificate names it: the URL of a workflow
	Issuer    string // of the identity's tokens
	ChartOnly bool   // publish no image
	PlainHTTP bool   // connect without TLS
}

// ErrMoved means that a tag is published with different content.
var ErrMoved = errors.New("already published with different content, and published tags are not overwritten")

// artifact is a chart or an image that is to be published.
type artifact struct {
	tag    name.Tag
	origin origin
	there  string                 // digest of what the tag names already, or ""
	push   func() (string, error) // returns the digest
	boms   []bom
}

// bom is an SBOM to attach. Those of an image are of its platforms.
type bom struct {
	digest string // of what it is about; that of the artifact if empty
	file   string
}

// Run pushes what is not there yet and signs what is not signed yet, so it can be run
// again after an interruption. It pushes nothing if a tag has different content.
func (p Publishing) Run(ctx context.Context, out io.Writer) error {
	if p.Key != "" && p.Identity != "" {
		return errors.New("both a key and an identity are set: use only one")
	}
	if (p.Identity == "") != (p.Issuer == "") {
		return errors.New("set identity and issuer together: --identity and --issuer, or COSIGN_IDENTITY and COSIGN_ISSUER")
	}
	artifacts, err := p.artifacts(ctx)
	if err != nil {
		return err
	}
	for _, a := range artifacts {
		if a.there == "" {
			if a.there, err = a.push(); err != nil {
				return err
			}
		}
		digest := a.tag.Digest(a.there)
		if err := p.attest(ctx, a); err != nil {
			return err
		}
		fmt.Fprintln(out, digest)
	}
	return nil
}

// artifacts returns what to publish: the image first, which the chart refers to.
func (p Publishing) artifacts(ctx context.Context) ([]artifact, error) {
	base, isOCI := strings.CutPrefix(strings.TrimSuffix(p.To, "/"), "oci://")
	if !isOCI {
		return nil, fmt.Errorf("%q is not an address of an OCI registry: use oci://HOST/PATH", p.To)
	}
	archive, err := onlyArchive(p.From)
	if err != nil {
		return nil, err
	}
	loaded, err := loader.LoadFile(archive)
	if err != nil {
		return nil, err
	}
	ofChart, chartErr := p.chart(ctx, base, archive, loaded)
	if p.ChartOnly {
		return []artifact{ofChart}, chartErr
	}
	ofImage, imageErr := p.image(ctx, path.Join(base, "agent"), loaded.AppVersion())
	if err := errors.Join(chartErr, imageErr); err != nil {
		return nil, err
	}
	if ofImage.origin.commit != ofChart.origin.commit {
		return nil, fmt.Errorf("the image was built from commit %s, but the chart from %s: run `make package image`", ofImage.origin.commit, ofChart.origin.commit)
	}
	return []artifact{ofImage, ofChart}, nil
}

// onlyArchive returns the path of the only chart archive in a folder.
func onlyArchive(from string) (string, error) {
	found, err := filepath.Glob(filepath.Join(from, "*.tgz"))
	switch {
	case err != nil:
		return "", err
	case len(found) == 0:
		return "", fmt.Errorf("no chart archive in %s: run `make package` first", from)
	case len(found) > 1:
		return "", fmt.Errorf("%s has %d chart archives, and only one can be published: remove the others", from, len(found))
	default:
		return found[0], nil
	}
}

// chart returns an archive, which is pushed as Helm does it, with its provenance file.
func (p Publishing) chart(ctx context.Context, base, archive string, loaded *chart.Chart) (artifact, error) {
	content, err := os.ReadFile(archive)
	if err != nil {
		return artifact{}, err
	}
	digest := fmt.Sprintf("%x", sha256.Sum256(content))
	from, err := originOf(archive+suffix, digest)
	if err != nil {
		return artifact{}, err
	}
	signed, err := companion(archive, ".prov", "sha256:"+digest)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return artifact{}, err
	}
	if _, err := companion(archive, bomSuffix, digest); err != nil {
		return artifact{}, err
	}
	// In a tag, Helm writes + as _.
	repository, version := path.Join(base, loaded.Name()), loaded.Metadata.Version
	tag, err := name.NewTag(repository+":"+strings.ReplaceAll(version, "+", "_"), p.name()...)
	if err != nil {
		return artifact{}, err
	}
	there, err := p.publishedChart(ctx, tag, "sha256:"+digest, signed != nil)
	push := func() (string, error) {
		created, err := timeOf(archive)
		if err != nil {
			return "", err
		}
		client, err := p.helm()
		if err != nil {
			return "", err
		}
		pushed, err := client.Push(content, repository+":"+version,
			registry.PushOptCreationTime(created.Format(time.RFC3339)), registry.PushOptProvData(signed))
		if err != nil {
			return "", err
		}
		return pushed.Manifest.Digest, nil
	}
	return artifact{tag, from, there, push, []bom{{file: archive + bomSuffix}}}, err
}

// companion reads a file that belongs to an archive. It refuses one that does not
// contain the archive's digest.
func companion(archive, suffix, digest string) ([]byte, error) {
	content, err := os.ReadFile(archive + suffix)
	if err != nil {
		return nil, err
	}
	if !bytes.Contains(content, []byte(digest)) {
		return nil, fmt.Errorf("%s does not match %s: run `make package` again", archive+suffix, archive)
	}
	return content, nil
}

// publishedChart returns the digest of a published chart, or "" if there is none. It has
// to have the archive, a provenance file if ours has one, and nothing else.
func (p Publishing) publishedChart(ctx context.Context, tag name.Tag, archive string, signed bool) (string, error) {
	image, err := remote.Image(tag, p.options(ctx)...)
	if isMissing(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	manifest, err := image.Manifest()
	if err != nil {
		return "", err
	}
	layers := map[string]string{}
	for _, layer := range manifest.Layers {
		layers[string(layer.MediaType)] = layer.Digest.String()
	}
	_, hasSignature := layers[registry.ProvLayerMediaType]
	expected := 1
	if hasSignature {
		expected++
	}
	if layers[registry.ChartLayerMediaType] != archive || len(manifest.Layers) != expected {
		return "", fmt.Errorf("%s is %w: increase version in %s/Chart.yaml", tag, ErrMoved, folder)
	}
	if signed && !hasSignature {
		return "", fmt.Errorf("%s is %w: it has no provenance file. Increase version in %s/Chart.yaml, or package without a key", tag, ErrMoved, folder)
	}
	digest, err := image.Digest()
	return digest.String(), err
}

// image returns the OCI layout with the image of the sample agent, whose tag is the
// chart's appVersion.
func (p Publishing) image(ctx context.Context, repository, version string) (artifact, error) {
	built := filepath.Join(p.From, "image")
	index, err := layout.ImageIndexFromPath(built)
	if err != nil {
		return artifact{}, fmt.Errorf("no image in %s: run `make image` first, or publish the chart alone: %w", built, err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return artifact{}, err
	}
	described := manifest.Manifests[0] // Imaging writes one
	if has := described.Annotations["org.opencontainers.image.ref.name"]; has != version {
		return artifact{}, fmt.Errorf("the image in %s is version %s, but the chart's appVersion is %s: run `make package image`", built, has, version)
	}
	from, err := originOf(built+suffix, described.Digest.Hex)
	if err != nil {
		return artifact{}, err
	}
	tag, err := name.NewTag(repository+":"+version, p.name()...)
	if err != nil {
		return artifact{}, err
	}
	digest := described.Digest.String()
	images, err := index.ImageIndex(described.Digest)
	if err != nil {
		return artifact{}, err
	}
	ofPlatforms, err := images.IndexManifest()
	if err != nil {
		return artifact{}, err
	}
	var boms []bom
	for _, image := range ofPlatforms.Manifests {
		about := built + "-" + image.Platform.Architecture + bomSuffix
		if _, err := os.Stat(about); err != nil {
			return artifact{}, fmt.Errorf("the SBOM of the image: %w", err)
		}
		boms = append(boms, bom{image.Digest.String(), about})
	}
	push := func() (string, error) { // the tag comes last
		return digest, remote.WriteIndex(tag, images, p.options(ctx)...)
	}
	found, err := remote.Head(tag, p.options(ctx)...)
	switch {
	case isMissing(err):
		return artifact{tag, from, "", push, boms}, nil
	case err != nil:
		return artifact{}, err
	case found.Digest != described.Digest:
		return artifact{}, fmt.Errorf("%s is %w: increase appVersion in %s/Chart.yaml", tag, ErrMoved, folder)
	default:
		return artifact{tag, from, digest, push, boms}, nil
	}
}

// name returns how to read references: with their host, which is never guessed.
func (p Publishing) name() []name.Option {
	options := []name.Option{name.StrictValidation}
	if p.PlainHTTP {
		options = append(options, name.Insecure)
	}
	return options
}

func (p Publishing) options(ctx context.Context) []remote.Option {
	return []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain), remote.WithTransport(scheme{p.PlainHTTP})}
}

// scheme refuses HTTP unless it is asked for: the library tries it on private networks,
// and would send credentials.
type scheme struct{ plainHTTP bool }

// RoundTrip implements http.RoundTripper.
func (s scheme) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.URL.Scheme == "http" && !s.plainHTTP {
		return nil, fmt.Errorf("%s does not answer over TLS: set --plain-http if it has none", request.URL.Host)
	}
	return remote.DefaultTransport.RoundTrip(request)
}

// helm returns Helm's client, with the credentials that the others use.
func (p Publishing) helm() (*registry.Client, error) {
	options := []registry.ClientOption{registry.ClientOptCredentialsFile(credentials()), registry.ClientOptWriter(io.Discard)}
	if p.PlainHTTP {
		options = append(options, registry.ClientOptPlainHTTP())
	}
	return registry.NewClient(options...)
}

// credentials is the file in which `cosign login` and `docker login` store them.
func credentials() string {
	folder := os.Getenv("DOCKER_CONFIG")
	if folder == "" {
		home, _ := os.UserHomeDir() // without a home directory, there are no stored credentials
		folder = filepath.Join(home, ".docker")
	}
	return filepath.Join(folder, "config.json")
}

// isMissing reports whether a registry says that it has no such tag.
func isMissing(err error) bool {
	var refused *transport.Error
	return errors.As(err, &refused) && refused.StatusCode == http.StatusNotFound
}
