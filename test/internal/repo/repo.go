// Package repo knows the files of this repository: their paths and the versions in them.
package repo

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// Path returns the absolute path of a file or folder, given its path from the
// repository's root.
func Path(elem ...string) string {
	_, file, _, _ := runtime.Caller(0) // …/test/internal/repo/repo.go
	root := filepath.Join(filepath.Dir(file), "..", "..", "..")
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
