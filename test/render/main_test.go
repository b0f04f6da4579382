// Package render proves what the chart renders, without a cluster.
package render

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"strconv"
	"sync"
	"testing"
	"time"

	"example.com/ai-agent/test/internal/repo"
)

func TestMain(m *testing.M) {
	if err := repo.UseTools("helm", "helm4", "helm-docs", "helm-values-schema-json", "kube-score"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// Each run draws other values, unless it is to reproduce an earlier one. The
	// flag -rapid.seed does the same.
	seed := cmp.Or(os.Getenv("RAPID_SEED"), strconv.FormatUint(rand.Uint64(), 10))
	for name, value := range map[string]string{"rapid.nofailfile": "true", "rapid.seed": seed, "rapid.checks": "50"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	debug.SetGCPercent(400) // renders are short and many: memory is cheaper than its collection
	start := time.Now()
	code := m.Run()
	for _, line := range summary.lines {
		fmt.Println(line)
	}
	fmt.Printf("the render suite took %s\n", time.Since(start).Round(100*time.Millisecond))
	os.Exit(code)
}

// summary is what the suite prints at its end.
var summary struct {
	sync.Mutex
	lines []string
}

func summarize(format string, args ...any) {
	summary.Lock()
	defer summary.Unlock()
	summary.lines = append(summary.lines, fmt.Sprintf(format, args...))
}
