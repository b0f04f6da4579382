package live

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/clientcmd"

	"example.com/ai-agent/test/internal/prober"
	"example.com/ai-agent/test/internal/repo"
)

// notRun are commands of the README that are left out here, each with its reason.
var notRun = map[string]string{
	"OPENAI_API_KEY=… OPENAI_BASE_URL=… make up": "it takes a key of the reader's",
	"make up OPENAI_API_KEY=…":                   "it takes a key of the reader's",
	"make test":                                  "it is what runs this test",
	"make test-render":                           "it is the first half of `make test`",
	"make down":                                  "it takes the cluster away; CI runs it by itself",
	"make lint":                                  "CI runs it by itself",
	"make bench":                                 "it measures, which takes a machine of its own",
	"make mutate":                                "it takes ten minutes",
	"make generate":                              "it loads five versions of Kubernetes; TestDerivedFilesAreCurrent compares what it makes",
	"go mod edit -module":                        "it renames the module, to publish it",
	"go test ./test/live -run TestDefaults":      "it would take this run's namespaces for those of an aborted one",
	"go run example.com/ai-agent/test/validate@v0.2.0 --chart ai-agent-0.2.0.tgz my.yaml": "TestByVersion runs it, from a module proxy",
}

// Every command of the README works, in its order and in one shell, and prints
// what the README shows.
func TestReadme(t *testing.T) {
	t.Parallel()
	if kind.Name() != "ai-agent-test" {
		t.Skip("it installs and uninstalls what a user may have in the cluster " + kind.Name() + ": `make test` runs it in one of its own")
	}
	page, err := os.ReadFile(repo.Path("README.md"))
	require.NoError(t, err)
	commands := commandsOf(string(page))
	for left := range notRun {
		assert.True(t, slices.ContainsFunc(commands, func(c command) bool { return c.line == left }), "the README has no %q", left)
	}
	commands = slices.DeleteFunc(commands, func(c command) bool { return notRun[c.line] != "" })
	require.Greater(t, len(commands), 20)

	secrets := filepath.Join(t.TempDir(), ".env.production")
	require.NoError(t, os.WriteFile(secrets, []byte("OPENAI_API_KEY=sk-test\n"), 0o600))
	removeReadersOwn(t) // of an aborted run
	t.Cleanup(func() {
		if t.Failed() {
			kind.Existing("default").Keep(t)
			kind.Existing("agents").Keep(t)
		}
		removeReadersOwn(t)
	})
	repository, tag, _ := strings.Cut(prober.Image(t), ":")
	// What a reader puts in the place of an example.
	own := strings.NewReplacer("registry.example.com/team/agent", repository, "image.tag=1.2.3", "image.tag="+tag, ".env.production", secrets)
	outputs, err := shell(t, commands, own)
	require.NoError(t, err, "%s\n%s", commands[len(outputs)-1].line, outputs[len(outputs)-1])
	for i, c := range commands {
		for part := range strings.SplitSeq(c.prints, "…") {
			assert.Contains(t, words(outputs[i]), words(part), c.line)
		}
	}
}

// removeReadersOwn removes what the commands made. The releases go first: Kubernetes
// would let a namespace with an agent in it wait for half of the agent's grace.
func removeReadersOwn(t *testing.T) {
	for _, namespace := range []string{"default", "agents"} {
		removeWith(t, "helm", "--kube-context=kind-"+kind.Name(), "--namespace="+namespace, "uninstall", "ai-agent", "--ignore-not-found", "--wait", "--cascade=foreground")
	}
	removeWith(t, "kubectl", "--context=kind-"+kind.Name(), "delete", "namespace", "agents", "--ignore-not-found")
}

func removeWith(t *testing.T, command string, args ...string) {
	out, err := exec.Command(command, args...).CombinedOutput() // not the test's context: it has ended
	assert.NoError(t, err, string(out))
}

// command is one command of the README.
type command struct {
	line   string
	prints string // what the README shows of its output, with … for what is left out
}

var inline = regexp.MustCompile("`((?:[A-Z_]+=\\S+ )*(?:make|kubectl|helm|go run|go test|go mod|bin/[a-z]+) [^`]+)`")

// commandsOf returns what a page tells its reader to run, each once: in blocks of
// sh, after a "$" in other blocks, and in the text.
func commandsOf(page string) []command {
	var found []command
	shown := -1 // the command whose output follows
	add := func(line string) {
		if !slices.ContainsFunc(found, func(c command) bool { return c.line == line }) {
			found = append(found, command{line: line})
		}
	}
	fence := "" // of the block that a line is in
	for line := range strings.Lines(strings.ReplaceAll(page, "\\\n", "")) {
		line = strings.TrimRight(line, "\n")
		prompted, isPrompted := strings.CutPrefix(line, "$ ")
		switch {
		case strings.HasPrefix(line, "```") && fence == "":
			fence = line
		case strings.HasPrefix(line, "```"):
			fence, shown = "", -1
		case fence == "```sh":
			command, _, _ := strings.Cut(line, " #")
			add(strings.Join(strings.Fields(command), " "))
		case fence == "```" && isPrompted:
			add(prompted)
			shown = len(found) - 1
		case shown >= 0:
			found[shown].prints += line + " "
		case fence == "":
			for _, span := range inline.FindAllStringSubmatch(line, -1) {
				add(span[1])
			}
		}
	}
	return found
}

const mark = " next command \n"

// shell types commands into one shell at the top of the repository, as a reader
// would, and returns what each printed, as far as it came.
func shell(t *testing.T, commands []command, own *strings.Replacer) ([]string, error) {
	t.Helper()
	var script strings.Builder
	for _, c := range commands {
		line := own.Replace(c.line)
		switch {
		case strings.HasSuffix(line, "--watch"): // until the reader has seen enough
			line = "timeout 5 " + line + " || [ $? = 124 ]"
		case strings.HasPrefix(c.prints, "Error"):
			line = "! " + line
		}
		fmt.Fprintf(&script, "printf %q\n%s\n", mark, line)
	}
	bash := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script.String())
	bash.Dir = repo.Path()
	path := strings.ReplaceAll(os.Getenv("PATH"), repo.Path("bin")+":", "") // the README says itself to add it
	bash.Env = append(os.Environ(), "PATH="+path, "KUBECONFIG="+ownKubeconfig(t), "CLUSTER="+kind.Name(), "OPENAI_API_KEY=", "OPENAI_BASE_URL=")
	out, err := bash.CombinedOutput()
	return strings.Split(string(out), mark)[1:], err
}

// ownKubeconfig copies the kubeconfig: `make up` writes it, while other tests read.
func ownKubeconfig(t *testing.T) string {
	t.Helper()
	config, err := clientcmd.NewDefaultClientConfigLoadingRules().Load()
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, clientcmd.WriteToFile(*config, file))
	return file
}

// words is a text with every white space the same.
func words(text string) string { return strings.Join(strings.Fields(text), " ") }
