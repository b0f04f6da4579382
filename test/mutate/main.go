// Command mutate puts one defect after another into a copy of the chart and runs
// the render suites over it: each defect must turn a test red. The goldens and the
// comparisons of one render with another are left out; they would see any change
// and say nothing of what it breaks. With an argument, only the defects whose
// description has it are tried.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/repo"
)

// blind are tests that see any change, and that no mutant may count on.
const blind = "TestGolden|TestHelm|TestDerived|TestRenderIsTheSame|TestAnyValidValues"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	only := strings.Join(os.Args[1:], " ")
	tried := slices.DeleteFunc(slices.Clone(mutants), func(m mutant) bool { return !strings.Contains(m.defect, only) })
	if len(tried) == 0 {
		fmt.Fprintf(os.Stderr, "mutate: no defect is described with %q\n", only)
		os.Exit(2)
	}
	survivors, err := run(ctx, tried)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(2)
	}
	if survivors > 0 {
		fmt.Printf("%d of %d defects turned no test red\n", survivors, len(tried))
		os.Exit(1)
	}
	fmt.Printf("each of %d defects turned a test red\n", len(tried))
}

// run tries mutants and returns how many survived.
func run(ctx context.Context, mutants []mutant) (survivors int, err error) {
	folder, err := os.MkdirTemp("", "ai-agent-mutate-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	suite := filepath.Join(folder, "render.test")
	if out, err := exec.CommandContext(ctx, "go", "test", "-C", repo.Path(), "-c", "-o", suite, "./test/render").CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%w: %s", err, out)
	}
	if red, err := test(ctx, suite, chart.Dir()); err != nil || red != "" {
		return 0, fmt.Errorf("%s is red without any defect: %w", red, err)
	}

	type verdict struct {
		killer string
		err    error
	}
	verdicts := make([]verdict, len(mutants))
	var group sync.WaitGroup
	places := make(chan struct{}, max(1, runtime.NumCPU()/2)) // a suite uses two cores itself
	var print sync.Mutex
	for i, m := range mutants {
		group.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			killer, err := m.try(ctx, suite, filepath.Join(folder, fmt.Sprint(i)))
			verdicts[i] = verdict{killer, err}
			print.Lock()
			defer print.Unlock()
			mark := "✓"
			if killer == "" {
				mark = "✗"
			}
			fmt.Printf("%s %-55s %s\n", mark, m.defect, killer)
		})
	}
	group.Wait()
	for i, v := range verdicts {
		if v.err != nil {
			return 0, fmt.Errorf("%s: %w", mutants[i].defect, v.err)
		}
		if v.killer == "" {
			survivors++
		}
	}
	return survivors, nil
}

// try returns the first test that a mutant turns red, or nothing.
func (m mutant) try(ctx context.Context, suite, folder string) (string, error) {
	if err := os.CopyFS(folder, os.DirFS(chart.Dir())); err != nil {
		return "", err
	}
	file := filepath.Join(folder, m.file)
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	broken := strings.Replace(string(text), m.from, m.to, 1)
	if broken == string(text) {
		return "", fmt.Errorf("%s has no %q any more: write the defect anew", m.file, m.from)
	}
	if err := os.WriteFile(file, []byte(broken), 0o600); err != nil {
		return "", err
	}
	return test(ctx, suite, folder)
}

var failed = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

// test runs the suite over a chart and returns a test that failed, the innermost
// of the first.
func test(ctx context.Context, suite, chartDir string) (string, error) {
	command := exec.CommandContext(ctx, suite, "-test.failfast", "-test.skip", blind)
	command.Dir = repo.Path("test", "render")
	command.Env = append(os.Environ(), chart.DirVariable+"="+chartDir)
	out, err := command.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		return "", err
	}
	names := failed.FindAllStringSubmatch(string(out), 2)
	switch {
	case err == nil:
		return "", nil
	case len(names) == 0:
		return "the suite itself", nil
	default:
		return names[len(names)-1][1], nil
	}
}
