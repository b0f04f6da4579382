package live

import (
	"context"
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

	"example.com/ai-agent/test/internal/repo"
)

// notRun are commands in the README that this test does not run, each with the reason.
var notRun = map[string]string{
	"make test":         "it runs this test",
	"make test-offline": "it is the first half of `make test`",
	"make test-quick":   "it is a part of `make test`",
	"make down":         "it removes the cluster that the tests use",
	"make package":      "it refuses a work tree with changes; the tests in test/internal/release package a clone",
	"make image":        "as `make package`",
	"make publish REGISTRY=oci://registry.example.com/charts COSIGN_KEY=cosign.key":                                                    "TestPublish does, with a registry on this machine",
	"bin/cosign verify --key cosign.pub --insecure-ignore-tlog registry.example.com/charts/ai-agent:0.4.0":                             "it fetches the roots of trust from the internet; TestPublish verifies without them",
	"bin/cosign verify-attestation --key cosign.pub --insecure-ignore-tlog --type spdxjson registry.example.com/charts/ai-agent:0.4.0": "it fetches the roots of trust from the internet; TestPublish verifies without them",
	"make adopt REPOSITORY=github.com/acme/ai-agent REGISTRY=oci://registry.acme.com/charts CONTACT=security@acme.com":                 "TestAdopt does, in a clone",
	"helm install ai-agent chart/ai-agent --values chart/ai-agent/presets/gunicorn.yaml --values mine.yaml":                            "the sample agent does not run on gunicorn: TestServersKeepTheirRuns installs presets",
	"make conform IMAGE=registry.example.com/team/agent:1.2.3 PROTOCOL=openai-chat":                                                    "TestConformNamesWhatAnImageNeeds judges images",
	`make conform VALUES="charts/ai-agent/presets/gunicorn.yaml mine.yaml"`:                                                            "TestConformBeforeAndAfterThePreset does",
	"make conform COMMAND='uvicorn app:app --port $$PORT'":                                                                             "this machine may lack uvicorn; TestEveryFaultIsNamed judges processes",
	"go run example.com/ai-agent/test/conform@v0.4.0 --image registry.example.com/team/agent:1.2.3":                                    "TestByVersion runs it, from a module proxy",
	"make conform":      "it is the name of a command in a sentence",
	"make test-servers": "it takes half an hour",
	"make uninstall":    "it stops Docker, and the cluster of this test with it",
	"make mutate":       "it takes 45 minutes",
	"make bench-runs":   "it takes over an hour; TestSideBySide runs a part of it",
	`make bench-runs DISTURBANCES=rollout,drain SUBJECTS="ai-agent,specification"`: "it recreates the cluster that the tests use; TestSideBySide compares these",
	"make bench-runs PEERS=peers":       "it needs charts from the internet",
	"scripts/peers.sh peers":            "it needs the internet",
	"helm create":                       "it is the name of a command in a sentence",
	"make soak MINUTES=30":              "it takes half an hour",
	"make scale RELEASES=1,10,100,1000": "it takes half an hour",
	"make report":                       "it needs the results of make bench-runs; TestReportMergesResults writes a page",
	"helm test":                         "it is the name of a command in a sentence",
	"helm template ai-agent charts/ai-agent --set replicaCount=null --show-only templates/deployment.yaml | kubectl apply set-last-applied -f -":                  "TestArgoCDKeepsTheNumberOfPods does",
	"echo '{apiVersion: apps/v1, kind: Deployment, metadata: {name: ai-agent}, spec: {replicas: 3}}' | kubectl apply --server-side --field-manager=handover -f -": "TestArgoCDKeepsTheNumberOfPods does",
	"go run example.com/ai-agent/test/validate@v0.4.0 --chart ai-agent-0.4.0.tgz my.yaml":                                                                         "TestByVersion runs it, from a module proxy",
}

