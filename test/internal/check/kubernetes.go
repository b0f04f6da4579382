package check

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"example.com/ai-agent/test/internal/apiserver"
	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/finding"
)

// Ask asks an API server about objects.
type Ask func(ctx context.Context, objects [][]byte) (apiserver.Answer, error)

// notAsked says why Kubernetes' validation was not run. It is not an error, because
// the program is optional.
type notAsked struct{ finding.Finding }

func (notAsked) Error() string { return "Kubernetes' validation was not run" }

// command asks kube-validate, which may be missing.
func command(ctx context.Context, objects [][]byte) (apiserver.Answer, error) {
	answer, err := apiserver.Command(ctx, objects)
	switch {
	case err == nil || ctx.Err() != nil:
		return answer, ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return answer, notAsked{finding.Finding{
			Severity: finding.Info, Problem: "Kubernetes' own validation was not run: kube-validate is not on PATH.",
			Fix: "Use --server to ask the cluster of the current context, or build kube-validate with `make tools`.",
		}}
	default:
		return answer, notAsked{finding.Finding{
			Severity: finding.Info, Problem: fmt.Sprintf("Kubernetes' own validation was not run: %s.", oneLine(err.Error())),
			Fix: "Build kube-validate again with `make tools`, or use --server.",
		}}
	}
}

// kubernetes reports what an API server refuses.
func (s *Set) kubernetes() Check {
	return Check{
		Rule: finding.Rule{
			ID: "kubernetes", Title: "an API server accepts the objects",
			Source: "Kubernetes' validation: kube-validate, or a cluster with --server", Severity: finding.Error,
		},
		run: func(ctx context.Context, subject Subject) ([]finding.Finding, error) {
			documents, err := chart.Manifests(subject.Manifest)
			if err != nil {
				return nil, err
			}
			answer, err := s.Ask(ctx, documents)
			var without notAsked
			if errors.As(err, &without) {
				return []finding.Finding{without.Finding}, nil
			}
			if err != nil {
				return nil, err
			}
			if subject.askedBy != nil {
				*subject.askedBy = answer.By
			}
			return subject.refused(answer, documents)
		},
	}
}

// refused returns the findings of an answer. What one value causes in several objects
// is one finding.
func (s Subject) refused(answer apiserver.Answer, documents [][]byte) ([]finding.Finding, error) {
	var found []finding.Finding
	seen := map[string]bool{}
	for _, refusal := range answer.Refusals {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(documents[refusal.Object], &object.Object); err != nil {
			return nil, err
		}
		value := source(s.Values, object.Object, refusal.Field)
		if id := value.String() + "\n" + refusal.Problem; value != nil && seen[id] {
			continue
		} else {
			seen[id] = true
		}
		fix := "Correct the field, or the value that the chart copies into it."
		if value != nil {
			fix = "Correct the value " + value.String() + "."
		}
		found = append(found, finding.Finding{
			Object: name(object), Path: refusal.Field, Value: value,
			Problem: "Kubernetes refuses this object: " + lowerFirst(refusal.Problem), Fix: fix,
		})
	}
	for i, document := range documents {
		why := answer.Unchecked[i]
		if why == apiserver.Undecodable {
			continue // the schema says what is wrong
		}
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(document, &object.Object); err != nil || why == "" || !isKubernetes(object) {
			continue // custom resources have a finding of their own, if nothing knows them
		}
		found = append(found, finding.Finding{
			Severity: finding.Info, Object: name(object), Problem: "Kubernetes' own validation was not run for this object: " + why + ".",
			Fix: "Check it with `kubectl apply --dry-run=server`.",
		})
	}
	return found, nil
}

// isKubernetes reports whether an object has a kind and version of Kubernetes itself.
func isKubernetes(object *unstructured.Unstructured) bool {
	return scheme.Scheme.Recognizes(object.GroupVersionKind())
}

func lowerFirst(sentence string) string { return strings.ToLower(sentence[:1]) + sentence[1:] }
