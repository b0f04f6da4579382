package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/finding"
	"example.com/ai-agent/test/internal/report"
)

// valuesFile is a values file that was read.
type valuesFile struct {
	name     string
	isStream bool // standard input or a pipe, which has no lines to point to
	values   chart.Map
	node     *yamlv3.Node // the same, with lines
}

// valuesFiles take precedence over those before them.
type valuesFiles []valuesFile

// readFiles reads values files for a chart, which is nil if it is not known. The
// error has each file that is not one.
func readFiles(names []string, c *chart.Chart) (valuesFiles, error) {
	var files valuesFiles
	var problems []error
	for _, name := range names {
		file, err := readFile(name)
		if err == nil && c != nil {
			err = file.checkKeys(c)
		}
		if err != nil {
			problems = append(problems, err)
		}
		files = append(files, file)
	}
	return files, errors.Join(problems...)
}

func readFile(name string) (valuesFile, error) {
	file := valuesFile{name: name}
	data, err := file.read()
	if err != nil {
		return file, err
	}
	if err := yaml.Unmarshal(data, &file.values); err != nil { // as Helm reads it
		return file, fmt.Errorf("%s is not a values file: %s", file.name, oneLine(err))
	}
	documents, err := contents(data)
	if err != nil {
		return file, fmt.Errorf("%s is not a values file: %s", file.name, oneLine(err))
	}
	if err := severalDocuments(documents); err != nil {
		return file, fmt.Errorf("%s %w", file.name, err)
	}
	if len(documents) == 0 {
		return file, nil
	}
	file.node = documents[0]
	var problems []error
	for _, duplicate := range chart.Duplicates(file.node) {
		problems = append(problems, fmt.Errorf("%s has the key %q twice, in lines %d and %d, and Helm reads only the last: merge them",
			file.name, duplicate.Key, duplicate.First, duplicate.Line))
	}
	return file, errors.Join(problems...)
}

// contents returns the content of each YAML document of a file. That of an empty
// document is nil, except for those at the end.
func contents(data []byte) ([]*yamlv3.Node, error) {
	var nodes []*yamlv3.Node
	filled := 0
	decoder := yamlv3.NewDecoder(bytes.NewReader(data))
	for {
		var document yamlv3.Node
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return nodes[:filled], nil
		}
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, nil)
		if root := document.Content[0]; root.Tag != "!!null" {
			nodes[len(nodes)-1], filled = root, len(nodes)
		}
	}
}

func severalDocuments(documents []*yamlv3.Node) error {
	if len(documents) > 1 && documents[0] == nil {
		return errors.New("begins with an empty YAML document, and Helm reads only the first: remove the line ---")
	}
	if len(documents) > 1 {
		return fmt.Errorf("has %d YAML documents, of which Helm reads only the first: merge them", len(documents))
	}
	return nil
}

// read returns the content, in which errors are those of a file that cannot be
// read, or of a stream to which nothing was written.
func (f *valuesFile) read() ([]byte, error) {
	path := f.name
	if path == "-" {
		path, f.name = "/dev/stdin", "standard input"
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s does not exist: use the path of a values file", f.name)
	}
	if err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a folder: use the path of a values file in it", f.name)
	}
	data, readErr := os.ReadFile(path)
	if err := errors.Join(err, readErr); err != nil {
		return nil, fmt.Errorf("%s cannot be read: %s", f.name, oneLine(err))
	}
	f.isStream = path == "/dev/stdin" || !info.Mode().IsRegular()
	if f.isStream && strings.TrimSpace(string(data)) == "" {
		return nil, fmt.Errorf("%s is empty: the command that writes to it may have failed", f.name)
	}
	return data, nil
}

// checkKeys returns an error for a file that has nothing to do with the chart.
func (f *valuesFile) checkKeys(c *chart.Chart) error {
	if f.values["apiVersion"] != nil && f.values["kind"] != nil {
		return fmt.Errorf("%s is a manifest of the kind %v, not a values file", f.name, f.values["kind"])
	}
	known, err := c.Keys()
	if err != nil {
		return err
	}
	given := slices.Sorted(maps.Keys(f.values))
	isKnown := func(key string) bool { return slices.Contains(known, key) }
	if len(given) > 0 && !slices.ContainsFunc(given, isKnown) {
		return fmt.Errorf("%s is for another chart: this one has none of its keys (%s)", f.name, strings.Join(given, ", "))
	}
	return nil
}

// merged returns the values of all files.
func (files valuesFiles) merged() chart.Map {
	merged := chart.Map{}
	for _, file := range files {
		merged = chart.Merge(merged, file.values)
	}
	return merged
}

// locate returns the line that sets the value of a finding, or else the deepest
// section around it. It returns false if no file has either, or the finding is
// one of an object whose value is not known.
func (files valuesFiles) locate(f finding.Finding) (report.Location, bool) {
	value := f.Path
	if f.Object != "" {
		value = f.Value
	}
	var best valuesFile
	line, depth := 0, 0
	for _, file := range slices.Backward(files) {
		at, found, isFinal := descend(file.node, value)
		if found > depth {
			best, line, depth = file, at, found
		}
		if isFinal {
			break
		}
	}
	return report.Location{File: best.name, Line: line}, depth > 0 && !best.isStream
}

// descend follows a path as far as possible. It returns the line and the number
// of segments that exist, and whether the file decides the value: earlier files
// cannot add to something other than a mapping.
func descend(node *yamlv3.Node, path finding.Path) (line, depth int, isFinal bool) {
	for node != nil && depth < len(path) {
		if node.Kind == yamlv3.AliasNode {
			node = node.Alias
		}
		key, value := child(node, path[depth])
		if value == nil {
			return line, depth, node.Kind != yamlv3.MappingNode
		}
		node, line = value, key.Line
		depth++
	}
	return line, depth, depth == len(path)
}

// child returns an entry of a mapping or a list, and the node whose line is its.
func child(of *yamlv3.Node, segment string) (key, value *yamlv3.Node) {
	switch of.Kind {
	case yamlv3.SequenceNode:
		if i, err := strconv.Atoi(segment); err == nil && i >= 0 && i < len(of.Content) {
			return of.Content[i], of.Content[i]
		}
	case yamlv3.AliasNode:
		return child(of.Alias, segment)
	case yamlv3.MappingNode:
		for i := 0; i < len(of.Content); i += 2 {
			if of.Content[i].Value == segment {
				return of.Content[i], of.Content[i+1]
			}
		}
		for i := 0; i < len(of.Content); i += 2 {
			if of.Content[i].Tag == "!!merge" {
				if key, value = child(of.Content[i+1], segment); value != nil {
					return key, value
				}
			}
		}
	}
	return nil, nil
}
