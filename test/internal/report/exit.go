package report

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"example.com/ai-agent/test/internal/finding"
)

// Exit codes of the commands that write reports, other than 0.
const (
	ExitWarnings = 1
	ExitErrors   = 2
	ExitUnable   = 3 // there is nothing to report on
)

// CheckOptions returns what is wrong with --output and --fail-on.
func CheckOptions(format, failOn string) error {
	var problems []error
	if !slices.Contains(Formats(), format) {
		problems = append(problems, fmt.Errorf("--output %q is not valid: use one of %s", format, strings.Join(Formats(), ", ")))
	}
	if finding.Severity(failOn).Rank() < 0 {
		problems = append(problems, fmt.Errorf("--fail-on %q is not valid: use error, warning or info", failOn))
	}
	return errors.Join(problems...)
}

// ExitCode returns the exit code for the worst finding, if it is at least as bad as
// failOn, or else 0.
func (r Report) ExitCode(failOn finding.Severity) int {
	worst := r.Worst()
	switch {
	case worst == "" || !worst.AtLeast(failOn):
		return 0
	case worst == finding.Error:
		return ExitErrors
	default:
		return ExitWarnings
	}
}
