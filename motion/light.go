package motion

// Light. A lamp, a cloud, the exposure or a headlight changes how bright a place
// is, a thing changes what is there. In a window around each changed tile the
// picture is fitted by gain*background + offset: what the fit leaves over is
// structure. (Normalised correlation as a test for shadows and light: Jacques et
// al. 2005; local gain compensation: Young et al. 2005.)
const (
	// lightRest is the part of the change that the fit may leave over if it was
	// light. A straight edge of a thing through the middle of a window leaves a
	// half, one that just touches it or has all but left it an eighth.
	lightRest = 0.2
	// lightEdge is the same for places in the middle of light: the fit is poor
	// where the edge of a beam crosses an edge of the scene.
	lightEdge = 0.5
	// window is how far it reaches beyond the tile, in points.
	window = tile / 2
)

// surface is the statistics of a window: what is needed of picture and background.
type surface struct {
	rest   float64 // energy of the change that is not light, points² a point
	change float64 // energy of the change
	cur    float64 // variance of the picture
	bg     float64 // variance of the background
}

// structured reports whether the change is more than light. noise is the
// variance of a point.
func (s surface) structured(noise float64) bool {
	return s.rest > lightRest*s.change && s.rest > 2*noise
}

// look measures the window around a tile.
func (g *grid) look(tx, ty int) surface {
	x0, x1 := max(0, tx*tile-window), min(g.w, (tx+1)*tile+window)
	y0, y1 := max(0, ty*tile-window), min(g.h, (ty+1)*tile+window)
	var sc, sb, scc, sbb, scb int32
	for y := y0; y < y1; y++ {
		cur, mean := g.cur[y*g.w+x0:y*g.w+x1], g.bg.mean[y*g.w+x0:y*g.w+x1]
		mean = mean[:len(cur)]
		for i, v := range cur {
			c, b := int32(v), int32(mean[i]>>fineBits)
			sc += c
			sb += b
			scc += c * c
			sbb += b * b
			scb += c * b
		}
	}
	n := float64((x1 - x0) * (y1 - y0))
	mc, mb := float64(sc)/n, float64(sb)/n
	s := surface{cur: float64(scc)/n - mc*mc, bg: float64(sbb)/n - mb*mb}
	cov := float64(scb)/n - mc*mb
	s.change = s.cur + s.bg - 2*cov + (mc-mb)*(mc-mb)
	s.rest = s.cur
	if cov > 0 && s.bg > 0 {
		s.rest -= cov * cov / s.bg
	}
	return s
}
