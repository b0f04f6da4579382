// Command conform starts an agent as its pod would, without a cluster, and reports
// whether Kubernetes can replace it without interrupting a run.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"example.com/ai-agent/test/internal/conform"
	"example.com/ai-agent/test/internal/finding"
	"example.com/ai-agent/test/internal/report"
)

func main() {
	log.SetOutput(io.Discard) // Helm warns there about values
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// options are what the command line sets.
type options struct {
	image, url, chart, protocol  string
	files                        []string
	variables, env               []string
	port                         int
	readyPath, livePath, metrics string
	runLength, startTimeout      time.Duration
	runs                         int
	format, failOn, valuesFile   string
	list, ownModel               bool
}

// run is the command; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o := options{}
	code := 0
	command := &cobra.Command{
		Use:   "conform {[--image IMAGE] [--] [COMMAND [ARG]...] | --url URL}",
		Short: "Says whether Kubernetes can replace an agent without interrupting a run",
		Long: `Starts the agent several times, as restricted as the chart's pods, asks it for runs, sends SIGTERM during one of them, and
reports which rules the agent breaks. An image needs Docker. A command runs in the image or, without --image, as a process on this
machine. An agent that is already running, at a URL, only receives runs. By default, this takes less than a minute.

The agent's model is a sample model of this command, at OPENAI_BASE_URL: its answers take as long as a run and cost nothing.
With --own-model, the agent uses the model that --env or the values set: about a dozen runs are paid for.

With --values, image, command, environment, ports, probes and preStop hook are those that the chart renders from the files, for
an agent.maxRunSeconds that is a little longer than --run-length. A server timeout longer than that is not detected: if you
set one, --run-length must be the length of the longest run that you want to protect.

--protocol says how to ask for a run: one of ` + strings.Join(conform.Protocols(), ", ") + `, or a file of the same form; --var sets its variables.

Exit code: 0 nothing at or above --fail-on, 1 warnings, 2 errors, 3 the agent cannot be judged.`,
		Example: "  conform --image registry.example.com/team/agent:1.2.3 --protocol openai-chat\n" +
			"  conform --image ai-agent-servers:debian --values presets/gunicorn.yaml --values mine.yaml\n" +
			"  conform -- uvicorn app:app --port '$(PORT)'\n" +
			"  conform --url http://127.0.0.1:8000",
		SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, words []string) (err error) {
			code, err = o.conform(cmd.Context(), words, stdout, stderr)
			return err
		},
	}
	o.flags(command)
	command.SetArgs(args)
	command.SetOut(stdout)
	command.SetErr(stderr)
	if err := command.ExecuteContext(ctx); err != nil {
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintln(stderr, "conform:", strings.TrimSpace(line))
		}
		return report.ExitUnable
	}
	return code
}

