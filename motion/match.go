package motion

import "math"

// Block matching, as in motion compensated coding: the changed points of a blob
// are looked for in the picture before. What really moved is found at another
// place much better than at its own. Rain, flicker, sparkle and light are not;
// linking unrelated changes to a path does not help them.

const (
	maxSamples  = 64 // points of a blob that are compared
	searchReach = 2  // points around each guess
)

// shift is the way of a blob since the picture before.
type shift struct {
	dx, dy float64
	// gain is how much better the blob is found there than at its own place, as
	// part of the difference at its own place: 0 not at all, 1 perfectly.
	gain float64
	time float64 // seconds over which it went that way
}

// place is a point of the grid and what the picture shows there.
type place struct{ x, y, at, shows int32 }

// sample collects changed points of a blob, evenly over it.
func (g *grid) sample(b *blob) []place {
	out := g.samples[:0]
	every, n := max(1, int(b.mass)/maxSamples), 0
	for ty := b.ty0; ty <= b.ty1; ty++ {
		for tx := b.tx0; tx <= b.tx1; tx++ {
			if g.label[ty*g.tw+tx] != b.label {
				continue
			}
			for y := ty * tile; y < (ty+1)*tile; y++ {
				x := tx * tile
				for i, m := range g.mask[y*g.w+x:][:tile] {
					if m == 0 {
						continue
					}
					if n++; n%every == 0 && len(out) < cap(out) {
						at := y*g.w + x + i
						out = append(out, place{int32(x + i), int32(y), int32(at), int32(g.cur[at])})
					}
				}
			}
		}
	}
	return out
}

// difference is the mean absolute difference between samples of the picture and
// the picture before shifted by dx, dy; infinite where too few lie inside, or
// where it is surely above limit.
func (g *grid) difference(before []uint16, samples []place, dx, dy int, limit float64) float64 {
	var sum int32
	enough := int32(min(limit*float64(len(samples)), math.MaxInt32))
	off, n := dy*g.w+dx, 0
	for i := range samples {
		p := &samples[i]
		if uint(int(p.x)-dx) >= uint(g.w) || uint(int(p.y)-dy) >= uint(g.h) {
			continue
		}
		n++
		sum += abs(p.shows - int32(before[int(p.at)-off]))
		if sum > enough {
			return math.Inf(1)
		}
	}
	if n == 0 || n*4 < len(samples)*3 {
		return math.Inf(1)
	}
	return float64(sum) / float64(n)
}

// match finds how a blob moved, trying around two guesses.
func (g *grid) match(b *blob, before []uint16, first, second [2]float64) shift {
	samples := g.sample(b)
	own := g.difference(before, samples, 0, 0, math.Inf(1))
	m := shift{}
	best := own
	try := func(dx, dy int) {
		if v := g.difference(before, samples, dx, dy, best); v < best {
			best, m.dx, m.dy = v, float64(dx), float64(dy)
		}
	}
	fx, fy := int(math.Round(first[0])), int(math.Round(first[1]))
	gx, gy := int(math.Round(second[0])), int(math.Round(second[1]))
	for dy := -searchReach; dy <= searchReach; dy++ {
		for dx := -searchReach; dx <= searchReach; dx++ {
			try(fx+dx, fy+dy)
			if max(gx+dx-fx, fx-gx-dx, gy+dy-fy, fy-gy-dy) > searchReach {
				try(gx+dx, gy+dy)
			}
		}
	}
	if best < own {
		m.gain = 1 - best/own
	}
	return m
}
