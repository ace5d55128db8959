package recorder_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/vault"
	"lares/recorder"
)

var (
	left  = nvr.Box{X: 0.1, Y: 0.3, W: 0.2, H: 0.4}
	right = nvr.Box{X: 0.7, Y: 0.3, W: 0.2, H: 0.4}
)

// event returns an event of a camera that ended at a time.
func event(camera nvr.CameraID, end time.Time) nvr.Event {
	end = end.UTC().Truncate(time.Millisecond)
	return nvr.Event{
		ID: nvr.NewID[nvr.Event](), Kind: nvr.Motion, Source: "motion", Camera: camera,
		Start: end.Add(-8 * time.Second), End: end, Score: 0.5,
	}
}

// picture of an event: different for each.
func jpegOf(e nvr.Event) []byte { return bytes.Repeat(e.ID[:], 1000) }

func (h *house) save(e nvr.Event) nvr.Event {
	h.t.Helper()
	if err := h.rec.SaveEvent(h.t.Context(), e, jpegOf(e)); err != nil {
		h.t.Fatal(err)
	}
	return e
}

func (h *house) move(from time.Time, seconds int, box nvr.Box) {
	for i := range seconds {
		s := nvr.MotionSecond{Second: from.Unix() + int64(i)}
		s.Map.Mark(box)
		h.rec.SaveMotion(h.camera.ID, s)
	}
}

func (k *keys) setLocked(locked bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.locked = locked
}

func (h *house) events(from, to time.Time) []nvr.StoredEvent {
	h.t.Helper()
	req := nvr.EventRequest{Streams: []nvr.StreamID{h.id()}, From: from, To: to, Limit: 500}
	return must[[]nvr.StoredEvent](h.t)(h.lib.Events(h.t.Context(), h.keys, req))
}

func (h *house) search(from, to time.Time, box nvr.Box) []nvr.Span {
	h.t.Helper()
	return must[[]nvr.Span](h.t)(h.lib.Search(h.t.Context(), h.keys, h.id(), from, to, box))
}

// expect fails unless these events, and no others, are found with their
// pictures, newest first.
func (h *house) expect(what string, from, to time.Time, saved []nvr.Event) {
	h.t.Helper()
	got := h.events(from, to)
	if len(got) != len(saved) {
		h.t.Fatalf("%s: %d events, want %d", what, len(got), len(saved))
	}
	for i, e := range got {
		if want := saved[len(saved)-1-i]; !reflect.DeepEqual(e.Event, want) {
			h.t.Errorf("%s: event %d is %+v, want %+v", what, i, e.Event, want)
		}
		jpeg, err := h.lib.Thumbnail(h.t.Context(), h.keys, e.Ref)
		if err != nil || !e.Thumbnail || !bytes.Equal(jpeg, jpegOf(e.Event)) {
			h.t.Errorf("%s: picture of event %d: %d bytes, %v", what, i, len(jpeg), err)
		}
	}
}

// threeMinutes records three minutes with two events and motion on the left, from
// second 10 to 20, in each.
func (h *house) threeMinutes(start time.Time) (saved []nvr.Event) {
	src := newSource(start)
	for minute := range 3 {
		at := start.Add(time.Duration(minute) * time.Minute)
		publish(h.main(), src, 25*60)
		h.drained(h.main())
		h.move(at.Add(10*time.Second), 10, left)
		saved = append(saved, h.save(event(h.camera.ID, at.Add(30*time.Second))), h.save(event(h.camera.ID, at.Add(50*time.Second))))
	}
	return saved
}

// finds fails unless all that threeMinutes recorded is found.
func (h *house) finds(what string, start time.Time, saved []nvr.Event) {
	h.t.Helper()
	end := start.Add(3 * time.Minute)
	h.expect(what, start, end, saved)
	h.expect(what+", a part", start, start.Add(70*time.Second), saved[:2])
	if got := h.search(start, end, right); len(got) != 0 {
		h.t.Errorf("%s: something moved on the right: %v", what, got)
	}
	got := h.search(start, end, left)
	for i, s := range got {
		from := start.Add(time.Duration(i)*time.Minute + 10*time.Second)
		if !s.From.Equal(from) || !s.To.Equal(from.Add(10*time.Second)) {
			h.t.Errorf("%s: find %d is %v", what, i, s)
		}
	}
	if len(got) != 3 {
		h.t.Errorf("%s: %d finds, want 3", what, len(got))
	}
}

