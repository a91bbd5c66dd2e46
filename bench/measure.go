package main

import (
	"cmp"
	"math"
	"runtime"
	"slices"
	"time"
)

// A cost is what one operation took, on average over a batch.
type cost struct {
	cpu    float64 // nanoseconds of all of the process's threads
	wall   float64 // nanoseconds
	allocs float64
	bytes  float64
}

func byCPU(c cost) float64    { return c.cpu }
func byWall(c cost) float64   { return c.wall }
func byAllocs(c cost) float64 { return c.allocs }
func byBytes(c cost) float64  { return c.bytes }

// A side is one of the things that are compared: an operation, done n times.
type side struct {
	// prepare runs before every batch and is not measured; nil is none.
	prepare func() error
	run     func(n int) error
	// n is the size of a batch, or 0 for as many as take the usual time.
	n int
}

// batch measures one batch.
func (s side) batch() (cost, error) {
	if s.prepare != nil {
		if err := s.prepare(); err != nil {
			return cost{}, err
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	wall, cpu := time.Now(), cpuTime()
	err := s.run(s.n)
	spent, elapsed := cpuTime()-cpu, time.Since(wall)
	runtime.ReadMemStats(&after)
	n := float64(s.n)
	return cost{
		cpu: float64(spent) / n, wall: float64(elapsed) / n,
		allocs: float64(after.Mallocs-before.Mallocs) / n,
		bytes:  float64(after.TotalAlloc-before.TotalAlloc) / n,
	}, err
}

// calibrate sets n, so that a batch takes about d.
func (s *side) calibrate(d time.Duration) error {
	if s.n > 0 {
		return nil
	}
	for s.n = 1; ; s.n *= 2 {
		c, err := s.batch()
		if err != nil {
			return err
		}
		if took := c.wall * float64(s.n); took > float64(d)/10 {
			s.n = max(1, int(float64(d)/c.wall))
			return nil
		}
	}
}

// compare measures the sides in turn, many rounds, so that whatever else the
// machine does meets all of them alike. It returns the costs by side and round.
func compare(rounds int, batch time.Duration, sides ...side) ([][]cost, error) {
	for i := range sides {
		if err := sides[i].calibrate(batch); err != nil {
			return nil, err
		}
	}
	costs := make([][]cost, len(sides))
	for round := range rounds {
		for i := range sides {
			i = (i + round) % len(sides)
			c, err := sides[i].batch()
			if err != nil {
				return nil, err
			}
			costs[i] = append(costs[i], c)
		}
	}
	return costs, nil
}

func median[T cmp.Ordered](v []T) T {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// typical returns the median of costs.
func typical(costs []cost, of func(cost) float64) float64 {
	v := make([]float64, len(costs))
	for i, c := range costs {
		v[i] = of(c)
	}
	return median(v)
}

// undisturbed returns the first quartile of costs: what is promised in nanoseconds,
// not as a ratio, is promised of a machine that does nothing else.
func undisturbed(costs []cost, of func(cost) float64) float64 {
	v := make([]float64, len(costs))
	for i, c := range costs {
		v[i] = of(c)
	}
	slices.Sort(v)
	return v[len(v)/4]
}

// perHit returns the allocations of one operation that is cheap enough to be
// done many thousand times in a batch, in which the runtime itself allocates
// once or twice.
func perHit(costs []cost) float64 { return math.Round(typical(costs, byAllocs)*100) / 100 }

// ratio returns the median of a to b, round by round: the two of a round had
// the same machine.
func ratio(a, b []cost, of func(cost) float64) float64 {
	v := make([]float64, len(a))
	for i := range a {
		v[i] = of(a[i]) / of(b[i])
	}
	return median(v)
}

// liveHeap returns the bytes of all objects that are still in use.
func liveHeap() float64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools let go of
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
