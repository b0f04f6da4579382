// Package repo knows the files of this repository: their paths and the versions in them.
package repo

import (
	"fmt"
	"os"
	"path/filepath"
)

var root = find()

// find returns the root of the checkout that holds this program, or else the directory in
// which it was started: a program in bin/, or a test, which starts in its package's folder.
func find() string {
	executable, _ := os.Executable()
	directory, _ := os.Getwd()
	for _, start := range []string{executable, directory} {
		for at := start; at != filepath.Dir(at); at = filepath.Dir(at) {
			if _, err := os.Stat(filepath.Join(at, "test", "internal", "repo", "repo.go")); err == nil {
				return at
			}
		}
	}
	return directory
}

// Path returns the absolute path of a file or folder, given its path from the
// repository's root.
func Path(elem ...string) string {
	return filepath.Join(append([]string{root}, elem...)...)
}

// UseTools puts bin/ first on PATH, where tests find helm and kubectl. It fails if one
// of the named tools has not been built.
func UseTools(names ...string) error {
	for _, name := range names {
		if _, err := os.Stat(Path("bin", name)); err != nil {
			return fmt.Errorf("bin/%s is missing: build the tools with `make tools`; `make up` and `make test` install kubectl", name)
		}
	}
	return os.Setenv("PATH", Path("bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
}
