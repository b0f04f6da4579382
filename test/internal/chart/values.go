package chart

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// Map and List are the mappings and lists in Values, as YAML has them.
type (
	Map  = map[string]any
	List = []any
)

// Values are what a release sets, each under its dotted path. Write a key that
// has a dot itself, such as an annotation's, in a Map. A nil removes a default.
type Values map[string]any

// With returns a copy in which one more value is set.
func (v Values) With(path string, value any) Values { return v.And(Values{path: value}) }

// And returns a copy with further values; they take precedence.
func (v Values) And(further Values) Values {
	all := maps.Clone(v)
	if all == nil {
		all = Values{}
	}
	maps.Copy(all, further)
	return all
}

// YAML returns the values as a values file.
func (v Values) YAML() ([]byte, error) {
	nested, err := v.over(Map{})
	if err != nil {
		return nil, err
	}
	return yaml.Marshal(nested)
}

// over sets the values in a copy of a tree of values, and returns it as Helm reads it
// from a file. A path is set before longer ones that begin with it.
func (v Values) over(tree Map) (Map, error) {
	copied := Merge(tree, nil)
	for _, path := range slices.Sorted(maps.Keys(v)) {
		section, name := copied, path
		for before, after, found := strings.Cut(name, "."); found; before, after, found = strings.Cut(name, ".") {
			inner, _ := section[before].(Map)
			inner = Merge(inner, nil)
			section[before] = inner
			section, name = inner, after
		}
		section[name] = v[path]
	}
	text, err := json.Marshal(copied) // not YAML, which has no control characters
	if err != nil {
		return nil, err
	}
	read := Map{}
	return read, json.Unmarshal(text, &read)
}

// Merge returns the values of two files as Helm does: the later takes precedence. The
// result can be changed at the top without changing either.
func Merge(earlier, later Map) Map {
	merged := maps.Clone(earlier)
	if merged == nil {
		merged = Map{}
	}
	for key, value := range later {
		before, wasMap := merged[key].(Map)
		if after, isMap := value.(Map); wasMap && isMap {
			value = Merge(before, after)
		}
		merged[key] = value
	}
	return merged
}
