package check

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path"
	"slices"
	"strings"
)

// exemption is a finding of kube-score that does not hold here.
type exemption struct {
	check  string
	object string // a pattern of path.Match over Kind/name
	reason string
}

var exemptions = []exemption{
	{"container-image-pull-policy", "*/*", "tags are pinned and latest is refused: a node that has the image starts the agent while the registry is gone"},
	{"container-ephemeral-storage-request-and-limit", "*/*", "the only writable place is /tmp, whose emptyDir has a sizeLimit"},
	{"pod-networkpolicy", "Pod/*-test-*", "a client of `helm test`, not the agent: it lives for seconds and accepts nothing"},
	{"deployment-replicas", "Deployment/*", "one replica is a choice for development; without a PodDisruptionBudget for it, drains go on"},
}

// score is the part of kube-score's answer that is read.
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

// kubeScoreModule is what is built where kube-score is not on PATH but Go is, as
// for one who runs the command by its version.
const kubeScoreModule = "github.com/zegl/kube-score/cmd/kube-score@v1.20.0"

// errNoKubeScore says that there is no kube-score and no Go to build it with.
var errNoKubeScore = errors.New("neither kube-score nor go is on PATH")

func kubeScoreCommand() ([]string, error) {
	if tool, err := exec.LookPath("kube-score"); err == nil {
		return []string{tool}, nil
	}
	if tool, err := exec.LookPath("go"); err == nil {
		return []string{tool, "run", kubeScoreModule}, nil
	}
	return nil, errNoKubeScore
}

func kubeScore() Check {
	return Check{
		ID:       "kube-score",
		Title:    "kube-score finds nothing that is not exempted by name with a reason",
		Source:   "github.com/zegl/kube-score",
		Severity: Warning,
		run: func(ctx context.Context, subject Subject) ([]Finding, error) {
			scores, err := runKubeScore(ctx, subject.Manifest)
			if errors.Is(err, errNoKubeScore) {
				return []Finding{{Severity: Info, Problem: "it was not run: " + err.Error(), Fix: "Put kube-score v1.20 on PATH."}}, nil
			}
			if err != nil {
				return nil, err
			}
			var found []Finding
			for _, object := range scores {
				found = append(found, object.findings()...)
			}
			slices.SortStableFunc(found, func(a, b Finding) int { return cmp.Compare(a.Object, b.Object) }) // its own order is random
			return found, nil
		},
	}
}

func runKubeScore(ctx context.Context, manifest string) ([]score, error) {
	tool, err := kubeScoreCommand()
	if err != nil {
		return nil, err
	}
	versions, err := KubernetesVersions()
	if err != nil {
		return nil, err
	}
	args := append(tool[1:], "score", "-", "--output-format", "json",
		"--kubernetes-version", "v"+minor(versions[len(versions)-1]),
		"--enable-optional-test", "container-seccomp-profile,container-ports-check")
	cmd := exec.CommandContext(ctx, tool[0], args...)
	cmd.Stdin = strings.NewReader(manifest)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output() // its exit code tells of findings; only an answer that is none is an error
	var scores []score
	if json.Unmarshal(out, &scores) != nil {
		return nil, fmt.Errorf("kube-score: %w: %s%s", err, out, stderr.Bytes())
	}
	return scores, nil
}

// object returns the Kind/name.
func (s score) object() string {
	return s.Name[:strings.Index(s.Name, "/")] + s.Name[strings.LastIndex(s.Name, "/"):]
}

func (s score) findings() []Finding {
	object := s.object()
	var found []Finding
	for _, check := range s.Checks {
		if check.Skipped || check.Grade >= gradeAllOK || isExempt(check.Check.ID, object) {
			continue
		}
		for _, comment := range check.Comments {
			found = append(found, Finding{
				Object: object, Field: comment.Path,
				Problem: check.Check.ID + ": " + comment.Summary, Fix: comment.Description,
			})
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
