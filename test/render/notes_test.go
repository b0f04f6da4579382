package render

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
	"example.com/ai-agent/test/internal/finding"
)

// notesOf returns the text that follows an installation.
func notesOf(t *testing.T, values chart.Values) string {
	t.Helper()
	notes, err := charttest.Own(t).Notes(chart.Options{Set: values})
	require.NoError(t, err)
	return notes
}

// The notes of the default release have what its user needs, and no warning.
func TestNotes(t *testing.T) {
	t.Parallel()
	notes := notesOf(t, nil)
	for _, text := range []string{
		"--wait --timeout 19m",
		"has 330 s to finish",
		"kubectl -n default get hpa ai-agent-hpa --watch\n",
		"kubectl -n default describe pods -l app.kubernetes.io/instance=ai-agent\n",
		"kubectl -n default logs -l app.kubernetes.io/instance=ai-agent --all-containers --previous\n",
		"image.repository, image.tag",
		"config.OPENAI_BASE_URL",
		"secret.existingSecret",
		"ingress.hosts",
	} {
		assert.Contains(t, notes, text)
	}
	assert.NotContains(t, notes, "WARNING")
	assert.NotContains(t, notes, "validation.skip")
}

// A command can be pasted: it is complete, and it names the namespace.
func TestCommandsInNotesCanBePasted(t *testing.T) {
	t.Parallel()
	for _, values := range []chart.Values{nil, aHost, fixedCount} {
		commands := 0
		for line := range strings.Lines(notesOf(t, values)) {
			command := strings.TrimSpace(line)
			if strings.HasPrefix(command, "kubectl ") {
				commands++
				assert.Contains(t, command, "-n default")
			}
			assert.NotContains(t, command, "…")
			assert.NotContains(t, command, "<")
		}
		assert.GreaterOrEqual(t, commands, 4)
	}
}

// Notes have only what applies to the release.
func TestNotesDependOnTheValues(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		values      chart.Values
		says, omits string
	}{
		"a longer run":           {chart.Values{"agent.maxRunSeconds": 590}, "has 620 s to finish", "has 330 s"},
		"no autoscaler":          {fixedCount, "--wait --timeout", "get hpa"},
		"a host":                 {aHost, "http://agent.example.com", "port-forward"},
		"a host with TLS":        {aHost.With("ingress.tls", chart.List{chart.Map{"secretName": "a"}}), "https://agent.example.com", "http://agent.example.com"},
		"a host of a route":      {aGateway.With("httpRoute.hostnames", chart.List{"agent.example.com"}), "https://agent.example.com", "port-forward"},
		"any host":               {chart.Values{"ingress.hosts": chart.List{chart.Map{}}}, "port-forward", "ingress.hosts"},
		"a NodePort":             {chart.Values{"service.type": "NodePort"}, "port-forward", "ingress.hosts"},
		"a disabled Ingress":     {aHost.With("ingress.enabled", false), "port-forward service/ai-agent-service", "http://agent.example.com"},
		"your image":             {chart.Values{"image.repository": "mine", "image.tag": "1"}, "config.OPENAI_BASE_URL", "this is the sample agent"},
		"your model":             {chart.Values{"config.OPENAI_BASE_URL": "https://model.example.com/v1"}, "image.repository", "config.OPENAI_BASE_URL"},
		"your Secret":            {chart.Values{"secret.existingSecret": "mine"}, "image.repository", "secret.existingSecret"},
		"a rule that is skipped": {chart.Values{"image.tag": "latest", "validation.skip": chart.List{"image-tag-latest"}}, "(validation.skip):\n  image-tag-latest", "WARNING"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			notes := notesOf(t, tc.values)
			assert.Contains(t, notes, tc.says)
			assert.NotContains(t, notes, tc.omits)
		})
	}
}

// Notes print each warning with its ID. TestMessages is about the wording.
func TestNotesPrintEachWarning(t *testing.T) {
	t.Parallel()
	for id, severity := range severities(t) {
		if severity != finding.Warning {
			continue
		}
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			tc := ruleCases[id].reported[0]
			if tc.aliases != nil {
				t.Skip("Helm prints no notes of dependencies: `make validate` reports it")
			}
			notes := notesOf(t, tc.values)
			assert.Contains(t, notes, "WARNING ["+id+"] ")
			assert.Equal(t, 1+len(tc.also), strings.Count(notes, "WARNING ["))
		})
	}
}
