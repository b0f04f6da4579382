// Package render proves what the chart renders, without a cluster.
package render

import (
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
	os.Exit(m.Run())
}
