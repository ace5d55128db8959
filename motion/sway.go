package motion

// Leaves, flags and masts show what was there before, a little off its place. So
// what changed is looked for in the background nearby (Elgammal, Harwood and
// Davis, Non-parametric model for background subtraction, 2000).

const (
	// swayReach is how far off its place in the background a tile is looked for, points.
	swayReach = 3
	// patch is the side of what is compared, points: less would be found anywhere.
	patch = tile + 2*window
	// swayRest is the part of the structure of the change that may be left over
	// where it is found.
	swayRest = 0.5
	// maxSwayTiles bounds how many tiles of a blob are looked for, and maxSwayed is
	// the part of them that may be found by chance.
	maxSwayTiles, maxSwayed = 12, 0.2
)

// swayed returns the part of the structured tiles of a blob that the background
// has nearby, 0 to 1.
func (g *grid) swayed(b *blob) float64 {
	every := 1 + (b.solid-1)/maxSwayTiles
	n, looked, found := 0, 0, 0
	for ty := b.ty0; ty <= b.ty1; ty++ {
		for tx := b.tx0; tx <= b.tx1; tx++ {
			t := ty*g.tw + tx
			if g.label[t] != b.label || g.kind[t] != solid {
				continue
			}
			if n++; n%every != 0 {
				continue
			}
			looked++
			if g.nearby(tx*tile, ty*tile) {
				found++
			}
		}
	}
	return float64(found) / float64(max(1, looked))
}

// nearby reports whether the background shows the tile at x, y, and what is around it,
// a little off its place.
func (g *grid) nearby(x, y int) bool {
	x, y = max(0, min(g.w-patch, x-window)), max(0, min(g.h-patch, y-window))
	enough := int64(swayRest * float64(g.unlike(x, y, x, y)))
	for by := max(0, y-swayReach); by <= min(g.h-patch, y+swayReach); by++ {
		for bx := max(0, x-swayReach); bx <= min(g.w-patch, x+swayReach); bx++ {
			if g.unlike(x, y, bx, by) < enough {
				return true
			}
		}
	}
	return false
}

// unlike is the energy of the difference between the patch at x, y and that of the
// background at bx, by, points², without that of an even difference in light.
func (g *grid) unlike(x, y, bx, by int) int64 {
	var sum, energy int64
	for row := range patch {
		cur := g.cur[(y+row)*g.w+x:][:patch:patch]
		mean := g.bg.mean[(by+row)*g.w+bx:][:patch:patch]
		for i := range patch {
			v := int64(cur[i]) - int64(mean[i]>>fineBits)
			sum += v
			energy += v * v
		}
	}
	return energy - sum*sum/(patch*patch)
}
