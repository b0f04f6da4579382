package conform

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// container is an agent in a container of Docker, as restricted as the chart's pods.
type container struct {
	id            string
	files         string // folder of the files that are mounted
	pid           int
	port, metrics string // published on loopback
	done          chan struct{}
	end           Exit
	removed       sync.Once
}

// HostName is how a container reaches this machine.
const HostName = "host.docker.internal"

func (a Agent) startContainer(ctx context.Context) (instance, error) {
	ports := []string{strconv.Itoa(a.Port)}
	if a.MetricsPort != 0 {
		ports = append(ports, strconv.Itoa(a.MetricsPort))
	}
	variables := maps.Clone(a.Env)
	variables["PORT"] = ports[0]
	name := "conform-" + strconv.FormatUint(rand.Uint64(), 36)
	args := []string{"run", "--detach", "--name", name, "--add-host", HostName + ":host-gateway", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"}
	for _, port := range ports {
		args = append(args, "--publish", "127.0.0.1::"+port)
	}
	if a.User != "" {
		args = append(args, "--user", a.User)
	}
	if !a.Writable {
		args = append(args, "--read-only")
	}
	for _, folder := range a.Tmpfs {
		args = append(args, "--tmpfs", folder+":exec,mode=1777")
	}
	environment := os.Environ()
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		value := expand(variables[name], variables)
		if readByDocker.MatchString(name) {
			args = append(args, "--env", name+"="+value)
			continue
		}
		args = append(args, "--env", name) // its value, perhaps a secret, is read from the environment
		environment = append(environment, name+"="+value)
	}
	mounts, files, err := mountFiles(a.Files)
	if err != nil {
		return nil, err
	}
	args = append(args, mounts...)
	words := a.Args
	if len(a.Command) > 0 {
		args = append(args, "--entrypoint", expand(a.Command[0], variables))
		words = slices.Concat(a.Command[1:], a.Args)
	}
	args = append(args, a.Image)
	for _, word := range words {
		args = append(args, expand(word, variables))
	}
	// Not canceled half-way: the container could remain.
	id, err := docker(context.WithoutCancel(ctx), environment, args...)
	if err != nil {
		_, _ = docker(context.WithoutCancel(ctx), nil, "rm", "--force", name) // perhaps it was not even created
		return nil, errors.Join(err, os.RemoveAll(files))
	}
	c := &container{id: id, files: files, done: make(chan struct{})}
	c.find(ctx, ports)
	go c.wait()
	return c, nil
}

// readByDocker are variables that the command docker would take for its own.
var readByDocker = regexp.MustCompile(`(?i)^(HOME|PATH|DOCKER_.*|.*_PROXY)$`)

// find looks up the published ports and the process. A container that has ended has
// neither.
func (c *container) find(ctx context.Context, ports []string) {
	if out, err := docker(ctx, nil, "inspect", "--format", "{{.State.Pid}}", c.id); err == nil {
		c.pid, _ = strconv.Atoi(out) // 0 if it has ended
	}
	for i, into := range []*string{&c.port, &c.metrics}[:len(ports)] {
		if out, err := docker(ctx, nil, "port", c.id, ports[i]+"/tcp"); err == nil {
			*into, _, _ = strings.Cut(out, "\n")
		}
	}
}

func (c *container) wait() {
	defer close(c.done)
	out, err := docker(context.Background(), nil, "wait", c.id)
	c.end.At = time.Now()
	if err != nil {
		return // it was removed
	}
	c.end.Code, _ = strconv.Atoi(out)
}

func (c *container) url() string            { return "http://" + c.port }
func (c *container) metricsURL() string     { return "http://" + cmp.Or(c.metrics, c.port) }
func (c *container) isInit() bool           { return true }
func (c *container) ended() <-chan struct{} { return c.done }
func (c *container) exit() Exit             { return c.end }

// listeners returns none if the process is that of another machine, such as Docker's
// virtual one.
func (c *container) listeners() []listener {
	cgroup, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", c.pid))
	if err != nil || !strings.Contains(string(cgroup), c.id) {
		return nil
	}
	return listeners(c.pid)
}

func (c *container) terminate() error {
	_, err := docker(context.Background(), nil, "kill", "--signal", "TERM", c.id)
	return err
}

func (c *container) exec(ctx context.Context, command []string) error {
	_, err := docker(ctx, nil, append([]string{"exec", c.id}, command...)...)
	return err
}

func (c *container) init() string {
	out, err := docker(context.Background(), nil, "top", c.id, "-o", "pid,args")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(out) {
		if pid, args, found := strings.Cut(strings.TrimSpace(line), " "); found && pid == strconv.Itoa(c.pid) {
			return strings.TrimSpace(args)
		}
	}
	return ""
}

func (c *container) logs() string {
	cmd := exec.Command("docker", "logs", "--tail", "20", c.id)
	out, _ := cmd.CombinedOutput() // what was read until then
	return string(out[max(0, len(out)-tailBytes):])
}

// written returns the paths outside the writable folders that the container changed.
func (c *container) written() []string {
	out, err := docker(context.Background(), nil, "diff", c.id)
	if err != nil {
		return nil
	}
	var paths []string
	for line := range strings.Lines(out) {
		if file, added := strings.CutPrefix(strings.TrimSpace(line), "A "); added {
			paths = append(paths, c.folder(file))
		}
	}
	return paths
}

// folder returns a path if it is that of a folder, or else the folder it is in.
func (c *container) folder(file string) string {
	archive, err := docker(context.Background(), nil, "cp", c.id+":"+file, "-")
	if err != nil {
		return path.Dir(file)
	}
	header, err := tar.NewReader(strings.NewReader(archive)).Next()
	if err == nil && header.Typeflag == tar.TypeDir {
		return file
	}
	return path.Dir(file)
}

func (c *container) stop() {
	c.removed.Do(func() {
		_, _ = docker(context.Background(), nil, "rm", "--force", "--volumes", c.id) // gone, if it fails
		_ = os.RemoveAll(c.files)                                                    // in the folder for temporary files
		<-c.done
	})
}

// mountFiles writes files into a folder, and returns the options that mount each.
func mountFiles(files map[string]string) (options []string, folder string, err error) {
	if len(files) == 0 {
		return nil, "", nil
	}
	if folder, err = os.MkdirTemp("", "conform-"); err != nil {
		return nil, "", err
	}
	if err := os.Chmod(folder, 0o755); err != nil { // the agent has another user
		return nil, "", errors.Join(err, os.RemoveAll(folder))
	}
	for number, target := range slices.Sorted(maps.Keys(files)) {
		file := filepath.Join(folder, strconv.Itoa(number))
		if err := os.WriteFile(file, []byte(files[target]), 0o644); err != nil {
			return nil, "", errors.Join(err, os.RemoveAll(folder))
		}
		options = append(options, "--volume", file+":"+target+":ro")
	}
	return options, folder, nil
}

// docker runs a command of Docker and returns its output.
func docker(ctx context.Context, environment []string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Env = environment
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return "", errors.New("docker is not installed: install it, or start the agent without a container, with a command")
		}
		return "", fmt.Errorf("docker %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}
