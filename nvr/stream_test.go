package nvr_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"lares/nvr"
)

// frame returns picture number n of a stream of 25 pictures a second with a
// key frame every 50 pictures and 1 kB each.
func frame(n int) *nvr.Frame {
	at := int64(n) * nvr.ClockRate / 25
	return &nvr.Frame{
		Track: nvr.VideoTrack, Key: n%50 == 0, DTS: at, PTS: at,
		Params: &nvr.Params{Video: nvr.H264}, Data: make([]byte, 1000),
	}
}

func number(f *nvr.Frame) int { return int(f.PTS * 25 / nvr.ClockRate) }

func next(t *testing.T, r *nvr.Reader) (n, missed int) {
	t.Helper()
	f, missed, err := r.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return number(f), missed
}

func publish(s *nvr.Stream, from, to int) {
	for n := from; n < to; n++ {
		s.Publish(frame(n))
	}
}

func TestReaderStartsAtTheNewestKeyFrame(t *testing.T) {
	s := nvr.NewStream(nvr.StreamID{1}, nvr.StreamConfig{})
	publish(s, 0, 120)
	r := s.NewReader(nvr.ReaderOptions{})
	defer r.Close()
	for want := 100; want < 120; want++ {
		if n, missed := next(t, r); n != want || missed != 0 {
			t.Fatalf("got picture %d after %d missed, want %d", n, missed, want)
		}
	}
}

func TestReaderStartsInThePast(t *testing.T) {
	s := nvr.NewStream(nvr.StreamID{1}, nvr.StreamConfig{})
	publish(s, 0, 200)
	for _, c := range []struct{ at, want int }{{75, 50}, {50, 50}, {199, 150}, {0, 0}} {
		r := s.NewReader(nvr.ReaderOptions{From: frame(c.at).Time()})
		if n, _ := next(t, r); n != c.want {
			t.Errorf("from picture %d: got %d, want %d", c.at, n, c.want)
		}
		r.Close()
	}
}

func TestReaderBeforeTheFirstFrameWaitsForAKeyFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := nvr.NewStream(nvr.StreamID{1}, nvr.StreamConfig{})
		r := s.NewReader(nvr.ReaderOptions{})
		defer r.Close()
		go publish(s, 30, 60)
		if n, _ := next(t, r); n != 50 {
			t.Errorf("got picture %d, want the key frame 50", n)
		}
	})
}

func TestLateReaderContinuesAtAKeyFrameAndIsToldWhatItMissed(t *testing.T) {
	s := nvr.NewStream(nvr.StreamID{1}, nvr.StreamConfig{Window: 100 << 10})
	publish(s, 0, 1)
	r := s.NewReader(nvr.ReaderOptions{})
	defer r.Close()
	next(t, r)
	publish(s, 1, 1000)
	n, missed := next(t, r)
	if n != 950 || missed != 949 {
		t.Errorf("got picture %d after %d missed, want 950 after 949", n, missed)
	}
	if n, missed = next(t, r); n != 951 || missed != 0 {
		t.Errorf("then got picture %d after %d missed, want 951 after 0", n, missed)
	}
}

func TestHoldingReaderKeepsTheWindowUpToTheCap(t *testing.T) {
	const window, hold = 100 << 10, 400 << 10
	s := nvr.NewStream(nvr.StreamID{1}, nvr.StreamConfig{Window: window, Hold: hold})
	publish(s, 0, 1)
	r := s.NewReader(nvr.ReaderOptions{Hold: true})
	defer r.Close()
	publish(s, 1, 300)
	if s.Size() <= window {
		t.Fatalf("the window of %d bytes was not held open", s.Size())
	}
	for want := range 300 {
		if n, missed := next(t, r); n != want || missed != 0 {
			t.Fatalf("got picture %d after %d missed, want %d", n, missed, want)
		}
	}
	if s.Size() > window {
		t.Errorf("%d bytes are kept after the reader caught up", s.Size())
	}
	publish(s, 300, 2000)
	if s.Size() > hold {
		t.Errorf("%d bytes are kept, more than the cap", s.Size())
	}
	n, missed := next(t, r)
	if n%50 != 0 || missed != n-300 {
		t.Errorf("got picture %d after %d missed, want a key frame and all that lay before it", n, missed)
	}
}

func TestHoldingReaderThatWaitsGetsTheFirstKeyFrame(t *testing.T) {
	s := nvr.NewStream(nvr.StreamID{1}, nvr.StreamConfig{Window: 100 << 10, Hold: 400 << 10})
	r := s.NewReader(nvr.ReaderOptions{Hold: true})
	defer r.Close()
	publish(s, 0, 300) // more than the window, before the reader looks
	for want := range 300 {
		if n, missed := next(t, r); n != want || missed != 0 {
			t.Fatalf("got picture %d after %d missed, want %d", n, missed, want)
		}
	}
}

