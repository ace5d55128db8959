package motion

import (
	"math"
	"reflect"
	"testing"

	"lares/nvr"
)

// person is a layer with somebody in the middle distance.
func person(seed uint64, at func(float64) (float64, float64, bool)) layer {
	return box(picWidth, 18, 48, seed, 1, at)
}

func TestAParkedCarEndsTheEventAndLeavesAnother(t *testing.T) {
	car := func(t float64) (float64, float64, bool) {
		switch {
		case t < 25:
			return 0, 0, false
		case t < 28:
			return -30 + 60*(t-25), 150, true
		case t < 80:
			return 150, 150, true
		default:
			return 150 + 60*(t-80), 150, true
		}
	}
	got := play(NewDetector(nvr.MotionSettings{}), newScene(60, 2, box(picWidth, 70, 34, 4, 1, car)), 120)
	if len(got) != 2 {
		t.Fatalf("got %+v, want an event for coming and one for going", got)
	}
	in, out := got[0], got[1]
	if in.end < 27 || in.end > 30 || in.over < in.end+hold || in.over > in.end+standTime+2 {
		t.Errorf("came until 28, stood then: ended at %.1f, told at %.1f", in.end, in.over)
	}
	if out.start < 79.5 || out.told > 81 || out.end < 82 || out.end > 86 || out.over > out.end+hold+1 {
		t.Errorf("went from 80 to 84: %+v", out)
	}
}

func TestWhatWasBehindAThingIsNoThing(t *testing.T) {
	// The car stands there when the first picture is taken and goes after a while.
	car := func(t float64) (float64, float64, bool) { return 150 + 60*max(0, t-25), 150, true }
	got := play(NewDetector(nvr.MotionSettings{}), newScene(61, 2, box(picWidth, 70, 34, 4, 1, car)), 60)
	if len(got) != 1 || got[0].end > 30 || got[0].over > 36 {
		t.Fatalf("went from 25 to 29: %+v", got)
	}
}

func TestTheBoxIsAroundTheThing(t *testing.T) {
	d := NewDetector(nvr.MotionSettings{})
	s := newScene(62, 2, person(1, walk(25, 40, 20, 140, 30)))
	buf := make([]byte, s.w*s.h)
	seen := 0
	for i := range 150 {
		at := float64(i) * s.every
		r := d.Observe(s.picture(at, buf))
		if !r.Moving {
			if !r.Map.Empty() || r.Best {
				t.Fatalf("nothing moves at %.1f, but %+v", at, r)
			}
			continue
		}
		seen++
		x := 20 + 30*(at-25)
		want := nvr.Box{X: (x - 9) / 320, Y: 92.0 / 180, W: 18.0 / 320, H: 48.0 / 180}
		for _, off := range []float64{r.Box.X - want.X, r.Box.Y - want.Y, r.Box.W - want.W, r.Box.H - want.H} {
			if math.Abs(off) > 0.04 {
				t.Errorf("at %.1f: box %.3v, want %.3v", at, r.Box, want)
			}
		}
		if !r.Map.Touches(want) || r.Map.Touches(nvr.Box{X: 0, Y: 0, W: 0.9, H: 0.3}) {
			t.Errorf("at %.1f: map %x", at, r.Map)
		}
	}
	if seen < 20 {
		t.Errorf("seen in %d pictures", seen)
	}
}

