// Command release packages, builds and publishes releases of the chart: the same commit
// and version of Go give the same bytes, on any machine.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"example.com/ai-agent/test/internal/release"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends what does not heed the context
	if err := command().ExecuteContext(ctx); err != nil {
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintln(os.Stderr, "release:", strings.TrimRight(line, "\n"))
		}
		os.Exit(1)
	}
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:           "release",
		Short:         "Packages, builds and publishes releases of the chart",
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(*cobra.Command, []string) error {
			return errors.New("no command given: use package, image, publish or notes (see --help)")
		},
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(packageCommand(), imageCommand(), publishCommand(), notesCommand())
	return root
}

func packageCommand() *cobra.Command {
	var o release.Packaging
	command := &cobra.Command{
		Use:   "package",
		Short: "Packages the chart of the commit that is checked out",
		Long: `Writes to a folder: the chart's archive, its provenance file if a key is given, its SBOM (SPDX) with the images that it
runs, its SLSA provenance, index.yaml for a chart repository served over HTTP, and SHA256SUMS. It fails, and writes nothing, if the working tree has uncommitted changes, if the changelog has
no entry for the version, or if the version has already been released with different content.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.Run(cmd.Context(), cmd.OutOrStdout()) },
	}
	flags := command.Flags()
	flags.StringVar(&o.Root, "root", ".", "root of the git repository")
	flags.StringVar(&o.To, "to", "dist", "folder to write to; archives of other versions in it are listed in index.yaml")
	flags.StringVar(&o.URL, "url", "", "base URL of the chart repository, written to index.yaml; if empty, URLs are relative")
	flags.StringVar(&o.Version, "version", "", "fail unless the chart has this version, such as that of a git tag")
	flags.StringArrayVar(&o.Values, "values", nil, "file with values: the SBOM lists the images that they choose; can be given several times")
	flags.StringVar(&o.Keyring, "keyring", "", "OpenPGP key ring with the secret key that signs the archive (gpg --export-secret-keys)")
	flags.StringVar(&o.Key, "key", "", "user ID of the key: a name or an email address")
	flags.StringVar(&o.PassphraseFile, "passphrase-file", "", "file with the passphrase of the key")
	command.MarkFlagsRequiredTogether("keyring", "key")
	return command
}

func imageCommand() *cobra.Command {
	var o release.Imaging
	command := &cobra.Command{
		Use:   "image",
		Short: "Builds the image of the sample agent, for amd64 and arm64",
		Long: `Writes an OCI layout to a folder, and next to it the SBOM (SPDX) of each platform and the SLSA provenance. The command
needs syft on PATH, but neither a container engine nor a registry. The same commit and version of Go give the same bytes. It fails if the working tree has uncommitted changes.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.Run(cmd.Context(), cmd.OutOrStdout()) },
	}
	command.Flags().StringVar(&o.Root, "root", ".", "root of the git repository")
	command.Flags().StringVar(&o.To, "to", "dist/image", "folder to write to, which is replaced")
	return command
}

func publishCommand() *cobra.Command {
	var p release.Publishing
	command := &cobra.Command{
		Use:   "publish",
		Short: "Pushes the chart and the image to an OCI registry, and signs them",
		Long: `Pushes the chart as HOST/PATH/ai-agent and the image as HOST/PATH/agent. With --key or --identity, signs both with
cosign, which must be on PATH. With a key, cosign contacts only the registry. With an identity, such as that of a GitHub
workflow, it needs no key: it gets a certificate from Sigstore and records the signature in Sigstore's public log. Existing
artifacts are left unchanged, so the command can be run again after an interruption; if a tag already has different
content, it fails. It uses the credentials of cosign login or docker login. If your registry has a private CA, set
SSL_CERT_FILE to its certificate.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.Run(cmd.Context(), cmd.OutOrStdout()) },
	}
	flags := command.Flags()
	flags.StringVar(&p.From, "from", "dist", "folder with the output of package and image")
	flags.StringVar(&p.To, "to", "", "oci://HOST/PATH")
	flags.StringVar(&p.Key, "key", "", "cosign private key; its password is read from COSIGN_PASSWORD")
	flags.StringVar(&p.Identity, "identity", "", "identity that signs without a key: the URL of a GitHub workflow and its ref")
	flags.StringVar(&p.Issuer, "issuer", "", "issuer of that identity's tokens")
	flags.BoolVar(&p.ChartOnly, "chart-only", false, "publish no image")
	flags.BoolVar(&p.PlainHTTP, "plain-http", false, "connect to the registry over HTTP, without TLS")
	_ = command.MarkFlagRequired("to") // it exists
	return command
}

func notesCommand() *cobra.Command {
	var root string
	command := &cobra.Command{
		Use:   "notes",
		Short: "Prints the changelog entry for the version that is checked out",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return release.Notes(cmd.Context(), root, cmd.OutOrStdout())
		},
	}
	command.Flags().StringVar(&root, "root", ".", "root of the git repository")
	return command
}
