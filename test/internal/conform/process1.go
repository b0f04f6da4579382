package conform

import (
	"path"
	"regexp"
	"strings"
)

// presets are the presets of the chart by the words of a server's command line. The
// first that matches counts: gunicorn may run workers of uvicorn.
var presets = []struct {
	words  *regexp.Regexp
	preset string
}{
	{regexp.MustCompile(`\bgunicorn\b`), "gunicorn"},
	{regexp.MustCompile(`\bhypercorn\b`), "hypercorn"},
	{regexp.MustCompile(`\bcelery\b`), "celery"},
	{regexp.MustCompile(`\bvllm\b`), "vllm"},
	{regexp.MustCompile(`\blitellm\b`), "litellm"},
	{regexp.MustCompile(`\blanggraph`), "langgraph"},
	{regexp.MustCompile(`\bn8n\b`), "n8n"},
	{regexp.MustCompile(`\bopen_webui\b|\bopen-webui\b`), "open-webui"},
	{regexp.MustCompile(`\b(uvicorn|fastapi)\b`), "uvicorn"},
	{regexp.MustCompile(`(^|/)node(js)?\b`), "node"},
}

// presetsByProtocol are those of servers that their command line does not tell.
var presetsByProtocol = map[string]string{"mcp": "mcp-server", "langgraph": "langgraph"}

// drains are the presets with which a server finishes its runs, whatever its program does.
var drains = map[string]bool{"gunicorn": true, "hypercorn": true, "langgraph": true, "mcp-server": true, "n8n": true, "open-webui": true, "vllm": true}

// Preset returns the chart's preset for the server that a command line starts, or "".
func Preset(commandLine string) string {
	for _, candidate := range presets {
		if candidate.words.MatchString(commandLine) {
			return candidate.preset
		}
	}
	return ""
}

// Wrapper returns what a command line starts in front of the server, or "" if that is
// the server itself.
func Wrapper(commandLine string) string {
	words := strings.Fields(commandLine)
	if len(words) == 0 {
		return ""
	}
	// A package manager is a program of Node.js.
	for _, word := range words[:min(2, len(words))] {
		switch name := path.Base(word); {
		case strings.HasPrefix(name, "npm"), strings.HasPrefix(name, "npx"), strings.HasPrefix(name, "yarn"), strings.HasPrefix(name, "pnpm"):
			return "a package manager"
		}
	}
	switch path.Base(words[0]) {
	case "sh", "bash", "dash", "ash", "busybox":
		return "a shell"
	}
	return ""
}
