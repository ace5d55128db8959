package motion

import (
	"testing"

	"lares/nvr"
)

func TestDoubtTellsSooner(t *testing.T) {
	for phase := 0.01; phase < 0.2; phase += 0.06 {
		begins := 25 + phase
		s := newScene(31, 2, person(1, walk(begins, begins+5, 60, 140, 30)))
		s.every = 0.1
		d := NewDetector(nvr.MotionSettings{})
		buf := make([]byte, s.w*s.h)
		suspects, told := false, 0.0
		for i := 0; told == 0 && i < 300; i++ {
			at := float64(i) * s.every
			if d.Observe(s.picture(at, buf)).Phase == Began {
				told = at
			}
			if !d.suspects() {
				continue
			}
			if at > settleTime && at < begins {
				t.Errorf("suspects at %.1f, comes at %.2f", at, begins)
			}
			suspects = true
		}
		if !suspects || told == 0 || told-begins > 0.49 {
			t.Errorf("comes at %.2f, suspected %v, told at %.1f", begins, suspects, told)
		}
		if d.suspects() {
			t.Error("suspects what it told")
		}
	}
}

func TestMorePicturesASecondMakeNoMoreOfRain(t *testing.T) {
	scenes := quietScenes(0)
	for _, name := range []string{"rain", "snow", "large flakes", "insect", "tree in a storm"} {
		s := scenes[name]
		s.every = 0.04
		if got := play(NewDetector(nvr.MotionSettings{}), s, 20); len(got) > 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// A camera that exposes for longer than it says sends each picture twice.
func TestRepeatedPicturesHideNobody(t *testing.T) {
	s := newScene(33, 2, person(2, walk(25, 31, 60, 140, 40)))
	once := play(NewDetector(nvr.MotionSettings{}), s, 40)
	d := NewDetector(nvr.MotionSettings{})
	buf := make([]byte, s.w*s.h)
	told, began := 0, 0.0
	for i := range 200 {
		at := float64(i) * s.every
		p := s.picture(at, buf)
		for range 2 {
			if d.Observe(p).Phase == Began {
				told, began = told+1, at
			}
			p.PTS += ticks / 10
		}
	}
	if len(once) != 1 || told != 1 || began > once[0].told+0.2 {
		t.Errorf("told %d times, at %.1f; shown once: %+v", told, began, once)
	}
}
