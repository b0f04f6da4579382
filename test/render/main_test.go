// Package render proves what the chart renders, without a cluster.
package render

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"ai-agent/test/internal/repo"
)

func TestMain(m *testing.M) {
	if err := repo.UseTools("helm", "helm4", "helm-docs", "helm-values-schema-json", "kube-score"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := flag.Set("rapid.nofailfile", "true"); err != nil { // the seed is printed, and the values
		panic(err)
	}
	os.Exit(m.Run())
}
