package repo

import (
	"fmt"
	"os"
	"strings"

	"sigs.k8s.io/yaml"
)

// Version returns a value that ci/versions.env assigns on one line, such as REDIS_IMAGE.
func Version(name string) (string, error) {
	text, err := os.ReadFile(Path("ci", "versions.env"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		value, found := strings.CutPrefix(line, name+"=")
		if !found {
			continue
		}
		value = strings.TrimSpace(value)
		// One quote is that of a value that continues on the next line.
		if unquoted := strings.Trim(value, `"`); len(value)-len(unquoted) != 1 && unquoted != "" {
			return unquoted, nil
		}
		return "", fmt.Errorf("ci/versions.env: %s spans several lines or is empty: only a value on one line can be read here", name)
	}
	return "", fmt.Errorf("ci/versions.env does not assign %s: add it there, or correct the name", name)
}

// AgentImage returns the image of the sample agent, which the chart runs by default.
func AgentImage() (string, error) {
	text, err := os.ReadFile(Path("charts", "ai-agent", "Chart.yaml"))
	if err != nil {
		return "", err
	}
	var chart struct{ AppVersion string }
	if err := yaml.Unmarshal(text, &chart); err != nil {
		return "", fmt.Errorf("charts/ai-agent/Chart.yaml: %w", err)
	}
	if chart.AppVersion == "" {
		return "", fmt.Errorf("charts/ai-agent/Chart.yaml has no appVersion: set it to the tag of the agent's image")
	}
	return "ai-agent:" + chart.AppVersion, nil
}
