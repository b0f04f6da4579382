// Package conform starts an agent as its pod would, without a cluster, and judges
// whether it keeps the contract that lets Kubernetes replace it without interrupting a
// run.
package conform

import (
	"context"
	"errors"
	"net/url"
	"sync"
	"time"
)

// Agent is an agent to judge: what to start, and how its pod would be run. Either Image,
// Command alone, or URL is set.
type Agent struct {
	Image   string
	Command []string          // replaces the image's entrypoint, or is the process to start
	Args    []string          // replaces the image's own arguments
	Env     map[string]string // the environment, with the budget
	URL     string            // of an agent that runs already

	Port        int // that the agent listens on; 0: any, passed on as $(PORT)
	MetricsPort int // 0: the metrics, if any, are on Port
	MetricsPath string
	ReadyPath   string // that of the readiness probe; empty: any answer will do
	LivePath    string // that of the liveness probe; empty: any answer will do

	User     string            // uid, or uid:gid; empty: that of the image
	Tmpfs    []string          // folders that are writable; the others are not, unless Writable is set
	Writable bool              // the root file system is
	Files    map[string]string // content of read-only files by their paths; in a container only
	PreStop  []string          // the command that delays SIGTERM
	Delay    time.Duration     // for which SIGTERM is delayed otherwise, and in which clients may still arrive
	Grace    time.Duration     // from the begin of the termination to SIGKILL
}

// Exit is how an agent ended.
type Exit struct {
	Code int // 128 + signal, if a signal ended it
	At   time.Time
}

// instance is an agent that was started.
type instance interface {
	url() string
	metricsURL() string
	exec(ctx context.Context, command []string) error // runs a command next to the agent
	terminate() error                                 // sends SIGTERM
	ended() <-chan struct{}                           // is closed when the agent has ended
	exit() Exit                                       // once it has ended
	init() string                                     // the command line of process 1
	logs() string                                     // the last lines that it wrote
	listeners() []listener                            // of its network namespace
	isInit() bool                                     // whether it is process 1
	stop()                                            // ends and removes it
}

// start starts the agent.
func (a Agent) start(ctx context.Context) (instance, error) {
	switch {
	case a.URL != "":
		return remote(a.URL), nil
	case a.Image != "":
		return a.startContainer(ctx)
	case len(a.Command) > 0:
		return a.startProcess(ctx)
	}
	return nil, errors.New("nothing to start: name an image, a command or a URL")
}

// remote is an agent that somebody else started and that is not ended.
type remote string

func (r remote) url() string                        { return string(r) }
func (r remote) metricsURL() string                 { return string(r) }
func (remote) exec(context.Context, []string) error { return nil }
func (remote) terminate() error                     { return nil }
func (remote) ended() <-chan struct{}               { return nil }
func (remote) exit() Exit                           { return Exit{} }
func (remote) init() string                         { return "" }
func (remote) logs() string                         { return "" }
func (remote) listeners() []listener                { return nil }
func (remote) isInit() bool                         { return false }
func (remote) stop()                                {}

// tail keeps the end of what is written to it.
type tail struct {
	mutex sync.Mutex
	text  []byte
}

const tailBytes = 2000

func (t *tail) Write(p []byte) (int, error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-tailBytes):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return string(t.text)
}

// RedactedURL returns a URL without its password.
func RedactedURL(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return "the URL"
	}
	return parsed.Redacted()
}
