package check

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/finding"
)

// kube-score is optional: whatever it does, validation continues.
func TestKubeScoreCannotFailTheValidation(t *testing.T) {
	for name, tc := range map[string]struct{ script, says string }{
		"it is missing":                  {"", "not on PATH"},
		"it crashes":                     {"#!/bin/sh\necho panic >&2; exit 2", "exit status 2"},
		"it prints something else":       {"#!/bin/sh\necho hello", "cannot be read"},
		"it prints other JSON":           {"#!/bin/sh\necho '{}'", "cannot be read"},
		"it cannot be run":               {"#!/nowhere\n", "no such file"},
		"it reads none of the manifests": {"#!/bin/sh\nexec <&-; echo; exit 1", "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			if tc.script != "" {
				require.NoError(t, os.WriteFile(filepath.Join(folder, "kube-score"), []byte(tc.script), 0o700))
			}
			manifest := defaults(t)
			t.Setenv("PATH", folder)
			findings := runOnly(t, "kube-score", manifest)
			require.Len(t, findings, 1)
			assert.Equal(t, finding.Info, findings[0].Severity)
			assert.Contains(t, findings[0].Problem, tc.says)
			assert.NotContains(t, findings[0].Problem, "\n")
			assert.NotEmpty(t, findings[0].Fix)
		})
	}
}
