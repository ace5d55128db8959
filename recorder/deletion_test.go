package recorder_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/vault"
	"lares/recorder"
)

// minutes records so many minutes on both streams, with an event and motion in
// each.
func (h *house) minutes(start time.Time, n int) (saved []nvr.Event) {
	h.t.Helper()
	sources := make([]*source, len(h.camera.Streams))
	for i := range sources {
		sources[i] = newSource(start)
		sources[i].size = 200
	}
	for minute := range n {
		for i, s := range h.camera.Streams {
			publish(h.streams[s.Stream], sources[i], 25*60)
		}
		at := start.Add(time.Duration(minute) * time.Minute)
		h.move(at.Add(10*time.Second), 10, left)
		saved = append(saved, h.save(event(h.camera.ID, at.Add(30*time.Second))))
	}
	return saved
}

func (h *house) all() (rows []nvr.Segment) {
	h.t.Helper()
	for _, s := range h.camera.Streams {
		rows = append(rows, must[[]nvr.Segment](h.t)(h.index.Range(h.t.Context(), s.Stream, time.Unix(0, 0), time.Now().Add(day)))...)
	}
	return rows
}

// intact fails unless a segment opens with today's keys and all of it is read.
func (h *house) intact(rows []nvr.Segment) {
	h.t.Helper()
	for _, row := range rows {
		got := h.recorded(row.Stream, row.Start, row.End())
		if want := int(row.Duration.Seconds()*25) - 1; len(got) < want {
			h.t.Errorf("segment of %v has %d pictures, want %d", row.Start, len(got), want)
		}
	}
}

func overlap(s nvr.Segment, from, to time.Time) bool {
	return s.Start.Before(to) && s.End().After(from)
}

func split(rows []nvr.Segment, from, to time.Time) (inside, outside []nvr.Segment) {
	for _, row := range rows {
		if overlap(row, from, to) {
			inside = append(inside, row)
		} else {
			outside = append(outside, row)
		}
	}
	return inside, outside
}

func (h *house) request(from, to time.Time) nvr.DeletionRequest {
	return nvr.DeletionRequest{Camera: h.camera.ID, From: from, To: to, By: someone}
}

var someone = nvr.PrincipalID{7}

func TestR15DeletionInsideADayTakesTheSpanAndWhatTellsOfIt(t *testing.T) {
	t.Parallel()
	h := newHouse(t, t.TempDir(), testCamera(2), newKeys())
	start := yesterday()
	saved := h.minutes(start, 6)
	h.stopRecording()
	before := h.all()
	image := copyTree(t, h.footage())
	from, to := start.Add(130*time.Second), start.Add(170*time.Second)

	plan := must[nvr.DeletionPlan](t)(h.rec.PlanDeletion(t.Context(), h.keys, h.request(from, to)))
	if done := must[nvr.DeletionPlan](t)(h.rec.Delete(t.Context(), h.keys, h.request(from, to))); done.Bytes != plan.Bytes || done.Events != plan.Events {
		t.Errorf("deleted %+v, said %+v", done, plan)
	}
	rest := h.all()
	var gone []nvr.Segment
	for _, row := range before {
		if !slices.ContainsFunc(rest, func(s nvr.Segment) bool { return s.Stream == row.Stream && s.Seq == row.Seq }) {
			gone = append(gone, row)
		}
	}
	inside, _ := split(before, from, to)
	for _, row := range inside {
		if !slices.Contains(gone, row) {
			t.Errorf("a segment of the span is left: %v", row.Start)
		}
	}
	var size int64
	for _, row := range gone {
		size += row.Bytes
		if !overlap(row, plan.From, plan.To) {
			t.Errorf("%v went, which is not in %v to %v", row.Start, plan.From, plan.To)
		}
		if _, err := os.Stat(filepath.Join(h.footage(), recorder.SegmentName(row))); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the file of %v is left: %v", row.Start, err)
		}
	}
	if size != plan.Bytes || plan.From.After(from) || plan.To.Before(to) || plan.Days != 1 {
		t.Errorf("%d bytes went; the plan was %+v", size, plan)
	}
	h.intact(rest)
	for _, e := range h.events(start, time.Now()) {
		if e.Start.Before(to) && e.End.After(from) {
			t.Errorf("an event of the span is left: %v to %v", e.Start, e.End)
		}
	}
	if n := len(h.events(start, time.Now())); n+plan.Events != len(saved) {
		t.Errorf("%d events left and %d deleted of %d", n, plan.Events, len(saved))
	}
	for _, s := range h.search(start, time.Now(), left) {
		if s.From.Before(to) && s.To.After(from) {
			t.Errorf("motion of the span is left: %v", s)
		}
	}
	gap := h.gaps(from, to)
	if len(gap) != 1 || gap[0].Cause != nvr.Deleted || gap[0].Detail != someone.String() {
		t.Errorf("the timeline says %+v", gap)
	}
	h.shut(t, image, before)
	if open := must[[]nvr.Deletion](t)(h.rec.Unfinished(t.Context())); len(open) > 0 {
		t.Errorf("not done: %+v", open)
	}
}

