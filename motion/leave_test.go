package motion

import (
	"fmt"
	"math"
	"testing"

	"lares/nvr"
)

// leaving walks from the middle of the picture out at an edge: dx, dy is the
// direction, speed in pixels a second. It returns the way and when nothing is
// left to see of somebody of 18 by 48 pixels and her shadow.
func leaving(t0, dx, dy, speed float64) (at func(float64) (float64, float64, bool), gone float64) {
	far := math.Abs(dx)*(160+24) + max(0, dy)*(180-114+48) + max(0, -dy)*(114+24)
	gone = t0 + far/speed
	return func(t float64) (float64, float64, bool) {
		return 160 + dx*speed*(t-t0), 114 + dy*speed*(t-t0), t >= t0 && t < gone
	}, gone
}

func TestWhoLeavesThePictureEndsTheEvent(t *testing.T) {
	for edge, d := range map[string][2]float64{"left": {-1, 0}, "right": {1, 0}, "top": {0, -1}, "bottom": {0, 1}} {
		for _, speed := range []float64{15, 40, 110} {
			at, gone := leaving(25, d[0], d[1], speed)
			shadow := spot(picWidth, 8, -0.4, at)
			for kind, layers := range map[string][]layer{
				"":                          {person(5, at)},
				" in a starved stream":      {shadow, person(5, at), starved(picWidth, 4, 10)},
				" in a very starved stream": {shadow, person(5, at), starved(picWidth, 8, 10)},
			} {
				t.Run(fmt.Sprintf("%s at %.0f%s", edge, speed, kind), func(t *testing.T) {
					got := play(NewDetector(nvr.MotionSettings{}), newScene(70, 1.5, layers...), gone+20)
					if len(got) != 1 {
						t.Fatalf("gone at %.1f: %+v, want one event", gone, got)
					}
					if e := got[0]; e.end < gone-2 || e.end > gone+1 || e.over > e.end+hold+0.5 {
						t.Errorf("gone at %.1f: ended at %.1f, told at %.1f", gone, e.end, e.over)
					}
				})
			}
		}
	}
}

// starved sends a block of eight by eight pixels anew only where it differs from
// what was sent by more than skip grey levels in the mean, as an encoder without
// bits to spend, and all of it every so many seconds. What is not sent anew stays.
func starved(w int, skip, every float64) layer {
	var sent []float64
	key := math.Inf(-1)
	return func(pix []float64, t float64) {
		if t >= key+every || t < key {
			sent, key = append(sent[:0], pix...), t
		}
		for y := 0; y < len(pix)/w; y += 8 {
			for x := 0; x < w; x += 8 {
				diff, n := 0.0, 0.0
				for by := y; by < min(y+8, len(pix)/w); by++ {
					for bx := x; bx < x+8; bx++ {
						diff += math.Abs(pix[by*w+bx] - sent[by*w+bx])
						n++
					}
				}
				if diff/n > skip {
					for by := y; by < min(y+8, len(pix)/w); by++ {
						copy(sent[by*w+x:by*w+x+8], pix[by*w+x:])
					}
				}
			}
		}
		copy(pix, sent)
	}
}

func TestWhoStandsHalfOutOfThePictureIsStillThere(t *testing.T) {
	for edge, d := range map[string][2]float64{"left": {-1, 0}, "right": {1, 0}, "bottom": {0, 1}} {
		t.Run(edge, func(t *testing.T) {
			stop := 25.0 + (math.Abs(d[0])*160+d[1]*(180-114+24))/40
			at := func(t float64) (float64, float64, bool) {
				gone := 40 * (min(t, stop) - 25 - max(0, t-stop-10))
				return 160 + d[0]*gone, 114 + d[1]*gone, t >= 25
			}
			s := newScene(71, 1.5, spot(picWidth, 8, -0.4, at), person(5, at), starved(picWidth, 4, 10))
			if got := play(NewDetector(nvr.MotionSettings{}), s, stop+13); len(got) != 1 || got[0].end < stop+11 {
				t.Errorf("stands from %.1f for ten seconds: %+v", stop, got)
			}
		})
	}
}

// appear draws a thing that stands at x, y and can be seen better and better from
// t0 to t1, and is gone at t2.
func appear(bw, bh int, seed uint64, t0, t1, t2, x, y float64) layer {
	return func(pix []float64, t float64) {
		part := max(0, min(1, (t-t0)/(t1-t0)))
		box(picWidth, bw, bh, seed, part, func(float64) (float64, float64, bool) { return x, y, part > 0 && t < t2 })(pix, t)
	}
}

func TestWhatChangesWhereItIsHoldsNoEvent(t *testing.T) {
	for seed := uint64(72); seed < 78; seed++ {
		s := newScene(seed, 1.5, appear(30, 50, seed, 30, 33, 99, 200, 120))
		got := play(NewDetector(nvr.MotionSettings{}), s, 60)
		for _, e := range got {
			if e.end > 33.5 || e.over > e.end+hold+0.5 {
				t.Errorf("changed from 30 to 33: event from %.1f to %.1f, over at %.1f", e.start, e.end, e.over)
			}
		}
	}
}

func TestWhatChangesWhereItIsHidesNobody(t *testing.T) {
	for gone := 33.2; gone < 34.6; gone += 0.2 {
		s := newScene(72, 1.5, appear(90, 80, 73, 30, 33, gone, 240, 100), person(5, walk(28, 44, 20, 150, 18)))
		got := play(NewDetector(nvr.MotionSettings{}), s, 60)
		if len(got) != 1 || got[0].end < 43 || got[0].end > 45 || got[0].over > 50 {
			t.Errorf("walks from 28 to 44, something large appears at 30 and goes at %.1f: %+v", gone, got)
		}
	}
}
