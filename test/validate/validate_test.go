package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jstemmer/go-junit-report/v2/junit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
	"example.com/ai-agent/test/internal/check"
	"example.com/ai-agent/test/internal/finding"
	"example.com/ai-agent/test/internal/repo"
	"example.com/ai-agent/test/internal/report"
)

// binaries is the folder of what the tests build.
var binaries string

func TestMain(m *testing.M) {
	err := repo.UseTools("helm", "kube-score", "kube-validate")
	if err == nil {
		binaries, err = os.MkdirTemp("", "validate-")
	}
	if err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(binaries) // the system removes what is left of a temporary folder
	os.Exit(code)
}

// validate runs the command with the chart ai-agent.
func validate(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	code = run(t.Context(), append([]string{"--chart", chart.Dir()}, args...), &out, &errOut)
	return code, out.String(), errOut.String()
}

// write returns the path of a values file with a content.
func write(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "my.yaml")
	require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
	return file
}

// reported is a finding in the JSON report.
type reported struct{ ID, Severity, Object, Path, Problem, Fix string }

func findings(t *testing.T, report string) []reported {
	t.Helper()
	var made struct{ Findings []reported }
	require.NoError(t, json.Unmarshal([]byte(report), &made), report)
	return made.Findings
}

func TestFindings(t *testing.T) {
	t.Parallel()
	sidecar := chart.Map{"name": "proxy", "image": "proxy:1"}
	object := func(apiVersion, kind string, spec chart.Map) chart.Values {
		return chart.Values{"extraObjects": chart.List{chart.Map{"apiVersion": apiVersion, "kind": kind, "metadata": chart.Map{"name": "a"}, "spec": spec}}}
	}
	for name, tc := range map[string]struct {
		values chart.Values
		code   int
		ids    map[string]string // ID: object, or path of the value
	}{
		"nothing":                {chart.Values{"agent.maxRunSeconds": 400}, 0, nil},
		"no value":               {nil, 0, nil},
		"a mistyped key":         {chart.Values{"agent.maxRunSecond": 600}, report.ExitErrors, map[string]string{"values-schema": "agent.maxRunSecond"}},
		"a wrong value":          {chart.Values{"agent.type": "huge"}, report.ExitErrors, map[string]string{"values-schema": "agent.type"}},
		"an interrupted run":     {chart.Values{"terminationGracePeriodSeconds": 30}, report.ExitErrors, map[string]string{"grace-period-too-short": "terminationGracePeriodSeconds"}},
		"several errors":         {chart.Values{"terminationGracePeriodSeconds": 30, "image.tag": "latest"}, report.ExitErrors, map[string]string{"grace-period-too-short": "terminationGracePeriodSeconds", "image-tag-latest": "image.tag"}},
		"a warning of the chart": {chart.Values{"agent.maxRunSeconds": 900}, report.ExitWarnings, map[string]string{"run-exceeds-node-drain": "agent.maxRunSeconds"}},
		"a skipped rule":         {chart.Values{"config.A_KEY": "a", "validation.skip": chart.List{"config-credential"}}, 0, map[string]string{"config-credential": "validation.skip", "pitfall-secrets-in-configmaps": "ConfigMap/ai-agent-config"}},
		"a small limit":          {chart.Values{"resources.limits.memory": "512Mi"}, report.ExitWarnings, map[string]string{"pitfall-memory-limit": "Deployment/ai-agent"}},
		"a bad sidecar":          {chart.Values{"extraContainers": chart.List{sidecar}}, report.ExitErrors, map[string]string{"sidecar-ends-first": "extraContainers[0]", "pod-security": "Deployment/ai-agent", "practice-requests-and-limits": "Deployment/ai-agent", "kube-score": "Deployment/ai-agent"}},
		"an unknown kind":        {object("keda.sh/v1alpha1", "ScaledObject", nil), 0, map[string]string{"schema": "ScaledObject/a"}},
		"a broken object":        {object("v1", "Service", chart.Map{"prots": chart.List{}}), report.ExitErrors, map[string]string{"schema": "Service/a", "kubernetes": "Service/a"}},
		"a refused value":        {chart.Values{"livenessProbe": chart.Map{"successThreshold": 2}}, report.ExitErrors, map[string]string{"kubernetes": "Deployment/ai-agent"}},
		"a broken template":      {chart.Values{"extraObjects": chart.List{`{{ include "nothing" . }}`}}, report.ExitErrors, map[string]string{"render": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := validate(t, "-o", "json", charttest.File(t, tc.values))
			assert.Equal(t, tc.code, code, stdout)
			assert.Empty(t, stderr)
			have := map[string]string{}
			for _, f := range findings(t, stdout) {
				assert.NotEmpty(t, f.Problem)
				assert.NotEmpty(t, f.Fix)
				if have[f.ID] = f.Object; f.Object == "" {
					have[f.ID] = f.Path
				}
			}
			if tc.ids == nil {
				tc.ids = map[string]string{}
			}
			assert.Equal(t, tc.ids, have)
		})
	}
}

