package motion

import (
	"math"
	"math/rand/v2"

	"lares/nvr"
)

// A scene is drawn: a camera that looks at a textured wall and floor, with what
// the layers do to it. All of it is the same for the same seed.
type scene struct {
	w, h   int
	every  float64 // seconds between two pictures
	base   []float64
	pix    []float64 // scratch
	grain  []float64 // sensor noise, grey levels; each picture takes another part
	layers []layer
	rng    *rand.Rand
}

// layer changes a picture of the time t, in grey levels.
type layer func(pix []float64, t float64)

// newScene draws a scene whose sensor noise has a standard deviation in grey levels.
func newScene(seed uint64, noise float64, layers ...layer) *scene {
	s := &scene{w: 320, h: 180, every: 0.2, layers: layers, rng: rand.New(rand.NewPCG(seed, 7))}
	s.grain = make([]float64, 3*s.w*s.h)
	for i := range s.grain {
		s.grain[i] = s.rng.NormFloat64() * noise
	}
	s.base = texture(s.w, s.h, seed)
	s.pix = make([]float64, len(s.base))
	return s
}

// texture draws uneven surfaces with some hard edges.
func texture(w, h int, seed uint64) []float64 {
	rng := rand.New(rand.NewPCG(seed, 11))
	out := make([]float64, w*h)
	for i := range out {
		out[i] = 100 + 25*float64(i/w)/float64(h)
	}
	for _, cell := range []int{40, 12, 5} {
		gw, gh := w/cell+2, h/cell+2
		knots := make([]float64, gw*gh)
		for i := range knots {
			knots[i] = rng.NormFloat64() * 10
		}
		for y := range h {
			for x := range w {
				fx, fy := float64(x)/float64(cell), float64(y)/float64(cell)
				i, j := int(fx), int(fy)
				fx, fy = fx-float64(i), fy-float64(j)
				k := j*gw + i
				out[y*w+x] += (knots[k]*(1-fx)+knots[k+1]*fx)*(1-fy) + (knots[k+gw]*(1-fx)+knots[k+gw+1]*fx)*fy
			}
		}
	}
	for range 6 { // doors, posts, stones
		x0, y0, bw, bh := rng.IntN(w), rng.IntN(h), 10+rng.IntN(50), 10+rng.IntN(60)
		v := rng.NormFloat64() * 30
		for y := y0; y < min(h, y0+bh); y++ {
			for x := x0; x < min(w, x0+bw); x++ {
				out[y*w+x] += v
			}
		}
	}
	return out
}

// picture draws the scene at t.
func (s *scene) picture(t float64, out []byte) nvr.Grey {
	pix := s.pix
	copy(pix, s.base)
	for _, l := range s.layers {
		l(pix, t)
	}
	from := s.rng.IntN(len(s.grain) - len(pix))
	for i, v := range pix {
		out[i] = uint8(max(0, min(255, v+s.grain[from+i]+0.5)))
	}
	return nvr.Grey{PTS: epoch + int64(t*ticks), Width: s.w, Height: s.h, Pix: out}
}

const epoch = 1_790_000_000 * ticks

// reported is an event as the detector told it; times in seconds of the scene.
type reported struct {
	start, told, end, over float64 // over: when its end was told
	box                    nvr.Box
	score                  float64
	best                   int
	cells                  nvr.MotionMap
}

// play shows a scene to a detector for some seconds.
func play(d *Detector, s *scene, seconds float64) []reported {
	var out []reported
	buf := make([]byte, s.w*s.h)
	in := func(pts int64) float64 { return float64(pts-epoch) / ticks }
	take := func(r Result, t float64) {
		if r.Phase == Quiet {
			return
		}
		if r.Phase == Began {
			out = append(out, reported{start: in(r.Start), told: t})
		}
		e := &out[len(out)-1]
		e.end, e.box, e.score = in(r.End), r.Box, r.Score
		if r.Phase == Ended {
			e.over = t
		}
		e.cells.Add(&r.Map)
		if r.Best {
			e.best++
		}
	}
	for i := 0; float64(i)*s.every < seconds; i++ {
		t := float64(i) * s.every
		take(d.Observe(s.picture(t, buf)), t)
	}
	take(d.End(), seconds)
	return out
}

