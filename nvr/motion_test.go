package nvr_test

import (
	"testing"

	"lares/nvr"
)

func TestMotionMapKnowsWhereItWasMarked(t *testing.T) {
	var m nvr.MotionMap
	if !m.Empty() {
		t.Fatal("a new map is not empty")
	}
	m.Mark(nvr.Box{X: 0.5, Y: 0.5, W: 0.1, H: 0.1})
	for _, c := range []struct {
		box  nvr.Box
		want bool
	}{
		{nvr.Box{X: 0.52, Y: 0.52, W: 0.01, H: 0.01}, true},
		{nvr.Box{W: 1, H: 1}, true},
		{nvr.Box{W: 0.4, H: 1}, false},
		{nvr.Box{X: 0.7, W: 0.3, H: 1}, false},
		{nvr.Box{W: 1, H: 0.4}, false},
		{nvr.Box{Y: 0.7, W: 1, H: 0.3}, false},
	} {
		if got := m.Touches(c.box); got != c.want {
			t.Errorf("%+v: got %v, want %v", c.box, got, c.want)
		}
	}
	var all nvr.MotionMap
	all.Mark(nvr.Box{W: 1, H: 1})
	for y, row := range all {
		if row != ^uint32(0) {
			t.Fatalf("row %d of a full map is %032b", y, row)
		}
	}
	m.Add(&all)
	if m != all {
		t.Error("adding a full map does not fill it")
	}
}

func TestMotionMapTakesBoxesThatLeaveThePicture(t *testing.T) {
	var m nvr.MotionMap
	m.Mark(nvr.Box{X: -1, Y: 0.9, W: 3, H: 3})
	if m[nvr.MapRows-1] != ^uint32(0) || m[0] != 0 {
		t.Errorf("got %v", m)
	}
}
