package main

import "testing"

// The first frame must follow from the last one as if time had just gone on.
func TestTheSceneIsALoop(t *testing.T) {
	still := newCanvas(sceneW/4, sceneH/4)
	background(still)
	first, again := newCanvas(still.w, still.h), newCanvas(still.w, still.h)
	frame(first, still, 0)
	frame(again, still, period)
	for i := range first.pix {
		if d := first.pix[i] - again.pix[i]; d > 1e-3 || d < -1e-3 {
			t.Fatalf("pixel %d, %d differs by %v after one loop", i/3%first.w, i/3/first.w, d)
		}
	}
}

// Somebody walks through in some part of the loop and nobody in another: that
// is what a newcomer wants to see on a day's ruler.
func TestSomebodyComesAndGoes(t *testing.T) {
	var busy, empty int
	for s := range period {
		seen := false
		for _, a := range actors() {
			if _, _, _, _, here := at(a.way, float64(s)); here {
				seen = true
			}
		}
		if seen {
			busy++
		} else {
			empty++
		}
	}
	if busy < 20 || empty < 5 {
		t.Errorf("somebody is seen in %d s and nobody in %d s of the loop", busy, empty)
	}
}

func TestEveryLetterOfTheCaptionsIsDrawn(t *testing.T) {
	for _, r := range "Laresdemo0123456789:" {
		if strokes, _ := glyph(r); len(strokes) == 0 {
			t.Errorf("no strokes for %q", r)
		}
	}
}
