package conform

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is an agent that is a process of this machine.
type process struct {
	cmd           *exec.Cmd
	env           []string
	port, metrics int
	output        *tail
	first         bool // whether it is process 1 of a PID namespace
	done          chan struct{}
	end           Exit
	killed        sync.Once
}

func (a Agent) startProcess(context.Context) (instance, error) {
	p := &process{port: a.Port, metrics: a.MetricsPort, output: &tail{}, done: make(chan struct{})}
	if err := p.choosePorts(a); err != nil {
		return nil, err
	}
	variables := maps.Clone(a.Env)
	variables["PORT"], variables["METRICS_PORT"] = strconv.Itoa(p.port), strconv.Itoa(p.metrics)
	p.env = os.Environ()
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		p.env = append(p.env, name+"="+expand(variables[name], variables))
	}
	var words []string
	for _, word := range slices.Concat(a.Command, a.Args) {
		words = append(words, expand(word, variables))
	}
	if err := p.launch(words); err != nil {
		return nil, err
	}
	go p.wait()
	return p, nil
}

// launch starts the process, as the first of a PID namespace if that is allowed.
func (p *process) launch(words []string) error {
	attributes, first := asInit()
	p.cmd, p.first = p.command(words, attributes), first
	err := p.cmd.Start()
	if first && errors.Is(err, syscall.EPERM) {
		p.cmd, p.first = p.command(words, asOrdinary()), false
		err = p.cmd.Start()
	}
	if err != nil {
		return fmt.Errorf("starting %s: %w", words[0], err)
	}
	return nil
}

func (p *process) command(words []string, attributes *syscall.SysProcAttr) *exec.Cmd {
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = p.env, p.output, p.output, attributes
	cmd.WaitDelay = time.Second // a child may keep the output open
	return cmd
}

func (p *process) wait() {
	_ = p.cmd.Wait() // the state says how it ended
	p.end = Exit{Code: p.cmd.ProcessState.ExitCode(), At: time.Now()}
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		p.end.Code = 128 + int(status.Signal())
	}
	close(p.done)
}

func (p *process) url() string            { return fmt.Sprint("http://127.0.0.1:", p.port) }
func (p *process) isInit() bool           { return p.first }
func (p *process) metricsURL() string     { return fmt.Sprint("http://127.0.0.1:", p.metrics) }
func (p *process) terminate() error       { return p.cmd.Process.Signal(syscall.SIGTERM) }
func (p *process) ended() <-chan struct{} { return p.done }
func (p *process) exit() Exit             { return p.end }
func (p *process) logs() string           { return p.output.String() }
func (p *process) listeners() []listener  { return nil } // those of the whole machine

func (p *process) exec(ctx context.Context, command []string) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = p.env
	return cmd.Run()
}

func (p *process) init() string {
	out, err := exec.Command("ps", "-o", "args=", "-p", strconv.Itoa(p.cmd.Process.Pid)).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

func (p *process) stop() {
	p.killed.Do(func() {
		_ = killAll(p.cmd.Process) // fails if it has ended
		<-p.done
	})
}

// choosePorts gives the agent a port, and one for metrics if its command asks for one.
func (p *process) choosePorts(a Agent) (err error) {
	if p.port == 0 {
		if p.port, err = FreePort(); err != nil {
			return err
		}
	}
	asks := func(word string) bool { return strings.Contains(word, "$(METRICS_PORT)") }
	if p.metrics == 0 && slices.ContainsFunc(slices.Concat(a.Command, a.Args), asks) {
		p.metrics, err = FreePort()
	}
	if p.metrics == 0 {
		p.metrics = p.port
	}
	return err
}

// Ports that are handed out: below those that Linux gives to clients, and each once.
const firstPort, ports = 20000, 12000

var handedOut sync.Map

// FreePort returns a port on which nothing listens now, and which it has not returned
// before.
func FreePort() (int, error) {
	for range ports {
		port := firstPort + rand.IntN(ports)
		if _, taken := handedOut.LoadOrStore(port, true); taken {
			continue
		}
		listener, err := net.Listen("tcp", net.JoinHostPort("", strconv.Itoa(port)))
		if err == nil {
			return port, listener.Close()
		}
	}
	return 0, fmt.Errorf("no port from %d to %d is free", firstPort, firstPort+ports-1)
}
