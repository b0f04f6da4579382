package release

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"

	slsa "github.com/in-toto/attestation/go/predicates/provenance/v1"
	intoto "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
)

// How a chart and an image are made, as provenance names it.
const (
	buildType = "https://example.com/ai-agent/blob/main/README.md#package-and-publish"
	builder   = "https://example.com/ai-agent/blob/main/Makefile"
)

// suffix of the file with the provenance of what is next to it.
const suffix = ".provenance.json"

// provenance returns an in-toto statement with the SLSA provenance of what a make target
// has made from a commit: https://slsa.dev/spec/v1.0/provenance. The digest is the
// SHA-256 in hexadecimal digits.
func provenance(from source, target, name, digest string) ([]byte, error) {
	parameters, err := structpb.NewStruct(map[string]any{"target": target})
	if err != nil {
		return nil, err
	}
	environment, err := structpb.NewStruct(map[string]any{"go": runtime.Version()})
	if err != nil {
		return nil, err
	}
	made := &slsa.Provenance{
		BuildDefinition: &slsa.BuildDefinition{
			BuildType: buildType, ExternalParameters: parameters, InternalParameters: environment,
			ResolvedDependencies: []*intoto.ResourceDescriptor{{
				Uri: "git+https://example.com/ai-agent", Digest: map[string]string{"gitCommit": from.commit},
			}},
		},
		RunDetails: &slsa.RunDetails{Builder: &slsa.Builder{Id: builder}},
	}
	if err := made.Validate(); err != nil {
		return nil, err
	}
	predicate, err := protojson.Marshal(made)
	if err != nil {
		return nil, err
	}
	return json.MarshalIndent(statement{
		Type: intoto.StatementTypeUri, PredicateType: predicateType, Predicate: predicate,
		Subject: []subject{{name, map[string]string{"sha256": digest}}},
	}, "", "  ")
}

// predicateType is that of SLSA's provenance.
const predicateType = "https://slsa.dev/provenance/v1"

// statement is an in-toto statement, whose predicate stays as it is.
type statement struct {
	Type          string          `json:"_type"`
	Subject       []subject       `json:"subject"`
	PredicateType string          `json:"predicateType"`
	Predicate     json.RawMessage `json:"predicate"`
}

type subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

// origin is what a file with provenance says of an artifact.
type origin struct {
	commit    string
	predicate []byte
}

// originOf reads the provenance of an artifact. It refuses that of other bytes, which
// an interruption may have left.
func originOf(file, digest string) (origin, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return origin{}, err
	}
	var made statement
	var predicate struct {
		BuildDefinition struct {
			ResolvedDependencies []struct{ Digest struct{ GitCommit string } }
		}
	}
	if err := errors.Join(json.Unmarshal(text, &made), json.Unmarshal(made.Predicate, &predicate)); err != nil {
		return origin{}, fmt.Errorf("%s: %w", file, err)
	}
	sources := predicate.BuildDefinition.ResolvedDependencies
	if len(made.Subject) != 1 || made.Subject[0].Digest["sha256"] != digest || len(sources) != 1 {
		return origin{}, fmt.Errorf("%s describes another file than the one next to it: make both again", file)
	}
	return origin{sources[0].Digest.GitCommit, made.Predicate}, nil
}
