package motion

import "math"

// Somebody who comes straight at the camera hardly travels in the picture: she
// grows. What grows steadily comes near (looming: Lee, A theory of visual control
// of braking based on information about time-to-collision, 1976). As with travel,
// what shrinks again gives up what was won.

// growth is how a track grew: the changes of the natural logarithm of its size, and
// their lengths, fading.
type growth struct{ sum, way float64 }

const (
	// maxGrowth is how fast the logarithm of the size may grow, a second. Somebody
	// in the middle distance who runs at the camera stays below; a gust in a bush does not.
	maxGrowth = 1.2
	// nearGrowth is the steady growth of what comes near: by a quarter of its area.
	nearGrowth = 0.25
	// minNear is how many seconds it must last, and maxNear for how many a thing
	// that comes near may stay unknown before its place counts as restless.
	minNear, maxNear = 1.5, 4.0
	// nearPart is the evidence of such growth, of which no more than maxNearPart
	// counts: that it moves where it is calm must say the rest.
	nearPart, maxNearPart = 0.25, 0.6
)

// add takes in that a size grew by the factor e to the power of by, in dt seconds.
func (r *growth) add(by, dt, fade float64) {
	if by > maxGrowth*dt {
		*r = growth{}
		return
	}
	r.sum, r.way = r.sum*fade+by, r.way*fade+math.Abs(by)
}

// steady is the growth as far as it was steady.
func (r *growth) steady() float64 {
	if r.sum <= 0 {
		return 0
	}
	straight := r.sum / r.way
	return r.sum * straight * straight
}

// nearing says how much a track grew in parts of what a thing that comes near does, 0 if it
// does not come near: a bush in a rising wind grows too, but shows what was there before.
func (t *track) nearing(g *grid) float64 {
	v := t.growth.steady() / nearGrowth
	if v < 1 || float64(t.seen-t.begun)/ticks < minNear || g.swayed(&t.blob) > maxSwayed {
		return 0
	}
	return v
}
