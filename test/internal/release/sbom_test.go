package release

import (
	"bytes"
	"debug/buildinfo"
	"io"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
	"example.com/ai-agent/test/internal/clone"
)

// The SBOM of a chart has the chart and the images that the values choose.
func TestChartBOMHasTheImagesOfTheValues(t *testing.T) {
	t.Parallel()
	top := clone.New(t)
	metadata, err := charttest.Own(t).Metadata()
	require.NoError(t, err)
	agent, version := "ai-agent:"+metadata.AppVersion, metadata.Version
	digest := "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	values := charttest.File(t, chart.Values{
		"image.repository": "registry.example.com:5000/team/Agent", "image.digest": digest,
		"extraContainers": chart.List{chart.Map{"name": "proxy", "image": "proxy:1.0.0"}},
	})
	for _, tc := range []struct {
		values []string
		images map[string]string
	}{
		{nil, map[string]string{agent: "pkg:oci/ai-agent?repository_url=ai-agent&tag=" + metadata.AppVersion}},
		{[]string{values}, map[string]string{
			"proxy:1.0.0": "pkg:oci/proxy?repository_url=proxy&tag=1.0.0",
			"registry.example.com:5000/team/Agent:" + digest: "pkg:oci/agent@sha256%3A" + digest[7:] + "?repository_url=registry.example.com%3A5000%2Fteam%2FAgent",
		}},
	} {
		to := t.TempDir()
		require.NoError(t, Packaging{Root: top, To: to, Values: tc.values}.Run(t.Context(), t.Output()))
		packages := packagesOf(t, to, archiveName(t, to)+bomSuffix)
		assert.Equal(t, "pkg:helm/ai-agent@"+version, packages["ai-agent:"+version])
		delete(packages, "ai-agent:"+version)
		assert.Equal(t, tc.images, packages)
	}
}

// The SBOM of an image has every Go module in its program, with the program's version
// of Go. It stays the same for the same commit.
func TestImageBOMHasTheModulesOfTheProgram(t *testing.T) {
	t.Parallel()
	top, to, other := clone.New(t), t.TempDir(), t.TempDir()
	buildImage(t, top, to)
	buildImage(t, clone.Of(t, top), other)
	_, images := built(t, to)
	for i, architecture := range architectures {
		name := "image-" + architecture + bomSuffix
		assert.Equal(t, read(t, to, name), read(t, other, name))
		packages := packagesOf(t, to, name)
		info := infoOf(t, images[i])
		require.Greater(t, len(info.Deps), 5)
		for _, module := range info.Deps {
			assert.Contains(t, packages, module.Path+":"+module.Version)
		}
		assert.Contains(t, packages, "stdlib:"+info.GoVersion)
	}
}

// packagesOf returns the package URL of each package in an SBOM, by NAME:VERSION.
func packagesOf(t *testing.T, path ...string) map[string]string {
	t.Helper()
	document, err := json.Read(bytes.NewReader(read(t, path...)))
	require.NoError(t, err)
	assert.Equal(t, spdx.Version, document.SPDXVersion)
	assert.Regexp(t, "^https://spdx.org/spdxdocs/.*-[0-9a-f]{64}$", document.DocumentNamespace)
	found := map[string]string{}
	for _, p := range document.Packages {
		url := ""
		for _, reference := range p.PackageExternalReferences {
			if reference.RefType == "purl" {
				url = reference.Locator
			}
		}
		found[p.PackageName+":"+p.PackageVersion] = url
	}
	return found
}

// infoOf returns what the program in an image says of its build.
func infoOf(t *testing.T, image v1.Image) *buildinfo.BuildInfo {
	t.Helper()
	files := mutate.Extract(image)
	defer files.Close()
	content, err := io.ReadAll(files)
	require.NoError(t, err)
	info, err := buildinfo.Read(bytes.NewReader(content[512:])) // after the header of the only file
	require.NoError(t, err)
	return info
}
