package schema

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"example.com/ai-agent/test/internal/finding"
)

const compare = "Compare it with the reference of this field."

// describe puts a violation into words: one for each unknown or missing key. No
// message has the value itself, which may be secret.
func (s *Schema) describe(node *jsonschema.ValidationError) []Violation {
	path := finding.Path(node.InstanceLocation)
	var found []Violation
	switch what := node.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		for _, key := range slices.Sorted(slices.Values(what.Properties)) {
			at := path.With(key)
			found = append(found, Violation{at, at.String() + " is not a known key.", s.known(node.SchemaURL, key)})
		}
	case *kind.Required:
		for _, key := range what.Missing {
			at := path.With(key)
			found = append(found, Violation{at, at.String() + " is required, but it is missing or null.", "Set it, or remove the line that sets it to null."})
		}
	default:
		problem, fix := s.sentence(node.ErrorKind)
		found = []Violation{{path, cmp.Or(path.String(), "The document") + " " + problem + ".", fix}}
	}
	return found
}

// sentence says what is wrong with a value, and what to do.
func (s *Schema) sentence(what jsonschema.ErrorKind) (problem, fix string) {
	switch what := what.(type) {
	case *kind.Type:
		return fmt.Sprintf("is %s, but must be %s", typeName(what.Got), alternatives(what.Want, typeName)), retype(what)
	case *kind.Enum:
		return "is not a valid value", fmt.Sprintf("Use %s.", alternatives(what.Want, func(v any) string { return fmt.Sprint(v) }))
	case *kind.Const:
		return "is not a valid value", fmt.Sprintf("Use %v.", what.Want)
	case *kind.Pattern:
		return "does not have the required form", fmt.Sprintf("It must match the regular expression %s", what.Want)
	case *kind.Minimum:
		return "is too small", fmt.Sprintf("Use at least %s.", decimal(what.Want))
	case *kind.Maximum:
		return "is too large", fmt.Sprintf("Use at most %s.", decimal(what.Want))
	case *kind.MinLength:
		return "is too short", fmt.Sprintf("Use at least %d characters.", what.Want)
	case *kind.MaxLength:
		return "is too long", fmt.Sprintf("Use at most %d characters.", what.Want)
	case *kind.MinItems:
		return "has too few entries", fmt.Sprintf("Use at least %d.", what.Want)
	case *kind.MaxItems:
		return "has too many entries", fmt.Sprintf("Use at most %d.", what.Want)
	default:
		return "is not valid: " + what.LocalizedString(message.NewPrinter(language.English)), compare
	}
}

// typeName is what YAML calls a type of JSON, with its article.
func typeName(json string) string {
	switch json {
	case "null":
		return "null"
	case "array":
		return "a list"
	case "object":
		return "a mapping"
	case "integer":
		return "an integer"
	default:
		return "a " + json
	}
}

// retype tells how a value gets the right type.
func retype(what *kind.Type) string {
	switch {
	case what.Got == "null":
		return "Set it, or remove the line."
	case what.Got == "string" && !slices.Contains(what.Want, "array") && !slices.Contains(what.Want, "object"):
		return "Remove the quotes, or set a valid value."
	case slices.Contains(what.Want, "string") && (what.Got == "number" || what.Got == "boolean"):
		return "Put it in quotes."
	default:
		return fmt.Sprintf("Write it as %s.", alternatives(what.Want, typeName))
	}
}

func alternatives[T any](values []T, name func(T) string) string {
	var names []string
	for _, value := range values {
		names = append(names, name(value))
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

func decimal(number *big.Rat) string {
	if number.IsInt() {
		return number.Num().String()
	}
	return number.FloatString(3)
}

// nearest returns the key that a mistyped one may stand for, or "".
func nearest(typed string, keys []string) string {
	best, least := "", 1+max(1, len(typed)/3)
	for _, key := range keys {
		if edits := distance(strings.ToLower(typed), strings.ToLower(key)); edits < least {
			best, least = key, edits
		}
	}
	return best
}

// distance counts the characters to insert, delete, replace or swap with their
// neighbor to turn one word into the other.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		for j := range rows[i] {
			rows[i][j] = max(i, j)
			if i == 0 || j == 0 {
				continue
			}
			replaced := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, replaced)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
