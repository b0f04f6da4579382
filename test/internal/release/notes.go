package release

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
)

// Notes prints the changelog entry for the version of the chart that is checked out.
func Notes(ctx context.Context, root string, out io.Writer) error {
	from, err := head(ctx, root)
	if err != nil {
		return err
	}
	c, _, err := packaged(ctx, from)
	if err != nil {
		return err
	}
	notes, err := entry(c)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, notes)
	return err
}

// heading is that of a version in the changelog, such as "## 0.2.0 (unreleased)" or
// "## [0.2.0] - 2026-11-25".
var heading = regexp.MustCompile(`(?m)^## \[?([^]\s]+).*$`)

// entry returns the changelog entry for the version of a chart.
func entry(c *chart.Chart) (string, error) {
	for _, file := range c.Raw {
		if file.Name != "CHANGELOG.md" {
			continue
		}
		text := string(file.Data)
		found := heading.FindAllStringSubmatchIndex(text, -1)
		for i, match := range found {
			if text[match[2]:match[3]] != c.Metadata.Version {
				continue
			}
			end := len(text)
			if i+1 < len(found) {
				end = found[i+1][0]
			}
			return strings.TrimSpace(text[match[1]:end]), nil
		}
	}
	return "", fmt.Errorf("%s/CHANGELOG.md has no heading for %s, the version in Chart.yaml: add one", folder, c.Metadata.Version)
}
