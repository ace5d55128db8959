package motion

import "lares/nvr"

// applyZones marks the tiles that the zones leave out: those whose centre lies
// in a zone to ignore or, where there are zones to watch, in none of them.
func (g *grid) applyZones(zones []nvr.Zone) {
	for t := range g.ignored {
		x := (float64(t%g.tw) + 0.5) * tile * float64(g.step) / float64(g.width)
		y := (float64(t/g.tw) + 0.5) * tile * float64(g.step) / float64(g.height)
		g.ignored[t] = ignored(zones, nvr.Point{X: x, Y: y})
	}
}

func ignored(zones []nvr.Zone, p nvr.Point) bool {
	watched, inside := false, false
	for _, z := range zones {
		in := contains(z.Points, p)
		if z.Ignore && in {
			return true
		}
		if !z.Ignore {
			watched = true
			inside = inside || in
		}
	}
	return watched && !inside
}

// contains reports whether a point lies in a polygon, by counting how often a
// ray to the right crosses its edge (even-odd rule).
func contains(polygon []nvr.Point, p nvr.Point) bool {
	in := false
	for i, a := range polygon {
		b := polygon[(i+1)%len(polygon)]
		if (a.Y > p.Y) != (b.Y > p.Y) && p.X < a.X+(p.Y-a.Y)/(b.Y-a.Y)*(b.X-a.X) {
			in = !in
		}
	}
	return in
}
