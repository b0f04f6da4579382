// Command summary prints what a test run consisted of: its parts, how long each took,
// and how many tests passed, failed and were skipped. Its argument is a folder with the
// file parts, a line "TITLE<tab>SECONDS<tab>EXIT STATUS" per part, and for a part of Go
// tests TITLE.json, the events of go test -json.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: summary FOLDER")
		os.Exit(1)
	}
	parts, err := load(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "summary:", err)
		os.Exit(1)
	}
	write(os.Stdout, parts)
}

// A part of a test run.
type part struct {
	title   string
	seconds int
	status  int    // exit status of its command
	tests   *tests // nil if it runs none
}

// load reads the parts that a folder describes.
func load(folder string) ([]part, error) {
	text, err := os.ReadFile(filepath.Join(folder, "parts"))
	if err != nil {
		return nil, err
	}
	var parts []part
	for line := range strings.Lines(string(text)) {
		title, numbers, _ := strings.Cut(line, "\t")
		p := part{title: title}
		if _, err := fmt.Sscan(numbers, &p.seconds, &p.status); err != nil {
			return nil, fmt.Errorf("parts: %q: %w", line, err)
		}
		events, err := os.ReadFile(filepath.Join(folder, title+".json"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err == nil {
			p.tests = count(bytes.Lines(events))
		}
		parts = append(parts, p)
	}
	return parts, nil
}

// write prints a table of the parts, the skipped tests with their reasons, and the sum
// of all tests alone on the last line, where CI systems look for it.
func write(w io.Writer, parts []part) {
	fmt.Fprintf(w, "\n%-20s %8s %8s %8s %8s\n", "part", "seconds", "passed", "failed", "skipped")
	var sum tests
	for _, p := range parts {
		counts := fmt.Sprintf(" %8s %8s %8s", "", "", "")
		if p.tests != nil {
			counts = fmt.Sprintf(" %8d %8d %8d", p.tests.passed, p.tests.failed, len(p.tests.skipped))
			sum.add(*p.tests)
		}
		line := fmt.Sprintf("%-20s %8d%s", p.title, p.seconds, counts)
		if p.status != 0 {
			line += "  failed"
		}
		if p.status != 0 && (p.tests == nil || p.tests.failed == 0) {
			sum.failed++ // the part itself
		}
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
	fmt.Fprintln(w)
	for _, s := range sum.skipped {
		fmt.Fprintf(w, "skipped: %s: %s\n", s.name, s.reason)
	}
	fmt.Fprintf(w, "%d passed, %d failed, %d skipped\n", sum.passed, sum.failed, len(sum.skipped))
}
