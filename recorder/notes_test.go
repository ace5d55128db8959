package recorder

import (
	"errors"
	"testing"
	"time"

	"lares/nvr"
)

func TestEventThatFindsNoSegmentIsAnswered(t *testing.T) {
	w := &writer{nudge: make(chan struct{}, 1)}
	late := &note{until: time.Now().Add(-time.Second), done: make(chan error, 1)}
	early := &note{until: time.Now().Add(time.Minute), done: make(chan error, 1)}
	for _, n := range []*note{late, early} {
		if err := w.post(n); err != nil {
			t.Fatal(err)
		}
	}
	w.deliver(t.Context())
	if err := <-late.done; !errors.Is(err, nvr.ErrNotFound) || !errors.Is(err, errNoSegment) {
		t.Errorf("one that waited too long: %v", err)
	}
	w.closeNotes()
	if err := <-early.done; !errors.Is(err, nvr.ErrClosed) {
		t.Errorf("one that waits when the writer ends: %v", err)
	}
	if err := w.post(early); !errors.Is(err, nvr.ErrClosed) {
		t.Errorf("one that comes after the end: %v", err)
	}
}

func TestEventGoesBackForTheNextSegmentUnlessNobodyWaits(t *testing.T) {
	w := &writer{nudge: make(chan struct{}, 1)}
	n := &note{done: make(chan error, 1)}
	w.returnNote(n) // the segment broke under it
	if w.takeNote() != n || w.takeNote() != nil {
		t.Fatal("it does not wait for the next segment")
	}
	why := errors.New("enough")
	w.withdraw(n, why) // while it is being written
	w.returnNote(n)
	if err := <-n.done; !errors.Is(err, why) || w.takeNote() != nil {
		t.Errorf("nobody waits for it, and yet: %v", err)
	}
}

func TestSecondsWithMotionGoWithTheSegmentTheyBelongTo(t *testing.T) {
	w := &writer{}
	const start, end = 1000 * nvr.ClockRate, 1060*nvr.ClockRate + 1
	for _, s := range []int64{1060, 1061, 1010, 999, 879, 880, 1010} {
		m := nvr.MotionSecond{Second: s}
		m.Map.Mark(nvr.Box{X: 0.5, Y: 0.5})
		w.move(m)
	}
	var got []int64
	for _, s := range w.takeMoved(start, end) {
		got = append(got, s.Second)
	}
	want := []int64{880, 999, 1010, 1060} // 879 is too late
	if len(got) != len(want) || !equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if rest := w.takeMoved(end, end+60*nvr.ClockRate); len(rest) != 1 || rest[0].Second != 1061 {
		t.Errorf("left for the next: %v", rest)
	}
	for s := range int64(2 * maxMoved) {
		w.move(nvr.MotionSecond{Second: s})
	}
	if len(w.moved) != maxMoved || w.moved[0].Second != maxMoved {
		t.Errorf("%d seconds wait, from %d on", len(w.moved), w.moved[0].Second)
	}
}
