package chart

import (
	"fmt"
	"maps"
	"slices"

	yamlv3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"
)

// Duplicate is a key that a mapping has more than once.
type Duplicate struct {
	Key         string
	First, Line int // the last line takes precedence
}

func (d Duplicate) String() string {
	return fmt.Sprintf("line %d: key %q already set in line %d", d.Line, d.Key, d.First)
}

// Duplicates returns the duplicate keys in a YAML document. A key that overrides a
// merged one (<<) is no duplicate.
func Duplicates(node *yamlv3.Node) []Duplicate {
	var found []Duplicate
	if node.Kind == yamlv3.MappingNode {
		found = duplicateKeys(node)
	}
	for _, inner := range node.Content {
		found = append(found, Duplicates(inner)...)
	}
	return found
}

func duplicateKeys(mapping *yamlv3.Node) []Duplicate {
	var found []Duplicate
	lines := map[string]int{}
	for i := 0; i < len(mapping.Content); i += 2 {
		key := mapping.Content[i]
		if key.Kind != yamlv3.ScalarNode || key.Tag == "!!merge" {
			continue
		}
		name := keyName(key)
		if first, ok := lines[name]; ok {
			found = append(found, Duplicate{name, first, key.Line})
		}
		lines[name] = key.Line
	}
	return found
}

// keyName returns a key as Helm reads it: the plain keys true, yes and on are one.
func keyName(key *yamlv3.Node) string {
	var read Map
	if key.Style == 0 && yaml.Unmarshal([]byte("? "+key.Value+"\n: 0"), &read) == nil && len(read) == 1 {
		return slices.Collect(maps.Keys(read))[0]
	}
	return key.Value
}
