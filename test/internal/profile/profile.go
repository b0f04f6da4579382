// Package profile has the values of the releases that live tests install: small ones,
// because many tests share a cluster of two cores.
package profile

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"example.com/ai-agent/test/internal/chart"
)

// Modest requests little, so that many releases fit on the cluster.
func Modest() chart.Values {
	return chart.Values{"resources.requests.cpu": "50m", "resources.requests.memory": "64Mi"}
}

// Small requests little and needs neither Redis nor PostgreSQL.
func Small() chart.Values {
	return Modest().And(chart.Values{"config.REDIS_URL": "", "config.DATABASE_URL": ""})
}

// OnePod runs one pod, without an autoscaler and a disruption budget.
func OnePod() chart.Values {
	return chart.Values{"autoscaling.enabled": false, "replicaCount": 1, "podDisruptionBudget.enabled": false}
}

// Single is a small release of one pod, with further values.
func Single(further chart.Values) chart.Values { return Small().And(OnePod()).And(further) }

// Two is a small release of two pods.
func Two() chart.Values {
	return Small().And(chart.Values{"autoscaling.enabled": false, "replicaCount": 2})
}

// Busy is a small release of two to five pods that use all the CPU they can get for a
// while after their start. Their limit is more than twice their request, so that the
// autoscaler reads a high value even where the machine has little CPU to give. Both
// are small, because all tests share two cores, but so large that an idle agent's CPU
// does not matter.
func Busy(period time.Duration) chart.Values {
	return Small().And(chart.Values{
		"args": chart.List{"serve", "--fault=burn-cpu=" + period.String()}, "autoscaling.maxReplicas": 5,
		"resources.requests.cpu": "15m", "resources.limits.cpu": "40m",
	})
}

// Unscaled is like Busy, with three pods and without an autoscaler.
func Unscaled(period time.Duration) chart.Values {
	return Busy(period).And(OnePod()).With("replicaCount", 3)
}

// MemoryHungry is a small release of two or three pods that allocate more memory than
// their target. CPU does not scale them: they may use four times the CPU they request.
func MemoryHungry() chart.Values {
	return Small().And(chart.Values{
		"args": chart.List{"serve", "--fault=grow-memory=8s"}, "autoscaling.maxReplicas": 3, "autoscaling.targetCPUUtilizationPercentage": nil,
		"resources.limits.cpu": "200m",
	})
}

// Preset returns the values of a preset of the chart.
func Preset(t *testing.T, name string) chart.Values {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(chart.Dir(), "presets", name+".yaml"))
	require.NoError(t, err)
	var values chart.Values
	require.NoError(t, yaml.Unmarshal(text, &values))
	return values
}
