package render

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/chart"
)

// Each rule of the schema refuses what breaks it and names the place: the rules
// are read from the schema, so that none is left out.
func TestEachSchemaRule(t *testing.T) {
	t.Parallel()
	draw := newDrawer(t)
	all := violations(draw, draw.root, "")
	require.Greater(t, len(all), 100, "places with rules")
	for at, values := range all {
		for rule, value := range values {
			t.Run(at+" "+rule, func(t *testing.T) {
				t.Parallel()
				place, key, _ := strings.Cut(at, ".!") // a key is told with the place that it stands in
				path := strings.Trim(place+"."+key, ".")
				_, err := chart.Template(t, chart.Options{Set: chart.Values{path: value}})
				require.Error(t, err)
				assert.Contains(t, err.Error(), "at '"+strings.ReplaceAll(place, ".", "/"))
			})
		}
	}
}

// violations returns for each place of the schema a value that breaks each of its
// rules, by the rule's name. An unknown key stands after a "!".
func violations(d drawer, schema map[string]any, path string) map[string]map[string]string {
	found := map[string]map[string]string{}
	if ref, ok := schema["$ref"].(string); ok {
		if strings.Contains(ref, "kubernetes.json") {
			return found // Kubernetes' own rules, which the property test draws from
		}
		schema = d.resolve(ref)
	}
	broken := map[string]string{}
	for rule, limit := range schema {
		switch rule {
		case "enum":
			broken[rule] = `"no such value"`
		case "pattern":
			broken[rule] = `"!"`
		case "minimum":
			broken[rule] = fmt.Sprint(limit.(float64) - 1)
		case "maximum":
			broken[rule] = fmt.Sprintf("%.0f", limit.(float64)+1)
		case "minLength":
			broken[rule] = `""`
		case "maxLength":
			broken[rule] = `"` + strings.Repeat("a", int(limit.(float64))+1) + `"`
		case "minItems":
			broken[rule] = "[]"
		case "type":
			switch kinds := fmt.Sprint(limit); {
			case kinds == "object": // helm keeps the default where a map is overwritten, and says so
			case strings.Contains(kinds, "array"):
				broken[rule] = `"text"`
			default:
				broken[rule] = `["text"]`
			}
		}
	}
	if path != "" && len(broken) > 0 {
		found[path] = broken
	}
	if schema["additionalProperties"] == false {
		found[path+".!noSuchKey"] = map[string]string{"unknown key": "1"}
	}
	properties, _ := schema["properties"].(map[string]any)
	for name, inner := range properties {
		for at, values := range violations(d, inner.(map[string]any), path+"."+name) {
			found[at] = values
		}
	}
	return found
}

var failure = regexp.MustCompile(`fail (?:\(printf )?"((?:[^"\\]|\\.)*)"`)

// refusals collects what TestRefused was told.
var refusals struct {
	sync.Mutex
	all []string
}

// eachGuardIsRefused fails where a guard's message was never seen.
func eachGuardIsRefused(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(chart.Dir(), "templates", "_guards.tpl"))
	require.NoError(t, err)
	messages := failure.FindAllStringSubmatch(string(text), -1)
	assert.Greater(t, len(messages), 30)
	verbs := regexp.MustCompile(`%[sdqv]`)
	for _, message := range messages {
		var plain string
		require.NoError(t, json.Unmarshal([]byte(`"`+message[1]+`"`), &plain))
		pattern := regexp.MustCompile(strings.Join(escaped(verbs.Split(plain, -1)), `[\s\S]*`))
		seen := false
		for _, refusal := range refusals.all {
			seen = seen || pattern.MatchString(refusal)
		}
		assert.True(t, seen, "no case for the guard %q", plain)
	}
}

func escaped(parts []string) []string {
	for i, part := range parts {
		parts[i] = regexp.QuoteMeta(part)
	}
	return parts
}
