package bench

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// Legend explains the cells of the table.
const Legend = "runs: how many were interrupted, of those in flight when the disturbance began; later runs: how many were lost, of those that began during or after it; " +
	"requests: how many short requests failed, of those sent during and after it"

// Write writes the results as tables, in Markdown or for a terminal. Those of reachability
// are only on the page.
func (r Result) Write(to io.Writer, markdown bool) error {
	if len(r.Scenarios) > 0 {
		if err := r.Table().write(to, markdown); err != nil {
			return err
		}
		if err := writeUsage(to, r.Usage(), markdown); err != nil {
			return err
		}
	}
	if len(r.Growth) > 0 {
		if err := writeCurves(to, r.Curves(), markdown); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(to, "\n%s", r.provenance())
	return err
}

// write writes the table as Markdown or, because a terminal is too narrow for that, as a list.
func (t Table) write(to io.Writer, markdown bool) error {
	rows := t.list()
	if markdown {
		rows = t.matrix()
	}
	_, err := fmt.Fprintf(to, "%s.\n\n%s\n\n%s.\n%s", t.Headline(), render(rows, markdown), Legend, t.before())
	return err
}

// matrix has a row for each subject and a column for each disturbance.
func (t Table) matrix() table.Writer {
	rows := newTable()
	header := table.Row{"", "route"}
	for _, disturbance := range t.Disturbances {
		header = append(header, disturbance)
	}
	rows.AppendHeader(header)
	for _, row := range t.Rows {
		cells := table.Row{row.Subject, row.Route}
		for _, cell := range row.Cells {
			var lines []string
			if cell.Word() != notRun {
				lines = append([]string{cell.Word()}, cell.Lines()...)
			}
			cells = append(cells, strings.Join(lines, "\n"))
		}
		rows.AppendRow(cells)
	}
	return rows
}

// list has a row for each disturbance of a subject by a route.
func (t Table) list() table.Writer {
	rows := newTable()
	rows.SuppressEmptyColumns() // usually, no scenario is invalid
	rows.AppendHeader(table.Row{"disturbance", "", "route", "", "runs", "later runs", "requests", "why invalid"})
	for i, disturbance := range t.Disturbances {
		rows.AppendSeparator()
		for _, row := range t.Rows {
			cell := row.Cells[i]
			if cell.Word() == notRun {
				continue
			}
			line := table.Row{disturbance, row.Subject, row.Route, cell.Word()}
			for _, count := range cell.counts() {
				line = append(line, count)
			}
			rows.AppendRow(append(line, text.WrapSoft(strings.Join(unique(cell.Invalid), "; "), 40)))
		}
	}
	return rows
}

// writeUsage writes a table of the times and resources of each subject.
func writeUsage(to io.Writer, all []Usage, markdown bool) error {
	rows := newTable()
	rows.AppendHeader(table.Row{"", "container start to Ready", "removal to replacement", "load step to each new pod", "fewest Ready pods: rollout", "drain", "average pods", "average CPUs"})
	var compared []string
	for _, u := range all {
		if u.Seconds > 0 {
			compared = u.Compared
			rows.AppendRow(table.Row{
				u.Subject, Spread(u.Starts), Spread(u.Replacements), Spread(u.Steps), u.FewestReady("rollout"), u.FewestReady("drain"),
				fmt.Sprintf("%.1f", u.PodSeconds/u.Seconds), fmt.Sprintf("%.2f", u.CPUSeconds/u.Seconds),
			})
		}
	}
	_, err := fmt.Fprintf(to, "%s\n\nTimes: median (maximum). Of scenarios by the Service that all subjects have: %s; the load step apart.\n", render(rows, markdown), strings.Join(compared, ", "))
	return err
}

// provenance says when, at which commit and on which machine the result was recorded, and
// how to repeat a soak and what it did to an undisturbed agent.
func (r Result) provenance() string {
	text := fmt.Sprintf("Recorded on %s at commit %s, with Kubernetes %s on %d CPUs (%s).\n",
		r.Started.UTC().Format("2 January 2006"), r.Commit, r.Kubernetes, r.Machine.CPUs, r.Machine.OS)
	if r.Seed != 0 {
		text += fmt.Sprintf("Seed of the soak: %d.\n", r.Seed)
	}
	for _, agent := range r.Steady {
		text += fmt.Sprintf("Undisturbed agent, without runs: %d goroutines and %d MiB after the first runs, %d and %d MiB after the last.\n",
			agent.Early.Goroutines, agent.Early.Memory>>20, agent.Late.Goroutines, agent.Late.Memory>>20)
	}
	return text
}

func newTable() table.Writer {
	rows := table.NewWriter()
	rows.SetStyle(table.StyleLight)
	rows.Style().Format.Header = text.FormatDefault
	return rows
}

func render(rows table.Writer, markdown bool) string {
	if markdown {
		return rows.RenderMarkdown()
	}
	return rows.Render()
}

// before names failures that no disturbance caused, which are not in the table.
func (t Table) before() (sentences string) {
	for _, row := range t.Rows {
		if b := row.Total.Before; b.RunsLost+b.RequestsFailed > 0 {
			sentences += numbers.Sprintf("\nBefore the disturbances, %s (%s) lost %d of %d runs and %d of %d requests.\n",
				row.Subject, row.Route, b.RunsLost, b.Runs, b.RequestsFailed, b.Requests)
		}
	}
	return sentences
}
