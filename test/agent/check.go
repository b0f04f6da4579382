package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// expectations are what `helm test` asks of a release.
type expectations struct {
	url         string   // answers on /health and /ready
	env         []string // is set
	unreachable []string // host:port that a NetworkPolicy must keep away
	writable    []string // folders that take a file
	readOnly    []string // folders of a file system that is mounted so
	settle      time.Duration
	steady      time.Duration
}

// check returns everything that is not as expected.
func (e expectations) check(ctx context.Context) error {
	var wrong []error
	if e.url != "" {
		for _, path := range []string{"/health", "/ready"} {
			wrong = append(wrong, e.settled(func() error { return answers(ctx, strings.TrimSuffix(e.url, "/")+path) }))
		}
	}
	for _, name := range e.env {
		if os.Getenv(name) == "" {
			wrong = append(wrong, fmt.Errorf("the environment has no %s", name))
		}
	}
	wrong = append(wrong, e.allUnreachable(ctx))
	for _, folder := range e.writable {
		if err := write(folder); err != nil {
			wrong = append(wrong, fmt.Errorf("%s takes no file: %w", folder, err))
		}
	}
	for _, folder := range e.readOnly {
		if err := write(folder); !errors.Is(err, syscall.EROFS) { // not for want of a permission
			wrong = append(wrong, fmt.Errorf("%s is not read-only: %v", folder, err))
		}
	}
	return errors.Join(wrong...)
}

// write makes a file in a folder and removes it.
func write(folder string) error {
	file, err := os.CreateTemp(folder, "check-")
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// settled asks again until the answer stays right or the time is over: Kubernetes
// lets a pod start before its NetworkPolicies hold, and before those of others,
// each on its own node, know it.
func (e expectations) settled(ask func() error) error {
	var since time.Time // it has been right
	for deadline := time.Now().Add(e.settle); ; time.Sleep(200 * time.Millisecond) {
		err := ask()
		switch {
		case err == nil && since.IsZero():
			since = time.Now()
		case err != nil && time.Now().After(deadline):
			return err
		case err != nil:
			since = time.Time{}
		}
		if err == nil && time.Since(since) >= e.steady {
			return nil
		}
	}
}

// allUnreachable looks at every address at once: each look may last as long as a
// dial does.
func (e expectations) allUnreachable(ctx context.Context) error {
	wrong := make([]error, len(e.unreachable))
	var group sync.WaitGroup
	for i, address := range e.unreachable {
		group.Go(func() { wrong[i] = e.settled(func() error { return unreachable(ctx, address) }) })
	}
	group.Wait()
	return errors.Join(wrong...)
}

// unreachable fails also where the name means nothing: nobody was kept away then.
func unreachable(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return fmt.Errorf("%s cannot be looked up: %w", address, err)
	}
	dialer := net.Dialer{Timeout: 3 * time.Second}
	connection, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(addresses[0], port))
	if err != nil {
		return nil
	}
	_ = connection.Close()
	return fmt.Errorf("%s can be reached, so no NetworkPolicy is enforced here", address)
}

func answers(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	get, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	get.Close = true // the next one may be another pod's
	res, err := http.DefaultClient.Do(get)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, res.Status)
	}
	return nil
}

func checkCommand() *cobra.Command {
	var e expectations
	cmd := &cobra.Command{
		Use:   "check",
		Short: "See whether a release is as it should be, as `helm test` does",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return e.check(cmd.Context()) },
	}
	cmd.Flags().StringVar(&e.url, "url", "", "address of an agent whose /health and /ready must answer")
	cmd.Flags().StringSliceVar(&e.env, "env", nil, "environment variables that must be set")
	cmd.Flags().StringSliceVar(&e.unreachable, "unreachable", nil, "host:port that must not be reachable")
	cmd.Flags().StringSliceVar(&e.writable, "writable", nil, "folders that must take a file")
	cmd.Flags().StringSliceVar(&e.readOnly, "read-only", nil, "folders of a file system that must be mounted read-only")
	cmd.Flags().DurationVar(&e.steady, "steady", 0, "how long each answer must stay right, asked five times a second")
	cmd.Flags().DurationVar(&e.settle, "settle", 30*time.Second, "how long policies and endpoints may take to hold")
	return cmd
}
