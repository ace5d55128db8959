package motion

import (
	"math"
	"math/rand/v2"
	"testing"

	"lares/nvr"
)

// way is that of somebody along the line of sight: her height in the picture goes
// from h0 to h1 and her feet from y0 to y1, in pixels, from t0 to t1.
type way struct{ y0, y1, h0, h1, t0, t1 float64 }

// approach draws somebody at x who goes a way at an even speed, and stands for a
// second at its end. Her size is one over her distance.
func approach(x float64, w way, seed uint64) layer {
	const skinW, skinH = 60, 160
	skin := texture(skinW, skinH, seed)
	return func(pix []float64, t float64) {
		if t < w.t0 || t >= w.t1+1 {
			return
		}
		part := min(1, (t-w.t0)/(w.t1-w.t0))
		h := 1 / (1/w.h0 + part*(1/w.h1-1/w.h0))
		y, wide := w.y0+(w.y1-w.y0)*(h-w.h0)/(w.h1-w.h0), h*skinW/skinH
		for py := max(0, int(y-h)); py < min(len(pix)/picWidth, int(y)); py++ {
			for px := max(0, int(x-wide/2)); px < min(picWidth, int(x+wide/2)); px++ {
				sx := max(0, min(skinW-1, int((float64(px)-x+wide/2)/wide*skinW)))
				sy := max(0, min(skinH-1, int((float64(py)-y+h)/h*skinH)))
				pix[py*picWidth+px] = skin[sy*skinW+sx] - 60
			}
		}
	}
}

func TestWhoComesStraightAtTheCameraIsFound(t *testing.T) {
	dark := gain(picWidth, func(float64) float64 { return 0.12 }, 0)
	for name, c := range map[string]struct {
		way   way
		night bool
		may   int // be missed, of six
	}{
		"comes":          {way{100, 135, 20, 90, 30, 36}, false, 0},
		"comes at night": {way{100, 135, 20, 90, 30, 36}, true, 0},
		"goes":           {way{135, 100, 90, 20, 30, 36}, false, 1},
		"goes at night":  {way{135, 100, 90, 20, 30, 36}, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			missed := 0
			for seed := uint64(50); seed < 56; seed++ {
				noise, layers := 2.0, []layer{approach(160, c.way, seed)}
				if c.night {
					noise, layers = 0.8, append(layers, dark)
				}
				got := play(NewDetector(nvr.MotionSettings{}), newScene(seed, noise, layers...), c.way.t1+8)
				if len(got) == 0 {
					missed++
				} else if e := got[0]; len(got) > 1 || e.start < c.way.t0-0.5 || e.told > c.way.t0+5.3 {
					t.Errorf("seed %d: %+v", seed, got)
				}
			}
			if missed > c.may {
				t.Errorf("missed %d of 6", missed)
			}
		})
	}
}

// gusty draws a tree that stands still but for wind, 0 to 1: it bends by reach
// pixels and sways about that.
func gusty(w, x0, y0, x1, y1 int, reach, period float64, seed uint64, wind func(t float64) float64) layer {
	rng := rand.New(rand.NewPCG(seed, 3))
	leaves := texture(2*w, y1-y0, seed)
	for i := range leaves {
		if rng.IntN(9) == 0 {
			leaves[i] += 60
		}
	}
	return func(pix []float64, t float64) {
		for y := y0; y < y1; y++ {
			row := float64(y)
			off := reach * wind(t) * (1 + math.Sin(2*math.Pi*t/period+row/15) + 0.5*math.Sin(2*math.Pi*t/period*2.37+row/7)) / 2.5
			for x := x0; x < x1; x++ {
				f := float64(x) + 50 + off
				i := int(f)
				f -= float64(i)
				at := (y-y0)*2*w + i
				pix[y*w+x] = leaves[at]*(1-f) + leaves[at+1]*f
			}
		}
	}
}

// gusts is wind that rises within up seconds, lasts and pauses, again and again.
func gusts(from, up, lasts, pause float64) func(float64) float64 {
	return func(t float64) float64 {
		if t < from {
			return 0
		}
		t = math.Mod(t-from, 2*up+lasts+pause)
		return max(0, min(1, t/up, (2*up+lasts-t)/up))
	}
}

func TestGustsAfterACalmStayQuiet(t *testing.T) {
	for seed := uint64(1); seed < 5; seed++ {
		s := newScene(seed, 2, gusty(picWidth, 100, 10, 220, 120, 8, 2.2, seed+5, gusts(25, 0.6, 5, 12)))
		if got := play(NewDetector(nvr.MotionSettings{}), s, 65); len(got) > 0 {
			t.Errorf("seed %d: %+v", seed, got)
		}
	}
}

// leafy is a grid of which the middle shows leaves, off by some points from those
// that the background shows, and the blob of it.
func leafy(seed uint64, off int) (*grid, blob) {
	leaves := func(seed uint64) []byte {
		rng := rand.New(rand.NewPCG(seed, 1))
		out := make([]byte, 120*80)
		for i := range out {
			out[i] = uint8(80 + rng.IntN(80))
		}
		return out
	}
	g := newGrid(120, 80)
	g.load(leaves(1))
	g.bg.restart(g.cur, g.w)
	now := leaves(seed)
	g.load(append(now[off:], now[:off]...))
	b := blob{label: 1, tx0: 5, ty0: 5, tx1: 14, ty1: 14, solid: 100, tiles: 100}
	for ty := b.ty0; ty <= b.ty1; ty++ {
		for tx := b.tx0; tx <= b.tx1; tx++ {
			g.label[ty*g.tw+tx], g.kind[ty*g.tw+tx] = 1, solid
		}
	}
	return g, b
}

func TestWhatSwaysIsFoundInTheBackground(t *testing.T) {
	for name, c := range map[string]struct {
		seed uint64
		off  int // points
		want float64
	}{
		"a little off its place": {1, swayReach, 1},
		"far off its place":      {1, 20, 0},
		"something else":         {2, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			g, b := leafy(c.seed, c.off)
			if got := g.swayed(&b); got != c.want {
				t.Errorf("%.2f, want %.0f", got, c.want)
			}
		})
	}
}

func TestWhatGrowsSteadilyComesNear(t *testing.T) {
	for name, c := range map[string]struct {
		by    func(i int) float64 // growth of a picture
		lasts float64             // seconds
		seed  uint64              // 1: what it shows is in the background nearby
		nears bool
	}{
		"steadily":      {func(int) float64 { return 0.06 }, 2, 2, true},
		"only just":     {func(int) float64 { return 0.06 }, 1, 2, false},
		"hardly":        {func(int) float64 { return 0.01 }, 2, 2, false},
		"to and fro":    {func(i int) float64 { return 0.06 + 0.15*float64(i%2*2-1) }, 2, 2, false},
		"like a gust":   {func(i int) float64 { return 0.02 + float64(i/9)*0.4 }, 2, 2, false},
		"as leaves do":  {func(int) float64 { return 0.06 }, 2, 1, false},
		"what gets far": {func(int) float64 { return -0.06 }, 2, 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			g, b := leafy(c.seed, swayReach)
			tr := track{blob: b, seen: int64(c.lasts * ticks)}
			for i := range int(c.lasts * 5) {
				tr.growth.add(c.by(i), 0.2, math.Exp(-0.2/memory))
			}
			if got := tr.nearing(g); got > 0 != c.nears {
				t.Errorf("%.2f", got)
			}
		})
	}
}
