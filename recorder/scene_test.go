package recorder_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"lares/nvr"
)

// motionHouse records two streams of a camera around motion only.
func motionHouse(t *testing.T) (h *house, start time.Time, send func(seconds int)) {
	t.Helper()
	camera := testCamera(2)
	camera.Record = nvr.RecordMotion
	h = newHouse(t, t.TempDir(), camera, newKeys())
	start = time.Now().Add(-5 * time.Minute).Truncate(time.Second)
	var sources []*source
	for range camera.Streams {
		src := newSource(start)
		src.size = 500 // so that a minute fits into the window
		sources = append(sources, src)
	}
	return h, start, func(seconds int) {
		for i, s := range h.camera.Streams {
			publish(h.streams[s.Stream], sources[i], 25*seconds)
		}
	}
}

// kept waits until exactly the seconds in spans (from, to, from, to...) of both
// streams are recorded, each picture once.
func (h *house) kept(start time.Time, spans ...int) {
	h.t.Helper()
	for i, s := range h.camera.Streams {
		src := newSource(start)
		src.size = 500
		var want []*nvr.Frame
		for n := range 25 * spans[len(spans)-1] {
			f := src.next()
			for j := 0; j < len(spans); j += 2 {
				if n >= 25*spans[j] && n < 25*spans[j+1] {
					want = append(want, f)
				}
			}
		}
		eventually(h.t, "stream "+s.Quality.String()+" is recorded", func() bool {
			return len(h.recorded(h.camera.Streams[i].Stream, start, time.Now())) >= len(want)
		})
		got := h.recorded(s.Stream, start, time.Now())
		compare(h.t, got, want)
	}
}

func (h *house) rests(t *testing.T) {
	t.Helper()
	for _, s := range h.camera.Streams {
		eventually(t, "nothing is recorded", func() bool { return h.rec.Recording(s.Stream).Cause == nvr.NoMotion })
	}
}

func (h *house) records(t *testing.T) {
	t.Helper()
	for _, s := range h.camera.Streams {
		eventually(t, "it records", func() bool { return h.rec.Recording(s.Stream).Recording })
	}
}

func TestOnlyMotionIsKeptWithWhatCameBeforeAndAfter(t *testing.T) {
	t.Parallel()
	h, start, send := motionHouse(t)
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	cam := h.camera.ID
	h.rec.MotionWatched(cam)
	send(20)
	h.rests(t)
	h.rec.MotionBegan(cam, at(12)) // 5 s before lie in the GOP that begins at 6
	send(10)
	h.kept(start, 6, 30)
	h.rec.MotionEnded(cam, at(25))
	send(15) // up to 45; the first key frame 10 s after is at 36
	h.rests(t)
	h.kept(start, 6, 36)
	// So close that what comes before was recorded.
	h.rec.MotionBegan(cam, at(38))
	h.rec.MotionEnded(cam, at(39))
	send(10) // up to 55; 39 + 10 lies behind the key frame at 48
	h.rests(t)
	h.kept(start, 6, 50)
	h.rec.MotionBegan(cam, at(54))
	send(5)
	h.kept(start, 6, 50, 50, 60)
	for _, s := range h.camera.Streams {
		line := must[nvr.Timeline](t)(h.lib.Timeline(t.Context(), s.Stream, at(0), at(55)))
		if len(line.Spans) != 1 || !line.Spans[0].From.Equal(at(6)) {
			t.Errorf("%v: spans %v", s.Quality, line.Spans)
		}
		for _, g := range line.Gaps {
			if g.Cause != nvr.NoMotion {
				t.Errorf("%v: gap %+v", s.Quality, g)
			}
		}
	}
}

func TestMotionTooShortToNoticeIsKept(t *testing.T) {
	t.Parallel()
	h, start, send := motionHouse(t)
	h.rec.MotionWatched(h.camera.ID)
	send(30)
	h.rests(t)
	h.rec.MotionBegan(h.camera.ID, start.Add(20*time.Second))
	h.rec.MotionEnded(h.camera.ID, start.Add(20*time.Second))
	send(10)
	h.kept(start, 14, 30)
}

func TestWithoutADetectorEverythingIsKept(t *testing.T) {
	t.Parallel()
	h, start, send := motionHouse(t)
	send(20) // nobody said that it watches
	h.kept(start, 0, 20)
	h.rec.MotionWatched(h.camera.ID)
	send(10)
	h.rests(t)
	h.kept(start, 0, 20)
	h.rec.MotionBlind(h.camera.ID, "the worker ended")
	h.records(t)
	send(10) // begins with the newest key frame, at 28
	h.kept(start, 0, 20, 28, 40)
}