// box draws a thing of its own texture whose feet stand at x, y (pixels).
func box(w, bw, bh int, seed uint64, contrast float64, at func(t float64) (x, y float64, ok bool)) layer {
	skin := texture(bw, bh, seed)
	return func(pix []float64, t float64) {
		x, y, ok := at(t)
		if !ok {
			return
		}
		x0, y0 := int(math.Round(x))-bw/2, int(math.Round(y))-bh
		for dy := range bh {
			for dx := range bw {
				px, py := x0+dx, y0+dy
				if px < 0 || py < 0 || px >= w || py >= len(pix)/w {
					continue
				}
				// Rounded, as bodies are.
				u, v := float64(dx)/float64(bw)*2-1, float64(dy)/float64(bh)*2-1
				if u*u*u*u+v*v*v*v > 1 {
					continue
				}
				old := &pix[py*w+px]
				*old += (skin[dy*bw+dx] - 60 - *old) * contrast
			}
		}
	}
}

// walk goes from x0 at t0 with a speed in pixels a second, along y.
func walk(t0, t1, x0, y, speed float64) func(float64) (float64, float64, bool) {
	return func(t float64) (float64, float64, bool) { return x0 + (t-t0)*speed, y, t >= t0 && t < t1 }
}

// gain multiplies the light; far says how much more it does at the right edge.
func gain(w int, of func(t float64) float64, far float64) layer {
	return func(pix []float64, t float64) {
		g := of(t) - 1
		for i := range pix {
			pix[i] *= 1 + g*(1+far*float64(i%w)/float64(w))
		}
	}
}

// spot adds light with soft edges around a place.
func spot(w int, radius, amount float64, at func(t float64) (x, y float64, ok bool)) layer {
	return func(pix []float64, t float64) {
		x, y, ok := at(t)
		if !ok {
			return
		}
		for i := range pix {
			dx, dy := float64(i%w)-x, float64(i/w)-y
			pix[i] *= 1 + amount*math.Exp(-(dx*dx+dy*dy)/(2*radius*radius))
		}
	}
}

// sway replaces a part of the picture by foliage that moves to and fro by reach
// pixels in period seconds, each bough at its own time.
func sway(w int, x0, y0, x1, y1 int, reach, period float64, seed uint64) layer {
	h := y1 - y0
	rng := rand.New(rand.NewPCG(seed, 3))
	leaves := texture(2*w, h, seed)
	for i := range leaves {
		if rng.IntN(9) == 0 {
			leaves[i] += 60
		}
	}
	gust := func(t, row float64) float64 {
		return reach * (math.Sin(2*math.Pi*t/period+row/15) + 0.5*math.Sin(2*math.Pi*t/period*2.37+row/7)) / 1.5
	}
	return func(pix []float64, t float64) {
		for y := y0; y < y1; y++ {
			off := gust(t, float64(y))
			for x := x0; x < x1; x++ {
				f := float64(x) + 50 + off
				i := int(f)
				f -= float64(i)
				row := (y - y0) * 2 * w
				pix[y*w+x] = leaves[row+i]*(1-f) + leaves[row+i+1]*f
			}
		}
	}
}

// streaks draws rain: n bright lines of some pixels, elsewhere in each picture.
func streaks(w, n, length int, bright float64, seed uint64) layer {
	rng := rand.New(rand.NewPCG(seed, 5))
	return func(pix []float64, _ float64) {
		h := len(pix) / w
		for range n {
			x, y := rng.Float64()*float64(w), rng.IntN(h)
			for k := range length {
				px, py := int(x+float64(k)*0.2), y+k
				if px < w && py < h {
					pix[py*w+px] += bright
				}
			}
		}
	}
}