// The table has the ID, the path, the problem and the fix of each finding.
func TestTable(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := validate(t, write(t, "terminationGracePeriodSeconds: 30\nimage: {tag: latest}"))
	assert.Equal(t, report.ExitErrors, code)
	assert.Empty(t, stderr)
	for _, part := range []string{"grace-period-too-short", "terminationGracePeriodSeconds", "image-tag-latest", "image.tag", "→ Set ", "2 errors, 0 warnings, 0 notes; Kubernetes' own validation by kube-validate v"} {
		assert.Contains(t, stdout, part)
	}
	assert.NotContains(t, stdout, "\x1b", "colors are for terminals")
}

// Decrypted values often are in a pipe, which can be read only once.
func TestPipe(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	go func() { _ = os.WriteFile(pipe, []byte("terminationGracePeriodSeconds: 30"), 0o600) }()
	code, stdout, stderr := validate(t, "-o", "json", pipe)
	assert.Equal(t, report.ExitErrors, code, stderr)
	assert.Equal(t, "grace-period-too-short", findings(t, stdout)[0].ID)
}

// How validate reads files is how Helm reads them.
func TestValuesFilesAreReadAsHelmDoes(t *testing.T) {
	t.Parallel()
	for name, contents := range map[string][]string{
		"an empty file":               {""},
		"one document with comments":  {"# mine\n---\nagent: {type: api}\n---\n# no more\n"},
		"a later file has precedence": {"agent: {type: huge}", "agent: {type: api}"},
		"a later file adds a key":     {"agent: {type: api}", "agent: {maxRunSeconds: 400}"},
		"a null removes a value":      {"terminationGracePeriodSeconds: 30", "terminationGracePeriodSeconds: null"},
		"a YAML directive":            {"%YAML 1.1\n---\nagent: {type: api}\n"},
		"keys that look like one":     {"podAnnotations: {\"yes\": a, \"true\": a, \"on\": a}"},
		"an alias":                    {"podLabels: &labels {first: a}\npodAnnotations: *labels\n"},
		"a merge key after overrides": {"commonLabels: &labels {first: a, second: b}\ncommonAnnotations: {second: c, <<: *labels}\n"},
		"merge keys in merged keys":   {"commonLabels: &labels {first: a}\ncommonAnnotations: &more {<<: *labels, second: b}\npodAnnotations: {<<: *more, first: c}\n"},
		"two merge keys":              {"commonLabels: &labels {first: a, second: b}\ncommonAnnotations: &more {second: c}\npodAnnotations:\n  <<: *labels\n  <<: *more\n"},
		"a list of merge keys":        {"commonLabels: &labels {first: a}\ncommonAnnotations: &more {first: b}\npodAnnotations: {<<: [*labels, *more], first: c}\n"},
		"an overridden limit":         {"resources: &large\n  requests: {cpu: 500m, memory: 512Mi}\n  limits: {cpu: 1000m, memory: 2Gi}\ninitContainers:\n  - name: a\n    image: a:1\n    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}\n    resources:\n      <<: *large\n      limits: {cpu: 1000m, memory: 1Gi}\n"},
		"a merge key with overrides":  {"commonLabels: &labels {first: a, second: b}\ncommonAnnotations:\n  <<: *labels\n  second: c\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var files []string
			for _, content := range contents {
				files = append(files, write(t, content))
			}
			code, stdout, stderr := validate(t, files...)
			assert.Zero(t, code, stdout+stderr)
		})
	}
}

