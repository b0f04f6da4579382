// Package check says what is wrong with the objects of one render: against the
// schemas of Kubernetes, Pod Security "restricted", kube-score, and the seed's
// tables of best practices and common pitfalls.
package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"example.com/ai-agent/test/internal/chart"
)

// Severity says how bad a finding is.
type Severity string

// What a finding means for a user: an Error breaks the release or cuts runs, a
// Warning will hurt some day, an Info only tells.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Info    Severity = "info"
)

// Rank orders severities, the worst first; that of an unknown one is negative.
func (s Severity) Rank() int { return slices.Index([]Severity{Error, Warning, Info}, s) }

// AtLeast reports whether s is as bad as other or worse.
func (s Severity) AtLeast(other Severity) bool { return s.Rank() <= other.Rank() }

// Finding is one thing that is wrong.
type Finding struct {
	Check    string   `json:"check"` // ID
	Severity Severity `json:"severity"`
	Object   string   `json:"object,omitempty"` // Kind/name
	Field    string   `json:"field,omitempty"`  // path in the object or, without one, in the values
	Problem  string   `json:"problem"`
	Fix      string   `json:"fix"`
}

// Subject is what is looked at: one render.
type Subject struct {
	Manifest string
	Objects  chart.Objects
}

// Check is one rule.
type Check struct {
	ID       string
	Title    string // what is right
	Source   string // where the rule is from
	Severity Severity
	run      func(context.Context, Subject) ([]Finding, error)
}

// Run returns what is wrong, the order being that of the manifest. An error says
// that the check itself could not be made.
func (c Check) Run(ctx context.Context, subject Subject) ([]Finding, error) {
	findings, err := c.run(ctx, subject)
	for i := range findings {
		findings[i].Check = c.ID
		findings[i].Severity = cmp.Or(findings[i].Severity, c.Severity)
	}
	return findings, err
}

// Set is every check. Close it when done.
type Set struct {
	Checks []Check // in the order in which they are listed
	folder string
}

// New makes the checks ready; it writes the schemas into a temporary folder.
func New() (*Set, error) {
	folder, err := os.MkdirTemp("", "ai-agent-schemas-")
	if err != nil {
		return nil, err
	}
	set := &Set{folder: folder}
	conform, err := conforms(folder)
	if err != nil {
		return nil, errors.Join(err, set.Close())
	}
	set.Checks = slices.Concat([]Check{conform, podSecurity()}, practices(), pitfalls(), []Check{kubeScore()})
	return set, nil
}

// Close removes the temporary folder.
func (s *Set) Close() error { return os.RemoveAll(s.folder) }

// Run returns the findings of every check.
func (s *Set) Run(ctx context.Context, subject Subject) ([]Finding, error) {
	var all []Finding
	for _, check := range s.Checks {
		findings, err := check.Run(ctx, subject)
		if err != nil {
			return nil, fmt.Errorf("check %s: %w", check.ID, err)
		}
		all = append(all, findings...)
	}
	return all, nil
}
