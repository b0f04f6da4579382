// Package repo knows where things lie in this repository.
package repo

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// Path returns the absolute path of something in the repository, given by its
// path from the top.
func Path(elem ...string) string {
	_, file, _, _ := runtime.Caller(0) // …/test/internal/repo/repo.go
	top := filepath.Join(filepath.Dir(file), "..", "..", "..")
	return filepath.Join(append([]string{top}, elem...)...)
}

// UseTools puts bin/ first on PATH, where terratest looks for helm and kubectl.
// It fails where one of the named tools is not built yet.
func UseTools(names ...string) error {
	for _, name := range names {
		if _, err := os.Stat(Path("bin", name)); err != nil {
			return fmt.Errorf("bin/%s is not there: `make tools` builds the tools, `make up` brings kubectl too", name)
		}
	}
	return os.Setenv("PATH", Path("bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
}
