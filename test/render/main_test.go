// Package render proves what the chart renders, without a cluster.
package render

import (
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"testing"
	"time"

	"example.com/ai-agent/test/internal/repo"
)

func TestMain(m *testing.M) {
	if err := repo.UseTools("helm", "helm4", "helm-docs", "helm-values-schema-json", "kube-score"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// Draws are the same in every run here: new ones are what `go test -fuzz` is for.
	for name, value := range map[string]string{"rapid.nofailfile": "true", "rapid.seed": "1", "rapid.checks": "50"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	debug.SetGCPercent(400) // renders are short and many: memory is cheaper than its collection
	start := time.Now()
	code := m.Run()
	fmt.Printf("the render suite took %s\n", time.Since(start).Round(100*time.Millisecond))
	os.Exit(code)
}
