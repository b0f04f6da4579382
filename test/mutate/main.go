// Command mutate puts one defect after another into a copy of the chart and runs
// the render suite on it: each defect must fail a test. The tests that are about it
// run first, and the others only if none of them fails. Tests that compare whole
// renders, or draw values, are left out: they would notice any change, and do not
// say what it breaks. With an argument, only defects whose description contains it
// are tried.
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
	"slices"
	"strings"
	"syscall"
	"time"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/repo"
)

// anyChange are the tests that notice any change.
const anyChange = "TestGolden|TestBreaking|TestMessages|TestHelm|TestDerived|TestRenderIs|TestAnyValidValues"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	only := strings.Join(os.Args[1:], " ")
	total := 0
	for i, group := range groups {
		groups[i].mutants = slices.DeleteFunc(group.mutants, func(m mutant) bool { return !strings.Contains(m.defect, only) })
		total += len(groups[i].mutants)
	}
	if total == 0 {
		fmt.Fprintf(os.Stderr, "mutate: no description of a defect contains %q\n", only)
		os.Exit(2)
	}
	start := time.Now()
	survivors, err := run(ctx, total)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(2)
	}
	fmt.Printf("%d of %d defects failed a test, in %s\n", total-survivors, total, time.Since(start).Round(time.Second))
	if survivors > 0 {
		os.Exit(1)
	}
}

// run tries all mutants, one after the other since a suite uses all cores itself,
// and returns how many survived.
func run(ctx context.Context, total int) (survivors int, err error) {
	folder, err := os.MkdirTemp("", "ai-agent-mutate-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	suite := filepath.Join(folder, "render.test")
	if out, err := exec.CommandContext(ctx, "go", "test", "-C", repo.Path(), "-c", "-o", suite, "./test/render").CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%w: %s", err, out)
	}
	killer, err := test(ctx, suite, chart.Dir(), "")
	if err != nil {
		return 0, err
	}
	if killer != "" {
		return 0, fmt.Errorf("%s fails without a defect: correct it first", killer)
	}
	tried := 0
	for _, group := range groups {
		for _, m := range group.mutants {
			killer, err := m.try(ctx, suite, filepath.Join(folder, "chart"), group.tests)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", m.defect, err)
			}
			mark := "✓"
			if killer == "" {
				mark = "✗"
				survivors++
			}
			tried++
			fmt.Printf("%s %3d/%d %-60s %s\n", mark, tried, total, m.defect, killer)
		}
	}
	return survivors, nil
}

// try returns the first test that a mutant fails, or nothing.
func (m mutant) try(ctx context.Context, suite, folder, tests string) (killer string, err error) {
	if err := os.CopyFS(folder, os.DirFS(chart.Dir())); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	file := filepath.Join(folder, m.file)
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	broken, err := m.apply(string(text))
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(file, []byte(broken), 0o600); err != nil {
		return "", err
	}
	if killer, err := test(ctx, suite, folder, tests); err != nil || killer != "" {
		return killer, err
	}
	return test(ctx, suite, folder, "")
}

// apply puts the defect into the text of its file.
func (m mutant) apply(text string) (string, error) {
	broken := strings.Replace(text, m.from, m.to, 1)
	if broken == text {
		return "", fmt.Errorf("%s no longer contains %q: rewrite the defect", m.file, m.from)
	}
	return broken, nil
}

var failed = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

// test runs the suite on a chart, or those of its tests that match a pattern, and
// returns a test that failed: of the first, the innermost.
func test(ctx context.Context, suite, chartDir, pattern string) (string, error) {
	command := exec.CommandContext(ctx, suite, "-test.failfast", "-test.skip", anyChange, "-test.run", pattern)
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
