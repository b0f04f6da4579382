// Package house checks what concerns the whole repository: the picture of packages in
// CONTRIBUTING.md, and the wording of what users read.
package house

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/repo"
)

var update = flag.Bool("update", false, "rewrite the picture of packages in CONTRIBUTING.md")

// pkg is a package as `go list` describes it.
type pkg struct {
	ImportPath, Name                            string
	Module                                      struct{ Path string }
	GoFiles, Imports, TestImports, XTestImports []string
}

// path returns the folder of a package in this repository, or nothing for a package of
// another module.
func (p pkg) path(importPath string) string {
	if path, ok := strings.CutPrefix(importPath, p.Module.Path+"/"); ok {
		return path
	}
	return ""
}

func (p pkg) kind() string {
	switch {
	case p.Name == "main":
		return "command"
	case len(p.GoFiles) == 0:
		return "suite"
	default:
		return "library"
	}
}

// edges returns the arrows from a package to those of this module that it imports. A
// suite has only tests, so the imports of these are drawn, with another arrow.
func (p pkg) edges() []string {
	imports, arrow := p.Imports, "-->"
	if p.kind() == "suite" {
		imports, arrow = slices.Concat(p.TestImports, p.XTestImports), "-.->"
	}
	var edges []string
	for _, imported := range slices.Compact(slices.Sorted(slices.Values(imports))) {
		if path := p.path(imported); path != "" {
			edges = append(edges, fmt.Sprintf("  %s %s %s\n", p.path(p.ImportPath), arrow, path))
		}
	}
	return edges
}

func TestPackagePictureIsCurrent(t *testing.T) {
	file := repo.Path(".github", "CONTRIBUTING.md")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(text), "```mermaid\n")
	have, after, closed := strings.Cut(rest, "```\n")
	require.True(t, found && closed, "CONTRIBUTING.md has no mermaid block")
	want := picture(list(t))
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(before+"```mermaid\n"+want+"```\n"+after), 0o644))
		return
	}
	if want != have {
		t.Errorf("The picture of packages in CONTRIBUTING.md is out of date. Run:\n"+
			"  go test ./test/house -run TestPackagePictureIsCurrent -update\nIt lacks:\n%sIt has but should not:\n%s", minus(want, have), minus(have, want))
	}
}

// minus returns the lines of a that b does not have.
func minus(a, b string) (lines string) {
	for line := range strings.Lines(a) {
		if !strings.Contains(b, line) {
			lines += line
		}
	}
	return lines
}

func list(t *testing.T) []pkg {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Name,Module,GoFiles,Imports,TestImports,XTestImports", "./...")
	command.Dir, command.Stderr = repo.Path(), os.Stderr
	out, err := command.Output()
	require.NoError(t, err)
	var packages []pkg
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		require.NoError(t, err)
		packages = append(packages, p)
	}
}

// picture draws packages as a mermaid graph.
func picture(packages []pkg) string {
	shapes := map[string]string{"command": `([%q])`, "suite": `[[%q]]`, "library": `[%q]`}
	nodes, edges := "flowchart LR\n", ""
	for _, p := range packages {
		path := p.path(p.ImportPath)
		nodes += "  " + path + fmt.Sprintf(shapes[p.kind()], path) + "\n"
		edges += strings.Join(p.edges(), "")
	}
	return nodes + edges
}
