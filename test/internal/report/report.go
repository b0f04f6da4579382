// Package report writes findings for people and for CI.
package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jstemmer/go-junit-report/v2/junit"

	"example.com/ai-agent/test/internal/finding"
)

// Report is what was found in one chart with one set of values.
type Report struct {
	Chart     string                                 `json:"chart"`                // name and version
	Values    []string                               `json:"values"`               // files
	AskedBy   string                                 `json:"kubernetesValidation"` // who ran it; "" if nobody did
	Findings  []finding.Finding                      `json:"findings"`
	Evaluated []finding.Rule                         `json:"-"`
	Remaining []finding.Rule                         `json:"-"` // an error prevented their evaluation
	Locate    func(finding.Finding) (Location, bool) `json:"-"`
}

// Location is a line of a values file.
type Location struct {
	File string
	Line int
}

// writers are the formats by name.
var writers = map[string]func(Report, io.Writer) error{
	"table": Report.table, "json": Report.json, "junit": Report.junit, "sarif": Report.sarif,
}

// Formats returns what Write can write.
func Formats() []string { return []string{"table", "json", "junit", "sarif"} }

// Write writes the report in one of the Formats.
func (r Report) Write(to io.Writer, format string) error {
	write := writers[format]
	if write == nil {
		return fmt.Errorf("unknown format %q: use one of %s", format, strings.Join(Formats(), ", "))
	}
	return write(r, to)
}

// Worst returns the severity of the worst finding, or "" if there is none.
func (r Report) Worst() finding.Severity {
	worst := finding.Severity("")
	for _, f := range r.Findings {
		if worst == "" || f.Severity.AtLeast(worst) {
			worst = f.Severity
		}
	}
	return worst
}

func (r Report) summary() string {
	count := map[finding.Severity]int{}
	for _, f := range r.Findings {
		count[f.Severity]++
	}
	summary := fmt.Sprintf("%s with %s: %s, %s, %s, %s", r.Chart, cmp.Or(strings.Join(r.Values, ", "), "its own values"), plural(len(r.Evaluated), "rule"),
		plural(count[finding.Error], "error"), plural(count[finding.Warning], "warning"), plural(count[finding.Info], "note"))
	if len(r.Remaining) > 0 {
		summary += fmt.Sprintf("; %s not evaluated because of an error", plural(len(r.Remaining), "rule"))
	}
	if r.AskedBy != "" {
		summary += "; Kubernetes' own validation by " + r.AskedBy
	}
	return summary
}

func plural(count int, noun string) string {
	if count == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", count, noun)
}

// sorted puts the worst first.
func sorted(findings []finding.Finding) []finding.Finding {
	return slices.SortedStableFunc(slices.Values(findings), func(a, b finding.Finding) int {
		return cmp.Compare(a.Severity.Rank(), b.Severity.Rank())
	})
}

// of returns the findings of one rule.
func (r Report) of(rule finding.Rule) []finding.Finding {
	return slices.DeleteFunc(slices.Clone(r.Findings), func(f finding.Finding) bool { return f.ID != rule.ID })
}

func (r Report) json(to io.Writer) error {
	if r.Findings == nil {
		r.Findings = []finding.Finding{}
	}
	out := json.NewEncoder(to)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	return out.Encode(r)
}

// junit writes a test case for each rule, which CI systems show as a test.
func (r Report) junit(to io.Writer) error {
	suite := junit.Testsuite{Name: r.Chart, Time: "0"}
	for _, rule := range r.Evaluated {
		suite.AddTestcase(r.testcase(rule))
	}
	for _, rule := range r.Remaining {
		test := newTestcase(rule)
		test.Skipped = &junit.Result{Message: "not evaluated because of an error"}
		suite.AddTestcase(test)
	}
	suites := junit.Testsuites{Name: "validate"}
	suites.AddSuite(suite)
	return suites.WriteXML(to)
}

func newTestcase(rule finding.Rule) junit.Testcase {
	return junit.Testcase{Name: rule.ID, Classname: "ai-agent.validate", Time: "0"}
}

// testcase fails if the rule has an error or a warning. It is skipped if a note
// says that the rule itself was not evaluated.
func (r Report) testcase(rule finding.Rule) junit.Testcase {
	test := newTestcase(rule)
	var lines []string
	for _, f := range r.of(rule) {
		switch {
		case f.Severity != finding.Info:
			lines = append(lines, line(f))
		case f.Object == "":
			test.Skipped = &junit.Result{Message: f.Problem}
		}
	}
	if lines != nil {
		test.Failure = &junit.Result{Message: rule.Title, Type: string(rule.Severity), Data: strings.Join(lines, "\n")}
	}
	return test
}

// line returns a finding in one line.
func line(f finding.Finding) string {
	return strings.TrimPrefix(f.Where()+": ", ": ") + f.Problem + " " + f.Fix
}
