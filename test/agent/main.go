// Command agent is the sample agent: the reference for the contract that the
// chart relies on, and what the live suites deploy. It answers tasks by asking
// an OpenAI-compatible model, streams the answer for as long as it takes, and on
// SIGTERM finishes every run before it exits.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	_ "golang.org/x/crypto/x509roots/fallback" // the image has no certificates of its own

	"example.com/ai-agent/test/agent/llm"
)

func main() {
	// The first signal drains; after it, a second one ends the process at once.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(ctx, stop)
	root := &cobra.Command{
		Use:           "agent",
		Short:         "A small agent that never cuts a run",
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			return setLogLevel(env("LOG_LEVEL", "INFO"))
		},
	}
	root.AddCommand(serveCommand(), runCommand(), askCommand(), checkCommand(), llmCommand())
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
		os.Exit(1)
	}
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
		heartbeat  time.Duration
		drainDelay time.Duration
		patience   time.Duration
		maxRuns    int
		specs      []string
	)
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Answer /health, /ready, /metrics and POST /v1/runs until SIGTERM, then drain",
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
			listener, err := net.Listen("tcp", addr)
			if err != nil {
				return err
			}
			slog.Info("serving", "address", listener.Addr().String(), "model", model.name)
			return newServer(model, checks, broken, heartbeat, patience, maxRuns).serve(cmd.Context(), listener, drainDelay)
		},
	}
	cmd.Flags().StringVar(&addr, "addr", ":8000", "address to listen on")
	cmd.Flags().DurationVar(&heartbeat, "heartbeat", 15*time.Second, "longest silence on a stream")
	cmd.Flags().DurationVar(&drainDelay, "drain-delay", 5*time.Second, "how long to go on accepting after SIGTERM")
	cmd.Flags().DurationVar(&patience, "patience", 100*time.Millisecond, "how long to wait with an answer's first byte, so that no proxy in front cuts it")
	cmd.Flags().IntVar(&maxRuns, "max-runs", 100, "runs in flight at most; one more gets 429")
	cmd.Flags().StringSliceVar(&specs, "fault", nil, faultHelp)
	return cmd
}

const maxTokensHelp = "shorten the answer; 0 leaves it to MAX_TOKENS of the agent"

func runCommand() *cobra.Command {
	var (
		task      string
		maxTokens int64
	)
	cmd := &cobra.Command{
		Use:   "run --task TASK",
		Short: "Answer one task on standard output and exit, as a CronJob does",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			model, err := modelFromEnv()
			if err != nil {
				return err
			}
			// Not the command's context: a run that is told to end is finished first.
			err = model.run(context.Background(), task, maxTokens, func(text string) error {
				_, err := fmt.Print(text)
				return err
			})
			fmt.Println()
			return err
		},
	}
	cmd.Flags().StringVar(&task, "task", "", "what to do")
	cmd.Flags().Int64Var(&maxTokens, "max-tokens", 0, maxTokensHelp)
	_ = cmd.MarkFlagRequired("task") // fails only for a flag that is not defined
	return cmd
}

func askCommand() *cobra.Command {
	var (
		url, host string
		maxTokens int64
		lines     bool
	)
	cmd := &cobra.Command{
		Use:   "ask TASK...",
		Short: "Send runs to an agent, one after the other, and print each answer as it streams in",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var answer io.Writer = os.Stdout
			if lines {
				answer = lineWriter{os.Stdout}
			}
			for _, task := range args {
				err := ask(cmd.Context(), url, host, runRequest{Task: task, MaxTokens: maxTokens}, answer)
				fmt.Println()
				if err != nil {
					return err
				}
				http.DefaultClient.CloseIdleConnections() // the next run is a Service's to place
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&url, "url", "http://127.0.0.1:8000", "address of the agent")
	cmd.Flags().BoolVar(&lines, "lines", false, "end a line after each token: a container's log shows whole lines only")
	cmd.Flags().StringVar(&host, "host", "", "name to ask a proxy at --url for; the URL's own if empty")
	cmd.Flags().Int64Var(&maxTokens, "max-tokens", 0, maxTokensHelp)
	return cmd
}

// lineWriter ends a line after each write.
type lineWriter struct{ to io.Writer }

func (w lineWriter) Write(text []byte) (int, error) {
	_, err := fmt.Fprintf(w.to, "%s\n", text)
	return len(text), err
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
	cmd.Flags().IntVar(&config.AnswerTokens, "answer-tokens", 100, "length of an answer in tokens; max_tokens shortens it")
	cmd.Flags().Float64Var(&config.TokensPerSecond, "tokens-per-second", 20, "speed of an answer; 0 answers at once")
	return cmd
}
