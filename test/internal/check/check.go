// Package check validates one render of the chart: its values with the chart's own
// schema and rules, and its objects with the schemas of Kubernetes, Pod Security
// "restricted", kube-score, and the specification's tables of best practices and
// common pitfalls.
package check

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/finding"
)

// Subject is what checks read: one render.
type Subject struct {
	Manifest string
	Objects  chart.Objects
	Values   chart.Map // that the user gave

	askedBy *string // set to who ran Kubernetes' own validation, unless it is nil
}

// Check is a rule for objects.
type Check struct {
	finding.Rule
	twins []string // rules of the chart that ask for the same; if one is skipped, findings are notes
	run   func(context.Context, Subject) ([]finding.Finding, error)
}

// Run returns the findings in the order of the manifest. An error says that the
// check itself could not run.
func (c Check) Run(ctx context.Context, subject Subject) ([]finding.Finding, error) {
	findings, err := c.run(ctx, subject)
	for i := range findings {
		findings[i].ID = c.ID
		findings[i].Severity = cmp.Or(findings[i].Severity, c.Severity)
	}
	return findings, err
}

// Set is everything that validates a chart.
type Set struct {
	Checks []Check // in the order in which they run
	Ask    Ask     // an API server; kube-validate by default
	chart  *chart.Chart
	rules  []finding.Rule // of the chart
}

// New returns the checks for a chart, whose files they share with its rules.
func New(c *chart.Chart) (*Set, error) {
	rules, err := c.Rules()
	if err != nil {
		return nil, err
	}
	pitfalls, err := pitfalls(c)
	if err != nil {
		return nil, err
	}
	set := &Set{Ask: command, chart: c, rules: rules}
	set.Checks = slices.Concat([]Check{conforms(), set.kubernetes(), uniqueNames(), podSecurity()}, access(), practices(), pitfalls, []Check{kubeScore()})
	return set, nil
}

// Run returns the findings of every check.
func (s *Set) Run(ctx context.Context, subject Subject) ([]finding.Finding, error) {
	var all []finding.Finding
	for _, check := range s.Checks {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		findings, err := check.Run(ctx, subject)
		if err != nil {
			return nil, fmt.Errorf("check %s: %w", check.ID, err)
		}
		all = append(all, findings...)
	}
	return all, nil
}

// decodeRule is about what the API server would refuse to read.
var decodeRule = finding.Rule{ID: "decode", Title: "objects decode strictly: no unknown field, no duplicate key", Source: "k8s.io/api", Severity: finding.Error}

// Rules returns the rule of every finding that Validate may return, in the order
// in which they are evaluated.
func (s *Set) Rules() []finding.Rule {
	rules := slices.Concat([]finding.Rule{chart.SchemaRule}, s.rules, []finding.Rule{chart.RenderRule, decodeRule})
	for _, check := range s.Checks {
		rules = append(rules, check.Rule)
	}
	return rules
}

// Result is what Validate returns.
type Result struct {
	Findings  []finding.Finding
	Evaluated []finding.Rule
	Remaining []finding.Rule // they need what an error prevents
	AskedBy   string         // who ran Kubernetes' own validation; "" if nobody did
}

// Validate returns all that is wrong with values: an error does not prevent the checks
// of what it is not about.
func (s *Set) Validate(ctx context.Context, options chart.Options) (Result, error) {
	violations, err := s.chart.Violations(options)
	if err != nil {
		return Result{}, err
	}
	result, err := s.evaluate(ctx, options)
	if err != nil || len(violations) == 0 {
		return result, err
	}
	valid, err := options.Without(violations)
	if err != nil {
		return Result{}, err
	}
	corrected, err := s.evaluate(ctx, valid)
	if err != nil {
		return Result{}, err
	}
	result.Findings = append(violations, uncovered(inBoth(result, corrected), violations)...)
	result.Evaluated, result.Remaining = corrected.Evaluated, corrected.Remaining
	return result, nil
}

// inBoth returns the findings of values as given that remain without those that
// violate the schema: others are about the violations. If the values as given do not
// render, all that remain count.
func inBoth(given, corrected Result) []finding.Finding {
	isBroken := func(f finding.Finding) bool { return f.ID == chart.RenderRule.ID || f.ID == decodeRule.ID }
	if slices.ContainsFunc(given.Findings, isBroken) {
		return slices.DeleteFunc(corrected.Findings, isBroken)
	}
	return slices.DeleteFunc(corrected.Findings, func(f finding.Finding) bool {
		return !slices.ContainsFunc(given.Findings, func(other finding.Finding) bool {
			return other.ID == f.ID && other.Where() == f.Where()
		})
	})
}

