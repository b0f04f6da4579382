package report

import (
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"slices"

	"github.com/owenrumney/go-sarif/v3/pkg/report"
	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"example.com/ai-agent/test/internal/finding"
)

var levels = map[finding.Severity]string{finding.Error: "error", finding.Warning: "warning", finding.Info: "note"}

// sarif writes a result for each finding. It points to the line that sets the
// value, if a file does.
func (r Report) sarif(to io.Writer) error {
	run := sarif.NewRunWithInformationURI("ai-agent-"+r.Command, "https://example.com/ai-agent")
	for _, rule := range slices.Concat(r.Evaluated, r.Remaining) {
		run.AddRule(rule.ID).WithName(rule.ID).WithDescription(rule.Title).WithMarkdownHelp(help(rule)).
			WithDefaultConfiguration(sarif.NewReportingConfiguration().WithLevel(levels[rule.Severity]))
	}
	for _, f := range sorted(r.Findings) {
		result := run.CreateResultForRule(f.ID).WithLevel(levels[f.Severity]).WithMessage(sarif.NewTextMessage(line(f)))
		if location, ok := r.locate(f); ok {
			result.AddLocation(location)
		}
	}
	out := report.NewV210Report()
	out.AddRun(run)
	return out.PrettyWrite(to)
}

func (r Report) locate(f finding.Finding) (*sarif.Location, bool) {
	if r.Locate == nil {
		return nil, false
	}
	at, ok := r.Locate(f)
	if !ok {
		return nil, false
	}
	file := (&url.URL{Path: filepath.ToSlash(at.File)}).String()
	line := sarif.NewPhysicalLocation().WithArtifactLocation(sarif.NewSimpleArtifactLocation(file)).WithRegion(sarif.NewRegion().WithStartLine(at.Line))
	return sarif.NewLocationWithPhysicalLocation(line), true
}

// help tells who asks for a rule, and whether it can be skipped.
func help(rule finding.Rule) string {
	text := fmt.Sprintf("Rule: %s. Source: %s.", rule.Title, rule.Source)
	if rule.Skippable {
		text += fmt.Sprintf(" To skip it, add `%s` to `validation.skip`.", rule.ID)
	}
	return text
}