// A reader that stalls for 40 s must not cost another reader a single frame.
func TestStalledReaderCostsNobodyAFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := nvr.NewStream(nvr.StreamID{1}, nvr.StreamConfig{Window: 100 << 10})
		stalled := s.NewReader(nvr.ReaderOptions{})
		defer stalled.Close()
		done := make(chan int)
		go func() {
			r := s.NewReader(nvr.ReaderOptions{})
			defer r.Close()
			got := 0
			for {
				f, missed, err := r.Next(t.Context())
				if err != nil {
					break
				}
				if missed != 0 || number(f) != got {
					t.Errorf("got picture %d after %d missed, want %d", number(f), missed, got)
				}
				got++
			}
			done <- got
		}()
		synctest.Wait()
		for n := range 3000 {
			s.Publish(frame(n))
			time.Sleep(40 * time.Millisecond)
			if n == 1000 {
				next(t, stalled) // 40 s late
			}
		}
		s.Close()
		if got := <-done; got != 3000 {
			t.Errorf("the other reader got %d of 3000", got)
		}
	})
}

func TestReaderEndsWithTheStreamOrItsContext(t *testing.T) {
	s := nvr.NewStream(nvr.StreamID{1}, nvr.StreamConfig{})
	publish(s, 0, 1)
	r := s.NewReader(nvr.ReaderOptions{})
	defer r.Close()
	s.Close()
	s.Publish(frame(1))
	if n, _ := next(t, r); n != 0 {
		t.Errorf("got picture %d, want what was left", n)
	}
	if _, _, err := r.Next(t.Context()); !errors.Is(err, nvr.ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	open := nvr.NewStream(nvr.StreamID{2}, nvr.StreamConfig{}).NewReader(nvr.ReaderOptions{})
	if _, _, err := open.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestClearForgetsThePast(t *testing.T) {
	s := nvr.NewStream(nvr.StreamID{1}, nvr.StreamConfig{})
	publish(s, 0, 100)
	s.Clear()
	if s.Size() != 0 || s.LastKey() != nil || s.Params() != nil {
		t.Error("something is left")
	}
	r := s.NewReader(nvr.ReaderOptions{From: time.Unix(0, 0)})
	defer r.Close()
	publish(s, 100, 101)
	if n, _ := next(t, r); n != 100 {
		t.Errorf("got picture %d, want 100", n)
	}
}

func TestDozingReaderIsWokenForKeyFramesAndFromItsTime(t *testing.T) {
	s := nvr.NewStream(nvr.StreamID{1}, nvr.StreamConfig{})
	r := s.NewReader(nvr.ReaderOptions{Hold: true})
	defer r.Close()
	woken := func() bool {
		select {
		case <-r.Ready():
			return true
		default:
			return false
		}
	}
	r.Doze(frame(60).DTS)
	for _, c := range []struct {
		n    int
		want bool
	}{{0, true}, {1, false}, {49, false}, {50, true}, {59, false}, {60, true}, {61, true}} {
		s.Publish(frame(c.n))
		if got := woken(); got != c.want {
			t.Errorf("picture %d: woken %v, want %v", c.n, got, c.want)
		}
	}
	for _, want := range []int{0, 1, 49, 50, 59, 60, 61} {
		if f, missed, err := r.Poll(); err != nil || missed != 0 || number(f) != want {
			t.Fatalf("%d missed (%v), want picture %d", missed, err, want)
		}
	}
	r.Doze(frame(1000).DTS)
	s.Close()
	if !woken() {
		t.Error("not woken by the end of the stream")
	}
}

func TestStateFollowsTheFrames(t *testing.T) {
	s := nvr.NewStream(nvr.StreamID{1}, nvr.StreamConfig{})
	if s.State().Up {
		t.Error("up before the first frame")
	}
	publish(s, 0, 1)
	if !s.State().Up {
		t.Error("down after a frame")
	}
	s.SetDown(nvr.Break{Cause: nvr.CameraOffline})
	if st := s.State(); st.Up || st.Down.Cause != nvr.CameraOffline || !st.Last.Equal(frame(0).Time()) {
		t.Errorf("got %+v", st)
	}
}

func TestPublishAllocatesNothing(t *testing.T) {
	s := nvr.NewStream(nvr.StreamID{1}, nvr.StreamConfig{Window: 100 << 10})
	for range 8 {
		defer s.NewReader(nvr.ReaderOptions{}).Close()
	}
	publish(s, 0, 1000)
	f := frame(1001)
	if n := testing.AllocsPerRun(1000, func() { s.Publish(f) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestTicksAndTimesAgree(t *testing.T) {
	for _, at := range []time.Time{time.Unix(0, 0), time.Date(2026, 11, 22, 1, 2, 3, 4_000_000, time.UTC), time.Date(2040, 1, 1, 0, 0, 0, 999_000_000, time.UTC)} {
		if got := nvr.TickTime(nvr.Ticks(at)); !got.Equal(at) {
			t.Errorf("%v became %v", at, got)
		}
	}
	for ticks := int64(160_000_000_000_000); ticks < 160_000_000_000_000+1000; ticks++ {
		if got := nvr.Ticks(nvr.TickTime(ticks)); got != ticks {
			t.Fatalf("%d became %d", ticks, got)
		}
	}
	if got := nvr.DurationTicks(1500 * time.Millisecond); got != 135000 {
		t.Errorf("1.5 s is %d ticks", got)
	}
	if got := nvr.TickDuration(-90000); got != -time.Second {
		t.Errorf("-90000 ticks are %v", got)
	}
}

func BenchmarkPublish(b *testing.B) {
	s := nvr.NewStream(nvr.StreamID{1}, nvr.StreamConfig{Window: 1 << 20})
	for range 16 {
		defer s.NewReader(nvr.ReaderOptions{}).Close()
	}
	frames := make([]*nvr.Frame, 100)
	for i := range frames {
		frames[i] = frame(i)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Publish(frames[i%len(frames)])
	}
}

func TestHoldingReadersDoNotWatch(t *testing.T) {
	s := nvr.NewStream(nvr.StreamID{1}, nvr.StreamConfig{})
	recorder := s.NewReader(nvr.ReaderOptions{Hold: true})
	defer recorder.Close()
	if s.Watched() {
		t.Error("a stream that is only recorded is watched")
	}
	viewer := s.NewReader(nvr.ReaderOptions{})
	if !s.Watched() {
		t.Error("a stream with a viewer is not watched")
	}
	viewer.Close()
	if s.Watched() {
		t.Error("a stream is watched by a viewer that left")
	}
}

func TestR12ShutStreamShowsNothing(t *testing.T) {
	s := nvr.NewStream(nvr.StreamID{1}, nvr.StreamConfig{})
	publish(s, 0, 60)
	late, holds := s.NewReader(nvr.ReaderOptions{}), s.NewReader(nvr.ReaderOptions{Hold: true, From: time.Unix(0, 0)})
	defer late.Close()
	defer holds.Close()
	next(t, late)
	s.Shut(nvr.Break{Since: time.Unix(9, 0), Cause: nvr.Privacy})
	publish(s, 60, 160)
	fresh := s.NewReader(nvr.ReaderOptions{From: time.Unix(0, 0)})
	defer fresh.Close()
	for name, r := range map[string]*nvr.Reader{"a viewer": late, "the recorder": holds, "a new reader": fresh} {
		if f, _, err := r.Next(t.Context()); f != nil || !errors.Is(err, nvr.ErrPrivate) {
			t.Errorf("%s got %v, %v; want ErrPrivate", name, f, err)
		}
	}
	if s.LastKey() != nil || s.Params() != nil || s.Size() != 0 {
		t.Errorf("the window holds a key frame %v, parameters %v, %d bytes", s.LastKey(), s.Params(), s.Size())
	}
	if state := s.State(); state.Up || state.Down.Cause != nvr.Privacy {
		t.Errorf("state %+v", state)
	}
	s.Reopen()
	publish(s, 200, 210)
	for name, r := range map[string]*nvr.Reader{"a viewer": late, "the recorder": holds, "a new reader": fresh} {
		if n, missed := next(t, r); n != 200 || missed != 0 {
			t.Errorf("%s goes on at picture %d after %d missed, want 200 after none", name, n, missed)
		}
	}
}

func TestR12ShuttingAStreamWakesWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := nvr.NewStream(nvr.StreamID{1}, nvr.StreamConfig{})
		publish(s, 0, 1)
		r := s.NewReader(nvr.ReaderOptions{})
		defer r.Close()
		next(t, r)
		ended := make(chan error, 1)
		go func() {
			_, _, err := r.Next(t.Context())
			ended <- err
		}()
		synctest.Wait()
		s.Shut(nvr.Break{Cause: nvr.Privacy})
		if err := <-ended; !errors.Is(err, nvr.ErrPrivate) {
			t.Errorf("got %v, want ErrPrivate", err)
		}
	})
}