// foreign returns the folder of a chart that is described by Chart.yaml alone.
func foreign(t *testing.T, metadata chart.Values) string {
	t.Helper()
	folder := t.TempDir()
	text, err := chart.Values{"apiVersion": "v2", "version": "1.0.0"}.And(metadata).YAML()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "Chart.yaml"), text, 0o600))
	return folder
}

// Input that cannot be validated is reported in a line for each problem.
func TestUnable(t *testing.T) {
	t.Parallel()
	agent := chart.Map{"name": chart.Name, "version": "0.4.0"}
	for name, tc := range map[string]struct {
		args []string
		says []string // a line each
	}{
		"a wrong path":           {[]string{"nowhere.yaml"}, []string{"nowhere.yaml does not exist"}},
		"a folder":               {[]string{t.TempDir()}, []string{"is a folder"}},
		"bad YAML":               {[]string{write(t, "agent:\n\tmaxRunSeconds: 1")}, []string{"line 2"}},
		"a duplicate key":        {[]string{write(t, "agent: {type: api}\nagent: {maxRunSeconds: 900}")}, []string{`has the key "agent" twice, in lines 1 and 2`}},
		"duplicate keys":         {[]string{write(t, "agent: {type: api, type: api}\nconfig:\n  \"yes\": a\n  on: a\n  yes: a\n  true: a\n")}, []string{`"type" twice, in lines 1 and 1`, `"true" twice, in lines 4 and 5`, `"true" twice, in lines 5 and 6`}},
		"more than Helm reads":   {[]string{write(t, "agent: {type: api}\n...\nreplicaCount: 1")}, []string{"is not a values file"}},
		"two documents":          {[]string{write(t, "agent: {type: api}\n---\nreplicaCount: 1")}, []string{"has 2 YAML documents"}},
		"a list":                 {[]string{write(t, "- a")}, []string{"is not a values file"}},
		"another chart's values": {[]string{write(t, "controller: {}\nrollout: {}")}, []string{"is for another chart: this one has none of its keys (controller, rollout)"}},
		"a manifest":             {[]string{write(t, "apiVersion: v1\nkind: Pod")}, []string{"is a manifest of the kind Pod"}},
		"no chart":               {[]string{"--chart", "/nowhere"}, []string{"/nowhere is not a chart"}},
		"a foreign chart":        {[]string{"--chart", foreign(t, chart.Values{"name": "redis"})}, []string{"this is the chart redis"}},
		"a library chart":        {[]string{"--chart", foreign(t, chart.Values{"name": "common", "type": "library"})}, []string{"this is the library chart common"}},
		"a missing dependency":   {[]string{"--chart", foreign(t, chart.Values{"name": "team", "dependencies": chart.List{agent}})}, []string{"does not contain ai-agent: run `helm dependency build /"}},
		"a wrong output":         {[]string{"-o", "yaml"}, []string{`--output "yaml" is not valid: use one of table, json`}},
		"a wrong severity":       {[]string{"--fail-on", "fatal"}, []string{`--fail-on "fatal" is not valid`}},
		"a wrong version":        {[]string{"--kube-version", "new"}, []string{`--kube-version "new" is not valid`}},
		"a wrong platform":       {[]string{"--platform", "GKE"}, []string{`"--platform" flag: use one of gke, eks`}},
		"an unknown flag":        {[]string{"--nothing"}, []string{"--nothing"}},
		"everything at once": {
			[]string{"--chart", "/nowhere", "-o", "yaml", "nowhere.yaml", write(t, "- a"), t.TempDir()},
			[]string{"--output", "/nowhere is not a chart", "nowhere.yaml does not exist", "is not a values file", "is a folder"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := validate(t, tc.args...)
			assert.Equal(t, report.ExitUnable, code)
			assert.Empty(t, stdout)
			lines := strings.Split(strings.TrimSpace(stderr), "\n")
			require.Len(t, lines, len(tc.says), stderr)
			for i, line := range lines {
				assert.True(t, strings.HasPrefix(line, "validate: "), line)
				assert.Contains(t, line, tc.says[i])
			}
		})
	}
}