func TestSettings(t *testing.T) {
	left := []nvr.Point{{X: 0, Y: 0}, {X: 0.5, Y: 0}, {X: 0.5, Y: 1}, {X: 0, Y: 1}}
	right := []nvr.Point{{X: 0.5, Y: 0}, {X: 1, Y: 0}, {X: 1, Y: 1}, {X: 0.5, Y: 1}}
	for name, c := range map[string]struct {
		s    nvr.MotionSettings
		want int
	}{
		"default":                   {nvr.MotionSettings{}, 1},
		"high":                      {nvr.MotionSettings{Sensitivity: nvr.HighSensitivity}, 1},
		"low":                       {nvr.MotionSettings{Sensitivity: nvr.LowSensitivity}, 1},
		"ignored where it walks":    {nvr.MotionSettings{Zones: []nvr.Zone{{Ignore: true, Points: left}}}, 0},
		"ignored elsewhere":         {nvr.MotionSettings{Zones: []nvr.Zone{{Ignore: true, Points: right}}}, 1},
		"watched where it walks":    {nvr.MotionSettings{Zones: []nvr.Zone{{Points: left}}}, 1},
		"watched elsewhere":         {nvr.MotionSettings{Zones: []nvr.Zone{{Points: right}}}, 0},
		"ignored within watched":    {nvr.MotionSettings{Zones: []nvr.Zone{{Points: left}, {Ignore: true, Points: left}}}, 0},
		"larger things only":        {nvr.MotionSettings{MinSize: 0.1}, 0},
		"things of its size or so":  {nvr.MotionSettings{MinSize: 0.008}, 1},
		"a zone without points":     {nvr.MotionSettings{Zones: []nvr.Zone{{Ignore: true}}}, 1},
		"two watched, one is right": {nvr.MotionSettings{Zones: []nvr.Zone{{Points: right}, {Points: left}}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(63, 2, person(1, walk(25, 28, 20, 140, 40)))
			if got := play(NewDetector(c.s), s, 35); len(got) != c.want {
				t.Errorf("got %+v, want %d events", got, c.want)
			}
		})
	}
}

func TestSettingsApplyAtOnceAndForgetNothing(t *testing.T) {
	everything := []nvr.Zone{{Ignore: true, Points: []nvr.Point{{X: 0, Y: 0}, {X: 1, Y: 0}, {X: 1, Y: 1}, {X: 0, Y: 1}}}}
	d := NewDetector(nvr.MotionSettings{Zones: everything})
	s := newScene(64, 2, person(1, walk(25, 35, 20, 140, 25)))
	buf := make([]byte, s.w*s.h)
	for i := range 175 {
		at := float64(i) * s.every
		if i == 140 { // 28 s
			d.Configure(nvr.MotionSettings{})
		}
		r := d.Observe(s.picture(at, buf))
		if i < 140 && r.Phase != Quiet {
			t.Fatalf("at %.1f: %+v in a zone that is ignored", at, r)
		}
		if r.Phase == Began {
			if at > 29 {
				t.Errorf("told at %.1f, a second after the zone went", at)
			}
			return
		}
	}
	t.Error("nothing found after the zone went")
}

func TestALongEventIsSplit(t *testing.T) {
	traffic := func(t float64) (float64, float64, bool) { return math.Mod(t*60, 400) - 40, 150, true }
	s := newScene(65, 2, box(picWidth, 60, 30, 4, 1, traffic))
	s.every = 0.4
	got := play(NewDetector(nvr.MotionSettings{}), s, 2.2*maxEvent)
	if len(got) != 3 {
		t.Fatalf("%d events, want 3", len(got))
	}
	for i, e := range got[:2] {
		if e.over-e.start > maxEvent+1 || got[i+1].start < e.end || got[i+1].start > e.over+1 {
			t.Errorf("event %d: %+v, then %+v", i, e, got[i+1])
		}
	}
}

func TestTimesThatJump(t *testing.T) {
	s := newScene(66, 2, person(1, walk(25, 40, 20, 140, 25)))
	buf := make([]byte, s.w*s.h)
	for name, c := range map[string]struct {
		shift float64 // seconds, from 28 s on
		ends  bool
	}{
		"on":              {0, false},
		"some seconds":    {3, false},
		"a long gap":      {gapReset + 1, true},
		"back a little":   {-0.3, false},
		"back":            {-5, true},
		"the same moment": {-0.2, false},
	} {
		t.Run(name, func(t *testing.T) {
			d := NewDetector(nvr.MotionSettings{})
			on := false
			for i := range 141 {
				p := s.picture(float64(i)*s.every, buf)
				if i == 140 {
					p.PTS += int64(c.shift * ticks)
				}
				r := d.Observe(p)
				if i == 139 {
					on = r.Phase == Lasts
				}
				if i == 140 && (!on || (r.Phase == Ended) != c.ends) {
					t.Errorf("moving before: %v, then %+v", on, r)
				}
			}
		})
	}
}

