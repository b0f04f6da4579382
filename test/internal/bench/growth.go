package bench

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// Growth is what one more item costs, on average, if there are Size of them.
type Growth struct {
	Of    string             `json:"of"`    // plural, such as releases
	Size  int                `json:"size"`  // number of items
	Costs map[string]float64 `json:"costs"` // by name, which includes the unit
}

// Cost formats a cost: with three significant digits, or all of those before the decimal point.
func (g Growth) Cost(name string) string {
	value, ok := g.Costs[name]
	switch {
	case !ok:
		return "–"
	case math.Abs(value) >= 999.5: // which %.3g would write as 1e+03
		return numbers.Sprintf("%.0f", value)
	default:
		return fmt.Sprintf("%.3g", value)
	}
}

// Curves are the costs of one more item, by number of items.
type Curves struct {
	Of     string
	Points []Growth // by size
	Costs  []string // names of all that were measured at any size
}

// Curves returns the curves of each kind of item, in the order of measurement.
func (r Result) Curves() (all []Curves) {
	for _, g := range r.Growth {
		i := slices.IndexFunc(all, func(c Curves) bool { return c.Of == g.Of })
		if i < 0 {
			i, all = len(all), append(all, Curves{Of: g.Of})
		}
		all[i].Points = append(all[i].Points, g)
	}
	for i := range all {
		all[i].sort()
	}
	return all
}

func (c *Curves) sort() {
	slices.SortStableFunc(c.Points, func(a, b Growth) int { return cmp.Compare(a.Size, b.Size) })
	names := map[string]bool{}
	for _, point := range c.Points {
		for name := range point.Costs {
			names[name] = true
		}
	}
	c.Costs = slices.Sorted(maps.Keys(names))
}

// writeCurves writes a table for each kind of item, with a row for each cost and a column
// for each number of items.
func writeCurves(to io.Writer, all []Curves, markdown bool) error {
	if _, err := fmt.Fprintln(to, "\nCost of one more item, by number of items:"); err != nil {
		return err
	}
	for _, c := range all {
		rows, header, columns := newTable(), table.Row{"number of " + c.Of}, []table.ColumnConfig(nil)
		for i, point := range c.Points {
			header = append(header, numbers.Sprint(point.Size))
			columns = append(columns, table.ColumnConfig{Number: i + 2, Align: text.AlignRight, AlignHeader: text.AlignRight})
		}
		rows.AppendHeader(header)
		rows.SetColumnConfigs(columns)
		for _, cost := range c.Costs {
			row := table.Row{cost}
			for _, point := range c.Points {
				row = append(row, point.Cost(cost))
			}
			rows.AppendRow(row)
		}
		if _, err := fmt.Fprintf(to, "\n%s\n", render(rows, markdown)); err != nil {
			return err
		}
	}
	return nil
}
