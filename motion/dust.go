package motion

import "math"

// dust is what comes and goes without a path: drops, flakes, insects, glitter.
// What cannot be told from it by its size is dust too.
type dust struct{ count, mass float64 } // fading sums

// dustTime is how long dust is remembered, seconds.
const dustTime = 3.0

// denseDust is how many grains in that time are so many that two of them often
// touch and look like one.
const denseDust = 20

func (u *dust) add(n, mass, dt float64) {
	fade := math.Exp(-dt / dustTime)
	u.count, u.mass = u.count*fade+n, u.mass*fade+mass
}

// size is the mass in points below which a thing may well be dust: what the
// largest of as many grains has whose sizes are spread exponentially, and twice that where they touch.
func (u *dust) size() float64 {
	if u.count == 0 {
		return 0
	}
	mean := u.mass / u.count
	return mean * min(1, u.count) * (1 + math.Log1p(u.count)) * (1 + min(1, u.count/denseDust))
}
