package cluster

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/gruntwork-io/terratest/modules/k8s"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/ai-agent/test/internal/repo"
)

// Keep saves the state of the namespace in a folder that is named for the test.
func (n *Namespace) Keep(t *testing.T) {
	ctx := context.WithoutCancel(t.Context()) // which may have ended
	folder := repo.Path(".cache", "artifacts", regexp.MustCompile(`[^\w.-]+`).ReplaceAllString(t.Name(), "_"), n.Name)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Log(err)
		return
	}
	write := func(name string, args ...string) {
		out, _ := k8s.RunKubectlAndGetOutputContextE(t, ctx, n.Options(), args...) // the output has the error's text
		if err := os.WriteFile(filepath.Join(folder, name), []byte(out), 0o644); err != nil {
			t.Log(err)
		}
	}
	write("get.txt", "get", "all,hpa,endpointslices", "--output=wide")
	write("events.txt", "get", "events", "--sort-by=.lastTimestamp")
	write("describe.txt", "describe", "all")
	pods, err := n.Client().CoreV1().Pods(n.Name).List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Log(err)
		return
	}
	for _, pod := range pods.Items {
		if pod.Spec.NodeSelector[fakeLabel] != "" {
			continue // it has no log
		}
		write(pod.Name+".log", "logs", pod.Name, "--all-containers")
		write(pod.Name+".previous.log", "logs", pod.Name, "--all-containers", "--previous")
	}
	t.Logf("the state of namespace %s is in %s", n.Name, folder)
}
