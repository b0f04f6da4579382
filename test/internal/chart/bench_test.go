package chart

import (
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/repo"
)

// BenchmarkRender renders the chart with the helm command and in process, in turns. It
// reports the time of each, and how many times longer the command takes.
func BenchmarkRender(b *testing.B) {
	require.NoError(b, repo.UseTools("helm"))
	c, err := Load(Dir())
	require.NoError(b, err)
	var command, inProcess time.Duration
	for b.Loop() {
		start := time.Now()
		require.NoError(b, exec.CommandContext(b.Context(), "helm", "template", "ai-agent", Dir()).Run())
		command += time.Since(start)
		start = time.Now()
		_, err := c.Render(Options{})
		require.NoError(b, err)
		inProcess += time.Since(start)
	}
	b.ReportMetric(float64(command.Milliseconds())/float64(b.N), "ms/helm")
	b.ReportMetric(float64(inProcess.Milliseconds())/float64(b.N), "ms/in-process")
	b.ReportMetric(float64(command)/float64(inProcess), "times-faster")
	b.ReportMetric(0, "ns/op") // the sum of both has no meaning
}
