package release

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/repo"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/clone"
)

// signer is the name in the keys of the tests.
const signer = "A Test"

// The same commit gives the same bytes, whoever checks it out.
func TestPackageIsReproducible(t *testing.T) {
	t.Parallel()
	top, other := clone.New(t), clone.New(t)
	first := packageOf(t, top)
	clone.Git(t, other, "config", "core.autocrlf", "true") // as on Windows
	second := packageOf(t, other)
	for _, name := range []string{archiveName(t, first), archiveName(t, first) + suffix, archiveName(t, first) + bomSuffix, "index.yaml", sums} {
		assert.Equal(t, read(t, first, name), read(t, second, name), name)
	}
}

// The archive has what a consumer needs, and nothing else.
func TestPackageHasWhatConsumersNeed(t *testing.T) {
	t.Parallel()
	to := packageOf(t, clone.New(t))
	c, err := loader.LoadFile(filepath.Join(to, archiveName(t, to)))
	require.NoError(t, err)
	tops := map[string]bool{}
	for _, file := range c.Raw {
		top, _, _ := bytes.Cut([]byte(file.Name), []byte("/"))
		tops[string(top)] = true
		assert.NotEmpty(t, file.Data, file.Name)
	}
	assert.Equal(t, map[string]bool{
		"CHANGELOG.md": true, "Chart.yaml": true, "LICENSE": true, "README.md": true, "UPGRADING.md": true, "environments": true, "files": true,
		"install-role.yaml": true, "presets": true, "templates": true, "values.schema.json": true, "values.yaml": true,
	}, tops)
}

// A commit that cannot be released is refused for every reason at once, and nothing is
// written.
func TestPackageRefuses(t *testing.T) {
	t.Parallel()
	top := clone.New(t)
	before := packageOf(t, top)
	name := archiveName(t, before)
	require.NoError(t, os.WriteFile(filepath.Join(top, released, name), read(t, before, name), 0o600))
	clone.Commit(t, top)

	changelog := filepath.Join(top, folder, "CHANGELOG.md")
	require.NoError(t, os.WriteFile(changelog, []byte("# Changelog\n"), 0o600))
	clone.Commit(t, top)
	require.NoError(t, os.WriteFile(filepath.Join(top, "new"), nil, 0o600))
	refused := Packaging{Root: top, To: filepath.Join(t.TempDir(), "dist"), Version: "9.9.9"}
	err := refused.Run(t.Context(), t.Output())
	require.ErrorIs(t, err, ErrDirty)
	for _, reason := range []string{"?? new", "CHANGELOG.md has no heading", "not 9.9.9", name + " has already been released with different content"} {
		assert.ErrorContains(t, err, reason)
	}
	assert.NoDirExists(t, refused.To)
}

// With a given version, it packages a release, so the changelog entry must have a date.
func TestReleaseNeedsAChangelogDate(t *testing.T) {
	t.Parallel()
	top := clone.New(t)
	clone.NewVersion(t, top) // not a version that has been released
	changelog := filepath.Join(top, folder, "CHANGELOG.md")
	text, err := os.ReadFile(changelog)
	require.NoError(t, err)
	title := heading.Find(text)
	version := strings.Fields(string(title))[1]
	// Two spaces, so that there is a change to commit.
	for mark, dated := range map[string]bool{" (2000-01-01)": true, "  (unreleased)": false, " - Unreleased": false, "": false} {
		require.NoError(t, os.WriteFile(changelog, bytes.Replace(text, title, []byte("## "+version+mark), 1), 0o600))
		clone.Commit(t, top)
		err := Packaging{Root: top, To: t.TempDir(), Version: version}.Run(t.Context(), t.Output())
		if dated {
			require.NoError(t, err, mark)
			continue
		}
		require.ErrorContains(t, err, "add the date of the release", mark)
	}
}

// The notes are what the changelog says of the version, and of no other.
func TestNotesAreThoseOfTheVersion(t *testing.T) {
	t.Parallel()
	for heading, expected := range map[string]string{
		"## 0.2.0":              "Of this one.",
		"## [0.2.0] - 2026-11":  "Of this one.",
		"## 0.2.0 (unreleased)": "Of this one.",
		"## 0.2.0-rc.1":         "",
		"## 10.2.0":             "",
		"### 0.2.0":             "",
	} {
		changelog := "# Changelog\n\n## 0.3.0\n\nOf a later one.\n\n" + heading + "\n\nOf this one.\n\n## 0.1.0\n\nOf an earlier one.\n"
		_, notes, err := entryIn(changelog, "0.2.0")
		assert.Equal(t, expected, notes, heading)
		assert.Equal(t, expected == "", err != nil, heading)
	}
	var printed bytes.Buffer
	require.NoError(t, Notes(t.Context(), clone.New(t), &printed))
	assert.Contains(t, printed.String(), "### ")
	assert.NotContains(t, printed.String(), "\n## ")
}

// Helm accepts the archive and its provenance file, and refuses a changed byte, another
// key and a missing file.
func TestSignedPackageIsVerified(t *testing.T) {
	t.Parallel()
	secret, public := key(t)
	to := t.TempDir()
	signed := Packaging{Root: clone.New(t), To: to, Keyring: secret, Key: signer}
	require.NoError(t, signed.Run(t.Context(), t.Output()))
	archive := filepath.Join(to, archiveName(t, to))
	require.NoError(t, verify(t, archive, public))

	_, other := key(t)
	require.Error(t, verify(t, archive, other), "another key")
	content := read(t, to, filepath.Base(archive))
	content[len(content)/2] ^= 1
	require.NoError(t, os.WriteFile(archive, content, 0o600))
	require.ErrorContains(t, verify(t, archive, public), "sha256 sum does not match", "a changed byte")
	require.NoError(t, os.Remove(archive+".prov"))
	require.Error(t, verify(t, archive, public), "no signature")
}

