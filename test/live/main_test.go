// Package live shows the chart's promises in a real cluster: that of `make
// test`, or for a single test that of `make up`. Every promise has a control
// that takes the protection away and must see the damage.
package live

import (
	"context"
	"fmt"
	"os"
	"testing"

	"example.com/ai-agent/test/internal/cluster"
	"example.com/ai-agent/test/internal/repo"
)

var kind *cluster.Cluster

func TestMain(m *testing.M) {
	err := repo.UseTools("helm", "kubectl")
	if err == nil {
		kind, err = cluster.Connect(context.Background())
	}
	if err == nil {
		err = kind.StartServers(context.Background())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := kind.StopServers(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}
