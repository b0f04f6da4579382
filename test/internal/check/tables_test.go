package check

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/finding"
)

// The formats of files/timeouts.yaml, one annotation each.
func TestTimeoutsOfAnnotations(t *testing.T) {
	t.Parallel()
	formats := map[string]timeoutFormat{
		"seconds":      {Unit: "s"},
		"milliseconds": {Unit: "ms"},
		"snippet":      {Unit: "s", Directives: []string{"read_timeout", "send_timeout"}},
		"list":         {Unit: "s", Attribute: "idle", Default: 60},
		"limited":      {Unit: "s", Attribute: "drain", Default: 400, Limit: 200},
	}
	for value, tc := range map[string]struct {
		annotation string
		short      int // how many timeouts interrupt a run of 300 s
	}{
		"300":                                {"seconds", 0},
		"299":                                {"seconds", 1},
		"5m":                                 {"seconds", 0},
		"4m59":                               {"seconds", 1},
		"1d":                                 {"milliseconds", 0},
		"0":                                  {"seconds", 1},
		"5000":                               {"milliseconds", 1},
		"read_timeout 300; send_timeout 5m;": {"snippet", 0},
		"read_timeout 900s; send_timeout 5;": {"snippet", 1},
		"read_timeout 1s; send_timeout 5;":   {"snippet", 2},
		"other 5;":                           {"snippet", 0},
		`a "b; read_timeout 5; c";`:          {"snippet", 0},
		`a "it's"; read_timeout '5';`:        {"snippet", 1},
		"# don't\nread_timeout 5;":           {"snippet", 1},
		"a=1,idle=300":                       {"list", 0},
		"idle=30, a=1":                       {"list", 1},
		"a=1":                                {"list", 1},
		"drain=200":                          {"limited", 0},
		"drain=199":                          {"limited", 1},
		"b=1":                                {"limited", 0},
		"soon":                               {"seconds", 1},
	} {
		ingress := &networkingv1.Ingress{
			TypeMeta:   metav1.TypeMeta{Kind: "Ingress"},
			ObjectMeta: metav1.ObjectMeta{Name: "a", Annotations: map[string]string{tc.annotation: value, "other": "1"}},
		}
		found := shortTimeouts(formats)(chart.Objects{ingress})
		assert.Len(t, found, tc.short, value)
		for _, f := range found {
			assert.Equal(t, "Ingress/a", f.Object)
			assert.Equal(t, finding.Path{"metadata", "annotations", tc.annotation}, f.Path)
		}
	}
}

func TestDurations(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"60": time.Minute, "60s": time.Minute, "60000ms": time.Minute, "1h30m": 90 * time.Minute, "1h 30m": 90 * time.Minute, "2d": 48 * time.Hour, "7us": 7 * time.Microsecond,
		"1w": 7 * 24 * time.Hour, "1M": 30 * 24 * time.Hour, "1y": 365 * 24 * time.Hour, "1m": time.Minute,
	} {
		have, ok := duration(text, "s")
		assert.True(t, ok, text)
		assert.Equal(t, want, have, text)
	}
	for _, text := range []string{"", "s", "1.5h", "1x", "-1s", "99999999999999999999s"} {
		_, ok := duration(text, "s")
		assert.False(t, ok, text)
	}
}

// In a chart without the files, the two checks say that they did not run.
func TestMissingTablesAreReported(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	metadata, err := chart.Values{"apiVersion": "v2", "name": chart.Name, "version": "0.1.0"}.YAML()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "Chart.yaml"), metadata, 0o600))
	old, err := chart.Load(folder)
	require.NoError(t, err)
	set, err := New(old)
	require.NoError(t, err)
	findings, err := set.Run(t.Context(), Subject{})
	require.NoError(t, err)
	var ids []string
	for _, f := range findings {
		assert.Equal(t, finding.Info, f.Severity)
		ids = append(ids, f.ID)
	}
	assert.Subset(t, ids, []string{"pitfall-short-timeouts", "pitfall-secrets-in-configmaps"})
}
