package bench

import (
	"iter"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"example.com/ai-agent/test/internal/prober"
)

// Soak returns a plan of random disturbances until a time. It uses only those that a chart
// can survive. The same seed gives the same order.
func Soak(s Subject, until time.Time, seed uint64, load prober.Load) Plan {
	return Plan{s, Service, "soak", atRandom(until, seed), 4, load}
}

var scaleUp = Disturbance{Name: "scale-up", disturb: func(t *testing.T, s *site, _ prober.Loading) { s.scale(t, 4) }}

func atRandom(until time.Time, seed uint64) iter.Seq[Disturbance] {
	choice := slices.DeleteFunc(slices.Clone(Disturbances), func(d Disturbance) bool { return d.Kills || d.Slow || d.Ends || d.Proxy })
	source := rand.New(rand.NewPCG(seed, seed))
	return func(yield func(Disturbance) bool) {
		for time.Now().Before(until) {
			d := choice[source.IntN(len(choice))]
			if !yield(d) || d.Name == "scale-down" && !yield(scaleUp) {
				return
			}
		}
	}
}
