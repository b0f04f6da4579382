package check

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path"
	"slices"
	"strings"
	"time"

	"example.com/ai-agent/test/internal/finding"
	"example.com/ai-agent/test/schemas"
)

// exemption is a finding of kube-score that does not apply.
type exemption struct {
	check  string
	object string // a pattern of path.Match for Kind/name
	reason string
}

var exemptions = []exemption{
	{"container-image-pull-policy", "*/*", "tags are fixed and latest is refused: a node that has the image starts the agent while the registry is unavailable"},
	{"container-image-tag", "*/*", "pitfall-latest-tag and practice-pinned-image ask for a tag; validation.skip may permit none"},
	{"container-ephemeral-storage-request-and-limit", "*/*", "only /tmp is writable, and its emptyDir has a sizeLimit"},
	{"pod-networkpolicy", "Pod/*-test-*", "a client of `helm test`, not the agent: it lives for seconds and accepts no connection"},
	{"statefulset-has-servicename", "StatefulSet/*", "no client addresses a single pod: the Service of the release reaches all of them"},
	{"deployment-replicas", "Deployment/*", "one replica is a choice for development; without a PodDisruptionBudget for it, drains are not blocked"},
}

// score is the part of kube-score's output that is read.
type score struct {
	Name   string `json:"object_name"` // Kind/apiVersion/namespace/name
	Checks []struct {
		Check struct {
			ID string `json:"id"`
		}
		Grade    int
		Skipped  bool
		Comments []struct{ Path, Summary, Description string }
	}
}

// gradeAllOK is the best of kube-score's grades, from its scorecard package.
const gradeAllOK = 10

func kubeScore() Check {
	return Check{
		Rule: finding.Rule{
			ID: "kube-score", Title: "kube-score reports nothing that is not exempted by name with a reason",
			Source: "kube-score, if it is on PATH", Severity: finding.Warning,
		},
		run: func(ctx context.Context, subject Subject) ([]finding.Finding, error) {
			scores, err := runKubeScore(ctx, subject.Manifest)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				return []finding.Finding{unscored(err)}, nil
			}
			var found []finding.Finding
			for _, object := range scores {
				found = append(found, object.findings()...)
			}
			slices.SortStableFunc(found, func(a, b finding.Finding) int { return cmp.Compare(a.Object, b.Object) }) // its own order is random
			return found, nil
		},
	}
}

// unscored says why kube-score reported nothing.
func unscored(err error) finding.Finding {
	if errors.Is(err, exec.ErrNotFound) {
		return finding.Finding{
			Severity: finding.Info, Problem: "kube-score was not run: it is not on PATH.",
			Fix: "Install kube-score for its checks. They are optional.",
		}
	}
	return finding.Finding{
		Severity: finding.Info, Problem: fmt.Sprintf("kube-score failed: %s.", oneLine(err.Error())),
		Fix: "Run `helm template` and kube-score yourself to see why. Its checks are optional.",
	}
}

// runKubeScore returns what kube-score reports. Its exit code does not matter: it
// is not 0 if there is something to report.
func runKubeScore(ctx context.Context, manifest string) ([]score, error) {
	tool, err := exec.LookPath("kube-score")
	if err != nil {
		return nil, err
	}
	versions := KubernetesVersions()
	cmd := exec.CommandContext(ctx, tool, "score", "-", "--output-format", "json",
		"--kubernetes-version", "v"+schemas.Minor(versions[len(versions)-1]),
		"--enable-optional-test", "container-seccomp-profile,container-ports-check")
	cmd.Stdin = strings.NewReader(manifest)
	cmd.WaitDelay = 5 * time.Second // a child of it may keep its output open
	out, runErr := cmd.Output()
	var scores []score
	if err := json.Unmarshal(out, &scores); err != nil {
		return nil, errors.Join(fmt.Errorf("its output cannot be read: %w;", err), runErr)
	}
	return scores, nil
}

// object returns the Kind/name.
func (s score) object() string {
	parts := strings.Split(s.Name, "/")
	return parts[0] + "/" + parts[len(parts)-1]
}

func (s score) findings() []finding.Finding {
	object := s.object()
	var found []finding.Finding
	for _, check := range s.Checks {
		if check.Skipped || check.Grade >= gradeAllOK || isExempt(check.Check.ID, object) {
			continue
		}
		for _, comment := range check.Comments {
			problem := check.Check.ID + ": " + comment.Summary
			if comment.Path != "" { // a container's name
				problem = comment.Path + ": " + problem
			}
			found = append(found, finding.Finding{Object: object, Problem: problem, Fix: cmp.Or(comment.Description, "Compare it with the documentation of kube-score.")})
		}
	}
	return found
}

func isExempt(check, object string) bool {
	return slices.ContainsFunc(exemptions, func(e exemption) bool {
		matches, _ := path.Match(e.object, object) // the patterns are constants
		return e.check == check && matches
	})
}

// oneLine joins the lines of a text, and removes the punctuation at its end.
func oneLine(text string) string {
	return strings.TrimRight(strings.Join(strings.Fields(text), " "), ".;")
}
