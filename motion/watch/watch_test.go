package watch_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"lares/nvr"
)

func TestSomebodyWhoWalksThroughIsOneEventWithAPicture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		s := h.start()
		news := h.bus.Subscribe()
		defer news.Close()
		h.play(10*time.Second, nobody)
		if _, moving := s.Moving(h.camera.ID); moving {
			t.Fatal("something moves in a still scene")
		}
		came := h.next
		h.play(time.Second, walker)
		now, moving := s.Moving(h.camera.ID)
		if !moving {
			t.Fatal("nothing moves")
		}
		began := next(t, news)
		if began.Kind != nvr.Motion || began.ID != now.ID || began.Camera != h.camera.ID {
			t.Fatalf("got %+v", began)
		}
		if late := began.Start.Sub(came); late < 0 || late > 400*time.Millisecond {
			t.Errorf("the event starts %v after somebody came", late)
		}
		h.play(2*time.Second, func(i int) int { return walker(10 + i) })
		h.play(12*time.Second, nobody)
		ended := next(t, news)
		if ended.Kind != nvr.MotionEnded || ended.ID != began.ID || !ended.End.After(ended.Start) {
			t.Fatalf("got %+v", ended)
		}
		h.store.mu.Lock()
		defer h.store.mu.Unlock()
		if len(h.store.events) != 1 || len(h.store.jpegs[0]) == 0 {
			t.Fatalf("stored %d events, pictures %v", len(h.store.events), len(h.store.jpegs))
		}
		e := h.store.events[0]
		if e.ID != began.ID || e.Score <= 0 || e.Score > 1 || len(e.Path) < 2 || e.Box.W <= 0 {
			t.Errorf("stored %+v", e)
		}
		if slices.Equal(h.store.jpegs[0], scene(-1)) {
			t.Error("the picture of the event shows nobody")
		}
		if len(h.store.seconds) == 0 || !slices.Equal(h.store.gate, []string{"began", "ended"}) {
			t.Errorf("%d seconds with motion, gate %v", len(h.store.seconds), h.store.gate)
		}
	})
}

func TestMotionIsOnTheBusWithin400ms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.start()
		news := h.bus.Subscribe()
		defer news.Close()
		h.play(10*time.Second, nobody)
		came := time.Now()
		seen := make(chan time.Duration, 1)
		go func() {
			if _, _, err := news.Next(t.Context()); err == nil {
				seen <- time.Since(came)
			}
		}()
		h.play(3*time.Second, walker)
		select {
		case d := <-seen:
			if d > 400*time.Millisecond {
				t.Errorf("on the bus %v after the first picture", d)
			}
		default:
			t.Fatal("nothing on the bus")
		}
	})
}

func TestAWorkerThatFailsIsTriedAgainAndSaidToFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		s := h.start()
		h.play(3*time.Second, nobody)
		if !s.Detection(h.camera.ID).Works || h.store.blindness(h.camera.ID) != "" {
			t.Fatalf("got %+v", s.Detection(h.camera.ID))
		}
		h.decoder.breakDown(errors.New("worker died"))
		h.play(3*time.Second, nobody)
		if d := s.Detection(h.camera.ID); d.Works || d.Detail == "" || h.store.blindness(h.camera.ID) == "" {
			t.Fatalf("got %+v", d)
		}
		h.decoder.breakDown(nil)
		h.play(6*time.Second, nobody)
		if d := s.Detection(h.camera.ID); !d.Works || d.KeysOnly || h.store.blindness(h.camera.ID) != "" {
			t.Fatalf("got %+v", d)
		}
	})
}

func TestAWorkerThatHangsIsNotTakenForABoxThatIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		s := h.start()
		h.play(10*time.Second, nobody)
		h.decoder.change(func(d *decoder) { d.fail, d.slow = errors.New("no answer in time"), 20*time.Second })
		h.play(2*time.Second, nobody)
		h.decoder.change(func(d *decoder) { d.fail, d.slow = nil, 0 })
		h.play(25*time.Second, nobody)
		if d := s.Detection(h.camera.ID); !d.Works || d.KeysOnly {
			t.Fatalf("got %+v", d)
		}
		h.play(3*time.Second, walker)
		if _, moving := s.Moving(h.camera.ID); !moving {
			t.Error("nothing moves after the worker was replaced")
		}
	})
}