func TestR15DeletionTakesLaterSegmentsThatTellOfTheSpan(t *testing.T) {
	t.Parallel()
	camera := testCamera(1)
	camera.Streams[0].Stream[0] = 0xff // its first segment is as long as the others
	h := newHouse(t, t.TempDir(), camera, newKeys())
	start := yesterday()
	src := newSource(start)
	second := func(n int) time.Time { return start.Add(time.Duration(n) * time.Second) }
	publish(h.main(), src, 25*70)
	h.drained(h.main())
	h.save(event(camera.ID, second(58))) // of the first segment, in the second
	publish(h.main(), src, 25*110)
	h.drained(h.main())
	kept := h.save(event(camera.ID, second(178)))
	publish(h.main(), src, 25*10)
	h.drained(h.main())
	h.move(second(170), 5, left) // of the third segment, in the fourth
	h.stopRecording()
	before := h.all()
	if len(before) != 4 {
		t.Fatalf("%d segments", len(before))
	}
	for i, want := range [][]int{{0, 1}, {2, 3}} { // of each deletion: the segments that go
		from := before[want[0]].Start.Add(10 * time.Second)
		done := must[nvr.DeletionPlan](t)(h.rec.Delete(t.Context(), h.keys, h.request(from, from.Add(10*time.Second))))
		if len(done.Beyond) != 1 || !done.Beyond[0].From.Equal(before[want[1]].Start) {
			t.Errorf("deletion %d took %+v beyond the span", i, done.Beyond)
		}
		if left := h.all(); len(left) != 2-2*i {
			t.Errorf("deletion %d left %d segments", i, len(left))
		}
		if i == 0 {
			h.expect("the rest", start, time.Now(), []nvr.Event{kept})
		}
	}
}

// shut fails unless no segment of an older image of the footage opens with the
// keys of today.
func (h *house) shut(t *testing.T, image string, rows []nvr.Segment) {
	t.Helper()
	old := newHouse(t, t.TempDir(), h.camera, h.keys, withPaths(image))
	for _, row := range rows {
		err := old.lib.Media(t.Context(), h.keys, nvr.MediaRequest{Stream: row.Stream, From: row.Start, To: row.End()}, &failing{t})
		if err != nil && !errors.Is(err, nvr.ErrDestroyed) && !errors.Is(err, nvr.ErrForbidden) {
			t.Errorf("an older image: %v", err)
		}
	}
	if len(old.events(time.Unix(0, 0), time.Now())) > 0 {
		t.Error("events of an older image open")
	}
}

// failing takes no footage.
type failing struct{ t *testing.T }

func (f *failing) Write(b []byte) (int, error) {
	f.t.Errorf("%d bytes of what was deleted", len(b))
	return len(b), nil
}

func TestDeletionUpToNowTakesWhatIsBeingRecordedAndRecordingGoesOn(t *testing.T) {
	t.Parallel()
	h := newHouse(t, t.TempDir(), testCamera(2), newKeys())
	start := time.Now().Add(-30 * time.Second)
	var stop []func()
	for _, s := range h.camera.Streams {
		src := newSource(start)
		src.size = 200
		publish(h.streams[s.Stream], src, 25*28)
		stop = append(stop, h.feed(h.streams[s.Stream]))
	}
	eventually(t, "it is being recorded", func() bool { return len(h.recorded(h.id(), start, time.Now())) > 25*20 })
	to := time.Now()
	if _, err := h.rec.Delete(t.Context(), h.keys, h.request(start.Add(-time.Hour), to)); err != nil {
		t.Fatal(err)
	}
	if got := h.recorded(h.id(), start, to.Add(-4*time.Second)); len(got) > 0 {
		t.Errorf("%d pictures are left", len(got))
	}
	eventually(t, "recording goes on", func() bool { return len(h.recorded(h.id(), to, time.Now().Add(time.Hour))) > 0 })
	for _, s := range stop {
		s()
	}
	late := event(h.camera.ID, to.Add(-time.Second))
	h.save(late)
	h.move(to.Add(-20*time.Second), 5, left)
	h.stopRecording()
	if n := len(h.events(start, time.Now())) + len(h.search(start, to.Add(-10*time.Second), left)); n > 0 {
		t.Errorf("%d things were stored that tell of what was deleted", n)
	}
}

