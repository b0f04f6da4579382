package report

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"

	"example.com/ai-agent/test/internal/finding"
)

var colors = map[finding.Severity]text.Colors{
	finding.Error: {text.FgRed, text.Bold}, finding.Warning: {text.FgYellow}, finding.Info: {text.FgCyan},
}

func (r Report) table(to io.Writer) error {
	width, color := terminal(to)
	if len(r.Measured) > 0 {
		rows := newTable(to, "MEASURED", "")
		for _, measure := range r.Measured {
			rows.AppendRow(table.Row{measure.Name, text.WrapSoft(measure.Value, width-40)})
		}
		rows.Render()
	}
	if len(r.Findings) > 0 {
		rows := newTable(to, "SEVERITY", "RULE AND PATH", "PROBLEM AND FIX")
		rows.Style().Options.SeparateRows = true
		rows.SetColumnConfigs([]table.ColumnConfig{{Number: 2, WidthMax: half(width), WidthMaxEnforcer: text.WrapText}})
		for _, f := range sorted(r.Findings) {
			severity := string(f.Severity)
			if color {
				severity = colors[f.Severity].Sprint(severity)
			}
			rows.AppendRow(table.Row{severity, lines(f.ID, f.Object, f.Path.String(), setBy(f.Value)), lines(wrap(f.Problem, width), wrap("→ "+f.Fix, width))})
		}
		rows.Render()
	}
	if r.Proposed != "" {
		fmt.Fprintf(to, "Proposed values:\n\n%s\n", r.Proposed)
	}
	_, err := fmt.Fprintln(to, r.summary())
	return err
}

func setBy(value finding.Path) string {
	if value == nil {
		return ""
	}
	return "value: " + value.String()
}

// terminal returns the width of the output, and whether it shows colors.
func terminal(to io.Writer) (width int, color bool) {
	file, ok := to.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return 120, false
	}
	color = os.Getenv("NO_COLOR") == ""
	columns, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 120, color
	}
	return max(80, columns), color
}

func newTable(to io.Writer, header ...any) table.Writer {
	rows := table.NewWriter()
	rows.SetOutputMirror(to)
	rows.SetStyle(table.StyleLight)
	rows.Style().Format.Header = text.FormatDefault
	rows.AppendHeader(header)
	return rows
}

// half is the width of each of the two wide columns.
func half(width int) int { return (width - 20) / 2 }

func wrap(sentence string, width int) string {
	return strings.TrimRight(text.WrapSoft(sentence, half(width)), " ")
}

// lines joins what is not empty.
func lines(parts ...string) string {
	var kept []string
	for _, part := range parts {
		if part != "" {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "\n")
}

// List writes every rule.
func List(to io.Writer, rules []finding.Rule) {
	rows := newTable(to, "RULE", "SEVERITY", "SKIPPABLE", "REQUIREMENT", "SOURCE")
	for _, rule := range rules {
		skippable := "no"
		if rule.Skippable {
			skippable = "yes"
		}
		rows.AppendRow(table.Row{rule.ID, rule.Severity, skippable, rule.Title, rule.Source})
	}
	rows.Render()
}
