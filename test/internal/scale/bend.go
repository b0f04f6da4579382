package scale

import (
	"fmt"
	"math"

	"example.com/ai-agent/test/internal/bench"
)

// Bends returns where costs of one more thing depend on how many there are: it compares
// the first size of at least from with each later one, and names the costs that differ
// by more than a share. Sizes must be ascending.
func Bends(grown []bench.Growth, from int, share float64, costs ...string) (bends []string) {
	var first *bench.Growth
	for i, g := range grown {
		if g.Size < from {
			continue
		}
		if first == nil {
			first = &grown[i]
			continue
		}
		for _, name := range costs {
			before, measured := first.Costs[name]
			after, again := g.Costs[name]
			if !measured || !again {
				bends = append(bends, fmt.Sprintf("%s was not measured at both %d and %d %s", name, first.Size, g.Size, g.Of))
			} else if math.Abs(after-before) > share*math.Abs(before) {
				bends = append(bends, fmt.Sprintf("%s: %.4g at %d %s, %.4g at %d", name, before, first.Size, g.Of, after, g.Size))
			}
		}
	}
	return bends
}
