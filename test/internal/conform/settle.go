package conform

import (
	"context"
	"maps"
	"math/bits"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Relaxation is something that an image needs and the chart's pods do not have.
type Relaxation int

// The relaxations, which can be combined.
const (
	NeedsHome     Relaxation = 1 << iota // a home directory
	NeedsWritable                        // a root file system that it can write to
	NeedsUser                            // the user of the image
	all           = NeedsHome | NeedsWritable | NeedsUser
)

func (r Relaxation) apply(a *Agent) {
	switch r {
	case NeedsHome:
		a.Env = extended(a.Env, "HOME", "/tmp")
	case NeedsWritable:
		a.Writable = true
	case NeedsUser:
		a.User = ""
	}
}

// settle starts the agent. If a container does not become ready, it finds out what the
// image needs.
func (t Test) settle(ctx context.Context, s *Start) (instance, error) {
	i, err := t.start(ctx)
	if err != nil {
		return nil, err
	}
	begin := time.Now() // not before: an image may have been pulled
	failed := t.awaitReady(ctx, i)
	*s = t.startOf(i, begin)
	s.Failed = failed
	if s.Failed == "" {
		return i, nil
	}
	s.Logs = i.logs()
	if t.Image == "" || len(s.Listeners) > 0 {
		return i, nil
	}
	t.say("it does not start: trying what the image needs")
	relaxed, found := t.relax(ctx)
	if found == nil {
		return i, nil
	}
	i.stop()
	*s = found.start
	s.Relaxed = relaxed
	return found.instance, nil
}

// startOf returns what can be seen of an agent that was started then.
func (t Test) startOf(i instance, begin time.Time) Start {
	return Start{Took: time.Since(begin), Init: t.redacted(i.init()), Listeners: i.listeners(), IsInit: i.isInit()}
}

// secret matches the names of variables whose values nobody should see.
var secret = regexp.MustCompile(`(?i)KEY|TOKEN|SECRET|PASS|CREDENTIAL|DSN`)

// redacted replaces secrets of the environment in a command line.
func (t Test) redacted(line string) string {
	for name, value := range t.Env {
		if secret.MatchString(name) && len(value) > 3 {
			line = strings.ReplaceAll(line, value, "$("+name+")")
		}
	}
	return line
}

// started is an agent that became ready.
type started struct {
	instance
	start Start
}

// relax starts the agent with each combination of relaxations, and returns the smallest
// one with which it becomes ready.
func (t Test) relax(ctx context.Context) ([]Relaxation, *started) {
	var attempts sync.WaitGroup
	ready := make([]*started, all+1)
	for set := Relaxation(1); set <= all; set++ {
		attempts.Go(func() { ready[set] = t.attempt(ctx, set) })
	}
	attempts.Wait()
	sets := make([]Relaxation, 0, all)
	for set := Relaxation(1); set <= all; set++ {
		if ready[set] != nil {
			sets = append(sets, set)
		}
	}
	if len(sets) == 0 {
		return nil, nil
	}
	best := slices.MinFunc(sets, func(a, b Relaxation) int { return bits.OnesCount(uint(a)) - bits.OnesCount(uint(b)) })
	for _, set := range sets {
		if set != best {
			ready[set].stop()
		}
	}
	return best.parts(), ready[best]
}

func (r Relaxation) parts() []Relaxation {
	return slices.DeleteFunc([]Relaxation{NeedsHome, NeedsWritable, NeedsUser}, func(part Relaxation) bool { return r&part == 0 })
}

func (t Test) attempt(ctx context.Context, set Relaxation) *started {
	for _, part := range set.parts() {
		part.apply(&t.Agent)
	}
	i, err := t.start(ctx)
	if err != nil {
		return nil
	}
	begin := time.Now()
	if t.awaitReady(ctx, i) != "" {
		i.stop()
		return nil
	}
	s := &started{i, t.startOf(i, begin)}
	if box, ok := i.(*container); ok && t.Writable {
		s.start.Written = outside(box.written(), t.Tmpfs)
	}
	return s
}

// outside returns the paths that are in none of the folders, each without those below it.
func outside(paths, folders []string) []string {
	var kept []string
	slices.Sort(paths)
	for _, path := range paths {
		within := func(folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }
		if !slices.ContainsFunc(slices.Concat(folders, kept), within) {
			kept = append(kept, path)
		}
	}
	return kept
}

// extended returns a copy of an environment with one more variable.
func extended(environment map[string]string, name, value string) map[string]string {
	longer := maps.Clone(environment)
	if longer == nil {
		longer = map[string]string{}
	}
	longer[name] = value
	return longer
}

func itoa(number int) string { return strconv.Itoa(number) }
