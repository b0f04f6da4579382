package schema

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const text = `{
  "type": "object", "additionalProperties": false, "required": ["name"],
  "$defs": {"port": {"type": "object", "additionalProperties": false, "properties": {"number": {"type": "integer", "minimum": 1}, "protocol": {"enum": ["TCP", "UDP"]}}}},
  "properties": {
    "name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5},
    "replicas": {"type": ["integer", "null"], "maximum": 9},
    "ports": {"type": "array", "maxItems": 2, "items": {"$ref": "#/$defs/port"}},
    "labels": {"additionalProperties": {"type": "string"}},
    "remote": {"$ref": "https://schemas.example.com/a.json"}
  }
}`

func TestViolations(t *testing.T) {
	t.Parallel()
	schema, err := Compile("file:///a.json", []byte(text))
	require.NoError(t, err)
	for name, tc := range map[string]struct {
		document string
		want     map[string][2]string // path: message, fix
	}{
		"a valid document":          {`{"name": "a", "replicas": 3, "remote": 1}`, nil},
		"a key that is missing":     {`{}`, map[string][2]string{"name": {"name is required, but it is missing or null.", "Set it, or remove the line that sets it to null."}}},
		"a key that is mistyped":    {`{"name": "a", "replica": 3}`, map[string][2]string{"replica": {"replica is not a known key.", "Did you mean replicas? Known keys: labels, name, ports, remote, replicas."}}},
		"a key that is unlike any":  {`{"name": "a", "ports": [{"x": 3}]}`, map[string][2]string{"ports[0].x": {"ports[0].x is not a known key.", "Known keys: number, protocol."}}},
		"two keys in one mapping":   {`{"name": "a", "x": 1, "y": 2}`, map[string][2]string{"x": {"x is not a known key.", "Known keys: labels, name, ports, remote, replicas."}, "y": {"y is not a known key.", "Known keys: labels, name, ports, remote, replicas."}}},
		"types":                     {`{"name": 1, "replicas": "3", "ports": {}, "labels": {"a.b": null}}`, map[string][2]string{"name": {"name is a number, but must be a string.", "Put it in quotes."}, "replicas": {"replicas is a string, but must be null or an integer.", "Remove the quotes, or set a valid value."}, "ports": {"ports is a mapping, but must be a list.", "Write it as a list."}, `labels["a.b"]`: {`labels["a.b"] is null, but must be a string.`, "Set it, or remove the line."}}},
		"no mapping at all":         {`[]`, map[string][2]string{"": {"The document is a list, but must be a mapping.", "Write it as a mapping."}}},
		"a number out of its range": {`{"name": "a", "replicas": 10, "ports": [{"number": 0}]}`, map[string][2]string{"replicas": {"replicas is too large.", "Use at most 9."}, "ports[0].number": {"ports[0].number is too small.", "Use at least 1."}}},
		"an invalid choice":         {`{"name": "a", "ports": [{"protocol": "SCTP"}]}`, map[string][2]string{"ports[0].protocol": {"ports[0].protocol is not a valid value.", "Use TCP or UDP."}}},
		"a list that is too long":   {`{"name": "a", "ports": [{}, {}, {}]}`, map[string][2]string{"ports": {"ports has too many entries.", "Use at most 2."}}},
		"a form":                    {`{"name": "A1"}`, map[string][2]string{"name": {"name does not have the required form.", "It must match the regular expression ^[a-z]+$"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var document any
			require.NoError(t, json.Unmarshal([]byte(tc.document), &document))
			err := schema.Validate(document)
			if tc.want == nil {
				require.NoError(t, err)
				return
			}
			var invalid *Error
			require.ErrorAs(t, err, &invalid)
			have := map[string][2]string{}
			for _, violation := range invalid.Violations {
				have[violation.Path.String()] = [2]string{violation.Message, violation.Fix}
			}
			assert.Equal(t, tc.want, have)
			assert.Len(t, invalid.Violations, len(tc.want), "each once")
		})
	}
}

func TestNearestKey(t *testing.T) {
	t.Parallel()
	keys := []string{"maxRunSeconds", "endpointDelaySeconds", "type", "tag"}
	for typed, want := range map[string]string{
		"maxRunSecond": "maxRunSeconds", "maxrunseconds": "maxRunSeconds", "tpye": "type", "runSeconds": "maxRunSeconds", "x": "", "image": "", "tags": "tag",
	} {
		assert.Equal(t, want, nearest(typed, keys), typed)
	}
}

func TestNotAJSONSchema(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{`, `{"type": "none"}`} {
		_, err := Compile("file:///a.json", []byte(text))
		require.Error(t, err)
	}
}
