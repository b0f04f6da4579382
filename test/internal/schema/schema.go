// Package schema evaluates a JSON Schema and returns each violation as data.
package schema

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"example.com/ai-agent/test/internal/finding"
)

// Violation is one problem of a document.
type Violation struct {
	Path    finding.Path // that of an unknown or a missing key includes the key
	Message string
	Fix     string
}

// Error has every violation of a document. Its text is the library's.
type Error struct {
	Violations []Violation
	cause      error
}

func (e *Error) Error() string { return e.cause.Error() }

// Schema is a compiled JSON Schema.
type Schema struct {
	root *jsonschema.Schema
	keys map[string][]string // the known keys of a mapping, by the location of its schema
}

// Compile reads a JSON Schema. Parts to which it refers by a URL are not
// fetched: they permit everything.
func Compile(url string, text []byte) (*Schema, error) {
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(offline{})
	if err := compiler.AddResource(url, parsed); err != nil {
		return nil, err
	}
	root, err := compiler.Compile(url)
	if err != nil {
		return nil, err
	}
	s := &Schema{root, map[string][]string{}}
	s.learn(root)
	return s, nil
}

// offline loads a schema that permits everything in place of any other.
type offline struct{}

func (offline) Load(string) (any, error) { return true, nil }

// learn records the known keys of a schema and of those that it consists of.
func (s *Schema) learn(part *jsonschema.Schema) {
	if part == nil || s.keys[part.Location] != nil {
		return
	}
	s.keys[part.Location] = slices.AppendSeq([]string{}, maps.Keys(part.Properties))
	slices.Sort(s.keys[part.Location])
	s.learn(part.Ref)
	for _, property := range part.Properties {
		s.learn(property)
	}
	s.learn(part.Items2020)
	for _, inner := range []any{part.AdditionalProperties, part.Items} {
		if inner, ok := inner.(*jsonschema.Schema); ok {
			s.learn(inner)
		}
	}
	for _, inner := range slices.Concat(part.AllOf, part.AnyOf, part.OneOf) {
		s.learn(inner)
	}
}

// Keys returns the known keys at the top, sorted.
func (s *Schema) Keys() []string { return s.keys[s.root.Location] }

// Validate returns an *Error if the document violates the schema. The document
// consists of what encoding/json decodes.
func (s *Schema) Validate(document any) error {
	err := s.root.Validate(document)
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return err
	}
	found := &Error{cause: err}
	s.leaves(invalid, found)
	return found
}

// leaves collects the violations at the ends of the tree: the nodes before them
// say only that something in them is wrong.
func (s *Schema) leaves(node *jsonschema.ValidationError, into *Error) {
	for _, cause := range node.Causes {
		s.leaves(cause, into)
	}
	if len(node.Causes) > 0 {
		return
	}
	for _, violation := range s.describe(node) {
		same := func(v Violation) bool {
			return slices.Equal(v.Path, violation.Path) && v.Message == violation.Message
		}
		if !slices.ContainsFunc(into.Violations, same) {
			into.Violations = append(into.Violations, violation)
		}
	}
}

// known tells which keys are valid in a mapping, and which of them may be meant.
func (s *Schema) known(location, key string) string {
	keys := s.keys[location]
	if len(keys) == 0 {
		return "Remove it."
	}
	list := "Known keys: " + strings.Join(keys, ", ") + "."
	if near := nearest(key, keys); near != "" {
		return fmt.Sprintf("Did you mean %s? %s", near, list)
	}
	return list
}
