package recorder_test

import (
	"bytes"
	"testing"
	"time"

	"lares/nvr"
)

// The last picture before a pause is stored with the duration of the one before
// it, since nobody knows when the next one comes. Where that comes sooner, the
// pictures of a clip keep their times all the same.
func TestPictureAfterAPauseKeepsItsTimeInAClip(t *testing.T) {
	t.Parallel()
	h := newHouse(t, t.TempDir(), testCamera(1), newKeys())
	start := time.Now().Add(-time.Minute).Truncate(time.Second)
	sent := newTalkie(start).frames(50)
	const usual, slow, before = nvr.ClockRate / 25, 2 * nvr.ClockRate / 25, 20
	pictures := only(sent, nvr.VideoTrack)
	for i, f := range pictures {
		late := int64(min(i, before)) * (slow - usual)
		if i > before {
			late -= usual / 2 // the first one after the pause is early
		}
		f.DTS += late
		f.PTS += late
	}
	split := 0
	for split = range sent {
		if sent[split] == pictures[before+1] {
			break
		}
	}
	h.send(sent[:split])
	time.Sleep(1500 * time.Millisecond) // until what is in memory was stored for want of more
	h.send(sent[split:])
	h.stopRecording()
	_, file := h.export(start.Add(-time.Second), time.Now())
	got := readMovie(t, file)[0]
	if len(got) != len(pictures) {
		t.Fatalf("%d pictures, sent %d", len(got), len(pictures))
	}
	for i, p := range pictures {
		if want := p.PTS - pictures[0].PTS; !bytes.Equal(got[i].data, p.Data) || got[i].pts-got[0].pts != want {
			t.Fatalf("picture %d has the time %d, want %d", i, got[i].pts-got[0].pts, want)
		}
	}
}
