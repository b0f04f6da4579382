// Command validate says what is wrong with values for the chart, before they
// reach a cluster. It reads the chart's folder or its packaged archive, inside
// this repository and elsewhere.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"helm.sh/helm/v3/pkg/chartutil"

	"example.com/ai-agent/test/internal/apiserver"
	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/check"
	"example.com/ai-agent/test/internal/finding"
	"example.com/ai-agent/test/internal/report"
)

// patience is how long an interrupted validation may take to end.
const patience = 500 * time.Millisecond

func main() {
	log.SetOutput(io.Discard) // Helm warns there about values that become findings
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGPIPE)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// options are what the command line sets.
type options struct {
	chart, format, failOn, kubeVersion, platform string
	list, server                                 bool
}

// run is the command; it returns the exit code. Once the context is canceled, it
// returns soon, even if it waits for input.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o options
	var code int
	command := &cobra.Command{
		Use:   "validate [--chart PATH] [VALUES.yaml]...",
		Short: "Says what is wrong with values for the chart, before they reach a cluster",
		Long: fmt.Sprintf(`Renders the chart with the values files, of which later ones take precedence, and reports what is wrong: the chart's
own rules, the schemas of Kubernetes %s, Kubernetes' own validation, Pod Security "restricted", and best practices and
pitfalls of running agents. "-" is standard input. PATH may also be a chart that has ai-agent as a dependency.

Without --server, nothing is sent or downloaded. Two optional programs read the rendered objects on standard input: kube-score
(on PATH) and kube-validate (on PATH or next to this program), which contains the validation code of Kubernetes' API server.
If one is missing, a note says so. With --server, the API server of the current kubectl context replaces kube-validate: it
receives the objects, including Secrets, as a dry run in the namespace of the context, and stores nothing. The last line
says which of the two was used.

Exit code: 0 nothing at or above --fail-on, 1 warnings (notes too, with --fail-on info), 2 errors, 3 the input cannot be validated.

With --platform, it also reports how long a run has when an autoscaler, an upgrade, a spot interruption or a failure of
that platform ends its pod.`, check.KubernetesRange()),
		Example:       "  validate my.yaml\n  validate --platform gke my.yaml\n  validate --chart ai-agent.tgz --output sarif base.yaml production.yaml",
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, files []string) (err error) {
			code, err = o.validate(cmd.Context(), files, stdout)
			return err
		},
	}
	flags := command.Flags()
	flags.StringVar(&o.chart, "chart", "charts/ai-agent", "folder or packaged archive of the chart")
	flags.Func("platform", "also report what ends pods on one of "+strings.Join(check.Platforms(), ", "), func(name string) error {
		if !slices.Contains(check.Platforms(), name) {
			return fmt.Errorf("use one of %s", strings.Join(check.Platforms(), ", "))
		}
		o.platform = name
		return nil
	})
	flags.StringVarP(&o.format, "output", "o", "table", strings.Join(report.Formats(), ", "))
	flags.StringVar(&o.failOn, "fail-on", string(finding.Warning), "the lowest severity that fails: error, warning or info")
	flags.StringVar(&o.kubeVersion, "kube-version", chart.KubeVersion, "the version of Kubernetes to render for")
	flags.BoolVar(&o.server, "server", false, "ask the cluster of the current context by dry run, instead of kube-validate")
	flags.BoolVar(&o.list, "list", false, "list the rules, and validate nothing")
	command.SetArgs(args)
	command.SetOut(stdout)
	command.SetErr(stderr)

	ended := make(chan error, 1)
	go func() { ended <- command.ExecuteContext(ctx) }()
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
		select { // other programs are ended too, but a read of standard input cannot be
		case <-ended:
		case <-time.After(patience):
		}
		err = errors.New("interrupted")
	}
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintln(stderr, "validate:", strings.TrimSpace(line))
		}
		return report.ExitUnable
	}
	return code
}

func (o options) validate(ctx context.Context, names []string, stdout io.Writer) (int, error) {
	c, chartErr := o.loadChart()
	files, filesErr := readFiles(names, c)
	if err := errors.Join(o.check(), chartErr, filesErr); err != nil {
		return 0, err
	}
	set, err := check.New(c)
	if err == nil && o.platform != "" {
		err = set.Judge(o.platform)
	}
	if err != nil {
		return 0, err
	}
	if o.server {
		set.Ask = apiserver.Cluster{}.Ask
	}
	if o.list {
		report.List(stdout, set.Rules())
		return 0, nil
	}
	metadata, err := c.Metadata()
	if err != nil {
		return 0, err
	}
	result, err := set.Validate(ctx, chart.Options{Read: files.merged(), KubeVersion: o.kubeVersion})
	if err != nil {
		return 0, err
	}
	made := report.Report{
		Command: "validate", Chart: metadata.Name + " " + metadata.Version, Values: names, AskedBy: result.AskedBy,
		Findings: result.Findings, Evaluated: result.Evaluated, Remaining: result.Remaining, Locate: files.locate,
	}
	if err := made.Write(stdout, o.format); err != nil {
		return 0, err
	}
	return made.ExitCode(finding.Severity(o.failOn)), nil
}

// check returns every option that is not valid.
func (o options) check() error {
	problems := []error{report.CheckOptions(o.format, o.failOn)}
	if _, err := chartutil.ParseKubeVersion(o.kubeVersion); err != nil {
		problems = append(problems, fmt.Errorf("--kube-version %q is not valid: use a version such as %s", o.kubeVersion, chart.KubeVersion))
	}
	return errors.Join(problems...)
}

func (o options) loadChart() (*chart.Chart, error) {
	c, err := chart.Load(o.chart)
	if err != nil {
		return nil, fmt.Errorf("--chart %s is not a chart: %s; use its folder or archive", o.chart, oneLine(err))
	}
	if err := c.RequireAgent(); err != nil {
		return nil, fmt.Errorf("--chart %s: %w", o.chart, err)
	}
	return c, nil
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
