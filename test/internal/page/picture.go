package page

import (
	"fmt"
	"io"
	"strings"

	"example.com/ai-agent/test/internal/bench"
)

// Picture writes the timeline of a scenario as an SVG file of its own. It fails if w cannot
// be written.
func Picture(w io.Writer, s bench.Scenario) error {
	colors, _, _ := strings.Cut(style, "\n* {") // those of light and dark pages
	attributes := `<svg xmlns="http://www.w3.org/2000/svg" font-family="system-ui, sans-serif" style="background: var(--page)" `
	inner := strings.Replace(string(timeline(s)), "<svg ", attributes, 1)
	_, err := io.WriteString(w, strings.Replace(inner, "<title>", fmt.Sprintf("<style>%s</style><title>", colors), 1)+"\n")
	return err
}