func TestChangeOfTheModeCountsAtOnce(t *testing.T) {
	t.Parallel()
	h, start, send := motionHouse(t)
	h.rec.MotionWatched(h.camera.ID)
	send(20)
	h.rests(t)
	h.camera.Record = nvr.RecordAlways
	h.bus.Publish(nvr.Event{Kind: nvr.CameraChanged})
	h.records(t)
	send(10)
	h.kept(start, 18, 30)
}

func TestWhatRestsIsNoAlarmButAnAbsentCameraIs(t *testing.T) {
	t.Parallel()
	h, _, send := motionHouse(t)
	news := h.bus.Subscribe()
	defer news.Close()
	h.rec.MotionWatched(h.camera.ID)
	send(20)
	h.rests(t)
	h.main().SetDown(nvr.Break{Since: time.Now(), Cause: nvr.CameraRefused})
	eventually(t, "the camera is missed", func() bool { return h.rec.Recording(h.id()).Cause == nvr.CameraRefused })
	h.bus.Close()
	for {
		e, _, err := news.Next(t.Context())
		if errors.Is(err, nvr.ErrClosed) {
			t.Fatal("nobody was told of the absent camera")
		}
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == nvr.RecordingDown {
			if e.Cause != nvr.CameraRefused {
				t.Errorf("an alarm because of %v", e.Cause)
			}
			return
		}
	}
}

// pieces returns what records 4 s of both streams so long after the piece before,
// as a segment of its own, and returns when it began.
func (h *house) pieces() func(after time.Duration, motion bool) time.Time {
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	sources := []*source{newSource(start), newSource(start)}
	return func(after time.Duration, motion bool) time.Time {
		h.t.Helper()
		start = start.Add(after)
		for i, s := range h.camera.Streams {
			sources[i].start, sources[i].n = nvr.Ticks(start), 0
			sources[i].run++
			publish(h.streams[s.Stream], sources[i], 100)
		}
		if motion {
			h.move(start.Add(time.Second), 2, left)
		}
		for _, s := range h.camera.Streams {
			eventually(h.t, "it is taken", func() bool { return len(h.recorded(s.Stream, start, start.Add(time.Minute))) == 100 })
		}
		return start
	}
}

func TestQuietFootageIsKeptForAShorterTime(t *testing.T) {
	t.Parallel()
	camera := testCamera(2)
	camera.Record, camera.QuietDays, camera.RetentionDays = nvr.RecordQuietShorter, 2, 10
	h := newHouse(t, t.TempDir(), camera, newKeys())
	piece, n := h.pieces(), 9
	blind := piece(0, false)
	h.rec.MotionWatched(camera.ID)
	piece(time.Minute, false)
	near := piece(time.Minute, false)
	moved := piece(8*time.Second, true) // 4 s after it
	after := piece(13*time.Second, false)
	piece(20*time.Second, false)
	event1 := piece(time.Minute, false)
	h.save(event(camera.ID, event1.Add(3*time.Second)))
	h.rec.MotionBegan(camera.ID, event1.Add(2*time.Minute))
	still := piece(2*time.Minute, false) // who stands still leaves no trace in it
	h.rec.MotionEnded(camera.ID, event1.Add(2*time.Minute+10*time.Second))
	h.rec.MotionBlind(camera.ID, "")
	torn := piece(time.Minute, false)
	h.stopRecording()
	h.rec.Age(2)
	h.rec.Expire(t.Context())
	if rows := h.rows(); len(rows) != n {
		t.Fatalf("%d of %d segments on the day on which the last of them may go", len(rows), n)
	}
	h.rec.Age(1)
	h.rec.Expire(t.Context())
	// Of the small stream the event is not told, but motion is.
	for i, want := range [][]time.Time{{blind, near, moved, after, event1, still, torn}, {blind, near, moved, after, still, torn}} {
		rows := must[[]nvr.Segment](t)(h.index.Range(t.Context(), camera.Streams[i].Stream, blind, time.Now().Add(day)))
		if !slices.EqualFunc(rows, want, func(s nvr.Segment, t time.Time) bool { return s.Start.Equal(t) }) {
			t.Errorf("stream %d: left are %v, want %v", i, rows, want)
		}
	}
	gaps := h.gaps(blind.Add(30*time.Second), near.Add(-10*time.Second))
	if !slices.ContainsFunc(gaps, func(g nvr.Gap) bool { return g.Cause == nvr.Expired }) {
		t.Errorf("gaps: %+v", gaps)
	}
}