func TestDeletionOfEverythingNeedsNoKey(t *testing.T) {
	t.Parallel()
	h := newHouse(t, t.TempDir(), testCamera(2), newKeys())
	start := yesterday()
	h.minutes(start, 3)
	h.stopRecording()
	before := h.all()
	image := copyTree(t, h.footage())
	h.keys.setLocked(true)
	if _, err := h.rec.Delete(t.Context(), h.keys, h.request(start.Add(80*time.Second), start.Add(90*time.Second))); !errors.Is(err, nvr.ErrLocked) {
		t.Errorf("a part without a key: %v", err)
	}
	if len(h.all()) != len(before) {
		t.Error("something went although it could not be brought to its end")
	}
	if _, err := h.rec.Delete(t.Context(), h.keys, h.request(time.Unix(0, 0), time.Now())); err != nil {
		t.Fatal(err)
	}
	h.keys.setLocked(false)
	if rest := h.all(); len(rest) > 0 {
		t.Errorf("%d segments left", len(rest))
	}
	h.shut(t, image, before)
}

// fuse lets a number of changes to the index, config.db and the vaults happen
// and fails all that come after, as if the process had ended there.
type fuse struct {
	recorder.Index
	recorder.Ledger
	recorder.Vaults
	left atomic.Int64
}

var errFuse = errors.New("the process ended here")

func (f *fuse) unless(do func() error) error {
	if f.left.Add(-1) < 0 {
		return errFuse
	}
	return do()
}

func (f *fuse) Add(ctx context.Context, s ...nvr.Segment) error {
	return f.unless(func() error { return f.Index.Add(ctx, s...) })
}

func (f *fuse) Discard(ctx context.Context, s ...nvr.Segment) error {
	return f.unless(func() error { return f.Index.Discard(ctx, s...) })
}

func (f *fuse) Forget(ctx context.Context, s ...nvr.Segment) error {
	return f.unless(func() error { return f.Index.Forget(ctx, s...) })
}

func (f *fuse) SaveDeletion(ctx context.Context, d nvr.Deletion) error {
	return f.unless(func() error { return f.Ledger.SaveDeletion(ctx, d) })
}

func (f *fuse) AddHold(ctx context.Context, h nvr.Hold) error {
	return f.unless(func() error { return f.Ledger.AddHold(ctx, h) })
}

func (f *fuse) NewVault(ctx context.Context, c nvr.CameraID, at time.Time) (to nvr.Recipient, err error) {
	err = f.unless(func() error { to, err = f.Vaults.NewVault(ctx, c, at); return err })
	return to, err
}

func (f *fuse) DestroyVault(ctx context.Context, id nvr.VaultID) error {
	return f.unless(func() error { return f.Vaults.DestroyVault(ctx, id) })
}

// fused opens a house whose changes go through a fuse.
func fused(t *testing.T, dir string, camera nvr.Camera, k *keys) (*house, *fuse) {
	f := &fuse{}
	f.left.Store(1 << 40)
	return newHouse(t, dir, camera, k, func(h *house) {
		h.wrap = func(x recorder.Index) recorder.Index { f.Index = x; return f }
		h.ledger = func(l recorder.Ledger) recorder.Ledger { f.Ledger = l; return f }
		h.vaults = func(*house, *vault.MachineKey) recorder.Vaults { f.Vaults = k; return f }
	}), f
}

func TestDeletionThatWasInterruptedGoesOnAfterTheNextStart(t *testing.T) {
	t.Parallel()
	recorded := newHouse(t, t.TempDir(), testCamera(1), newKeys())
	start := yesterday()
	recorded.minutes(start, 3)
	recorded.stopRecording()
	before := recorded.all()
	recorded.stop()
	from, to := start.Add(80*time.Second), start.Add(90*time.Second)
	ended := false
	for steps := int64(0); !ended; steps++ {
		h, f := fused(t, copyTree(t, recorded.dir), recorded.camera, recorded.keys.clone())
		image := copyTree(t, h.footage())
		f.left.Store(steps)
		_, err := h.rec.Delete(t.Context(), h.keys, h.request(from, to))
		if ended = err == nil; !ended && !errors.Is(err, errFuse) {
			t.Fatalf("after %d steps: %v", steps, err)
		}
		noted := len(must[[]nvr.Deletion](t)(h.rec.Unfinished(t.Context()))) > 0
		h.stop()
		again := newHouse(t, h.dir, h.camera, h.keys)
		if noted {
			if inside, _ := split(again.all(), from, to); len(inside) > 0 {
				t.Errorf("after %d steps: the start left %d segments of what was deleted", steps, len(inside))
			}
			if err := again.rec.FinishDeletions(t.Context(), h.keys); err != nil {
				t.Errorf("after %d steps: %v", steps, err)
			}
			if open := must[[]nvr.Deletion](t)(again.rec.Unfinished(t.Context())); len(open) > 0 {
				t.Errorf("after %d steps: not done: %+v", steps, open)
			}
		}
		again.intact(again.all())
		// How many others stay depends on where the events of the span lie.
		if inside, _ := split(again.all(), from, to); (noted || ended) != (len(inside) == 0) {
			t.Errorf("after %d steps: %d segments of the span", steps, len(inside))
		}
		if noted || ended {
			again.shut(t, image, before)
		}
		again.stop()
	}
}
