// Command bench reports what the benchmark recorded.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"example.com/ai-agent/test/internal/bench"
	"example.com/ai-agent/test/internal/page"
)

func main() {
	command := newCommand(os.Stdout)
	if err := command.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func newCommand(stdout io.Writer) *cobra.Command {
	command := &cobra.Command{
		Use:           "bench",
		Short:         "Report what the benchmark recorded",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	command.AddCommand(newReport(stdout), newPicture())
	command.SetOut(stdout)
	return command
}

// report is what its command line sets.
type report struct {
	results              []string
	disturbances, routes []string // all if empty
	output               string
	markdown             bool
}

func newReport(stdout io.Writer) *cobra.Command {
	var r report
	command := &cobra.Command{
		Use:   "report",
		Short: "Write recorded results as an HTML page, and print the comparison",
		Long: `Writes an HTML page that needs no network and no other file, and prints its comparison as a table. Several results files
are merged; they must come from the same machine and the same version of Kubernetes.`,
		Example: "  bench report\n  bench report --results .cache/bench/results.json --results .cache/bench/soak.json --output report.html\n  bench report --markdown --disturbances rollout,drain --route service",
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return r.write(stdout) },
	}
	flags := command.Flags()
	flags.StringArrayVar(&r.results, "results", []string{".cache/bench/results.json"}, "results file; repeat the flag to merge several")
	flags.StringSliceVar(&r.disturbances, "disturbances", nil, "report only these, separated by commas")
	flags.StringArrayVar(&r.routes, "route", nil, "report only scenarios by this route; repeat the flag for several")
	flags.StringVar(&r.output, "output", ".cache/bench/report.html", "file to write the page to")
	flags.BoolVar(&r.markdown, "markdown", false, "print the comparison as Markdown")
	return command
}

func (r report) write(stdout io.Writer) error {
	result, err := bench.Read(r.results...)
	if err != nil {
		return err
	}
	recorded := len(result.Scenarios)
	if result.Scenarios = slices.DeleteFunc(result.Scenarios, r.leavesOut); recorded > 0 && len(result.Scenarios) == 0 {
		return errors.New("no scenario matches --disturbances and --route: without these flags, `bench report` prints all that there are")
	}
	var html bytes.Buffer
	if err := page.Write(&html, result); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(r.output), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(r.output, html.Bytes(), 0o644); err != nil {
		return err
	}
	if err := result.Write(stdout, r.markdown); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "\nHTML report: %s\n", r.output)
	return err
}

func (r report) leavesOut(s bench.Scenario) bool {
	return !bench.Chosen(r.disturbances, s.Disturbance) || !bench.Chosen(r.routes, s.Route)
}

func newPicture() *cobra.Command {
	var results, subject, disturbance, output string
	command := &cobra.Command{
		Use:     "picture",
		Short:   "Draw the timeline of a scenario as an SVG file",
		Example: `  bench picture --subject "helm create" --disturbance drain --output drain.svg`,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			result, err := bench.Read(results)
			if err != nil {
				return err
			}
			for _, s := range result.Scenarios {
				if s.Subject == subject && s.Disturbance == disturbance {
					return writePicture(output, s)
				}
			}
			return fmt.Errorf("%s has no scenario %q of subject %q: use a column and a row of the table that `bench report` prints", results, disturbance, subject)
		},
	}
	flags := command.Flags()
	flags.StringVar(&results, "results", ".cache/bench/results.json", "results file")
	flags.StringVar(&subject, "subject", bench.Own, "row of the table")
	flags.StringVar(&disturbance, "disturbance", "rollout", "column of the table")
	flags.StringVar(&output, "output", ".cache/bench/picture.svg", "file to write the picture to")
	return command
}

func writePicture(output string, s bench.Scenario) error {
	var svg bytes.Buffer
	if err := page.Picture(&svg, s); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(output), 0o755); err != nil {
		return err
	}
	return os.WriteFile(output, svg.Bytes(), 0o644)
}
