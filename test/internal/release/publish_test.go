package release

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/clone"
	"example.com/ai-agent/test/internal/ociregistry"
	own "example.com/ai-agent/test/internal/repo"
)

// isPublisher makes the test binary publish the folder that its first argument names.
const isPublisher = "IS_PUBLISHER"

func TestMain(m *testing.M) {
	if os.Getenv(isPublisher) != "" {
		if err := (Publishing{From: os.Args[1], To: os.Args[2], ChartOnly: true}).Run(context.Background(), os.Stdout); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	if err := errors.Join(own.UseTools("cosign", "registry", "syft", "helm", "helm4"), os.Setenv("COSIGN_PASSWORD", "")); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// The same commit gives the same image, for both platforms, which runs as a user other
// than root.
func TestImageIsReproducible(t *testing.T) {
	t.Parallel()
	var digests []string
	for _, top := range []string{clone.New(t), clone.New(t)} { // both now, of the same commit
		to := t.TempDir()
		buildImage(t, top, to)
		digest, images := built(t, to)
		digests = append(digests, digest)
		for _, image := range images {
			config, err := image.ConfigFile()
			require.NoError(t, err)
			assert.Equal(t, "10001:10001", config.Config.User)
			assert.Equal(t, []string{"/agent"}, config.Config.Entrypoint)
		}
	}
	assert.Equal(t, digests[0], digests[1])
}

// A published chart is what was packaged, signed, and stays what it is.
func TestPublish(t *testing.T) {
	t.Parallel()
	host := ociregistry.Start(t, false).Host
	top := clone.New(t)
	older := clone.Of(t, top)
	from := packageOf(t, top)
	buildImage(t, top, from)
	key, public := cosignKey(t)
	unsigned := Publishing{From: from, To: "oci://" + host + "/charts", PlainHTTP: true}
	interrupted := publish(t, unsigned) // after the push
	signed := unsigned
	signed.Key = key
	first := publish(t, signed)
	assert.Equal(t, interrupted, first)
	assert.Equal(t, first, publish(t, signed), "again")
	require.Len(t, first, 2)

	chart, err := unsigned.helm()
	require.NoError(t, err)
	pulled, err := chart.Pull(first[1])
	require.NoError(t, err)
	assert.Equal(t, read(t, from, archiveName(t, from)), pulled.Chart.Data)
	for _, digest := range first {
		verifier, reference := verifierOf(t, public, digest)
		assert.NoError(t, verifier.verify(t.Context(), reference))
		assert.NoError(t, verifier.verifyAttestation(t.Context(), reference, provenanceType))
		_, other := cosignKey(t)
		stranger, _ := verifierOf(t, other, digest)
		assert.ErrorContains(t, stranger.verify(t.Context(), reference), "could not verify envelope", "another key")
		assert.Error(t, stranger.verifyAttestation(t.Context(), reference, provenanceType), "another key")
		signatures, err := exec.CommandContext(t.Context(), "cosign", "tree", "--allow-http-registry", digest).CombinedOutput()
		require.NoError(t, err, string(signatures))
		for _, kind := range []string{signatureType, predicateType} { // each once, after three publications
			assert.Equal(t, 1, strings.Count(string(signatures), kind), string(signatures))
		}
	}

	image, err := name.NewDigest(first[0])
	require.NoError(t, err)
	described := append(platformsOf(t, image), first[1])
	require.Len(t, described, 3)
	for _, digest := range described { // each has its SBOM, once
		verifier, reference := verifierOf(t, public, digest)
		assert.NoError(t, verifier.verifyAttestation(t.Context(), reference, bomType))
		statements, err := exec.CommandContext(t.Context(), "cosign", "tree", "--allow-http-registry", digest).CombinedOutput()
		require.NoError(t, err, string(statements))
		assert.Equal(t, 1, strings.Count(string(statements), "https://spdx.dev/Document"), string(statements))
	}

	// Another archive of the same version, and another image.
	require.NoError(t, os.WriteFile(filepath.Join(top, folder, "NOTICE"), []byte("a"), 0o600))
	main := filepath.Join(top, "test", "agent", "main.go")
	require.NoError(t, os.WriteFile(main, append(read(t, main), "\nfunc init() { println() }\n"...), 0o600))
	clone.Commit(t, top)
	moved := signed
	moved.From = packageOf(t, top)
	for _, name := range []string{"image", "image" + suffix, "image-amd64" + bomSuffix, "image-arm64" + bomSuffix} {
		require.NoError(t, os.Rename(filepath.Join(from, name), filepath.Join(moved.From, name)))
	}
	err = moved.Run(t.Context(), t.Output())
	require.ErrorIs(t, err, ErrMoved)
	require.ErrorContains(t, err, "increase version in")
	buildImage(t, top, moved.From)
	err = moved.Run(t.Context(), t.Output())
	require.ErrorContains(t, err, "increase version in")
	require.ErrorContains(t, err, "increase appVersion in", "all at once")

	// A new version of the chart has the image that is there, but only with the image
	// of the same commit in the folder.
	require.NoError(t, os.WriteFile(main, read(t, clone.New(t), "test/agent/main.go"), 0o600))
	clone.NewVersion(t, top)
	next := signed
	next.From = packageOf(t, top)
	buildImage(t, older, next.From)
	require.ErrorContains(t, next.Run(t.Context(), t.Output()), "the image was built from commit", "the same image, of another commit")
	buildImage(t, top, next.From)
	second := publish(t, next)
	assert.Equal(t, first[0], second[0], "the image")
	assert.NotEqual(t, first[1], second[1], "the chart")

	again := t.TempDir()
	buildImage(t, older, again)
	for _, name := range []string{archiveName(t, from), archiveName(t, from) + suffix, archiveName(t, from) + bomSuffix} {
		require.NoError(t, os.Rename(filepath.Join(from, name), filepath.Join(again, name)))
	}
	signed.From = again
	assert.Equal(t, first, publish(t, signed), "no tag has moved")
}

// Verification fails for a chart that is not signed.
func TestUnsignedChartFailsVerification(t *testing.T) {
	t.Parallel()
	host := ociregistry.Start(t, false).Host
	digests := publish(t, Publishing{From: packageOf(t, clone.New(t)), To: "oci://" + host + "/charts", ChartOnly: true, PlainHTTP: true})
	private, public := cosignKey(t)
	verifier, reference := verifierOf(t, public, digests[0])
	assert.ErrorContains(t, verifier.verify(t.Context(), reference), "no signatures found")

	// An attestation alone is no signature.
	signer, err := Publishing{Key: private, PlainHTTP: true}.newCosign(t.Context(), t.TempDir())
	require.NoError(t, err)
	predicate := filepath.Join(t.TempDir(), "a.json")
	require.NoError(t, os.WriteFile(predicate, []byte("{}"), 0o600))
	require.NoError(t, signer.attest(t.Context(), reference, provenanceType, predicate))
	assert.ErrorContains(t, verifier.verify(t.Context(), reference), "has attestations, but no signature")
}

// Publishing to a registry with TLS and login requires its CA and valid credentials. If
// one is missing, the error says which, and never prints the password.
func TestPublishRequiresCAAndCredentials(t *testing.T) {
	t.Parallel()
	secure := ociregistry.Start(t, true)
	args := []string{packageOf(t, clone.New(t)), "oci://" + secure.Host + "/charts"}
	trust := "SSL_CERT_FILE=" + secure.CA
	for _, tc := range []struct {
		environment []string
		want        string
	}{
		{nil, "certificate signed by unknown authority"},
		{[]string{trust}, "UNAUTHORIZED"},
		{[]string{trust, login(t, secure.Host, "wrong-horse")}, "UNAUTHORIZED"},
	} {
		out, err := publishApart(t, tc.environment, args...)
		require.Error(t, err)
		assert.Contains(t, out, tc.want)
		assert.NotContains(t, out, "horse")
		assert.NotContains(t, out, encoded("wrong-horse"))
	}
	known := []string{trust, login(t, secure.Host, ociregistry.Password)}
	first, err := publishApart(t, known, args...)
	require.NoError(t, err, first)
	again, err := publishApart(t, known, args...)
	require.NoError(t, err, again)
	assert.Equal(t, first, again)
}

// A user who pulls the chart with the wrong CA, password or version finds what Helm
// prints in README's table of symptoms.
func TestReadmeExplainsHelmsRegistryErrors(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(own.Path("README.md"))
	require.NoError(t, err)
	secure := ociregistry.Start(t, true)
	trusted := "SSL_CERT_FILE=" + secure.CA
	known, wrong := login(t, secure.Host, ociregistry.Password), login(t, secure.Host, "wrong-horse")
	from := packageOf(t, clone.New(t))
	out, err := publishApart(t, []string{trusted, known}, from, "oci://"+secure.Host+"/charts")
	require.NoError(t, err, out)
	for _, tc := range []struct{ symptom, ca, login, version string }{
		{"", secure.CA, known, ""},
		{"certificate signed by unknown authority", "", known, ""},
		{"unauthorized", secure.CA, wrong, ""},
		{"not found", secure.CA, known, "99.0.0"},
	} {
		for _, helm := range []string{"helm", "helm4"} {
			to := t.TempDir()
			config := filepath.Join(strings.TrimPrefix(tc.login, "DOCKER_CONFIG="), "config.json")
			pull := exec.CommandContext(t.Context(), helm, "pull", "oci://"+secure.Host+"/charts/ai-agent",
				"--destination", to, "--registry-config", config, "--ca-file", tc.ca, "--version", tc.version)
			printed, err := pull.CombinedOutput()
			if tc.symptom == "" {
				require.NoError(t, err, string(printed))
				assert.Equal(t, read(t, from, archiveName(t, from)), read(t, to, archiveName(t, to)))
				continue
			}
			require.Error(t, err)
			assert.Contains(t, strings.ToLower(string(printed)), tc.symptom, helm)
			assert.NotContains(t, string(printed), "horse")
			assert.Regexp(t, "(?m)^\\| the chart cannot be pulled: `"+tc.symptom+"`", string(page))
		}
	}
}

// encoded is how credentials are stored and sent.
func encoded(password string) string {
	return base64.StdEncoding.EncodeToString([]byte(ociregistry.User + ":" + password))
}

// login returns the variable for a folder with credentials.
func login(t *testing.T, host, password string) string {
	t.Helper()
	folder := t.TempDir()
	config := fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, host, encoded(password))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "config.json"), []byte(config), 0o600))
	return "DOCKER_CONFIG=" + folder
}

