package release

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// platforms are those for which the sample agent is built.
var platforms = []v1.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"}}

// Imaging says of which repository to build the image, and where to.
type Imaging struct {
	Root string // top of the repository
	To   string // folder to write to, which is replaced
}

// Run builds the image of the sample agent as an OCI layout, without a container engine:
// one static binary for each platform.
func (i Imaging) Run(ctx context.Context, out io.Writer) error {
	from, err := head(ctx, i.Root)
	if err != nil {
		return err
	}
	if err := from.clean(ctx); err != nil {
		return err
	}
	metadata, err := from.metadata(ctx)
	if err != nil {
		return err
	}
	version := metadata.AppVersion // the tag of the image
	index, boms, err := agentIndex(ctx, from, version)
	if err != nil {
		return err
	}
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	made, err := provenance(from, "image", "agent", digest.Hex)
	if err != nil {
		return err
	}
	for architecture := range boms { // those of another image, which an interruption would leave
		if err := os.RemoveAll(i.To + "-" + architecture + bomSuffix); err != nil {
			return err
		}
	}
	if err := writeLayout(i.To, version, index); err != nil {
		return err
	}
	if err := replace(i.To+suffix, made); err != nil {
		return err
	}
	for architecture, bom := range boms {
		if err := replace(i.To+"-"+architecture+bomSuffix, bom); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "%s  ai-agent:%s  %s  commit %s\n", i.To, version, digest, from.commit)
	return nil
}

// agentIndex returns the images of all platforms, and the SBOM of each by its
// architecture.
func agentIndex(ctx context.Context, from source, version string) (index v1.ImageIndex, boms map[string][]byte, err error) {
	tree, err := os.MkdirTemp("", "release-")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(tree)
	if err := from.export(ctx, ".", tree); err != nil {
		return nil, nil, err
	}
	boms = map[string][]byte{}
	index = mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, platform := range platforms {
		program := filepath.Join(tree, "agent-"+platform.Architecture)
		if err := compile(ctx, tree, platform, program); err != nil {
			return nil, nil, err
		}
		image, err := agentImage(program, platform, version)
		if err != nil {
			return nil, nil, err
		}
		if boms[platform.Architecture], err = programBOM(ctx, program, "ai-agent", version, from.time); err != nil {
			return nil, nil, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &platform}})
	}
	return index, boms, nil
}

// compile builds the sample agent. The result depends on the source and the version of
// Go alone.
func compile(ctx context.Context, tree string, platform v1.Platform, to string) error {
	build := exec.CommandContext(ctx, "go", "build", "-C", tree, "-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false", "-ldflags=-s -w", "-o", to, "./test/agent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+platform.OS, "GOARCH="+platform.Architecture, "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the agent for %s: %w\n%s", platform, err, bytes.TrimSpace(out))
	}
	return nil
}

// agentImage returns the image that test/agent/Dockerfile describes. It depends on the
// program and its version alone, so that it stays the same until the agent changes. Its
// provenance has the commit.
func agentImage(program string, platform v1.Platform, version string) (v1.Image, error) {
	epoch := time.Unix(0, 0).UTC()
	binary, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	content, err := layerOf("agent", binary, epoch)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	}, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	created := v1.Time{Time: epoch}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.Append(image, mutate.Addendum{Layer: layer, History: v1.History{Created: created, CreatedBy: "COPY agent /agent"}})
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = platform.OS, platform.Architecture, created
	config.Config = v1.Config{
		User: "10001:10001", Entrypoint: []string{"/agent"}, Cmd: []string{"serve"},
		ExposedPorts: map[string]struct{}{"8000": {}, "9090": {}},
		Labels: map[string]string{
			"org.opencontainers.image.title": "ai-agent", "org.opencontainers.image.version": version,
			"org.opencontainers.image.licenses": "Apache-2.0",
		},
	}
	return mutate.ConfigFile(image, config)
}

// layerOf returns a layer with one program.
func layerOf(name string, program []byte, at time.Time) ([]byte, error) {
	var content bytes.Buffer
	files := tar.NewWriter(&content)
	header := &tar.Header{Name: name, Mode: 0o755, Size: int64(len(program)), ModTime: at, Format: tar.FormatUSTAR}
	if err := files.WriteHeader(header); err != nil {
		return nil, err
	}
	if _, err := files.Write(program); err != nil {
		return nil, err
	}
	if err := files.Close(); err != nil {
		return nil, err
	}
	return content.Bytes(), nil
}

// writeLayout writes an image as an OCI layout, as a whole or not at all.
func writeLayout(to, version string, index v1.ImageIndex) error {
	temporary := to + ".tmp"
	if err := os.RemoveAll(temporary); err != nil {
		return err
	}
	made, err := layout.Write(temporary, empty.Index)
	if err != nil {
		return err
	}
	if err := made.AppendIndex(index, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": version})); err != nil {
		return err
	}
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	return os.Rename(temporary, to)
}
