package bench

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Usage is what a subject took and used in the scenarios that can be compared: those by the
// Service, with disturbances that each subject has.
type Usage struct {
	Subject      string
	Compared     []string       // the disturbances
	Fewest       map[string]int // Ready pods at a time, by disturbance
	Starts       []float64      // seconds from the start of a container until its pod was Ready; sorted
	Replacements []float64      // seconds from the removal of a pod until another was Ready, 0 if that one was Ready earlier; sorted
	Steps        []float64      // seconds from a load step until each new pod was Ready, which need not be comparable; sorted
	Unreplaced   int            // removed pods that were not replaced, as after a scale-down
	Seconds      float64        // that the scenarios lasted, without the load step
	Cost
}

// Usage sums the scenarios of each subject.
func (r Result) Usage() []Usage {
	var all []Usage
	compared := r.compared()
	for _, s := range r.Scenarios {
		at := slices.IndexFunc(all, func(u Usage) bool { return u.Subject == s.Subject })
		if at < 0 {
			all = append(all, Usage{Subject: s.Subject, Compared: compared, Fewest: map[string]int{}})
			at = len(all) - 1
		}
		switch {
		case !s.comparable():
		case s.Disturbance == loadStep:
			all[at].step(s)
		case slices.Contains(compared, s.Disturbance):
			all[at].add(s)
		}
	}
	for _, u := range all {
		slices.Sort(u.Starts)
		slices.Sort(u.Replacements)
		slices.Sort(u.Steps)
	}
	return all
}

// comparable reports whether the scenario is valid, and its clients ask the Service.
func (s Scenario) comparable() bool { return s.Route == string(Service) && s.Verdict().Proven() }

// compared returns the disturbances of which every subject has a comparable scenario.
func (r Result) compared() (all []string) {
	had := map[string][]string{} // disturbances by subject
	for _, s := range r.Scenarios {
		if s.comparable() && s.Disturbance != loadStep {
			had[s.Subject] = append(had[s.Subject], s.Disturbance)
			all = append(all, s.Disturbance)
		}
	}
	for _, names := range had {
		all = slices.DeleteFunc(all, func(name string) bool { return !slices.Contains(names, name) })
	}
	return unique(all)
}

// step adds a load step, which wastes CPU: it is no cost.
func (u *Usage) step(s Scenario) {
	for _, at := range s.added() {
		u.Steps = append(u.Steps, at-s.Disturbed)
	}
}

// added returns when each pod that was created since the disturbance was Ready, sorted.
func (s Scenario) added() (at []float64) {
	for _, pod := range s.Pods {
		if pod.Created >= s.Disturbed && pod.Ready != 0 {
			at = append(at, pod.Ready)
		}
	}
	slices.Sort(at)
	return at
}

// FewestReady returns how many pods were Ready at least during a disturbance, in words.
func (u Usage) FewestReady(disturbance string) string {
	if fewest, ok := u.Fewest[disturbance]; ok {
		return fmt.Sprint(fewest)
	}
	return "–"
}

// fewestReady returns how many pods were Ready at least during the disturbance.
func (s Scenario) fewestReady() int {
	fewest := math.MaxInt
	for i, now := range s.Scaling {
		if over := i+1 < len(s.Scaling) && s.Scaling[i+1].At < s.Disturbed; !over && now.At <= s.Settled {
			fewest = min(fewest, now.Ready)
		}
	}
	return fewest
}

func (u *Usage) add(s Scenario) {
	u.Seconds += s.Ended
	u.PodSeconds += s.Cost.PodSeconds
	u.CPUSeconds += s.Cost.CPUSeconds
	if before, ok := u.Fewest[s.Disturbance]; len(s.Scaling) > 0 && (!ok || s.fewestReady() < before) {
		u.Fewest[s.Disturbance] = s.fewestReady()
	}
	var removed []float64
	for _, pod := range s.Pods {
		if pod.Started != 0 && pod.Ready != 0 {
			u.Starts = append(u.Starts, pod.Ready-pod.Started)
		}
		if pod.Deleted != 0 && pod.Deleted >= s.Disturbed {
			removed = append(removed, pod.Deleted)
		}
	}
	slices.Sort(removed)
	added := s.added()
	// Pairs pods in order: the first one removed with the first one Ready.
	for i, at := range removed {
		if i >= len(added) {
			u.Unreplaced += len(removed) - i
			return
		}
		u.Replacements = append(u.Replacements, max(0, added[i]-at))
	}
}

// Spread returns the median and the maximum of sorted seconds.
func Spread(sorted []float64) string {
	if len(sorted) == 0 {
		return "–"
	}
	middle := len(sorted) / 2
	median := sorted[middle]
	if len(sorted)%2 == 0 {
		median = (sorted[middle-1] + median) / 2
	}
	return fmt.Sprintf("%.1f s (%.1f s)", median, sorted[len(sorted)-1])
}

// Change is the value of a number from a time on.
type Change struct {
	At    float64
	Value int
}

// InFlightOverTime returns how many runs clients waited for. It begins with 0.
func (s Scenario) InFlightOverTime() []Change {
	var changes []Change
	for _, run := range s.Runs {
		changes = append(changes, Change{run.Start, 1}, Change{run.End, -1})
	}
	slices.SortFunc(changes, func(a, b Change) int { return cmp.Compare(a.At, b.At) })
	all := []Change{{}}
	for _, change := range changes {
		last := &all[len(all)-1]
		if last.At == change.At {
			last.Value += change.Value
			continue
		}
		all = append(all, Change{change.At, last.Value + change.Value})
	}
	return all
}