// --platform adds what ends pods there: a warning for values that can be made to fit.
func TestPlatform(t *testing.T) {
	t.Parallel()
	values := write(t, "agent: {maxRunSeconds: 1000}")
	code, out, _ := validate(t, "-o", "json", "--platform", "eks", values)
	assert.Equal(t, report.ExitWarnings, code)
	assert.Contains(t, out, "platform-upgrade-eks")
	_, out, _ = validate(t, "-o", "json", values)
	assert.NotContains(t, out, "platform-")
}

func TestFailOn(t *testing.T) {
	t.Parallel()
	warning := write(t, "resources: {limits: {memory: 512Mi}}")
	for severity, want := range map[string]int{"error": 0, "warning": report.ExitWarnings, "info": report.ExitWarnings} {
		code, _, _ := validate(t, "--fail-on", severity, warning)
		assert.Equal(t, want, code, severity)
	}
}

// A test case for each rule. Those that were not evaluated have not passed.
func TestJUnit(t *testing.T) {
	t.Parallel()
	set, err := check.New(charttest.Own(t))
	require.NoError(t, err)
	for name, tc := range map[string]struct {
		values            chart.Values
		failures, skipped []string
	}{
		"a warning":                {chart.Values{"resources.limits.memory": "512Mi"}, []string{"pitfall-memory-limit"}, nil},
		"a violation of a schema":  {chart.Values{"replicaCount": -1}, []string{"values-schema"}, nil},
		"rules of the chart":       {chart.Values{"image.tag": "latest"}, []string{"image-tag-latest"}, nil},
		"a rule that was skipped":  {chart.Values{"image.tag": "latest", "validation.skip": chart.List{"image-tag-latest"}}, nil, []string{"image-tag-latest"}},
		"an object without schema": {chart.Values{"extraObjects": chart.List{chart.Map{"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": chart.Map{"name": "a"}}}}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, out, _ := validate(t, "-o", "junit", charttest.File(t, tc.values))
			var suites junit.Testsuites
			require.NoError(t, xml.Unmarshal([]byte(out), &suites))
			require.Len(t, suites.Suites, 1)
			var all, failures, skipped []string
			for _, test := range suites.Suites[0].Testcases {
				all = append(all, test.Name)
				if test.Failure != nil {
					failures = append(failures, test.Name)
				}
				if test.Skipped != nil {
					skipped = append(skipped, test.Name)
				}
			}
			assert.Equal(t, ids(set.Rules()), all)
			assert.Equal(t, tc.failures, failures)
			assert.Equal(t, tc.skipped, skipped)
		})
	}
}

func ids(rules []finding.Rule) []string {
	var all []string
	for _, rule := range rules {
		all = append(all, rule.ID)
	}
	return all
}

func TestListHasTheRulesOfTheChartAndTheChecks(t *testing.T) {
	t.Parallel()
	code, stdout, _ := validate(t, "--list")
	assert.Zero(t, code)
	set, err := check.New(charttest.Own(t))
	require.NoError(t, err)
	skippable := map[string]string{}
	for line := range strings.Lines(stdout) {
		if cells := strings.Split(line, "│"); len(cells) > 4 {
			skippable[strings.TrimSpace(cells[1])] = strings.TrimSpace(cells[3])
		}
	}
	for _, rule := range set.Rules() {
		want := map[bool]string{true: "yes", false: "no"}[rule.Skippable]
		assert.Equal(t, want, skippable[rule.ID], rule.ID)
	}
}

// The help names the supported versions, and what else is run.
func TestHelp(t *testing.T) {
	t.Parallel()
	code, stdout, _ := validate(t, "--help")
	assert.Zero(t, code)
	assert.Contains(t, stdout, "Kubernetes "+check.KubernetesRange())
	for _, name := range []string{"kube-score", "kube-validate", "--server"} {
		assert.Contains(t, stdout, name)
	}
}
