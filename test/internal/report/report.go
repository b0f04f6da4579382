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

// Report is what one command found: with values, or about an agent.
type Report struct {
	Command   string                                 `json:"-"`                              // its name
	Chart     string                                 `json:"chart,omitempty"`                // name and version
	Values    []string                               `json:"values,omitempty"`               // files
	AskedBy   string                                 `json:"kubernetesValidation,omitempty"` // who ran it; "" if nobody did
	Agent     string                                 `json:"agent,omitempty"`                // an image, a command or a URL
	Measured  []Measure                              `json:"measured,omitempty"`
	Findings  []finding.Finding                      `json:"findings"`
	Proposed  string                                 `json:"proposedValues,omitempty"` // a values file
	Evaluated []finding.Rule                         `json:"-"`
	Remaining []finding.Rule                         `json:"-"` // that were not evaluated
	Locate    func(finding.Finding) (Location, bool) `json:"-"`
}

// Measure is something that was measured.
type Measure struct {
	Name  string `json:"name"`
	Value string `json:"value"`
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
	summary := fmt.Sprintf("%s: %s, %s, %s, %s", r.subject(), plural(len(r.Evaluated), "rule"),
		plural(count[finding.Error], "error"), plural(count[finding.Warning], "warning"), plural(count[finding.Info], "note"))
	if len(r.Remaining) > 0 {
		summary += fmt.Sprintf("; %s %s", plural(len(r.Remaining), "rule"), r.remains())
	}
	if r.AskedBy != "" {
		summary += "; Kubernetes' own validation by " + r.AskedBy
	}
	return summary
}

func (r Report) subject() string {
	if r.Agent != "" {
		return r.Agent
	}
	return r.Chart + " with " + cmp.Or(strings.Join(r.Values, ", "), "its own values")
}

// remains says why rules were not evaluated.
func (r Report) remains() string {
	if r.Agent != "" {
		return "not evaluated, because there was nothing to see"
	}
	return "not evaluated because of an error"
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
	suite := junit.Testsuite{Name: cmp.Or(r.Agent, r.Chart), Time: "0"}
	for _, rule := range r.Evaluated {
		suite.AddTestcase(r.testcase(rule))
	}
	for _, rule := range r.Remaining {
		test := r.newTestcase(rule)
		test.Skipped = &junit.Result{Message: r.remains()}
		suite.AddTestcase(test)
	}
	suites := junit.Testsuites{Name: r.Command}
	suites.AddSuite(suite)
	return suites.WriteXML(to)
}

func (r Report) newTestcase(rule finding.Rule) junit.Testcase {
	return junit.Testcase{Name: rule.ID, Classname: "ai-agent." + r.Command, Time: "0"}
}

// testcase fails if the rule has an error or a warning. It is skipped if a note
// says that the rule itself was not evaluated.
func (r Report) testcase(rule finding.Rule) junit.Testcase {
	test := r.newTestcase(rule)
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
