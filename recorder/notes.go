package recorder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"lares/nvr"
	"lares/nvr/vault"
)

const (
	// maxNotes bounds the bytes of events that wait for a segment of a stream.
	maxNotes = 4 << 20
	// noteTime is how long an event waits where no segment is open.
	noteTime = 2 * time.Minute
	// maxMoved bounds the seconds with motion that wait for the end of a segment.
	maxMoved = 600
	// lateness is how far behind its time a second with motion may come.
	lateness = 2 * time.Minute
)

// errNoSegment: nothing of the camera was recorded when its event was to be stored.
var errNoSegment = errors.New("nothing of the camera is being recorded")

// note is an event on its way into a segment. done gets one answer.
type note struct {
	event, thumbnail []byte // records; thumbnail may be nil
	until            time.Time
	gone             error // set where nobody waits any more; guarded by the writer's mu
	done             chan error
}

func (n *note) size() int { return len(n.event) + len(n.thumbnail) }

// SaveEvent seals an event that has ended, and its picture (a JPEG, or nil),
// into the segment of the camera's main stream that is open. It returns when
// both are in the file. Where no segment is open it waits for the next, up to
// two minutes. Errors: nvr.ErrNotFound where the camera is not recorded,
// nvr.ErrInvalid for an event or picture out of bounds, or where too many wait.
func (r *Recorder) SaveEvent(ctx context.Context, e nvr.Event, thumbnail []byte) error {
	w := r.mainWriter(e.Camera)
	if w == nil {
		return fmt.Errorf("store event: %w: %w", errNoSegment, nvr.ErrNotFound)
	}
	e, pictured, some := w.ownShare(e)
	if !some {
		return nil // it was deleted before it was stored
	}
	if !pictured {
		thumbnail = nil
	}
	n := &note{until: time.Now().Add(noteTime), done: make(chan error, 1)}
	var err error
	if n.event, err = encodeEvent(e); err != nil {
		return err
	}
	if len(thumbnail) > maxThumbnail {
		return fmt.Errorf("store a thumbnail of %d bytes: %w", len(thumbnail), nvr.ErrInvalid)
	}
	if len(thumbnail) > 0 {
		n.thumbnail = encodeThumbnail(e.ID, thumbnail)
	}
	if err := w.post(n); err != nil {
		return err
	}
	select {
	case err = <-n.done:
	case <-ctx.Done():
		w.withdraw(n, ctx.Err())
		err = <-n.done
	}
	if err != nil {
		return fmt.Errorf("store event: %w", err)
	}
	return nil
}

// SaveMotion notes where something moved in one second of a camera. It is kept
// in memory until the open segments end.
func (r *Recorder) SaveMotion(camera nvr.CameraID, s nvr.MotionSecond) {
	if s.Map.Empty() || s.Second < 0 || s.Second > maxSecond {
		return
	}
	for _, w := range r.writersOf(camera) {
		w.move(s)
	}
}

// post queues a note.
func (w *writer) post(n *note) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	waiting := n.size()
	for _, other := range w.notes {
		waiting += other.size()
	}
	switch {
	case w.ended:
		return fmt.Errorf("store event: %w", nvr.ErrClosed)
	case waiting > maxNotes:
		return fmt.Errorf("store event: too many wait: %w", nvr.ErrInvalid)
	}
	w.notes = append(w.notes, n)
	w.poke()
	return nil
}

// withdraw answers a note that is not being written with why. One that is gets
// its answer by the writer, now.
func (w *writer) withdraw(n *note, why error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n.gone = why
	if i := slices.Index(w.notes, n); i >= 0 {
		w.notes = slices.Delete(w.notes, i, i+1)
		n.done <- why
	}
}

func (w *writer) takeNote() *note {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.notes) == 0 {
		return nil
	}
	n := w.notes[0]
	w.notes = slices.Delete(w.notes, 0, 1)
	return n
}

// returnNote puts a note back for the next segment.
func (w *writer) returnNote(n *note) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n.gone != nil {
		n.done <- n.gone
		return
	}
	w.notes = slices.Insert(w.notes, 0, n)
}

// deliver writes the events that wait, and answers those that waited too long.
func (w *writer) deliver(ctx context.Context) {
	for w.seg != nil {
		n := w.takeNote()
		if n == nil {
			return
		}
		err := w.seg.enter(n)
		if err == nil || errors.Is(err, vault.ErrFormat) {
			n.done <- err
			continue
		}
		w.returnNote(n)
		w.broken(ctx, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notes = slices.DeleteFunc(w.notes, func(n *note) bool {
		late := time.Now().After(n.until)
		if late {
			n.done <- fmt.Errorf("%w: %w", errNoSegment, nvr.ErrNotFound)
		}
		return late
	})
}

// enter writes an event, and behind it its picture.
func (s *openSegment) enter(n *note) error {
	err := s.sealed.Record(vault.Event, n.event)
	if err == nil && n.thumbnail != nil {
		err = s.sealed.Record(vault.Thumbnail, n.thumbnail)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = slices.Clone(s.sealed.Records())
	if err == nil {
		s.events++
	}
	return err
}

// closeNotes answers all that wait: the writer has ended.
func (w *writer) closeNotes() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	for _, n := range w.notes {
		n.done <- nvr.ErrClosed
	}
	w.notes = nil
}

// move takes a second with motion; what comes of one twice is joined. Of too
// many the oldest is given up.
func (w *writer) move(s nvr.MotionSecond) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.Second < w.disowned.Unix() {
		return
	}
	i, known := slices.BinarySearchFunc(w.moved, s.Second, bySecond)
	if known {
		w.moved[i].Map.Add(&s.Map)
		return
	}
	w.moved = slices.Insert(w.moved, i, s)
	if len(w.moved) > maxMoved {
		w.moved = slices.Delete(w.moved, 0, 1)
	}
}

func bySecond(s nvr.MotionSecond, second int64) int { return int(s.Second - second) }

// takeMoved returns the seconds with motion that began before a segment ended,
// but for those that were too late for it.
func (w *writer) takeMoved(start, end int64) []nvr.MotionSecond {
	w.mu.Lock()
	defer w.mu.Unlock()
	first, _ := slices.BinarySearchFunc(w.moved, start/nvr.ClockRate-int64(lateness/time.Second), bySecond)
	last, _ := slices.BinarySearchFunc(w.moved, (end+nvr.ClockRate-1)/nvr.ClockRate, bySecond)
	taken := slices.Clone(w.moved[min(first, last):last])
	w.moved = slices.Delete(w.moved, 0, last)
	return taken
}

// sealMotion writes the motion map of a segment that ends, if something moved,
// and returns what the index is told.
func (w *writer) sealMotion(seg *openSegment) (nvr.Activity, error) {
	moved := w.takeMoved(seg.start, w.end)
	if len(moved) > 0 && w.source.Quality == nvr.Main {
		if err := seg.sealed.Record(vault.MotionMap, encodeMotion(moved)); err != nil {
			return nvr.Activity{}, err
		}
		seg.mu.Lock()
		seg.records = slices.Clone(seg.sealed.Records())
		seg.mu.Unlock()
	}
	watched, blinded := w.scene.watch()
	a := nvr.Activity{
		Known: true, Events: seg.events, Moving: len(moved), Watched: watched && seg.watched && blinded == seg.blinded,
	}
	if w.scene.busy(seg.start, w.end) {
		a.Moving = max(a.Moving, 1)
	}
	return a, nil
}