func TestEventsAndMotionAreFoundWhereverTheirSegmentIs(t *testing.T) {
	t.Parallel()
	dir, camera, k := t.TempDir(), testCamera(2), newKeys()
	h := newHouse(t, dir, camera, k)
	start := time.Now().Add(-10 * time.Minute).Truncate(time.Second)
	end := start.Add(3 * time.Minute)
	saved := h.threeMinutes(start)
	h.finds("while it is recorded", start, saved)
	h.stop()

	again := newHouse(t, dir, camera, k)
	again.finds("after a restart", start, saved)
	var moving time.Duration
	for _, d := range must[[]nvr.Density](t)(again.lib.Density(t.Context(), h.id(), start, end)) {
		moving += d.Moving
	}
	if moving != 30*time.Second {
		t.Errorf("the index knows of %v with motion", moving)
	}
	again.stop()

	removeIndex(t, dir)
	rebuilt := newHouse(t, dir, camera, k)
	eventually(t, "the index is rebuilt", func() bool { return len(rebuilt.rows()) == len(again.oldRows) })
	for _, s := range rebuilt.rows() {
		if s.Activity.Known {
			t.Error("a new index knows what nobody opened")
		}
	}
	k.setLocked(true)
	req := nvr.EventRequest{Streams: []nvr.StreamID{h.id()}, From: start, To: end, Limit: 10}
	if _, err := rebuilt.lib.Events(t.Context(), k, req); !errors.Is(err, nvr.ErrLocked) {
		t.Errorf("events while locked: %v", err)
	}
	if _, err := rebuilt.lib.Search(t.Context(), k, h.id(), start, end, left); !errors.Is(err, nvr.ErrLocked) {
		t.Errorf("search while locked: %v", err)
	}
	k.setLocked(false)
	rebuilt.finds("after the index was lost", start, saved)
	for i, s := range rebuilt.rows() {
		want := again.oldRows[i].Activity
		if want.Watched = false; s.Activity != want {
			t.Errorf("segment %d: the index learned %+v, want %+v", i, s.Activity, want)
		}
	}
}

func TestEventsGoWithTheirFootage(t *testing.T) {
	t.Parallel()
	h := newHouse(t, t.TempDir(), testCamera(1), newKeys())
	start := time.Now().Truncate(day).Add(-3 * day)
	src := newSource(start)
	var saved []nvr.Event
	for i := range 3 {
		at := start.Add(time.Duration(i) * day)
		h.span(src, at, 10) // shorter than any segment, the first of a stream as well
		saved = append(saved, h.save(event(h.camera.ID, at.Add(10*time.Second))))
		h.move(at, 5, left)
	}
	h.span(src, time.Now().Add(-time.Minute), 2)
	rows := h.settled(3)
	h.expect("before", start, time.Now(), saved)
	if err := h.rec.Remove(t.Context(), rows[:1], nvr.Deleted); err != nil {
		t.Fatal(err)
	}
	h.expect("a day was deleted", start, time.Now(), saved[1:])
	if _, err := h.lib.Thumbnail(t.Context(), h.keys, nvr.EventRef{Stream: h.id(), Start: rows[0].Start, Seq: rows[0].Seq}); !errors.Is(err, nvr.ErrNotFound) {
		t.Errorf("a picture of the deleted day: %v", err)
	}
	h.keys.mu.Lock()
	delete(h.keys.pairs, rows[1].Vault)
	h.keys.mu.Unlock()
	h.expect("a vault was destroyed", start, time.Now(), saved[2:])
	if got := h.search(start, time.Now(), left); len(got) != 1 {
		t.Errorf("%d finds in one day that is left", len(got))
	}
	h.keys.mu.Lock()
	h.keys.foreign = rows[2].Vault
	h.keys.mu.Unlock()
	req := nvr.EventRequest{Streams: []nvr.StreamID{h.id()}, From: start, To: start.Add(3*day - time.Hour), Limit: 10}
	if _, err := h.lib.Events(t.Context(), h.keys, req); !errors.Is(err, nvr.ErrForbidden) {
		t.Errorf("without a right to any of it: %v", err)
	}
}

func TestNewestEventsComeFirstAndAsManyAsAreWanted(t *testing.T) {
	t.Parallel()
	h := newHouse(t, t.TempDir(), testCamera(1), newKeys())
	start := time.Now().Truncate(day).Add(-2 * day)
	src := newSource(start)
	src.size = 100
	var saved []nvr.Event
	for i := range 80 {
		at := start.Add(time.Duration(i) * time.Minute)
		src.start, src.n = nvr.Ticks(at), 0
		src.run++
		publish(h.main(), src, 25)
		if i%3 != 1 {
			saved = append(saved, h.save(event(h.camera.ID, at.Add(time.Second))))
		}
	}
	var got []nvr.Event
	req := nvr.EventRequest{Streams: []nvr.StreamID{h.id()}, From: start, To: time.Now(), Limit: 7}
	for range 100 {
		page := must[[]nvr.StoredEvent](t)(h.lib.Events(t.Context(), h.keys, req))
		for _, e := range page {
			got = append(got, e.Event)
			req.To = e.End
		}
		if len(page) < req.Limit {
			break
		}
	}
	if len(got) != len(saved) {
		t.Fatalf("%d events in pages, want %d", len(got), len(saved))
	}
	for i, e := range got {
		if e.ID != saved[len(saved)-1-i].ID {
			t.Errorf("event %d is another one", i)
		}
	}
}

