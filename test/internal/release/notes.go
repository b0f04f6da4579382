package release

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Notes prints the changelog entry for the version of the chart that is checked out.
func Notes(ctx context.Context, root string, out io.Writer) error {
	from, err := head(ctx, root)
	if err != nil {
		return err
	}
	metadata, err := from.metadata(ctx)
	if err != nil {
		return err
	}
	_, notes, err := from.entry(ctx, metadata.Version)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, notes)
	return err
}

// entry returns the changelog entry for a version: its heading and its text.
func (s source) entry(ctx context.Context, version string) (title, text string, err error) {
	changelog, err := s.file(ctx, folder+"/CHANGELOG.md")
	if err != nil {
		return "", "", err
	}
	return entryIn(string(changelog), version)
}

// heading is that of a version in the changelog, such as "## 0.2.0 (unreleased)" or
// "## [0.2.0] - 2026-11-25".
var heading = regexp.MustCompile(`(?m)^## \[?([^]\s]+).*$`)

func entryIn(changelog, version string) (title, text string, err error) {
	found := heading.FindAllStringSubmatchIndex(changelog, -1)
	for i, match := range found {
		if changelog[match[2]:match[3]] != version {
			continue
		}
		end := len(changelog)
		if i+1 < len(found) {
			end = found[i+1][0]
		}
		return changelog[match[0]:match[1]], strings.TrimSpace(changelog[match[1]:end]), nil
	}
	return "", "", fmt.Errorf("%s/CHANGELOG.md has no heading for %s, the version in Chart.yaml: add one", folder, version)
}
