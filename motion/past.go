package motion

// Pictures are shown five times a second, or more often while something is in
// doubt. In a tenth of a second most things go less than a shift can tell, so a
// picture is compared with one that is a little older, however often they come.

const (
	// shiftTime is the least time over which a shift is measured, seconds, where
	// so old a picture can be had; maxShiftTime the longest that is believed.
	shiftTime, maxShiftTime = 0.15, 0.6
)

// shown is a picture that was shown.
type shown struct {
	points []uint16
	pts    int64
}

// keep notes that the picture that was loaded is seen. One that repeats the one
// before is not kept, so that what creeps adds up.
func (g *grid) keep(pts int64, fresh bool) {
	last := len(g.past) - 1
	switch {
	case fresh:
		old := g.past[last].points
		copy(g.past[1:], g.past[:last])
		g.past[0] = shown{g.cur, pts}
		g.cur = old
	case float64(pts-g.past[0].pts)/ticks >= maxShiftTime:
		g.past[0].points, g.cur = g.cur, g.past[0].points
		g.past[0].pts = pts
	}
}

// forget makes the picture that was loaded all that was ever seen.
func (g *grid) forget(pts int64) {
	for i := range g.past {
		copy(g.past[i].points, g.cur)
		g.past[i].pts = pts
	}
}

// before returns the picture to compare with: at least shiftTime old, but not
// older than since, and never newer than the last one.
func (g *grid) before(pts, since int64) *shown {
	best := &g.past[0]
	for i := range g.past {
		p := &g.past[i]
		if p.pts < since {
			break
		}
		best = p
		if float64(pts-p.pts)/ticks >= shiftTime {
			break
		}
	}
	return best
}

// fresh reports whether anything moved since the last picture in which something
// did: more points than differ by chance. It is used after compare, which counted
// the points that differ from before.
func (g *grid) fresh(before *shown, step int32) bool {
	n := 0
	if before == &g.past[0] {
		for i := range g.count {
			n += int(g.count[i].moving)
		}
	} else {
		for i, v := range g.past[0].points {
			if abs(int32(g.cur[i])-int32(v)) > step {
				n++
			}
		}
	}
	return n*2000 > len(g.cur)
}
