package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"example.com/ai-agent/test/agent/output"
)

// expectations are what `helm test` checks of a release.
type expectations struct {
	url         string   // of an agent that answers 200 on /health and /ready
	env         []string // variables that are set
	unreachable []string // host:port that a NetworkPolicy must block
	writable    []string // folders in which a file can be created
	readOnly    []string // folders of a file system that is mounted read-only
	settle      time.Duration
	steady      time.Duration
}

// validate finds mistakes in the command line.
func (e expectations) validate() error {
	if e.url == "" && len(e.env)+len(e.unreachable)+len(e.writable)+len(e.readOnly) == 0 {
		return errors.New("nothing to check: use --url, --env, --unreachable, --writable or --read-only")
	}
	if e.url != "" {
		if err := checkURL(e.url); err != nil {
			return err
		}
	}
	for _, address := range e.unreachable {
		if _, _, err := net.SplitHostPort(address); err != nil {
			return fmt.Errorf("--unreachable %s: use host:port: %w", address, err)
		}
	}
	return nil
}

// check returns one result for each expectation.
func (e expectations) check(ctx context.Context) []output.Check {
	var results []output.Check
	if e.url != "" {
		for _, path := range []string{"/health", "/ready"} {
			target := strings.TrimSuffix(e.url, "/") + path
			results = append(results, e.settled(ctx, func() output.Check {
				return result("url", target, answers(ctx, target))
			}))
		}
	}
	for _, name := range e.env {
		results = append(results, result("env", name, isSet(name)))
	}
	results = append(results, e.checkUnreachable(ctx)...)
	for _, folder := range e.writable {
		results = append(results, result("writable", folder, createFile(folder)))
	}
	for _, folder := range e.readOnly {
		results = append(results, result("read-only", folder, isReadOnly(folder)))
	}
	return results
}

func result(check, target string, err error) output.Check {
	if err != nil {
		return output.Check{Check: check, Target: target, Error: err.Error()}
	}
	return output.Check{Check: check, Target: target, OK: true}
}

func isSet(name string) error {
	if os.Getenv(name) == "" {
		return fmt.Errorf("the environment variable %s is not set", name)
	}
	return nil
}

func createFile(folder string) error {
	file, err := os.CreateTemp(folder, "check-")
	if err != nil {
		return fmt.Errorf("no file can be created: %w", err)
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// isReadOnly requires the file system's refusal: a missing permission is none.
func isReadOnly(folder string) error {
	err := createFile(folder)
	if err == nil {
		return errors.New("the folder is not read-only: a file was created in it")
	}
	if !errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("the folder is not read-only: %w", err)
	}
	return nil
}

// settled repeats a check until it passes, and has passed for the time steady, or
// until the time settle is over: Kubernetes starts a pod before its NetworkPolicies
// are enforced, and before the nodes of other pods know its address.
func (e expectations) settled(ctx context.Context, check func() output.Check) output.Check {
	var since time.Time // of the first pass in a row
	for deadline := time.Now().Add(e.settle); ; {
		result := check()
		switch {
		case !result.OK && time.Now().After(deadline):
			return result
		case !result.OK:
			since = time.Time{}
		case since.IsZero():
			since = time.Now()
		}
		if result.OK && time.Since(since) >= e.steady {
			return result
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			result.OK, result.Error = false, fmt.Sprintf("stopped before the check was over: %v", context.Cause(ctx))
			return result
		}
	}
}

// checkUnreachable dials all addresses at the same time: each one may take as long
// as the dialer waits.
func (e expectations) checkUnreachable(ctx context.Context) []output.Check {
	results := make([]output.Check, len(e.unreachable))
	var group sync.WaitGroup
	for i, address := range e.unreachable {
		group.Go(func() {
			results[i] = e.settled(ctx, func() output.Check { return unreachable(ctx, address) })
		})
	}
	group.Wait()
	return results
}

func unreachable(ctx context.Context, address string) output.Check {
	state, err := dial(ctx, address)
	check := result("unreachable", address, err)
	check.State = state
	return check
}

// dial fails unless the address is unreachable. A name without an address fails
// too: no policy has blocked anything then.
func dial(ctx context.Context, address string) (output.State, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return output.AddressUnresolved, fmt.Errorf("the name cannot be resolved: %w", err)
	}
	dialer := net.Dialer{Timeout: 3 * time.Second}
	connection, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(addresses[0], port))
	if err == nil {
		_ = connection.Close()
		return output.AddressReachable, errors.New("the address is reachable: no NetworkPolicy is enforced here")
	}
	if errors.Is(ctx.Err(), context.Canceled) { // by a signal: not the network's refusal
		return "", context.Cause(ctx)
	}
	return output.AddressUnreachable, nil
}

func answers(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	get, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	get.Close = true // a Service may route the next request to another pod
	res, err := http.DefaultClient.Do(get)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return nil
}

func checkCommand() *cobra.Command {
	var e expectations
	format := asText
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check a release from the inside, as `helm test` does",
		Long: `Check a release from the inside, as helm test does, and print one result for each expectation.

Exit codes:
  0  every check passed
  1  the command line or the configuration is wrong
  2  a check failed`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := e.validate(); err != nil {
				return err
			}
			results := e.check(cmd.Context())
			failed := len(slices.DeleteFunc(slices.Clone(results), func(c output.Check) bool { return c.OK }))
			format.checks(os.Stdout, output.Checks{OK: failed == 0, Checks: results})
			if failed > 0 {
				return format.exit(output.ExitCheckFailed, fmt.Sprintf("%d of %d checks failed", failed, len(results)))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&e.url, "url", "", "address of an agent that must answer 200 on /health and /ready")
	cmd.Flags().StringSliceVar(&e.env, "env", nil, "environment variables that must be set")
	cmd.Flags().StringSliceVar(&e.unreachable, "unreachable", nil, "host:port that a NetworkPolicy must block")
	cmd.Flags().StringSliceVar(&e.writable, "writable", nil, "folders in which a file can be created")
	cmd.Flags().StringSliceVar(&e.readOnly, "read-only", nil, "folders of a file system that must be mounted read-only")
	cmd.Flags().DurationVar(&e.steady, "steady", 0, "how long each network check must keep passing, five times a second")
	cmd.Flags().DurationVar(&e.settle, "settle", 30*time.Second, "how long network policies and endpoints may take to take effect")
	cmd.Flags().Var(&format, "output", "how to print the results: text or json")
	return cmd
}
