// Package finding has the one form of every problem that the chart, the validate
// command, its reports and the tests speak of.
package finding

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Severity says how bad a finding is.
type Severity string

// What a finding means for a user: an Error breaks the release or interrupts
// runs, a Warning does so under some conditions, an Info is worth knowing.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Info    Severity = "info"
)

// Severities returns every severity, the worst first.
func Severities() []Severity { return []Severity{Error, Warning, Info} }

// Rank orders severities, the worst first; that of an unknown one is negative.
func (s Severity) Rank() int { return slices.Index(Severities(), s) }

// AtLeast reports whether s is as bad as other or worse.
func (s Severity) AtLeast(other Severity) bool { return s.Rank() <= other.Rank() }

// Path leads to a field of an object or to a value, a segment for each key or
// index.
type Path []string

var (
	index = regexp.MustCompile(`^[0-9]+$`)
	plain = regexp.MustCompile(`^[A-Za-z0-9_/-]+$`)
)

// String writes the path as people do: spec.ports[0].name. A segment that could
// be mistaken for several is quoted: annotations["example.com/name"].
func (p Path) String() string {
	var text strings.Builder
	for i, segment := range p {
		switch {
		case index.MatchString(segment):
			text.WriteString("[" + segment + "]")
		case !plain.MatchString(segment):
			text.WriteString("[" + strconv.Quote(segment) + "]")
		case i > 0:
			text.WriteString("." + segment)
		default:
			text.WriteString(segment)
		}
	}
	return text.String()
}

// MarshalText returns the path as String does.
func (p Path) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// With returns a longer path, which shares no memory with p.
func (p Path) With(segments ...string) Path { return slices.Concat(p, segments) }

// Finding is one problem.
type Finding struct {
	ID       string   `json:"id"` // of the rule
	Severity Severity `json:"severity"`
	Object   string   `json:"object,omitempty"` // Kind/name; if empty, the path is that of a value
	Path     Path     `json:"path,omitempty"`
	Value    Path     `json:"value,omitempty"` // that sets the field of the object, if it is known
	Problem  string   `json:"problem"`
	Fix      string   `json:"fix"`
}

// Where returns the object, the path in it, and the value that sets it, as far as they
// are known.
func (f Finding) Where() string {
	where := strings.TrimSpace(f.Object + " " + f.Path.String())
	if f.Value != nil {
		where += " (value " + f.Value.String() + ")"
	}
	return where
}

// Rule is what findings of one ID are about.
type Rule struct {
	ID        string
	Title     string // what is right
	Source    string // who asks for it
	Severity  Severity
	Skippable bool // validation.skip of the chart may name it
}

// HasErrors reports whether one of the findings is an Error.
func HasErrors(findings []Finding) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return f.Severity == Error })
}

// IDs returns the ID of each finding, sorted, each once.
func IDs(findings []Finding) []string {
	var ids []string
	for _, f := range findings {
		ids = append(ids, f.ID)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
