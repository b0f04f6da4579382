package bench

import (
	"iter"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"example.com/ai-agent/test/internal/prober"
)

// Soak returns a plan of random disturbances for a time. It uses only those that a chart
// can survive. The same seed gives the same order.
func Soak(s Subject, period time.Duration, seed uint64, load prober.Load) Plan {
	return Plan{s, Service, "soak", atRandom(period, seed), soakReplicas, load, (*site).upgrade} // which a rollback can undo
}

const soakReplicas = 6 // as a scale-down needs

var scaleUp = Disturbance{Name: "scale-up", disturb: func(t *testing.T, s *site, _ prober.Loading) { s.scale(t, soakReplicas) }}

func atRandom(period time.Duration, seed uint64) iter.Seq[Disturbance] {
	choice := slices.DeleteFunc(slices.Clone(Disturbances), func(d Disturbance) bool {
		return d.Kills || d.Slow || d.Ends || d.Proxy || d.Replicas != 0 && d.Replicas != soakReplicas
	})
	source := rand.New(rand.NewPCG(seed, seed))
	return func(yield func(Disturbance) bool) {
		for start := time.Now(); time.Since(start) < period; {
			d := choice[source.IntN(len(choice))]
			if !yield(d) || d.Name == "scale-down" && !yield(scaleUp) {
				return
			}
		}
	}
}