func (o *options) flags(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&o.image, "image", "", "image of the agent; Docker runs it")
	flags.StringVar(&o.url, "url", "", "address of an agent that runs already")
	flags.StringSliceVarP(&o.files, "values", "f", nil, "values file of the chart, can be repeated; later ones take precedence")
	flags.StringVar(&o.chart, "chart", "charts/ai-agent", "folder or packaged archive of the chart")
	flags.StringVar(&o.protocol, "protocol", "sse", "how to ask for a run: "+strings.Join(conform.Protocols(), ", ")+", or a file")
	flags.StringArrayVar(&o.variables, "var", nil, "variable of the protocol, NAME=VALUE, or NAME to take it from the environment; can be repeated")
	flags.StringArrayVar(&o.env, "env", nil, "environment variable of the agent, NAME=VALUE, or NAME to pass on this environment's; can be repeated; takes precedence over the values")
	flags.IntVar(&o.port, "port", 0, "port of the agent; by default containerPort, and for a command a free one, in $(PORT)")
	flags.StringVar(&o.readyPath, "ready-path", "", "path of the readiness probe; by default that of the values, or any answer")
	flags.StringVar(&o.livePath, "live-path", "", "path of the liveness probe; by default that of the values, or any answer")
	flags.StringVar(&o.metrics, "metrics-path", "", "path of the metrics; by default /metrics if the values have a metricsPort")
	flags.DurationVar(&o.runLength, "run-length", 45*time.Second, "length of the run during which the agent is terminated")
	flags.IntVar(&o.runs, "runs", 10, "number of runs at once, for an agent that is busy")
	flags.DurationVar(&o.startTimeout, "start-timeout", 20*time.Second, "how long the agent may take to start")
	flags.BoolVar(&o.ownModel, "own-model", false, "the agent has a model of its own")
	flags.StringVarP(&o.format, "output", "o", "table", strings.Join(report.Formats(), ", "))
	flags.StringVar(&o.failOn, "fail-on", string(finding.Warning), "the lowest severity that fails: error, warning or info")
	flags.StringVar(&o.valuesFile, "write-values", "", "new file for the proposed values")
	flags.BoolVar(&o.list, "list", false, "list the rules, and judge nothing")
}

// check returns every option that is not valid.
func (o options) check(words []string) error {
	problems := []error{report.CheckOptions(o.format, o.failOn)}
	started := o.image != "" || len(words) > 0 || len(o.files) > 0
	if started == (o.url != "") {
		problems = append(problems, errors.New("name one agent: --image IMAGE, -- COMMAND, both, --values FILE with an image, or --url URL"))
	}
	if o.url != "" && (len(o.env) > 0 || o.valuesFile != "" || o.metrics != "" || o.port != 0 || o.ownModel) {
		problems = append(problems, errors.New("--env, --write-values, --metrics-path, --port and --own-model have no effect with --url: omit them"))
	}
	if o.runLength < 5*time.Second {
		problems = append(problems, fmt.Errorf("--run-length %s is too short to terminate an agent meanwhile: use at least 5s", o.runLength))
	}
	if o.runs < 1 {
		problems = append(problems, fmt.Errorf("--runs %d is not valid: use at least 1", o.runs))
	}
	return errors.Join(problems...)
}

func (o options) conform(ctx context.Context, words []string, stdout, stderr io.Writer) (int, error) {
	if o.list {
		report.List(stdout, conform.Rules())
		return 0, nil
	}
	variables, variablesErr := conform.Pairs("--var", o.variables)
	protocol, protocolErr := conform.LoadProtocol(o.protocol, variables)
	if err := errors.Join(o.check(words), variablesErr, protocolErr); err != nil {
		return 0, err
	}
	agent, err := o.agent(words)
	if err != nil {
		return 0, err
	}
	if o.url == "" && !o.ownModel {
		stop, err := conform.ServeModel(&agent, o.runLength)
		if err != nil {
			return 0, err
		}
		defer stop()
	}
	test := conform.Test{
		Agent: agent, Protocol: protocol, Length: o.runLength, Runs: o.runs, Start: o.startTimeout, FromValues: len(o.files) > 0,
		Progress: func(what string) { fmt.Fprintln(stderr, "conform:", what) },
	}
	seen, err := test.Observe(ctx)
	if err != nil {
		return 0, err
	}
	made, err := test.Report(seen)
	if err != nil {
		return 0, err
	}
	if err := errors.Join(made.Write(stdout, o.format), o.writeValues(made.Proposed)); err != nil {
		return 0, err
	}
	return made.ExitCode(finding.Severity(o.failOn)), nil
}

// writeValues writes the proposed values, if there are any, into a new file.
func (o options) writeValues(proposed string) error {
	if o.valuesFile == "" || proposed == "" {
		return nil
	}
	file, err := os.OpenFile(o.valuesFile, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("--write-values: %w; name a new file", err)
	}
	_, err = file.WriteString(proposed)
	return errors.Join(err, file.Close())
}
