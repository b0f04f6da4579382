package conform

import (
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// Propose returns a values file for the agent that mends what the verdicts name, as far as
// values can, or "" if there is nothing to add to the values that it has.
func (t Test) Propose(seen Observation, verdicts []Verdict) (string, error) {
	values := map[string]any{}
	preset := t.preset(seen)
	if !t.FromValues {
		t.describe(values, preset)
	}
	if took := seen.Start.Took.Seconds(); seen.Start.Failed == "" && took > slowStart {
		put(values, "agent.maxStartSeconds", int(took*startMargin/10+1)*10)
	}
	for _, v := range verdicts {
		for _, path := range slices.Sorted(maps.Keys(v.Set)) {
			put(values, path, v.Set[path])
		}
	}
	text, err := yaml.Marshal(values)
	if err != nil || len(values) == 0 {
		return "", err
	}
	before := ""
	switch {
	case t.FromValues:
		before = "with your values files before it"
	case preset != "":
		before = "with --values CHART/presets/" + preset + ".yaml before it"
	}
	return strings.TrimSpace("# Values for this agent, "+before) + "\n" + string(text), nil
}

// describe puts what the chart must know of the agent into values.
func (t Test) describe(values map[string]any, preset string) {
	if preset == "" {
		put(values, "sample.enabled", false)
	}
	for path, value := range ImageValues(t.Image) {
		put(values, path, value)
	}
	if t.Image != "" && len(t.Command) > 0 {
		put(values, "command", t.Command)
	}
}

// An agent that takes longer than slowStart seconds gets startMargin times as long: a
// node may be slower than this machine, and busy.
const (
	slowStart   = 10
	startMargin = 4
)

// put sets the value at a path such as agent.maxStartSeconds.
func put(values map[string]any, path string, value any) {
	keys := strings.Split(path, ".")
	for _, key := range keys[:len(keys)-1] {
		below, ok := values[key].(map[string]any)
		if !ok {
			below = map[string]any{}
			values[key] = below
		}
		values = below
	}
	values[keys[len(keys)-1]] = value
}

// ImageValues returns the values for an image, by their path, without a tag that the chart refuses.
func ImageValues(image string) map[string]any {
	repository, digest, pinned := strings.Cut(image, "@")
	colon := strings.LastIndex(repository, ":")
	tag := ""
	if colon > strings.LastIndex(repository, "/") {
		repository, tag = repository[:colon], repository[colon+1:]
	}
	values := map[string]any{"image.repository": repository, "image.tag": tag, "image.digest": digest}
	maps.DeleteFunc(values, func(_ string, value any) bool { return value == "" || value == "latest" && !pinned })
	return values
}