// flakes draws snow that falls slowly past the lens.
func flakes(w, n int, radius, speed float64, seed uint64) layer {
	rng := rand.New(rand.NewPCG(seed, 9))
	type flake struct{ x, y, v, r, p float64 }
	all := make([]flake, n)
	for i := range all {
		all[i] = flake{rng.Float64() * float64(w), rng.Float64() * 200, speed * (0.5 + rng.Float64()), radius * (0.5 + rng.Float64()), rng.Float64() * 6}
	}
	return func(pix []float64, t float64) {
		h := len(pix) / w
		for _, f := range all {
			y := math.Mod(f.y+f.v*t, float64(h)+20) - 10
			x := math.Mod(f.x+8*math.Sin(t+f.p)+37*math.Floor((f.y+f.v*t)/(float64(h)+20)), float64(w))
			for py := max(0, int(y-f.r)); py < min(h, int(y+f.r)+1); py++ {
				for px := max(0, int(x-f.r)); px < min(w, int(x+f.r)+1); px++ {
					pix[py*w+px] += 70
				}
			}
		}
	}
}

// insect draws a bright blurred dot that flies about a lamp.
func insect(w int, radius, speed float64, seed uint64, from, to float64) layer {
	rng := rand.New(rand.NewPCG(seed, 13))
	x, y, a, last := 100.0, 80.0, 0.0, -1.0
	return func(pix []float64, t float64) {
		if last < 0 {
			last = t
		}
		for ; last < t; last += 0.02 { // it turns all the time
			a += rng.NormFloat64() * 0.5
			x, y = x+speed*0.02*math.Cos(a), y+speed*0.02*math.Sin(a)
			if x < 5 || x > float64(w)-5 || y < 5 || y > 175 {
				a += math.Pi
				x, y = max(5, min(float64(w)-5, x)), max(5, min(175, y))
			}
		}
		if t < from || t >= to {
			return
		}
		// Smeared over the exposure.
		for k := range 5 {
			ex, ey := x-float64(k)*speed*0.008*math.Cos(a), y-float64(k)*speed*0.008*math.Sin(a)
			for py := max(0, int(ey-3*radius)); py < min(len(pix)/w, int(ey+3*radius)); py++ {
				for px := max(0, int(ex-3*radius)); px < min(w, int(ex+3*radius)); px++ {
					dx, dy := float64(px)-ex, float64(py)-ey
					pix[py*w+px] += 22 * math.Exp(-(dx*dx+dy*dy)/(2*radius*radius))
				}
			}
		}
	}
}

// shake moves the whole picture by some pixels.
func shake(w int, reach, period float64, seed uint64) layer {
	rng := rand.New(rand.NewPCG(seed, 17))
	return func(pix []float64, t float64) {
		dx := reach*math.Sin(2*math.Pi*t/period) + rng.NormFloat64()*reach/3
		src := append([]float64(nil), pix...)
		for y := range len(pix) / w {
			for x := range w {
				f := max(0, min(float64(w-2), float64(x)+dx))
				i := int(f)
				f -= float64(i)
				pix[y*w+x] = src[y*w+i]*(1-f) + src[y*w+i+1]*f
			}
		}
	}
}

// pulse coarsens the picture as a key frame of a starved encoder does, every two
// seconds, and lets it recover.
func pulse(w int) layer {
	return func(pix []float64, t float64) {
		q := 14 - 10*math.Mod(t, 2)/2
		for y := 0; y+8 <= len(pix)/w; y += 8 {
			for x := 0; x+8 <= w; x += 8 {
				mean := 0.0
				for k := range 64 {
					mean += pix[(y+k/8)*w+x+k%8] / 64
				}
				for k := range 64 {
					v := &pix[(y+k/8)*w+x+k%8]
					*v = mean + math.Round((*v-mean)/q)*q
				}
			}
		}
	}
}

// other turns the picture into one under other light: what is bright in the day
// need not be in infra-red.
func other(from float64, seed uint64, w int) layer {
	infra := texture(w, 180, seed)
	return func(pix []float64, t float64) {
		if t < from {
			return
		}
		for i := range pix {
			pix[i] = 0.4*pix[i] + 0.6*(infra[i]-20)
		}
	}
}
