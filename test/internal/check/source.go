package check

import (
	"fmt"
	"reflect"
	"strconv"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/finding"
)

// source returns the path of the given value that most likely sets a field of an
// object, or nil. Charts copy values under the same keys: the last segments of both
// paths are compared, and what is there.
func source(given chart.Map, object chart.Map, field finding.Path) finding.Path {
	for length := len(field); length > 0; length-- {
		at := field[:length]
		rendered, exists := lookup(object, at)
		if !exists {
			continue
		}
		search := search{field: at, rendered: rendered}
		search.walk(given, nil)
		if search.best != nil && !search.isTie {
			return extend(given, search.best, field[length:])
		}
	}
	return nil
}

// extend continues a path as far as it exists.
func extend(given chart.Map, at, further finding.Path) finding.Path {
	for length := len(further); length > 0; length-- {
		longer := at.With(further[:length]...)
		if _, exists := lookup(given, longer); exists {
			return longer
		}
	}
	return at
}

// search finds the value that resembles a field most.
type search struct {
	field    finding.Path
	rendered any

	best  finding.Path
	score int
	isTie bool
}

func (s *search) walk(value any, at finding.Path) {
	if len(at) > 0 {
		s.compare(value, at)
	}
	switch typed := value.(type) {
	case chart.Map:
		for key, inner := range typed {
			s.walk(inner, at.With(key))
		}
	case chart.List:
		for i, inner := range typed {
			s.walk(inner, at.With(strconv.Itoa(i)))
		}
	}
}

func (s *search) compare(value any, at finding.Path) {
	common := 0
	for common < min(len(at), len(s.field)) && alike(at[len(at)-1-common], s.field[len(s.field)-1-common]) {
		common++
	}
	text, isText := value.(string)
	_, isMap := value.(chart.Map)
	same := equal(value, s.rendered)
	switch {
	case same && common > 0, same && isText && len(text) > 2:
	case isMap && common > 0 && len(at) == common: // the chart adds to it
	default:
		return
	}
	score := 2 * common
	if same {
		score++
	}
	switch {
	case s.best == nil || score > s.score:
		s.best, s.score, s.isTie = at, score, false
	case score == s.score:
		s.isTie = true
	}
}

// alike reports whether two segments are equal. Indices may differ, because the chart
// adds entries of its own.
func alike(a, b string) bool {
	_, aErr := strconv.Atoi(a)
	_, bErr := strconv.Atoi(b)
	return a == b || aErr == nil && bErr == nil
}

// equal compares what is in values with what is rendered, where numbers may be text.
func equal(value, rendered any) bool {
	switch value.(type) {
	case chart.Map, chart.List, nil:
		return reflect.DeepEqual(value, rendered)
	default:
		return fmt.Sprint(value) == fmt.Sprint(rendered)
	}
}

// lookup returns what is at a path.
func lookup(part any, at finding.Path) (any, bool) {
	for _, segment := range at {
		switch typed := part.(type) {
		case chart.Map:
			inner, exists := typed[segment]
			if !exists {
				return nil, false
			}
			part = inner
		case chart.List:
			i, err := strconv.Atoi(segment)
			if err != nil || i < 0 || i >= len(typed) {
				return nil, false
			}
			part = typed[i]
		default:
			return nil, false
		}
	}
	return part, true
}