func TestEndClosesTheEventOnce(t *testing.T) {
	d := NewDetector(nvr.MotionSettings{})
	if r := d.End(); r != (Result{}) {
		t.Errorf("end of nothing: %+v", r)
	}
	s := newScene(67, 2, person(1, walk(25, 40, 20, 140, 25)))
	buf := make([]byte, s.w*s.h)
	for i := range 140 {
		d.Observe(s.picture(float64(i)*s.every, buf))
	}
	r := d.End()
	if r.Phase != Ended || r.Number != 1 || r.Start >= r.End || r.Box == (nvr.Box{}) || r.Score <= 0 {
		t.Errorf("end: %+v", r)
	}
	if r := d.End(); r.Phase != Quiet {
		t.Errorf("end again: %+v", r)
	}
}

func TestTheSamePicturesGiveTheSameEvents(t *testing.T) {
	once := func() []reported {
		s := newScene(68, 4, sway(picWidth, 100, 10, 220, 120, 4, 2.2, 5), streaks(picWidth, 40, 18, 30, 1), person(1, walk(25, 35, 20, 150, 35)))
		return play(NewDetector(nvr.MotionSettings{}), s, 40)
	}
	a, b := once(), once()
	if len(a) == 0 || !reflect.DeepEqual(a, b) {
		t.Errorf("%+v and %+v", a, b)
	}
}

func TestNoAllocationOncePicturesFlow(t *testing.T) {
	s := newScene(69, 2, sway(picWidth, 100, 10, 220, 120, 4, 2.2, 5), streaks(picWidth, 150, 18, 30, 1), person(1, walk(0, 400, 0, 150, 2)))
	d := NewDetector(nvr.MotionSettings{Zones: []nvr.Zone{{Ignore: true}}})
	pictures := make([]nvr.Grey, 20)
	for i := range pictures {
		pictures[i] = s.picture(float64(i)*s.every, make([]byte, s.w*s.h))
	}
	pts := int64(epoch)
	next := func() {
		for _, p := range pictures {
			pts += ticks / 5
			p.PTS = pts
			d.Observe(p)
		}
	}
	next()
	if n := testing.AllocsPerRun(5, next); n != 0 {
		t.Errorf("%v allocations in %d pictures", n, len(pictures))
	}
}

// FuzzObserve shows pictures of all shapes at all times.
func FuzzObserve(f *testing.F) {
	f.Add(uint16(320), uint16(180), int64(18000), []byte{1, 2, 3, 200})
	f.Add(uint16(7), uint16(900), int64(-18000), []byte{0})
	f.Add(uint16(0), uint16(0), int64(0), []byte{})
	f.Add(uint16(1000), uint16(9), int64(1)<<62, []byte{255, 0})
	f.Fuzz(func(t *testing.T, w, h uint16, step int64, seed []byte) {
		width, height := int(w%1200), int(h%1200)
		d := NewDetector(nvr.MotionSettings{Sensitivity: nvr.HighSensitivity})
		p := nvr.Grey{Width: width, Height: height, Pix: make([]byte, width*height), PTS: epoch}
		for i := range 6 {
			for k := range p.Pix {
				if len(seed) > 0 {
					p.Pix[k] = seed[(k*(i+1)+k/7)%len(seed)]
				}
			}
			p.PTS += step
			r := d.Observe(p)
			b := r.Box
			if b.X < 0 || b.Y < 0 || b.W < 0 || b.H < 0 || b.X+b.W > 1+1e-9 || b.Y+b.H > 1+1e-9 || r.Score < 0 || r.Score > 1 {
				t.Fatalf("%+v", r)
			}
			if !r.Moving && (r.Best || !r.Map.Empty()) || r.Phase == Quiet && r != (Result{}) {
				t.Fatalf("%+v", r)
			}
		}
		d.End()
	})
}
