package release

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// Empty configurations: with a key, cosign contacts only the registry.
const (
	noServices = `{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json"}`
	noRoots    = `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`
)

// Names that cosign has for types.
const (
	signatureType  = "https://sigstore.dev/cosign/sign/v1"
	provenanceType = "slsaprovenance1"
	bomType        = "spdxjson"
)

// cosign runs the command cosign.
type cosign struct {
	signs, verifies []string // flags of the commands that do so
	plainHTTP       bool
}

// newCosign returns cosign with a key or an identity. It writes what cosign needs for a
// key to a folder.
func (p Publishing) newCosign(ctx context.Context, folder string) (cosign, error) {
	if p.Identity != "" {
		// Another ref of the same workflow may have signed, such as the image of the release before.
		workflow, _, _ := strings.Cut(p.Identity, "@")
		return cosign{nil, []string{"--certificate-identity-regexp", "^" + regexp.QuoteMeta(workflow) + "@", "--certificate-oidc-issuer", p.Issuer}, p.PlainHTTP}, nil
	}
	services, roots, public := filepath.Join(folder, "services.json"), filepath.Join(folder, "roots.json"), filepath.Join(folder, "cosign.pub")
	c := cosign{
		[]string{"--key", p.Key, "--signing-config", services, "--trusted-root", roots},
		verifying(public, roots),
		p.PlainHTTP,
	}
	if err := errors.Join(os.WriteFile(services, []byte(noServices), 0o600), os.WriteFile(roots, []byte(noRoots), 0o600)); err != nil {
		return c, err
	}
	_, err := c.run(ctx, "public-key", "--key", p.Key, "--outfile", public)
	return c, err
}

// attest signs what was published, its provenance and its SBOMs, unless the key or the
// identity has done so.
func (p Publishing) attest(ctx context.Context, a artifact) error {
	if p.Key == "" && p.Identity == "" {
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
	digest := a.tag.Digest(a.there)
	sign := func() error { return c.sign(ctx, digest) }
	if err := once(sign, func() error { return c.verify(ctx, digest) }); err != nil {
		return err
	}
	predicate := filepath.Join(folder, "predicate.json")
	if err := os.WriteFile(predicate, a.origin.predicate, 0o600); err != nil {
		return err
	}
	if err := c.attest(ctx, digest, provenanceType, predicate); err != nil {
		return err
	}
	for _, b := range a.boms {
		of := digest
		if b.digest != "" {
			of = a.tag.Digest(b.digest)
		}
		if err := c.attest(ctx, of, bomType, b.file); err != nil {
			return err
		}
	}
	return nil
}

// verifying returns the flags that verify with a public key, without Sigstore's log.
func verifying(public, roots string) []string {
	return []string{"--key", public, "--insecure-ignore-tlog", "--trusted-root", roots}
}

func (c cosign) sign(ctx context.Context, digest name.Digest) error {
	_, err := c.run(ctx, c.command(digest, c.signs, "sign", "--yes")...)
	return err
}

// verify returns an error unless what was published is signed. An attestation is no
// signature, although cosign accepts it as one.
func (c cosign) verify(ctx context.Context, digest name.Digest) error {
	out, err := c.run(ctx, c.command(digest, c.verifies, "verify")...)
	if err == nil && !strings.Contains(out, signatureType) {
		err = fmt.Errorf("%s has attestations, but no signature", digest)
	}
	return err
}

// attest signs a statement about what was published, unless there is a signed one of
// this type.
func (c cosign) attest(ctx context.Context, digest name.Digest, kind, predicate string) error {
	attest := func() error {
		_, err := c.run(ctx, c.command(digest, c.signs, "attest", "--yes", "--type", kind, "--predicate", predicate)...)
		return err
	}
	return once(attest, func() error { return c.verifyAttestation(ctx, digest, kind) })
}

// once signs unless a valid signature exists, and verifies the new one. If verification
// fails for another reason, such as the network, it does not sign.
func once(sign, verify func() error) error {
	err := verify()
	if err == nil || !unsigned.MatchString(err.Error()) {
		return err
	}
	if err := sign(); err != nil {
		return err
	}
	return verify()
}

// unsigned matches cosign's errors for a missing signature, or one by another signer.
var unsigned = regexp.MustCompile(`no (matching )?(signatures|attestations)|none of the (attestations|expected identities) matched|could not verify envelope|but no signature`)

// verifyAttestation returns an error unless there is a signed statement of a type.
func (c cosign) verifyAttestation(ctx context.Context, digest name.Digest, kind string) error {
	_, err := c.run(ctx, c.command(digest, c.verifies, "verify-attestation", "--type", kind)...)
	return err
}

// command returns the arguments of a command about what was published.
func (c cosign) command(digest name.Digest, flags []string, command ...string) []string {
	return slices.Concat(command, flags, []string{fmt.Sprintf("--allow-http-registry=%t", c.plainHTTP), digest.String()})
}

// run returns the output of cosign.
func (c cosign) run(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "cosign", args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("cosign %s: %w\n%s", args[0], err, bytes.TrimSpace(out))
	}
	return string(out), nil
}
