// Package apiserver asks what an API server would refuse: the command kube-validate,
// which has its code, or a cluster by dry run. Nothing that it returns quotes a value
// that may be a secret.
package apiserver

import (
	"strings"

	"example.com/ai-agent/test/internal/finding"
)

// Answer is what an API server says about a list of objects.
type Answer struct {
	By        string // who says it, with its version
	Refusals  []Refusal
	Unchecked map[int]string // why an object was not validated, by its index
}

// Undecodable is why an object of a wrong form, such as text in place of a number, was
// not validated.
const Undecodable = "it cannot be decoded"

// Refusal is one reason to refuse an object.
type Refusal struct {
	Object  int // its index
	Field   finding.Path
	Problem string // a sentence
}

// path reads a field as Kubernetes writes it: spec.rules[0].host, data[a.b].
func path(field string) finding.Path {
	var segments finding.Path
	for field != "" {
		if key, rest, ok := strings.Cut(strings.TrimPrefix(field, "["), "]"); ok && field[0] == '[' {
			segments, field = append(segments, key), strings.TrimPrefix(rest, ".")
			continue
		}
		end := strings.IndexAny(field, ".[")
		if end < 0 {
			return append(segments, field)
		}
		segments = append(segments, field[:end])
		field = strings.TrimPrefix(field[end:], ".")
	}
	return segments
}

// sentence says what is wrong with a field. The type is that of Kubernetes' field
// package; the value is "" if it may be a secret.
func sentence(kind, value, detail string) string {
	subject := strings.TrimSpace("The value " + value)
	detail = strings.TrimSuffix(detail, ".")
	said := map[string]string{
		"Invalid value":     subject + " is not valid",
		"Unsupported value": subject + " is not supported",
		"Not found":         subject + " refers to nothing",
		"Duplicate value":   subject + " is a duplicate",
		"Required value":    "A value is required",
		"Forbidden":         "It is forbidden",
		"Too long":          "The value is too long",
		"Too many":          "There are too many entries",
		"Too few":           "There are too few entries",
	}[kind]
	if said == "" {
		said = kind
	}
	if detail != "" {
		said += ": " + detail
	}
	return said + "."
}