// With each of the environments and presets that it contains, the package renders what the
// folder of the commit renders, and no rule refuses it.
func TestPackageRendersItsValuesFiles(t *testing.T) {
	t.Parallel()
	top := clone.New(t)
	to := packageOf(t, top)
	archive := filepath.Join(to, archiveName(t, to))
	packaged, err := chart.Load(archive)
	require.NoError(t, err)
	source, err := chart.Load(filepath.Join(top, folder))
	require.NoError(t, err)
	content, err := loader.LoadFile(archive)
	require.NoError(t, err)
	found := map[string]int{}
	for _, file := range content.Raw {
		kind := filepath.Dir(file.Name)
		if kind != "environments" && kind != "presets" {
			continue
		}
		found[kind]++
		values := filepath.Join(t.TempDir(), filepath.Base(file.Name))
		require.NoError(t, os.WriteFile(values, file.Data, 0o600))
		options := chart.Options{Files: []string{values}, Set: chart.Values{"image.repository": "registry.example.com/team/agent", "image.tag": "1.2.3"}}
		want, err := source.Render(options)
		require.NoError(t, err, file.Name)
		have, err := packaged.Render(options)
		require.NoError(t, err, file.Name)
		assert.Equal(t, want, have, file.Name)
	}
	assert.Equal(t, map[string]int{"environments": 4, "presets": 14}, found)
}

// The package is rendered and linted where there is no network, as in an airgapped
// cluster. Control: there, helm cannot reach the package at an address.
func TestPackageNeedsNoNetwork(t *testing.T) {
	t.Parallel()
	isolate := []string{"--user", "--map-root-user", "--net"}
	if out, err := exec.CommandContext(t.Context(), "unshare", append(isolate, "true")...).CombinedOutput(); err != nil {
		t.Skipf("this machine cannot take the network from a process: unshare: %v %s", err, out)
	}
	to := packageOf(t, clone.New(t))
	archive := archiveName(t, to)
	server := httptest.NewServer(http.FileServer(http.Dir(to)))
	t.Cleanup(server.Close)
	for _, helm := range []string{"helm", "helm4"} {
		apart := func(args ...string) (string, error) {
			isolated := exec.CommandContext(t.Context(), "unshare", slices.Concat(isolate, []string{helm}, args)...)
			out, err := isolated.CombinedOutput()
			return string(out), err
		}
		for _, command := range []string{"template", "lint"} {
			out, err := apart(command, filepath.Join(to, archive))
			require.NoError(t, err, out)
		}
		out, err := apart("show", "chart", server.URL+"/"+archive)
		require.Error(t, err)
		assert.Contains(t, out, "network is unreachable")
	}
}

// A folder with two versions is a repository that has both.
func TestIndexHasEveryVersion(t *testing.T) {
	t.Parallel()
	top := clone.New(t)
	to := packageOf(t, top)
	clone.NewVersion(t, top)
	require.NoError(t, Packaging{Root: top, To: to, URL: "https://charts.example.com"}.Run(t.Context(), t.Output()))
	index, err := repo.LoadIndexFile(filepath.Join(to, "index.yaml"))
	require.NoError(t, err)
	versions := index.Entries["ai-agent"]
	require.Len(t, versions, 2)
	assert.Equal(t, "9"+versions[1].Version, versions[0].Version, "the latest first")
	assert.Equal(t, []string{"https://charts.example.com/ai-agent-" + versions[0].Version + ".tgz"}, versions[0].URLs)
}

// packageOf returns the folder with the package of a repository's commit.
func packageOf(t *testing.T, top string) string {
	t.Helper()
	to := t.TempDir()
	require.NoError(t, Packaging{Root: top, To: to}.Run(t.Context(), t.Output()))
	return to
}

func archiveName(t *testing.T, folder string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(folder, "*.tgz"))
	require.NoError(t, err)
	require.Len(t, found, 1)
	return filepath.Base(found[0])
}

func read(t *testing.T, parts ...string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(parts...))
	require.NoError(t, err)
	return content
}

// key returns the files of a new key: with its secret part, and without.
func key(t *testing.T) (secret, public string) {
	t.Helper()
	entity, err := openpgp.NewEntity(signer, "", "test@example.com", &packet.Config{DefaultHash: crypto.SHA512})
	require.NoError(t, err)
	var withSecret, withoutSecret bytes.Buffer
	require.NoError(t, entity.SerializePrivate(&withSecret, nil))
	require.NoError(t, entity.Serialize(&withoutSecret))
	secret, public = filepath.Join(t.TempDir(), "secret.gpg"), filepath.Join(t.TempDir(), "public.gpg")
	require.NoError(t, os.WriteFile(secret, withSecret.Bytes(), 0o600))
	require.NoError(t, os.WriteFile(public, withoutSecret.Bytes(), 0o600))
	return secret, public
}

// verify runs `helm verify` of both versions, which agree.
func verify(t *testing.T, archive, keyring string) error {
	t.Helper()
	var refusals []error
	for _, helm := range []string{"helm", "helm4"} {
		if out, err := exec.CommandContext(t.Context(), helm, "verify", archive, "--keyring", keyring).CombinedOutput(); err != nil {
			refusals = append(refusals, fmt.Errorf("%s: %s", helm, out))
		}
	}
	assert.NotEqual(t, 1, len(refusals), "only one refuses: %v", refusals)
	return errors.Join(refusals...)
}
