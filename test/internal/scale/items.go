package scale

import (
	"fmt"
	"syscall"
	"time"

	"example.com/ai-agent/test/internal/bench"
	"example.com/ai-agent/test/internal/chart"
)

// Costs of an item that Items measures.
const (
	RenderTime   = "render (ms of CPU)"
	ManifestSize = "manifest (bytes)"
)

const (
	repeats    = 20 // renders of a small release
	measurable = 10 // items: the CPU time of fewer is within the noise of a render
)

// item is something of which one release can have many.
type item struct {
	of     string
	values func(count int) chart.Values
}

var schedules = item{"schedules", func(count int) chart.Values {
	return chart.Values{"schedules": numbered("item-%04d", count, chart.Map{"schedule": "17 3 * * *", "task": "say hello"})}
}}

var configKeys = item{"config keys", func(count int) chart.Values {
	return chart.Values{"config": numbered("ITEM_%04d", count, "a value of the usual length")}
}}

// numbered maps a number of names to the same value.
func numbered(name string, count int, value any) chart.Map {
	all := chart.Map{}
	for i := range count {
		all[fmt.Sprintf(name, i)] = value
	}
	return all
}

// Items measures what one more schedule, and one more key of the configuration, adds to a
// release that has a number of them, on average: CPU time of a render, and bytes of the
// manifest.
func Items(c *chart.Chart, sizes []int) ([]bench.Growth, error) {
	var all []bench.Growth
	for _, item := range []item{schedules, configKeys} {
		grown, err := item.grow(c, sizes)
		if err != nil {
			return nil, err
		}
		all = append(all, grown...)
	}
	return all, nil
}

func (i item) grow(c *chart.Chart, sizes []int) ([]bench.Growth, error) {
	without, err := render(c, i.values(0), repeats)
	if err != nil {
		return nil, err
	}
	var grown []bench.Growth
	for _, size := range sizes {
		with, err := render(c, i.values(size), max(1, repeats/size))
		if err != nil {
			return nil, fmt.Errorf("%d %s: %w", size, i.of, err)
		}
		costs := map[string]float64{ManifestSize: float64(with.bytes-without.bytes) / float64(size)}
		if size >= measurable {
			costs[RenderTime] = milliseconds(with.took-without.took) / float64(size)
		}
		grown = append(grown, bench.Growth{Of: i.of, Size: size, Costs: costs})
	}
	return grown, nil
}

type rendered struct {
	took  time.Duration
	bytes int
}

// render renders a chart, several times if that takes little, and returns the least CPU
// time. A wall time would depend on what else the machine does.
func render(c *chart.Chart, values chart.Values, times int) (rendered, error) {
	var least rendered
	for i := range times {
		before, err := cpuTime()
		if err != nil {
			return rendered{}, err
		}
		manifest, err := c.Render(chart.Options{Set: values})
		if err != nil {
			return rendered{}, err
		}
		after, err := cpuTime()
		if err != nil {
			return rendered{}, err
		}
		if took := after - before; i == 0 || took < least.took {
			least = rendered{took, len(manifest)}
		}
	}
	return least, nil
}

// cpuTime returns the CPU time that this process has used.
func cpuTime() (time.Duration, error) {
	var usage syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), err
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
