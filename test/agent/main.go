// Command agent is the sample agent: the reference for the contract that the
// chart relies on, and what the live tests deploy. It answers tasks by asking an
// OpenAI-compatible model, streams each answer for as long as it takes, and after
// SIGTERM finishes every run before it exits.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	_ "golang.org/x/crypto/x509roots/fallback" // the image contains no certificates

	"example.com/ai-agent/test/agent/llm"
	"example.com/ai-agent/test/agent/output"
)

func main() {
	// The first signal starts the drain; a second one ends the process at once.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(ctx, stop)
	root := &cobra.Command{
		Use:           "agent",
		Short:         "A small agent that finishes every run before it exits",
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			return setLogLevel(env("LOG_LEVEL", "INFO"))
		},
	}
	root.AddCommand(serveCommand(), runCommand(), askCommand(), checkCommand(), conformCommand(), loadCommand(), stopCommand(), llmCommand())
	if err := root.ExecuteContext(ctx); err != nil {
		os.Exit(explain(err))
	}
}

// explain prints the error and returns the exit code for it.
func explain(err error) int {
	if err.Error() != "" {
		fmt.Fprintln(os.Stderr, "agent:", err)
	}
	var exit *exitError
	if errors.As(err, &exit) {
		return exit.code
	}
	return output.ExitUsage
}

func setLogLevel(name string) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(name)); err != nil {
		return fmt.Errorf("LOG_LEVEL is %q: use DEBUG, INFO, WARN or ERROR", name)
	}
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level})))
	return nil
}

func serveCommand() *cobra.Command {
	var (
		addr       string
		observe    string
		heartbeat  time.Duration
		drainDelay time.Duration
		patience   time.Duration
		timeout    time.Duration
		maxRuns    int
		specs      []string
	)
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve runs (HTTP and WebSocket /v1/runs, gRPC agent.v1.Runs/Run), /health, /ready and /metrics until SIGTERM, then drain",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			model, err := modelFromEnv()
			if err != nil {
				return err
			}
			checks, err := dependenciesFromEnv()
			if err != nil {
				return err
			}
			broken := &faults{}
			for _, spec := range specs {
				if err := broken.start(spec); err != nil {
					return err
				}
			}
			time.Sleep(broken.slowStart)
			var metrics net.Listener
			if observe != "" {
				if metrics, err = net.Listen("tcp", observe); err != nil {
					return err
				}
			}
			listener, err := net.Listen("tcp", addr)
			if err != nil {
				return err
			}
			slog.Info("serving", "address", listener.Addr().String(), "metrics", observe, "model", model.name)
			agent := &server{
				model: model, dependencies: checks, faults: broken, heartbeat: heartbeat, patience: patience, timeout: timeout,
				slots: make(chan struct{}, maxRuns), metrics: newMetrics(model.maxRun),
			}
			model.observe = agent.metrics.observe
			return broken.atEnd(agent.serve(cmd.Context(), listener, metrics, drainDelay))
		},
	}
	cmd.Flags().StringVar(&addr, "addr", ":8000", "address of the API")
	cmd.Flags().StringVar(&observe, "metrics-addr", ":9090", "address of /metrics, which stays open until the last run has ended; if empty, that of --addr")
	cmd.Flags().DurationVar(&heartbeat, "heartbeat", 15*time.Second, "interval of the comments that keep a silent stream alive")
	cmd.Flags().DurationVar(&drainDelay, "drain-delay", 5*time.Second, "how long to keep accepting requests after SIGTERM")
	cmd.Flags().DurationVar(&patience, "patience", 100*time.Millisecond, "delay of the first byte of an answer: a proxy may interrupt a faster one")
	cmd.Flags().DurationVar(&timeout, "client-timeout", 10*time.Second, "how long a client may take to send a request; a run's answer may take MAX_RUN_SECONDS. 0 means no limit for either")
	cmd.Flags().IntVar(&maxRuns, "max-runs", 100, "number of slots for runs; while all are busy, a run is refused with 429")
	cmd.Flags().StringSliceVar(&specs, "fault", nil, faultHelp)
	return cmd
}

const maxTokensHelp = "longest answer in tokens; 0 means the agent's MAX_TOKENS"

func runCommand() *cobra.Command {
	var (
		task      string
		maxTokens int64
	)
	cmd := &cobra.Command{
		Use:   "run --task TASK",
		Short: "Answer one task on standard output and exit, as the chart's CronJobs do",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			model, err := modelFromEnv()
			if err != nil {
				return err
			}
			// Not the command's context: after SIGTERM the run is finished first.
			err = model.run(context.Background(), task, maxTokens, func(text string) error {
				_, err := fmt.Print(text)
				return err
			})
			fmt.Println()
			return err
		},
	}
	cmd.Flags().StringVar(&task, "task", "", "the task to answer")
	cmd.Flags().Int64Var(&maxTokens, "max-tokens", 0, maxTokensHelp)
	_ = cmd.MarkFlagRequired("task") // fails only for a flag that is not defined
	return cmd
}

func llmCommand() *cobra.Command {
	var (
		addr   string
		config llm.Config
	)
	cmd := &cobra.Command{
		Use:   "llm",
		Short: "Serve the OpenAI-compatible sample model",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			listener, err := net.Listen("tcp", addr)
			if err != nil {
				return err
			}
			slog.Info("serving the sample model", "address", listener.Addr().String())
			return serveUntil(cmd.Context(), listener, llm.Handler(config), func() {})
		},
	}
	cmd.Flags().StringVar(&addr, "addr", ":8080", "address to listen on")
	cmd.Flags().IntVar(&config.AnswerTokens, "answer-tokens", 100, "length of an answer in tokens; max_tokens of a request shortens it")
	cmd.Flags().Float64Var(&config.TokensPerSecond, "tokens-per-second", 20, "speed of an answer; 0 sends it at once")
	return cmd
}
