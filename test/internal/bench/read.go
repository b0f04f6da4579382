package bench

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

//go:embed results.schema.json
var schemaText []byte

// schema returns the schema of results.json.
func schema() (*jsonschema.Schema, error) {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schemaText))
	if err != nil {
		return nil, fmt.Errorf("results.schema.json: %w", err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("results.schema.json", document); err != nil {
		return nil, err
	}
	return compiler.Compile("results.schema.json")
}

// Validate returns what is wrong with the content of a results file.
func Validate(text []byte) error {
	s, err := schema()
	if err != nil {
		return err
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	return s.Validate(document)
}

// Read reads results files and merges them. Scenarios by the Service come first.
func Read(files ...string) (Result, error) {
	var merged Result
	for i, file := range files {
		result, err := read(file)
		if err != nil {
			return Result{}, err
		}
		if i == 0 {
			merged = result
			continue
		}
		if merged, err = merge(merged, result); err != nil {
			return Result{}, fmt.Errorf("%s cannot be merged with %s: %w", file, strings.Join(files[:i], ", "), err)
		}
	}
	slices.SortStableFunc(merged.Scenarios, func(a, b Scenario) int { return cmp.Compare(a.proxied(), b.proxied()) })
	return merged, nil
}

// proxied is 1 if clients reach the subject through a proxy.
func (s Scenario) proxied() int {
	if s.Route == string(Service) {
		return 0
	}
	return 1
}

// commands are those that record results, as messages name them.
const commands = "`make bench-runs`, `make soak` or `make scale`"

func read(file string) (Result, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return Result{}, fmt.Errorf("%s is missing: run %s first, or name an existing file", file, commands)
	}
	if err != nil {
		return Result{}, err
	}
	if err := Validate(text); err != nil {
		return Result{}, fmt.Errorf("%s is not a results file of this version; remove it, or record it again with %s: %w", file, commands, err)
	}
	var result Result
	return result, json.Unmarshal(text, &result)
}

// merge appends b to a. Costs on different machines, or of different versions of
// Kubernetes, cannot be compared.
func merge(a, b Result) (Result, error) {
	switch {
	case a.Machine != b.Machine:
		return a, fmt.Errorf("they were recorded on different machines, %+v and %+v: run all benchmarks on one machine", a.Machine, b.Machine)
	case a.Kubernetes != b.Kubernetes:
		return a, fmt.Errorf("they were recorded with Kubernetes %s and %s: run all benchmarks with one version", a.Kubernetes, b.Kubernetes)
	case a.Seed != 0 && b.Seed != 0 && a.Seed != b.Seed:
		return a, fmt.Errorf("they are soaks with different seeds, %d and %d: report each one separately", a.Seed, b.Seed)
	}
	if b.Started.Before(a.Started) {
		a.Started = b.Started
	}
	if a.Commit != b.Commit {
		a.Commit = strings.Join(unique(append(strings.Split(a.Commit, ", "), b.Commit)), ", ")
	}
	a.Seed = max(a.Seed, b.Seed)
	a.Steady = append(a.Steady, b.Steady...)
	a.Scenarios = append(a.Scenarios, b.Scenarios...)
	a.Growth = append(a.Growth, b.Growth...)
	a.Reach = append(a.Reach, b.Reach...)
	return a, nil
}
