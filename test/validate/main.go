// Command validate says what is wrong with values for the chart, before they
// reach a cluster. It works on the chart's folder and on its packaged archive,
// inside this repository and outside of it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"helm.sh/helm/v3/pkg/chartutil"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/check"
	"example.com/ai-agent/test/internal/report"
)

// Exit codes.
const (
	exitWarnings = 1
	exitErrors   = 2
	exitUnable   = 3
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGPIPE)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// options are what the command line says.
type options struct {
	chart, format, failOn, kubeVersion string
	list                               bool
}

// run is the command; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o options
	code := 0
	command := &cobra.Command{
		Use:   "validate [--chart PATH] [VALUES.yaml]…",
		Short: "Says what is wrong with values for the chart, before they reach a cluster",
		Long: `Renders the chart with the values files, the later ones over the earlier, and looks at what comes out: the chart's
own rules, the schemas of Kubernetes 1.34 to 1.37, Pod Security "restricted", kube-score, and the best practices and
pitfalls of running agents. Nothing is sent anywhere.

Exit code: 0 nothing found, 1 warnings, 2 errors, 3 it could not be looked at.`,
		Example:       "  validate my.yaml\n  validate --chart ai-agent-0.2.0.tgz --output sarif base.yaml production.yaml",
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, files []string) (err error) {
			code, err = o.validate(cmd.Context(), files, stdout)
			return err
		},
	}
	flags := command.Flags()
	flags.StringVar(&o.chart, "chart", "charts/ai-agent", "the chart's folder or packaged archive")
	flags.StringVarP(&o.format, "output", "o", "table", strings.Join(report.Formats(), ", "))
	flags.StringVar(&o.failOn, "fail-on", string(check.Warning), "the mildest severity that fails: error, warning or info")
	flags.StringVar(&o.kubeVersion, "kube-version", chart.KubeVersion, "the version of Kubernetes to render for")
	flags.BoolVar(&o.list, "list", false, "list the checks and make none")
	command.SetArgs(args)
	command.SetOut(stdout)
	command.SetErr(stderr)
	if err := command.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(stderr, "validate:", err)
		return exitUnable
	}
	return code
}

func (o options) validate(ctx context.Context, files []string, stdout io.Writer) (code int, err error) {
	if !slices.Contains(report.Formats(), o.format) {
		return 0, fmt.Errorf("there is no output %q: use one of %s", o.format, strings.Join(report.Formats(), ", "))
	}
	threshold := check.Severity(o.failOn)
	if threshold.Rank() < 0 {
		return 0, fmt.Errorf("there is no severity %q: use error, warning or info", o.failOn)
	}
	if _, err := chartutil.ParseKubeVersion(o.kubeVersion); err != nil {
		return 0, fmt.Errorf("there is no Kubernetes %q: use a version such as %s", o.kubeVersion, chart.KubeVersion)
	}
	set, err := check.New()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, set.Close()) }()
	if o.list {
		report.List(stdout, append(check.Steps(), set.Checks...))
		return 0, nil
	}
	result, err := o.look(ctx, set, files)
	if err != nil {
		return 0, err
	}
	if err := result.Write(stdout, o.format); err != nil {
		return 0, err
	}
	return exitCode(result.Worst(), threshold), nil
}

// look renders and checks.
func (o options) look(ctx context.Context, set *check.Set, files []string) (_ report.Report, err error) {
	c, err := chart.Load(o.chart)
	if err != nil {
		return report.Report{}, fmt.Errorf("%s is no chart: %w. Name its folder or archive with --chart", o.chart, err)
	}
	metadata, err := c.Metadata()
	if err != nil {
		return report.Report{}, err
	}
	result := report.Report{Chart: metadata.Name + " " + metadata.Version, Values: files}
	folder, err := os.MkdirTemp("", "ai-agent-values-")
	if err != nil {
		return report.Report{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	files, err = readable(files, folder)
	if err != nil {
		return report.Report{}, err
	}
	for _, file := range files {
		if err := check.ReadValues(c, file); err != nil {
			return report.Report{}, err
		}
	}
	subject, findings, err := check.Render(c, chart.Options{Files: files, KubeVersion: o.kubeVersion, APIVersions: chart.MonitoringAPIs})
	result.Checks, result.Skipped = check.Steps(), set.Checks
	if err == nil && findings == nil {
		result.Checks, result.Skipped = append(result.Checks, set.Checks...), nil
		findings, err = set.Run(ctx, subject)
	}
	result.Findings = findings
	return result, err
}

// readable copies what can be read only once, as a pipe or standard input, which
// is "-", into a folder: values are read more than once.
func readable(files []string, folder string) ([]string, error) {
	var all []string
	for i, file := range files {
		if file == "-" {
			file = "/dev/stdin"
		}
		info, err := os.Stat(file)
		if err != nil || info.Mode().IsRegular() || info.IsDir() {
			all = append(all, file) // ReadValues says what is wrong with it
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		copied := filepath.Join(folder, fmt.Sprint(i, ".yaml"))
		if err := os.WriteFile(copied, data, 0o600); err != nil {
			return nil, err
		}
		all = append(all, copied)
	}
	return all, nil
}

func exitCode(worst, threshold check.Severity) int {
	switch {
	case worst == "" || !worst.AtLeast(threshold):
		return 0
	case worst == check.Error:
		return exitErrors
	default:
		return exitWarnings
	}
}
