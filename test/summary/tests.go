package main

import (
	"encoding/json"
	"iter"
	"path"
	"strings"
)

// tests is what became of a number of Go tests.
type tests struct {
	passed, failed int
	skipped        []skipped
}

type skipped struct{ name, reason string }

func (t *tests) add(further tests) {
	t.passed += further.passed
	t.failed += further.failed
	t.skipped = append(t.skipped, further.skipped...)
}

// An event of go test -json; Test is empty if it is about the package.
type event struct{ Action, Package, Test, Output string }

// count counts tests as gotestsum does: subtests are tests too. A package that failed
// without a failed test, because it does not compile or ran out of time, counts as one
// failure.
func count(lines iter.Seq[[]byte]) *tests {
	result := &tests{}
	output := map[event]string{} // by package and test
	failed := map[string]bool{}  // packages
	for line := range lines {
		var e event
		if json.Unmarshal(line, &e) != nil {
			continue // the last line, if go test was killed
		}
		test := event{Package: e.Package, Test: e.Test}
		switch {
		case e.Action == "output" && e.Test != "":
			output[test] += e.Output
		case e.Action == "fail" && (e.Test != "" || !failed[e.Package]):
			result.failed++
			failed[e.Package] = true
		case e.Action == "pass" && e.Test != "":
			result.passed++
		case e.Action == "skip" && e.Test != "":
			result.skipped = append(result.skipped, skipped{path.Base(e.Package) + "." + e.Test, reason(output[test])})
		}
	}
	return result
}

// reason returns what a skipped test printed, without the lines of the test runner.
func reason(output string) string {
	var words []string
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- SKIP: ") {
			words = append(words, strings.Fields(line)...)
		}
	}
	return strings.Join(words, " ")
}