// publishApart publishes in a process of its own, because Go reads SSL_CERT_FILE once.
func publishApart(t *testing.T, environment []string, args ...string) (string, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0], args...)
	command.Env = append(append(os.Environ(), "DOCKER_CONFIG="+t.TempDir(), isPublisher+"=1"), environment...)
	out, err := command.CombinedOutput()
	return string(out), err
}

// architectures are those of an image, in the order of its index.
var architectures = []string{"amd64", "arm64"}

// built returns the digest of the index in a folder of Imaging, and its images: one of
// each architecture.
func built(t *testing.T, folder string) (digest string, images []v1.Image) {
	t.Helper()
	index, err := layout.ImageIndexFromPath(filepath.Join(folder, "image"))
	require.NoError(t, err)
	manifest, err := index.IndexManifest()
	require.NoError(t, err)
	require.Len(t, manifest.Manifests, 1)
	ofPlatforms, err := index.ImageIndex(manifest.Manifests[0].Digest)
	require.NoError(t, err)
	platforms, err := ofPlatforms.IndexManifest()
	require.NoError(t, err)
	require.Len(t, platforms.Manifests, len(architectures))
	for i, described := range platforms.Manifests {
		require.Equal(t, architectures[i], described.Platform.Architecture)
		image, err := ofPlatforms.Image(described.Digest)
		require.NoError(t, err)
		images = append(images, image)
	}
	return manifest.Manifests[0].Digest.String(), images
}