// Every command in the README works, in order and in one shell, and prints what the
// README shows.
func TestReadme(t *testing.T) {
	t.Parallel()
	live := liveCluster()
	if live.Name() != "ai-agent-test" {
		t.Skip("it would uninstall a user's release in the cluster " + live.Name() + ": `make test` runs it in its own cluster")
	}
	live.Lock(t, "default-namespace")
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
	removeReleases(t) // of an aborted run
	t.Cleanup(func() {
		if t.Failed() {
			live.Existing("default").Keep(t)
			live.Existing("agents").Keep(t)
		}
		removeReleases(t)
	})
	image, err := repo.AgentImage()
	require.NoError(t, err)
	repository, tag, _ := strings.Cut(image, ":")
	pulled := t.TempDir() // not the folder chart in the repository
	registry, _, _ := published(t)
	// What a reader puts in place of an example.
	own := strings.NewReplacer("oci://registry.example.com/charts/ai-agent", registry+"/ai-agent --plain-http",
		"--untardir chart", "--untardir "+pulled, "chart/ai-agent --", pulled+"/ai-agent --", "chart/ai-agent/environments", pulled+"/ai-agent/environments",
		"registry.example.com/team/agent", repository, "image.tag=1.2.3", "image.tag="+tag, ".env.production", secrets)
	outputs, err := shell(t, commands, own)
	require.NoError(t, err, "%s\n%s", commands[len(outputs)-1].line, outputs[len(outputs)-1])
	for i, c := range commands {
		for part := range strings.SplitSeq(c.prints, "…") {
			assert.Contains(t, words(outputs[i]), words(part), c.line)
		}
	}
}

// removeReleases removes what the commands have created. The releases first: Kubernetes
// removes a namespace with an agent in it only after half of the agent's grace period.
func removeReleases(t *testing.T) {
	for _, namespace := range []string{"default", "agents"} {
		removeWith(t, "helm", "--kube-context=kind-"+liveCluster().Name(), "--namespace="+namespace, "uninstall", "ai-agent", "--ignore-not-found", "--wait", "--cascade=foreground")
	}
	removeWith(t, "kubectl", "--context=kind-"+liveCluster().Name(), "delete", "namespace", "agents", "--ignore-not-found")
}

func removeWith(t *testing.T, command string, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(context.WithoutCancel(t.Context()), command, args...).CombinedOutput()
	assert.NoError(t, err, string(out))
}

// command is one command in the README.
type command struct {
	line   string
	prints string // the output that the README shows, with … for what it omits
}

var inline = regexp.MustCompile("`((?:[A-Z_]+=\\S+ )*(?:make|kubectl|helm|go run|go test|go mod|bin/[a-z]+) [^`]+)`")

// commandsOf returns the commands that a page tells its reader to run, each once: those
// in sh blocks, after a "$" in other blocks, and in the text.
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

// shell runs commands in one shell at the top of the repository, as a reader would, and
// returns the output of each one that it ran.
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
	path := strings.ReplaceAll(os.Getenv("PATH"), repo.Path("bin")+":", "") // the README itself adds it
	path += ":" + readersTools(t)
	bash.Env = append(os.Environ(), "PATH="+path, "KUBECONFIG="+ownKubeconfig(t), "CLUSTER="+liveCluster().Name(), "OPENAI_API_KEY=", "OPENAI_BASE_URL=")
	out, err := bash.CombinedOutput()
	return strings.Split(string(out), mark)[1:], err
}

// readersTools returns a folder with helm and kubectl, which a reader with a cluster has.
func readersTools(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for _, tool := range []string{"helm", "kubectl"} {
		require.NoError(t, os.Symlink(repo.Path("bin", tool), filepath.Join(folder, tool)))
	}
	return folder
}

// ownKubeconfig copies the kubeconfig: `make up` writes to it while other tests read it.
func ownKubeconfig(t *testing.T) string {
	t.Helper()
	config, err := clientcmd.NewDefaultClientConfigLoadingRules().Load()
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, clientcmd.WriteToFile(*config, file))
	return file
}

// words returns a text with single spaces as its only white space.
func words(text string) string { return strings.Join(strings.Fields(text), " ") }
