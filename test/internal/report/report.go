// Package report writes findings for people and for CI.
package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/jstemmer/go-junit-report/v2/junit"
	"github.com/owenrumney/go-sarif/v3/pkg/report"
	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"golang.org/x/term"

	"example.com/ai-agent/test/internal/check"
)

// Report is what was found in one chart with one set of values.
type Report struct {
	Chart    string          `json:"chart"`  // name and version
	Values   []string        `json:"values"` // files
	Findings []check.Finding `json:"findings"`
	Checks   []check.Check   `json:"-"` // those that were made
	Skipped  []check.Check   `json:"-"` // those that could not be, since nothing was rendered
}

// writers are the formats by name.
var writers = map[string]func(Report, io.Writer) error{
	"table": Report.table, "json": Report.json, "junit": Report.junit, "sarif": Report.sarif,
}

// Formats names what Write can write.
func Formats() []string { return []string{"table", "json", "junit", "sarif"} }

// Write writes the report in one of the Formats.
func (r Report) Write(to io.Writer, format string) error {
	write := writers[format]
	if write == nil {
		return fmt.Errorf("there is no format %q: use one of %s", format, strings.Join(Formats(), ", "))
	}
	return write(r, to)
}

// Worst returns the severity of the worst finding, or "" without one.
func (r Report) Worst() check.Severity {
	worst := check.Severity("")
	for _, finding := range r.Findings {
		if worst == "" || finding.Severity.AtLeast(worst) {
			worst = finding.Severity
		}
	}
	return worst
}

func (r Report) summary() string {
	count := map[check.Severity]int{}
	for _, finding := range r.Findings {
		count[finding.Severity]++
	}
	return fmt.Sprintf("%s with %s: %d checks, %s, %s, %s", r.Chart, cmp.Or(strings.Join(r.Values, ", "), "its own values"), len(r.Checks),
		plural(count[check.Error], "error"), plural(count[check.Warning], "warning"), plural(count[check.Info], "note"))
}

func plural(count int, noun string) string {
	if count == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", count, noun)
}

var colours = map[check.Severity]text.Colors{
	check.Error: {text.FgRed, text.Bold}, check.Warning: {text.FgYellow}, check.Info: {text.FgCyan},
}

func (r Report) table(to io.Writer) error {
	width, colour := 120, false
	if file, ok := to.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		colour = os.Getenv("NO_COLOR") == ""
		if columns, _, err := term.GetSize(int(file.Fd())); err == nil {
			width = max(80, columns)
		}
	}
	if len(r.Findings) > 0 {
		rows := newTable(to, width, "SEVERITY", "WHERE", "PROBLEM AND WHAT TO DO")
		for _, finding := range sorted(r.Findings) {
			severity := string(finding.Severity)
			if colour {
				severity = colours[finding.Severity].Sprint(severity)
			}
			where := strings.Join(slices.DeleteFunc([]string{finding.Object, finding.Field, "(" + finding.Check + ")"}, func(s string) bool { return s == "" }), "\n")
			rows.AppendRow(table.Row{severity, where, wrap(finding.Problem, width) + "\n" + wrap("→ "+finding.Fix, width)})
		}
		rows.Render()
	}
	_, err := fmt.Fprintln(to, r.summary())
	return err
}

func newTable(to io.Writer, width int, header ...any) table.Writer {
	rows := table.NewWriter()
	rows.SetOutputMirror(to)
	rows.SetStyle(table.StyleLight)
	rows.Style().Options.SeparateRows = true
	rows.Style().Format.Header = text.FormatDefault
	rows.SetColumnConfigs([]table.ColumnConfig{{Number: 2, WidthMax: half(width), WidthMaxEnforcer: text.WrapText}})
	rows.AppendHeader(header)
	return rows
}

// half is the width of each of a table's two wide columns.
func half(width int) int { return (width - 20) / 2 }

func wrap(sentence string, width int) string {
	return strings.TrimRight(text.WrapSoft(sentence, half(width)), " ")
}

// sorted puts the worst first.
func sorted(findings []check.Finding) []check.Finding {
	return slices.SortedStableFunc(slices.Values(findings), func(a, b check.Finding) int {
		return cmp.Compare(a.Severity.Rank(), b.Severity.Rank())
	})
}

func (r Report) json(to io.Writer) error {
	if r.Findings == nil {
		r.Findings = []check.Finding{}
	}
	out := json.NewEncoder(to)
	out.SetIndent("", "  ")
	return out.Encode(r)
}

// junit writes a test case for each check: what CI systems show as tests.
func (r Report) junit(to io.Writer) error {
	suite := junit.Testsuite{Name: r.Chart, Time: "0"}
	for _, made := range r.Checks {
		test := junit.Testcase{Name: made.ID, Classname: "ai-agent.validate", Time: "0"}
		var lines []string
		for _, finding := range r.Findings {
			if finding.Check == made.ID && finding.Severity != check.Info {
				lines = append(lines, line(finding))
			}
		}
		if lines != nil {
			test.Failure = &junit.Result{Message: made.Title, Type: string(made.Severity), Data: strings.Join(lines, "\n")}
		}
		suite.AddTestcase(test)
	}
	for _, skipped := range r.Skipped {
		suite.AddTestcase(junit.Testcase{
			Name: skipped.ID, Classname: "ai-agent.validate", Time: "0", Skipped: &junit.Result{Message: "not looked at: the values were refused"},
		})
	}
	suites := junit.Testsuites{Name: "validate"}
	suites.AddSuite(suite)
	return suites.WriteXML(to)
}

// line tells a finding in one line.
func line(finding check.Finding) string {
	where := strings.Trim(finding.Object+" "+finding.Field, " ")
	return strings.TrimPrefix(where+": ", ": ") + finding.Problem + ". " + finding.Fix
}

var levels = map[check.Severity]string{check.Error: "error", check.Warning: "warning", check.Info: "note"}

func (r Report) sarif(to io.Writer) error {
	out := report.NewV210Report()
	run := sarif.NewRunWithInformationURI("ai-agent-validate", "https://helm.sh/docs/")
	for _, made := range r.Checks {
		run.AddRule(made.ID).WithDescription(made.Title)
	}
	file := r.Chart
	if len(r.Values) > 0 {
		file = r.Values[len(r.Values)-1]
	}
	for _, finding := range sorted(r.Findings) {
		place := sarif.NewPhysicalLocation().WithArtifactLocation(sarif.NewSimpleArtifactLocation(file)).WithRegion(sarif.NewSimpleRegion(1, 1))
		run.CreateResultForRule(finding.Check).
			WithLevel(levels[finding.Severity]).
			WithMessage(sarif.NewTextMessage(line(finding))).
			AddLocation(sarif.NewLocationWithPhysicalLocation(place))
	}
	out.AddRun(run)
	return out.PrettyWrite(to)
}

// List writes every check with its source.
func List(to io.Writer, checks []check.Check) {
	rows := table.NewWriter()
	rows.SetOutputMirror(to)
	rows.SetStyle(table.StyleLight)
	rows.Style().Format.Header = text.FormatDefault
	rows.AppendHeader(table.Row{"CHECK", "SEVERITY", "WHAT IS RIGHT", "SOURCE"})
	for _, made := range checks {
		rows.AppendRow(table.Row{made.ID, made.Severity, made.Title, made.Source})
	}
	rows.Render()
}