// evaluate evaluates the rules of the chart and every check.
func (s *Set) evaluate(ctx context.Context, options chart.Options) (Result, error) {
	given, err := options.Given()
	if err != nil {
		return Result{}, err
	}
	evaluated := map[string]bool{chart.SchemaRule.ID: true, chart.RenderRule.ID: true}
	ofChart, rulesErr := s.ruleFindings(options, given)
	manifest, broken := s.chart.RenderAnyway(options)
	if rulesErr == nil {
		for _, rule := range s.rules {
			evaluated[rule.ID] = true
		}
	} else if len(broken) == 0 {
		broken = []finding.Finding{{ID: chart.RenderRule.ID, Severity: finding.Error, Problem: rulesErr.Error(), Fix: "Correct the value that the template reads."}}
	}
	subject, undecoded := decode(manifest)
	var askedBy string
	subject.Values, subject.askedBy = given, &askedBy
	found, err := s.Run(ctx, subject)
	if err != nil {
		return Result{}, err
	}
	if manifest != "" {
		evaluated[decodeRule.ID] = true
		for _, check := range s.Checks {
			evaluated[check.ID] = true
		}
	} else {
		found = nil
	}
	if len(undecoded) > 0 { // kube-score misreads objects that Kubernetes cannot read
		found = slices.DeleteFunc(found, func(f finding.Finding) bool { return f.ID == "kube-score" })
	}
	found = append(s.withoutTwins(uncovered(found, ofChart), ofChart), unexplained(undecoded, found)...)
	result := Result{Findings: slices.Concat(ofChart, broken, s.lessSkipped(found, ofChart)), AskedBy: askedBy}
	for _, rule := range s.Rules() {
		if evaluated[rule.ID] {
			result.Evaluated = append(result.Evaluated, rule)
		} else {
			result.Remaining = append(result.Remaining, rule)
		}
	}
	return result, nil
}

// ruleFindings returns what the rules of the chart find. If a template in the values
// breaks them, it leaves out the section that has it.
func (s *Set) ruleFindings(options chart.Options, given chart.Map) ([]finding.Finding, error) {
	found, err := s.chart.RuleFindings(options)
	if err == nil {
		return found, nil
	}
	for _, key := range slices.Sorted(maps.Keys(given)) {
		less, lessErr := options.Without([]finding.Finding{{Path: finding.Path{key}}})
		if lessErr != nil {
			return nil, lessErr
		}
		if found, lessErr := s.chart.RuleFindings(less); lessErr == nil {
			return found, nil
		}
	}
	return nil, err
}

// uncovered leaves out what Kubernetes refuses because of a value in which the chart
// finds an error, too.
func uncovered(found, errors []finding.Finding) []finding.Finding {
	return slices.DeleteFunc(found, func(f finding.Finding) bool {
		return f.Value != nil && slices.ContainsFunc(errors, func(e finding.Finding) bool {
			return e.Severity == finding.Error && chart.Covers(e, f.Value)
		})
	})
}

// withoutTwins leaves out what checks find if a rule of the chart that asks for the
// same has found it.
func (s *Set) withoutTwins(found, ofChart []finding.Finding) []finding.Finding {
	return slices.DeleteFunc(found, func(f finding.Finding) bool {
		return slices.ContainsFunc(s.Checks, func(check Check) bool {
			return check.ID == f.ID && slices.ContainsFunc(ofChart, func(other finding.Finding) bool {
				return other.Severity == finding.Error && slices.Contains(check.twins, other.ID)
			})
		})
	})
}

// unexplained returns the objects that do not decode, except for those in which a
// schema says what is wrong.
func unexplained(undecoded, found []finding.Finding) []finding.Finding {
	return slices.DeleteFunc(undecoded, func(f finding.Finding) bool {
		return slices.ContainsFunc(found, func(other finding.Finding) bool {
			return other.ID == "schema" && other.Severity == finding.Error && other.Object == f.Object
		})
	})
}

// decode decodes the objects of a manifest, and returns a finding for each one that
// cannot be decoded.
func decode(manifest string) (Subject, []finding.Finding) {
	subject := Subject{Manifest: manifest}
	documents, err := chart.Manifests(manifest)
	if err != nil {
		return subject, []finding.Finding{undecodable("", err)}
	}
	var found []finding.Finding
	for _, document := range documents {
		objects, err := chart.Decode(string(document))
		if err != nil {
			object := &unstructured.Unstructured{}
			_ = yaml.Unmarshal(document, &object.Object) // it may have neither kind nor name
			found = append(found, undecodable(strings.TrimSuffix(name(object), "/"), err))
		}
		subject.Objects = append(subject.Objects, objects...)
	}
	return subject, found
}

func undecodable(object string, err error) finding.Finding {
	problem, _, _ := strings.Cut(err.Error(), " in:\n") // without the object, which may be long
	return finding.Finding{
		ID: decodeRule.ID, Severity: decodeRule.Severity, Object: object, Problem: problem,
		Fix: "Correct extraObjects, or the value that the chart copies into this object.",
	}
}

// lessSkipped makes notes of what checks found if validation.skip names a rule of
// the chart that asks for the same.
func (s *Set) lessSkipped(found, ofChart []finding.Finding) []finding.Finding {
	skipped := func(id string) bool {
		return slices.ContainsFunc(ofChart, func(f finding.Finding) bool { return f.ID == id && f.Severity == finding.Info })
	}
	for i, f := range found {
		for _, check := range s.Checks {
			if check.ID == f.ID && slices.ContainsFunc(check.twins, skipped) {
				found[i].Severity = finding.Info
			}
		}
	}
	return found
}

// Render renders a chart and decodes its objects. The subject is nil if a finding
// is an error.
func Render(c *chart.Chart, options chart.Options) (*Subject, []finding.Finding, error) {
	manifest, findings, err := c.RenderWithFindings(options)
	if err != nil || finding.HasErrors(findings) {
		return nil, findings, err
	}
	objects, err := chart.Decode(manifest)
	if err != nil {
		return nil, append(findings, undecodable("", err)), nil
	}
	return &Subject{Manifest: manifest, Objects: objects}, findings, nil
}
