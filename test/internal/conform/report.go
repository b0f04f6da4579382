package conform

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"example.com/ai-agent/test/internal/report"
)

// Report judges what was seen, and proposes values for an agent that conform has started.
func (t Test) Report(seen Observation) (report.Report, error) {
	verdicts, evaluated, remaining := t.Judge(seen)
	made := report.Report{Command: "conform", Agent: t.name(), Measured: t.Measures(seen), Evaluated: evaluated, Remaining: remaining}
	for _, v := range verdicts {
		made.Findings = append(made.Findings, v.Finding)
	}
	if t.URL != "" {
		return made, nil
	}
	var err error
	made.Proposed, err = t.Propose(seen, verdicts)
	return made, err
}

func (a Agent) name() string {
	if a.URL != "" {
		return RedactedURL(a.URL)
	}
	return strings.TrimSpace(a.Image + " " + strings.Join(a.Command, " "))
}

// Pairs reads NAME=VALUE, or NAME whose value is that of the environment, of a flag.
func Pairs(flag string, given []string) (map[string]string, error) {
	values := map[string]string{}
	var problems []error
	for _, pair := range given {
		name, value, found := strings.Cut(pair, "=")
		if !found {
			value, found = os.LookupEnv(name)
		}
		if !found {
			problems = append(problems, fmt.Errorf("%s %s: it is not set in the environment: set it, or use NAME=VALUE", flag, name))
		}
		values[name] = value
	}
	return values, errors.Join(problems...)
}
