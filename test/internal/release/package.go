package release

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"helm.sh/helm/v3/pkg/chart"
	pgp "helm.sh/helm/v3/pkg/provenance"
)

// released has the archives that have been released, in the repository.
const released = "test/testdata/releases"

// Packaging says which chart to package, and where to.
type Packaging struct {
	Root string // top of the repository
	To   string // folder to write to
	URL  string // from which To will be served; relative if empty

	Version string   // that the chart must have; any if empty
	Values  []string // files with values: the SBOM has the images that they choose

	Keyring        string // OpenPGP key ring with the secret key that signs; nothing is signed without it
	Key            string // name of the key
	PassphraseFile string // has the passphrase of the key, if it has one
}

// Run packages the chart. It writes nothing unless the commit can be released.
func (p Packaging) Run(ctx context.Context, out io.Writer) error {
	from, err := head(ctx, p.Root)
	if err != nil {
		return err
	}
	c, content, err := packaged(ctx, from)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%s-%s.tgz", c.Name(), c.Metadata.Version)
	title, _, missing := from.entry(ctx, c.Metadata.Version)
	if err := errors.Join(from.clean(ctx), p.matches(c), missing, p.dated(title), p.unreleased(name, content)); err != nil {
		return err
	}
	digest := fmt.Sprintf("%x", sha256.Sum256(content))
	made, err := provenance(from, "package", name, digest)
	if err != nil {
		return err
	}
	bom, err := chartBOM(c, content, from.time, p.Values)
	if err != nil {
		return err
	}
	signed, err := p.sign(name, content)
	if err != nil {
		return err
	}
	if err := p.write(name, content, map[string][]byte{suffix: made, bomSuffix: bom, ".prov": signed}); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s  sha256:%s  commit %s\n", filepath.Join(p.To, name), digest, from.commit)
	return nil
}

// write writes the archive and its companion files, by their suffixes. It first removes
// those of an earlier archive, so that an interruption leaves no stale file.
func (p Packaging) write(name string, content []byte, about map[string][]byte) error {
	archive := filepath.Join(p.To, name)
	err := errors.Join(os.MkdirAll(p.To, 0o755), os.RemoveAll(filepath.Join(p.To, sums)))
	for suffix := range about {
		err = errors.Join(err, os.RemoveAll(archive+suffix))
	}
	if err != nil {
		return err
	}
	if err := replace(archive, content); err != nil {
		return err
	}
	for suffix, content := range about {
		if content == nil { // it is not signed
			continue
		}
		if err := replace(archive+suffix, content); err != nil {
			return err
		}
	}
	if err := writeIndex(p.To, p.URL); err != nil {
		return err
	}
	return writeSums(p.To)
}

// matches returns an error if another version was asked for, such as that of a git tag.
func (p Packaging) matches(c *chart.Chart) error {
	if p.Version == "" || p.Version == c.Metadata.Version {
		return nil
	}
	return fmt.Errorf("version in %s/Chart.yaml is %s, not %s: change it, or release another version", folder, c.Metadata.Version, p.Version)
}

var date = regexp.MustCompile(`\b[0-9]{4}-[0-9]{2}-[0-9]{2}\b`)

// dated returns an error if a version was given, but its changelog entry has no date.
func (p Packaging) dated(title string) error {
	if p.Version == "" || title == "" || date.MatchString(title) {
		return nil
	}
	return fmt.Errorf("%s/CHANGELOG.md says %q: add the date of the release, such as %q", folder, title, "## "+p.Version+" (2026-11-29)")
}

// unreleased returns an error if the version was released with other bytes.
func (p Packaging) unreleased(name string, content []byte) error {
	archives := filepath.Join(p.Root, released)
	if _, err := os.Stat(archives); err != nil {
		return fmt.Errorf("the archives that have been released: %w", err)
	}
	before, err := os.ReadFile(filepath.Join(archives, name))
	if errors.Is(err, os.ErrNotExist) || bytes.Equal(before, content) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("%s has already been released with different content (sha256:%x): increase version in %s/Chart.yaml", name, sha256.Sum256(before), folder)
}

// sign returns the provenance file of an archive, or nil without a key.
func (p Packaging) sign(name string, content []byte) ([]byte, error) {
	if p.Keyring == "" {
		return nil, nil
	}
	signer, err := pgp.NewFromKeyring(p.Keyring, p.Key)
	if err != nil {
		return nil, err
	}
	if err := signer.DecryptKey(p.readPassphrase); err != nil {
		return nil, fmt.Errorf("cannot use the key %q: %w", p.Key, err)
	}
	temporary, err := os.MkdirTemp("", "release-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temporary)
	archive := filepath.Join(temporary, name)
	if err := os.WriteFile(archive, content, 0o600); err != nil {
		return nil, err
	}
	signed, err := signer.ClearSign(archive)
	return []byte(signed), err
}

// readPassphrase is asked for only if the key has one.
func (p Packaging) readPassphrase(string) ([]byte, error) {
	if p.PassphraseFile == "" {
		return nil, errors.New("it is protected by a passphrase: set --passphrase-file (with make: PASSPHRASE_FILE=file)")
	}
	secret, err := os.ReadFile(p.PassphraseFile)
	return bytes.TrimRight(secret, "\r\n"), err
}

// sums is the file with the hashes of the archives and their companion files. The index is
// not among them, because it grows with each release.
const sums = "SHA256SUMS"

func writeSums(folder string) error {
	files, err := filepath.Glob(filepath.Join(folder, "*.tgz*"))
	if err != nil {
		return err
	}
	var lines bytes.Buffer
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		fmt.Fprintf(&lines, "%x  %s\n", sha256.Sum256(content), filepath.Base(file))
	}
	return replace(filepath.Join(folder, sums), lines.Bytes())
}

// replace writes a file as a whole or not at all.
func replace(path string, content []byte) error {
	temporary := path + ".tmp"
	if err := os.WriteFile(temporary, content, 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
