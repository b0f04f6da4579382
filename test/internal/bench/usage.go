package bench

import (
	"cmp"
	"fmt"
	"slices"
)

// Usage is what a subject took and used in its valid scenarios.
type Usage struct {
	Subject      string
	Starts       []float64 // seconds from the start of a container until its pod was Ready; sorted
	Replacements []float64 // seconds from the removal of a pod until another was Ready, 0 if that one was Ready earlier; sorted
	Steps        []float64 // seconds from a load step until each new pod was Ready; sorted
	Unreplaced   int       // removed pods that were not replaced, as after a scale-down
	Seconds      float64   // that the scenarios lasted
	Cost
}

// Usage sums the valid scenarios of each subject.
func (r Result) Usage() []Usage {
	var all []Usage
	for _, s := range r.Scenarios {
		at := slices.IndexFunc(all, func(u Usage) bool { return u.Subject == s.Subject })
		if at < 0 {
			all = append(all, Usage{Subject: s.Subject})
			at = len(all) - 1
		}
		if s.Verdict().Proven() {
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

func (u *Usage) add(s Scenario) {
	if s.Disturbance != loadStep { // which wastes CPU
		u.Seconds += s.Ended
		u.PodSeconds += s.Cost.PodSeconds
		u.CPUSeconds += s.Cost.CPUSeconds
	}
	var removed, added []float64
	for _, pod := range s.Pods {
		if pod.Started != 0 && pod.Ready != 0 {
			u.Starts = append(u.Starts, pod.Ready-pod.Started)
		}
		if pod.Deleted != 0 && pod.Deleted >= s.Disturbed {
			removed = append(removed, pod.Deleted)
		}
		if pod.Created >= s.Disturbed && pod.Ready != 0 {
			added = append(added, pod.Ready)
		}
	}
	if s.Disturbance == loadStep {
		for _, at := range added {
			u.Steps = append(u.Steps, at-s.Disturbed)
		}
	}
	slices.Sort(removed)
	slices.Sort(added)
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