// A killed process keeps the events that SaveEvent returned for.
func TestEventOfATornSegmentIsFound(t *testing.T) {
	t.Parallel()
	h := newHouse(t, t.TempDir(), testCamera(1), newKeys())
	start := time.Now().Add(-time.Minute)
	src := newSource(start)
	publish(h.main(), src, 25*10)
	saved := []nvr.Event{h.save(event(h.camera.ID, start.Add(9*time.Second)))}
	crashed := copyTree(t, h.dir)
	after := newHouse(t, crashed, h.camera, h.keys)
	after.expect("after the crash", start, time.Now(), saved)
	after.move(start, 5, left) // of no segment
	if got := after.search(start, time.Now(), left); len(got) != 0 {
		t.Errorf("found %v", got)
	}
}

func TestEventOfASegmentThatHasJustBegunIsFound(t *testing.T) {
	t.Parallel()
	h := newHouse(t, t.TempDir(), testCamera(1), newKeys())
	start := time.Now().Add(-time.Minute)
	publish(h.main(), newSource(start), 1) // no fragment is full yet
	h.drained(h.main())
	saved := []nvr.Event{h.save(event(h.camera.ID, start))}
	h.expect("at the beginning of a segment", start.Add(-time.Minute), time.Now(), saved)
}

func TestEventWaitsForASegmentAndTooManyAreRefused(t *testing.T) {
	t.Parallel()
	k := newKeys()
	k.none = nvr.ErrNoOwner
	h := newHouse(t, t.TempDir(), testCamera(1), k)
	start := time.Now().Add(-time.Minute)
	src := newSource(start)
	publish(h.main(), src, 100)
	const tries = 12
	large := bytes.Repeat([]byte{1}, 500_000)
	results := make(chan error, tries)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range tries {
		go func() { results <- h.rec.SaveEvent(ctx, event(h.camera.ID, start), large) }()
	}
	refused := 0
	for range tries - 8 { // eight are four megabytes
		if err := <-results; !errors.Is(err, nvr.ErrInvalid) {
			t.Errorf("an event too many: %v", err)
		}
		refused++
	}
	cancel()
	for range tries - refused {
		if err := <-results; !errors.Is(err, context.Canceled) {
			t.Errorf("nobody waits any more: %v", err)
		}
	}
	go func() { results <- h.rec.SaveEvent(t.Context(), event(h.camera.ID, start.Add(5*time.Second)), nil) }()
	k.mu.Lock()
	k.none = nil
	k.mu.Unlock()
	time.Sleep(1100 * time.Millisecond) // the pause between two tries to begin a segment
	publish(h.main(), src, 100)
	if err := <-results; err != nil {
		t.Errorf("the event that waited: %v", err)
	}
	got := h.events(start, time.Now())
	if len(got) != 1 || got[0].Thumbnail {
		t.Errorf("events: %+v", got)
	}
	if err := h.rec.SaveEvent(t.Context(), event(nvr.NewID[nvr.Camera](), start), nil); !errors.Is(err, nvr.ErrNotFound) {
		t.Errorf("an event of a camera that is not recorded: %v", err)
	}
}

