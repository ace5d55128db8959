package camera

import (
	"testing"
	"testing/synctest"
	"time"

	"lares/nvr"
)

// bench is a timeline with clocks of its own.
type bench struct {
	timeline
	now instant
}

func newBench() *bench {
	return &bench{now: instant{wall: time.Date(2026, 3, 29, 0, 59, 0, 0, time.UTC)}}
}

func (b *bench) pass(d time.Duration) {
	b.now.wall = b.now.wall.Add(d)
	b.now.mono += d
}

func TestTimeFollowsTheRTPClockAndNotTheJitterOfTheNetwork(t *testing.T) {
	b := newBench()
	stamp := uint32(0xFFFF_F000) // wraps soon
	first := b.at(stamp, b.now).ticks
	if got := nvr.TickTime(first); !got.Equal(b.now.wall) {
		t.Errorf("anchored at %v, want %v", got, b.now.wall)
	}
	for i := int64(1); i < 1000; i++ {
		b.pass(time.Duration(20+40*(i%2)) * time.Millisecond)
		stamp += 3600
		m := b.at(stamp, b.now)
		if m.ticks != first+3600*i || m.stepped {
			t.Fatalf("picture %d: %d ticks, stepped %v", i, m.ticks-first, m.stepped)
		}
	}
}

func TestSaneSenderReportsAnchorTheTime(t *testing.T) {
	for name, c := range map[string]struct {
		offsets []time.Duration // of the camera's clock in its reports
		trusted bool
	}{
		"sane":         {[]time.Duration{-time.Second / 4, -time.Second / 4}, true},
		"one":          {[]time.Duration{-time.Second / 4}, true},
		"minutes off":  {[]time.Duration{4 * time.Minute, 4 * time.Minute}, false},
		"inconsistent": {[]time.Duration{-time.Second, time.Second}, false},
		"from 1970":    {[]time.Duration{-56 * 365 * 24 * time.Hour}, false},
		"none":         {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench()
			stamp := uint32(5000)
			for _, offset := range c.offsets {
				b.reports.add(report{ntp: b.now.wall.Add(offset), stamp: stamp, at: b.now}, nvr.ClockRate)
				b.pass(time.Second)
				stamp += nvr.ClockRate
			}
			got := nvr.TickTime(b.at(stamp, b.now).ticks)
			if trusted := !got.Equal(b.now.wall); trusted != c.trusted {
				t.Errorf("anchored at %v, arrival was %v", got, b.now.wall)
			}
		})
	}
}

func TestStepsAreReportedUntilAnchoredAnew(t *testing.T) {
	for name, step := range map[string]func(*bench, *uint32){
		"wall clock back":    func(b *bench, _ *uint32) { b.now.wall = b.now.wall.Add(-time.Hour) },
		"wall clock to 2040": func(b *bench, _ *uint32) { b.now.wall = b.now.wall.AddDate(14, 0, 0) },
		"RTP forwards":       func(_ *bench, s *uint32) { *s += 600 * nvr.ClockRate },
		"RTP backwards":      func(_ *bench, s *uint32) { *s -= 600 * nvr.ClockRate },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench()
			stamp := uint32(0)
			last := b.at(stamp, b.now).ticks
			step(b, &stamp)
			for range 5 {
				b.pass(40 * time.Millisecond)
				stamp += 3600
				m := b.at(stamp, b.now)
				if !m.stepped {
					t.Fatal("not reported")
				}
				if d := m.ticks - last; d < 3599 || d > 3601 {
					t.Errorf("%d ticks after the picture before", d)
				}
				last = m.ticks
			}
			b.anchored = false
			if got := nvr.TickTime(b.at(stamp, b.now).ticks); !got.Equal(b.now.wall) {
				t.Errorf("anchored at %v, want %v", got, b.now.wall)
			}
			b.pass(40 * time.Millisecond)
			if b.at(stamp+3600, b.now).stepped {
				t.Error("still reported")
			}
		})
	}
}

func TestStallOfTheNetworkIsNoStep(t *testing.T) {
	b := newBench()
	b.at(0, b.now)
	b.pass(8 * time.Second)
	for i := uint32(1); i <= 200; i++ { // all at once
		if m := b.at(i*3600, b.now); m.stepped {
			t.Fatalf("picture %d after the stall: stepped", i)
		}
	}
}

func TestDriftOfTheCameraQuartzIsTakenOut(t *testing.T) {
	for _, ppm := range []int64{100, -100} {
		b := newBench()
		start := b.at(0, b.now).ticks
		var ticks int64
		for second := int64(1); second <= 24*3600; second++ {
			b.pass(time.Second)
			stamp := second*nvr.ClockRate + second*nvr.ClockRate*ppm/1e6
			m := b.at(uint32(stamp), b.now)
			if m.stepped {
				t.Fatalf("stepped after %d s", second)
			}
			if d := m.ticks - ticks; second > 1 && (d < nvr.ClockRate-100 || d > nvr.ClockRate+100) {
				t.Fatalf("a second of %d ticks", d)
			}
			ticks = m.ticks
		}
		off := nvr.TickDuration(ticks - start - 24*3600*nvr.ClockRate)
		if off.Abs() > 500*time.Millisecond {
			t.Errorf("%d ppm: %v off after a day", ppm, off)
		}
	}
}

func TestPausesGrowToAMinute(t *testing.T) {
	var b backoff
	least := time.Second
	for range 12 {
		p := b.pause()
		if p < least || p > time.Minute || p > least*3/2 {
			t.Errorf("pause of %v, want from %v", p, least)
		}
		least = min(2*least, time.Minute)
	}
	b.worked(time.Second)
	if p := b.pause(); p != time.Minute {
		t.Errorf("pause of %v after a short connection", p)
	}
	b.worked(time.Minute)
	if p := b.pause(); p > 1500*time.Millisecond {
		t.Errorf("pause of %v after a long connection", p)
	}
}

func TestFinalFailuresWaitForTheOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		again := make(chan struct{})
		start := time.Now()
		if !sleep(t.Context(), again, failure{}, time.Minute) || time.Since(start) != time.Minute {
			t.Errorf("a failure waited %v", time.Since(start))
		}
		woken := make(chan bool)
		go func() { woken <- sleep(t.Context(), again, failure{final: true}, time.Second) }()
		time.Sleep(365 * 24 * time.Hour)
		select {
		case <-woken:
			t.Error("tried again by itself")
		default:
		}
		close(again)
		if !<-woken {
			t.Error("gave up though it was asked to go on")
		}
	})
}

func TestHealthForgetsWhatIsOld(t *testing.T) {
	var h health
	for i := range 3000 {
		h.add(sample{at: time.Duration(i) * 10 * time.Millisecond, size: 125, image: true}, i%100 == 0)
	}
	frames, bits, gop := h.rates(30 * time.Second)
	if frames < 99 || frames > 101 || bits < 99_000 || bits > 101_000 || gop != time.Second {
		t.Errorf("%.1f pictures a second, %.0f bit/s, GOP %v", frames, bits, gop)
	}
	if frames, _, _ = h.rates(time.Hour); frames != 0 {
		t.Errorf("%.1f pictures a second after an hour of silence", frames)
	}
}