// compiling keeps the tests from compiling the same packages at once, before the
// cache has them.
var compiling sync.Mutex

// buildImage builds the image of a repository's commit in a folder.
func buildImage(t *testing.T, top, folder string) {
	t.Helper()
	compiling.Lock()
	defer compiling.Unlock()
	require.NoError(t, Imaging{Root: top, To: filepath.Join(folder, "image")}.Run(t.Context(), t.Output()))
}

// publish returns the references that a publication prints.
func publish(t *testing.T, p Publishing) []string {
	t.Helper()
	var out strings.Builder
	require.NoError(t, p.Run(t.Context(), &out))
	references := strings.Fields(out.String())
	for _, reference := range references {
		digest, err := name.NewDigest(reference)
		require.NoError(t, err)
		_, err = remote.Get(digest)
		require.NoError(t, err)
	}
	return references
}

// cosignKey returns the files of a new pair of keys.
func cosignKey(t *testing.T) (private, public string) {
	t.Helper()
	prefix := filepath.Join(t.TempDir(), "cosign")
	command := exec.CommandContext(t.Context(), "cosign", "generate-key-pair", "--output-key-prefix", prefix)
	command.Env = append(os.Environ(), "COSIGN_PASSWORD=")
	out, err := command.CombinedOutput()
	require.NoError(t, err, string(out))
	return prefix + ".key", prefix + ".pub"
}

// verifierOf returns cosign with a public key, and a reference as it takes it.
func verifierOf(t *testing.T, public, reference string) (cosign, name.Digest) {
	t.Helper()
	digest, err := name.NewDigest(reference)
	require.NoError(t, err)
	roots := filepath.Join(t.TempDir(), "roots.json")
	require.NoError(t, os.WriteFile(roots, []byte(noRoots), 0o600))
	return cosign{verifies: verifying(public, roots), plainHTTP: true}, digest
}

// platformsOf returns the references of the images in an index.
func platformsOf(t *testing.T, index name.Digest) []string {
	t.Helper()
	images, err := remote.Index(index)
	require.NoError(t, err)
	manifest, err := images.IndexManifest()
	require.NoError(t, err)
	var references []string
	for _, image := range manifest.Manifests {
		references = append(references, index.Context().Digest(image.Digest.String()).String())
	}
	return references
}
