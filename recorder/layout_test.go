package recorder

import (
	"path/filepath"
	"testing"
	"time"

	"lares/nvr"
)

func TestNamesReadBackAsWritten(t *testing.T) {
	for _, start := range []time.Time{time.UnixMilli(0), time.Date(2026, 10, 25, 0, 59, 59, 7e6, time.UTC), time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC)} {
		want := nvr.Segment{Stream: nvr.NewID[nvr.Stream](), Start: start.UTC(), Duration: 61_234 * time.Millisecond, Seq: 1 << 40}
		got, ok := parseSeg(want.Stream, filepath.Base(segName(want)))
		if !ok || got != want {
			t.Errorf("segment: got %+v, want %+v", got, want)
		}
		want.Duration = 0
		got, ok = parsePart(filepath.Base(partName(want)))
		if !ok || got != want {
			t.Errorf("part: got %+v, want %+v", got, want)
		}
	}
}

func FuzzNames(f *testing.F) {
	s := nvr.Segment{Stream: nvr.NewID[nvr.Stream](), Start: time.UnixMilli(1), Duration: time.Second, Seq: 3}
	f.Add(filepath.Base(segName(s)))
	f.Add(filepath.Base(partName(s)))
	f.Add("-1-2-3.seg")
	f.Fuzz(func(t *testing.T, name string) {
		if s, ok := parseSeg(nvr.StreamID{}, name); ok && filepath.Base(segName(s)) != name {
			t.Errorf("segment name %q has a second spelling %q", name, segName(s))
		}
		if s, ok := parsePart(name); ok && filepath.Base(partName(s)) != name {
			t.Errorf("part name %q has a second spelling %q", name, partName(s))
		}
	})
}
