package chart

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
)

// RequireAgent returns an error unless this is the chart ai-agent, or a complete
// chart that has it among its subcharts.
func (c *Chart) RequireAgent() error {
	loaded, err := c.load()
	if err != nil {
		return err
	}
	if missing := missing(loaded); missing != nil {
		return fmt.Errorf("its folder charts does not contain %s: run `helm dependency build %s`", strings.Join(missing, ", "), c.path)
	}
	if loaded.Metadata.Type == "library" {
		return fmt.Errorf("this is the library chart %s, which renders nothing: use a chart that depends on it", loaded.Name())
	}
	if named(loaded, Name) == nil {
		return fmt.Errorf("this is the chart %s: use the chart %s, or one that depends on it", loaded.Name(), Name)
	}
	return nil
}

// missing returns the dependencies that a chart declares but does not contain.
func missing(of *chart.Chart) []string {
	var names []string
	for _, dependency := range of.Metadata.Dependencies {
		isIt := func(subchart *chart.Chart) bool { return subchart.Name() == dependency.Name }
		if !slices.ContainsFunc(of.Dependencies(), isIt) && !slices.Contains(names, dependency.Name) {
			names = append(names, dependency.Name)
		}
	}
	return names
}

// Keys returns the keys that values may have at the top, sorted.
func (c *Chart) Keys() ([]string, error) {
	loaded, err := c.load()
	if err != nil {
		return nil, err
	}
	keys := slices.Collect(maps.Keys(loaded.Values))
	if compiled := c.schemas[string(loaded.Schema)]; compiled != nil {
		keys = append(keys, compiled.Keys()...)
	}
	for _, dependency := range loaded.Metadata.Dependencies {
		keys = append(keys, "global", "tags", dependency.Name, dependency.Alias)
	}
	for _, subchart := range loaded.Dependencies() {
		keys = append(keys, subchart.Name())
	}
	slices.Sort(keys)
	return slices.Compact(keys), nil
}