// A search finds exactly the seconds whose maps touch the box.
func TestSearchFindsWhatTouchesTheBox(t *testing.T) {
	t.Parallel()
	h := newHouse(t, t.TempDir(), testCamera(1), newKeys())
	rng := rand.New(rand.NewPCG(3, 4))
	start := time.Now().Truncate(time.Second).Add(-10 * time.Minute)
	src := newSource(start)
	src.size = 200
	const seconds = 240
	maps := make([]nvr.MotionMap, seconds)
	for i := range seconds {
		publish(h.main(), src, 25)
		if rng.IntN(3) == 0 {
			maps[i].Mark(nvr.Box{X: rng.Float64(), Y: rng.Float64(), W: rng.Float64() / 4, H: rng.Float64() / 4})
			h.rec.SaveMotion(h.camera.ID, nvr.MotionSecond{Second: start.Unix() + int64(i), Map: maps[i]})
		}
	}
	eventually(t, "all is taken", func() bool { return len(h.recorded(h.id(), start, time.Now())) >= 25*(seconds-2) })
	for range 30 {
		box := nvr.Box{X: rng.Float64(), Y: rng.Float64(), W: rng.Float64() / 3, H: rng.Float64() / 3}
		from, to := rng.IntN(seconds), seconds
		var want []nvr.Span
		for i := from; i < to; i++ {
			if !maps[i].Touches(box) {
				continue
			}
			at := start.Add(time.Duration(i) * time.Second)
			if n := len(want); n > 0 && at.Sub(want[n-1].To) <= 2*time.Second {
				want[n-1].To = at.Add(time.Second)
				continue
			}
			want = append(want, nvr.Span{From: at, To: at.Add(time.Second)})
		}
		got := h.search(start.Add(time.Duration(from)*time.Second), start.Add(seconds*time.Second), box)
		if len(got) != len(want) {
			t.Fatalf("box %v: %d finds, want %d\n%v\n%v", box, len(got), len(want), got, want)
		}
		for i := range got {
			if !got[i].From.Equal(want[i].From) || !got[i].To.Equal(want[i].To) {
				t.Errorf("box %v: find %d is %v, want %v", box, i, got[i], want[i])
			}
		}
	}
	if _, err := h.lib.Search(t.Context(), h.keys, h.id(), start, start.Add(32*day), left); !errors.Is(err, nvr.ErrInvalid) {
		t.Errorf("more than a month: %v", err)
	}
}

// builtDay makes the sealed files of a day of a camera, a minute each in slots
// of 64 KiB, without their media; something moves in share of them for 20 s.
func builtDay(b *testing.B, share float64) (h *house, start time.Time) {
	b.Helper()
	h, _ = direct(b, b.TempDir())
	ctx := b.Context()
	disk := must[[]nvr.Disk](b)(h.config.Disks(ctx))[0].ID
	start = time.Now().Truncate(day).Add(-2 * day)
	rng := rand.New(rand.NewPCG(1, 2))
	var rows []nvr.Segment
	for i := range 1440 {
		s := nvr.Segment{Stream: h.id(), Start: start.Add(time.Duration(i) * time.Minute), Seq: uint64(i), Duration: time.Minute, Disk: disk}
		var seconds []nvr.MotionSecond
		if rng.Float64() < share {
			for j := range 20 {
				m := nvr.MotionSecond{Second: s.Start.Unix() + int64(j)}
				m.Map.Mark(nvr.Box{X: float64(j) / 25, Y: 0.4, W: 0.1, H: 0.3})
				seconds = append(seconds, m)
			}
		}
		s.Activity = nvr.Activity{Known: true, Watched: true, Moving: len(seconds)}
		rows = append(rows, h.build(s, seconds))
	}
	if err := h.index.Add(ctx, rows...); err != nil {
		b.Fatal(err)
	}
	return h, start
}

// build writes the file of a segment.
func (h *house) build(s nvr.Segment, seconds []nvr.MotionSecond) nvr.Segment {
	h.t.Helper()
	to := must[nvr.Recipient](h.t)(h.keys.CurrentVault(h.t.Context(), h.camera.ID, s.Start))
	s.Vault = to.Vault
	name := filepath.Join(h.footage(), recorder.SegmentName(s))
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		h.t.Fatal(err)
	}
	f := must[*os.File](h.t)(os.Create(name))
	w := must[*vault.Writer](h.t)(vault.NewWriter(f, vault.Options{
		SlotLog2: 16, Stream: s.Stream, Start: s.Start, Seq: s.Seq, Vault: s.Vault, Public: to.Public, Segment: nvr.NewID[nvr.Segment](),
	}))
	err := w.Init([]byte("init"))
	for i := range 120 {
		err = errors.Join(err, w.Fragment(vault.FragmentInfo{Time: nvr.Ticks(s.Start) + int64(i)*45000, Duration: 45000}, make([]byte, 100)))
	}
	if len(seconds) > 0 {
		err = errors.Join(err, w.Record(vault.MotionMap, recorder.EncodeMotion(seconds)))
	}
	if err := errors.Join(err, w.Close(s.Duration), f.Close()); err != nil {
		h.t.Fatal(err)
	}
	return s
}

func BenchmarkSearchOfADay(b *testing.B) {
	for _, share := range []float64{0.3, 1} {
		b.Run(fmt.Sprintf("%.0f %% of the minutes with motion", share*100), func(b *testing.B) {
			h, start := builtDay(b, share)
			b.ReportAllocs()
			for b.Loop() {
				if found := h.search(start, start.Add(day), left); len(found) < 100 {
					b.Fatalf("%d finds", len(found))
				}
			}
		})
	}
}
