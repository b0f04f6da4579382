package main

import (
	"errors"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/ai-agent/test/agent/output"
	"example.com/ai-agent/test/internal/conform"
	"example.com/ai-agent/test/internal/finding"
)

// conformCommand judges an agent by its answers, as `helm test` does with
// helmTest.protocol.
func conformCommand() *cobra.Command {
	var (
		url, protocol string
		variables     []string
		test          conform.Test
	)
	cmd := &cobra.Command{
		Use:   "conform --url URL",
		Short: "Judge an agent by the answers to several runs at once",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			values, err := conform.Pairs("--var", variables)
			if err != nil {
				return err
			}
			if test.Protocol, err = conform.LoadProtocol(protocol, values); err != nil {
				return err
			}
			if test.Runs < 1 {
				return errors.New("--runs must be at least 1")
			}
			test.Agent = conform.Agent{URL: url}
			seen, err := test.Observe(cmd.Context())
			if err != nil {
				return err
			}
			made, err := test.Report(seen)
			if err != nil {
				return err
			}
			if err := made.Write(os.Stdout, "table"); err != nil {
				return err
			}
			if made.Worst() == finding.Error {
				return &exitError{code: output.ExitCheckFailed}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&url, "url", "", "address of the agent")
	cmd.Flags().StringVar(&protocol, "protocol", "sse", "how to ask for a run: "+strings.Join(conform.Protocols(), ", ")+", or a file")
	cmd.Flags().StringArrayVar(&variables, "var", nil, "variable of the protocol, NAME=VALUE, or NAME to take it from the environment; can be repeated")
	cmd.Flags().IntVar(&test.Runs, "runs", 3, "number of runs at once")
	cmd.Flags().DurationVar(&test.Length, "run-length", 10*time.Second, "length of a run, where the protocol can say it")
	cmd.Flags().DurationVar(&test.Patience, "patience", time.Minute, "how long to wait for the end of a run")
	cmd.Flags().DurationVar(&test.Start, "settle", 2*time.Minute, "how long to wait for the agent's first answer")
	_ = cmd.MarkFlagRequired("url") // fails only for a flag that is not defined
	return cmd
}
