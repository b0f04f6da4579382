package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const offline = `
{"Action":"start","Package":"example.com/x/render"}
{"Action":"run","Package":"example.com/x/render","Test":"TestA"}
{"Action":"output","Package":"example.com/x/render","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"pass","Package":"example.com/x/render","Test":"TestA/sub","Elapsed":0.1}
{"Action":"pass","Package":"example.com/x/render","Test":"TestA","Elapsed":0.1}
{"Action":"output","Package":"example.com/x/render","Test":"TestB","Output":"=== RUN   TestB\n"}
{"Action":"output","Package":"example.com/x/render","Test":"TestB","Output":"    b_test.go:7: needs a cluster\n"}
{"Action":"output","Package":"example.com/x/render","Test":"TestB","Output":"        of its own\n"}
{"Action":"output","Package":"example.com/x/render","Test":"TestB","Output":"--- SKIP: TestB (0.00s)\n"}
{"Action":"skip","Package":"example.com/x/render","Test":"TestB","Elapsed":0}
{"Action":"pass","Package":"example.com/x/render","Elapsed":0.3}
{"Action":"skip","Package":"example.com/x/empty","Elapsed":0}
`

const live = `
{"Action":"pass","Package":"example.com/x/live","Test":"TestC","Elapsed":0.1}
{"Action":"fail","Package":"example.com/x/live","Test":"TestD/sub","Elapsed":0.1}
{"Action":"fail","Package":"example.com/x/live","Test":"TestD","Elapsed":0.1}
{"Action":"fail","Package":"example.com/x/live","Elapsed":0.3}
{"Action":"build-fail","ImportPath":"example.com/x/broken"}
{"Action":"fail","Package":"example.com/x/broken","Elapsed":0,"FailedBuild":"example.com/x/broken"}
{"Action":"pass","Package":"example.com/x/li`

func TestSummary(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, parts string
		files       map[string]string
		want        string
	}{
		{
			name:  "all passed",
			parts: "environment\t92\t0\noffline tests\t75\t0\n",
			files: map[string]string{"offline tests.json": offline},
			want: `
part                  seconds   passed   failed  skipped
environment                92
offline tests              75        2        0        1

skipped: render.TestB: b_test.go:7: needs a cluster of its own
2 passed, 0 failed, 1 skipped
`,
		},
		{
			name:  "tests failed",
			parts: "offline tests\t75\t0\nlive tests\t1480\t1\n",
			files: map[string]string{"offline tests.json": offline, "live tests.json": live},
			want: `
part                  seconds   passed   failed  skipped
offline tests              75        2        0        1
live tests               1480        1        3        0  failed

skipped: render.TestB: b_test.go:7: needs a cluster of its own
3 passed, 3 failed, 1 skipped
`,
		},
		{
			name:  "a part without tests failed",
			parts: "environment\t5\t1\n",
			want: `
part                  seconds   passed   failed  skipped
environment                 5                             failed

0 passed, 1 failed, 0 skipped
`,
		},
		{
			name:  "a part with tests failed before any ran",
			parts: "live tests\t5\t2\n",
			files: map[string]string{"live tests.json": ""},
			want: `
part                  seconds   passed   failed  skipped
live tests                  5        0        0        0  failed

0 passed, 1 failed, 0 skipped
`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(folder, "parts"), []byte(c.parts), 0o600))
			for name, text := range c.files {
				require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(strings.TrimPrefix(text, "\n")), 0o600))
			}
			parts, err := load(folder)
			require.NoError(t, err)
			var have bytes.Buffer
			write(&have, parts)
			assert.Equal(t, c.want, have.String())
		})
	}
}

func TestMalformedPartIsAnError(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "parts"), []byte("environment\tsoon\n"), 0o600))
	_, err := load(folder)
	assert.ErrorContains(t, err, `parts: "environment\tsoon\n"`)
}
