package release

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// Without services: a key is enough, and no other host is asked.
const (
	noServices = `{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json"}`
	noRoots    = `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`
)

// As cosign names them.
const (
	signatureType  = "https://sigstore.dev/cosign/sign/v1"
	provenanceType = "slsaprovenance1"
)

// cosign runs the command cosign with a key.
type cosign struct {
	key, public string
	folder      string // of the files that it reads
	plainHTTP   bool
}

// newCosign writes what cosign needs to a folder.
func (p Publishing) newCosign(ctx context.Context, folder string) (cosign, error) {
	c := cosign{key: p.Key, public: filepath.Join(folder, "cosign.pub"), folder: folder, plainHTTP: p.PlainHTTP}
	err := errors.Join(
		os.WriteFile(c.services(), []byte(noServices), 0o600),
		os.WriteFile(filepath.Join(folder, "roots.json"), []byte(noRoots), 0o600),
	)
	if err != nil {
		return c, err
	}
	_, err = c.run(ctx, "public-key", "--key", p.Key, "--outfile", c.public)
	return c, err
}

// attest signs what was published and its provenance, unless the key has done so.
func (p Publishing) attest(ctx context.Context, digest name.Digest, predicate []byte) error {
	if p.Key == "" {
		return nil
	}
	folder, err := os.MkdirTemp("", "release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	c, err := p.newCosign(ctx, folder)
	if err != nil {
		return err
	}
	if c.verify(ctx, digest) != nil {
		if err := c.sign(ctx, digest); err != nil {
			return err
		}
	}
	if c.verifyProvenance(ctx, digest) == nil {
		return nil
	}
	file := filepath.Join(folder, "predicate.json")
	if err := os.WriteFile(file, predicate, 0o600); err != nil {
		return err
	}
	return c.attest(ctx, digest, file)
}

func (c cosign) sign(ctx context.Context, digest name.Digest) error {
	_, err := c.run(ctx, c.arguments(digest, "sign", "--yes", "--key", c.key, "--signing-config", c.services())...)
	return err
}

// verify returns an error unless the key has signed. An attestation by the key is no
// signature, although cosign accepts it as one.
func (c cosign) verify(ctx context.Context, digest name.Digest) error {
	out, err := c.run(ctx, c.arguments(digest, "verify", "--key", c.public, "--insecure-ignore-tlog")...)
	if err == nil && !strings.Contains(out, signatureType) {
		err = fmt.Errorf("%s has attestations, but no signature", digest)
	}
	return err
}

func (c cosign) attest(ctx context.Context, digest name.Digest, predicate string) error {
	_, err := c.run(ctx, c.arguments(digest, "attest", "--yes", "--key", c.key, "--signing-config", c.services(), "--type", provenanceType, "--predicate", predicate)...)
	return err
}

// verifyProvenance returns an error unless the key has signed a provenance.
func (c cosign) verifyProvenance(ctx context.Context, digest name.Digest) error {
	_, err := c.run(ctx, c.arguments(digest, "verify-attestation", "--key", c.public, "--insecure-ignore-tlog", "--type", provenanceType)...)
	return err
}

func (c cosign) services() string { return filepath.Join(c.folder, "services.json") }

// arguments returns those of a command about what was published.
func (c cosign) arguments(digest name.Digest, command ...string) []string {
	return append(command, "--trusted-root", filepath.Join(c.folder, "roots.json"), fmt.Sprintf("--allow-http-registry=%t", c.plainHTTP), digest.String())
}

// run returns the output of cosign.
func (c cosign) run(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "cosign", args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("cosign %s: %w\n%s", args[0], err, bytes.TrimSpace(out))
	}
	return string(out), nil
}