func TestAStreamOfWhichNoPictureComesIsNotLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		s := h.start()
		h.decoder.change(func(d *decoder) { d.blank = true })
		h.play(3*time.Second, nobody)
		if s.Detection(h.camera.ID).Works {
			t.Error("it is said to work before a picture came")
		}
		h.decoder.change(func(d *decoder) { d.blank = false })
		h.play(10*time.Second, nobody)
		h.play(time.Second, walker)
		if _, moving := s.Moving(h.camera.ID); !moving {
			t.Fatal("nothing moves")
		}
		h.decoder.change(func(d *decoder) { d.blank = true })
		h.play(10*time.Second, nobody)
		if d := s.Detection(h.camera.ID); d.Works || d.Detail == "" || h.store.blindness(h.camera.ID) == "" {
			t.Errorf("got %+v", d)
		}
		if _, moving := s.Moving(h.camera.ID); moving {
			t.Error("it still moves although nobody sees anything")
		}
		h.decoder.change(func(d *decoder) { d.blank = false })
		h.play(3*time.Second, nobody)
		if d := s.Detection(h.camera.ID); !d.Works || h.store.blindness(h.camera.ID) != "" {
			t.Errorf("got %+v", d)
		}
	})
}

func TestDetectionIsSwitchedOffAndOnWithoutARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		s := h.start()
		h.play(10*time.Second, nobody)
		h.change(func(c *nvr.Camera) { c.Motion.Off = true })
		if d := s.Detection(h.camera.ID); d.Works || h.store.blindness(h.camera.ID) == "" {
			t.Fatalf("got %+v", d)
		}
		before := h.decoder.count()
		h.play(2*time.Second, walker)
		if h.decoder.count() != before {
			t.Error("pictures are decoded while detection is off")
		}
		h.change(func(c *nvr.Camera) { c.Motion.Off = false })
		h.play(5*time.Second, nobody)
		h.change(func(c *nvr.Camera) {
			all := []nvr.Point{{X: 0, Y: 0}, {X: 1, Y: 0}, {X: 1, Y: 1}, {X: 0, Y: 1}}
			c.Motion.Zones = []nvr.Zone{{Ignore: true, Points: all}}
		})
		h.play(5*time.Second, nobody)
		h.play(3*time.Second, walker)
		if _, moving := s.Moving(h.camera.ID); moving {
			t.Error("something moves in a picture that is ignored")
		}
		h.change(func(c *nvr.Camera) { c.Motion.Zones = nil })
		h.play(10*time.Second, nobody)
		h.play(3*time.Second, walker)
		if _, moving := s.Moving(h.camera.ID); !moving {
			t.Error("nothing moves after the zone was removed")
		}
	})
}

func TestAnEventEndsWithTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		s := h.start()
		h.play(10*time.Second, nobody)
		h.play(time.Second, walker)
		if _, moving := s.Moving(h.camera.ID); !moving {
			t.Fatal("nothing moves")
		}
		for _, stream := range h.streams {
			stream.SetDown(nvr.Break{Since: time.Now(), Cause: nvr.CameraOffline})
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if _, moving := s.Moving(h.camera.ID); moving || s.Detection(h.camera.ID).Works {
			t.Error("it still moves although no picture comes")
		}
	})
}

func TestABoxThatDoesNotKeepUpLooksAtKeyFramesForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		s := h.start()
		h.play(5*time.Second, nobody)
		h.decoder.slowDown(time.Second)
		h.play(20*time.Second, nobody)
		if d := s.Detection(h.camera.ID); !d.Works || !d.KeysOnly || d.Detail == "" {
			t.Fatalf("a slow decoder: got %+v", d)
		}
		h.decoder.slowDown(0)
		h.play(10*time.Second, nobody)
		before := h.decoder.count()
		h.play(20*time.Second, nobody)
		if n := h.decoder.count() - before; n != 10 {
			t.Errorf("%d frames were decoded in 20 s with a key frame every 2 s", n)
		}
		h.play(12*time.Minute, nobody)
		if d := s.Detection(h.camera.ID); !d.Works || d.KeysOnly {
			t.Fatalf("a while after: got %+v", d)
		}
	})
}
