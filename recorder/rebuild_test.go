package recorder_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"lares/nvr"
	"lares/recorder"
)

func removeIndex(t *testing.T, dir string) {
	t.Helper()
	for _, name := range []string{"index.db", "index.db-wal", "index.db-shm"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
}

func TestLostIndexIsRebuiltAndMarkedComplete(t *testing.T) {
	t.Parallel()
	dir, camera, k := t.TempDir(), testCamera(1), newKeys()
	h := newHouse(t, dir, camera, k)
	start := time.Now().Add(-10 * time.Minute)
	src := newSource(start)
	sent := h.span(src, start, 130)
	sent = append(sent, h.span(src, start.Add(200*time.Second), 30)...)
	h.stop()
	removeIndex(t, dir)
	h = newHouse(t, dir, camera, k)
	eventually(t, "the index is rebuilt", func() bool {
		return len(h.recorded(h.id(), start.Add(-time.Minute), time.Now())) == len(sent)
	})
	line := must[nvr.Timeline](t)(h.lib.Timeline(t.Context(), h.id(), start, start.Add(229*time.Second)))
	if len(line.Spans) != 2 || len(line.Gaps) != 1 || line.Gaps[0].Cause != nvr.CameraOffline {
		t.Errorf("timeline: %+v", line)
	}
	h.stop()
	h = openHouse(t, dir, camera, k)
	if h.index.Fresh() {
		t.Error("the index does not know that it is complete")
	}
	if err := errors.Join(h.index.Close(), h.config.Close()); err != nil {
		t.Error(err)
	}
}

func TestRowOfAFileThatIsGoneIsDroppedAndSaid(t *testing.T) {
	t.Parallel()
	dir, camera, k := t.TempDir(), testCamera(1), newKeys()
	h := newHouse(t, dir, camera, k)
	start := time.Now().Add(-10 * time.Minute)
	h.span(newSource(start), start, 130)
	h.stopRecording()
	rows := h.rows()
	h.stop()
	if err := os.Remove(filepath.Join(h.footage(), recorder.SegmentName(rows[1]))); err != nil {
		t.Fatal(err)
	}
	h = newHouse(t, dir, camera, k)
	eventually(t, "the row is dropped", func() bool { return len(h.rows()) == len(rows)-1 })
	line := must[nvr.Timeline](t)(h.lib.Timeline(t.Context(), h.id(), start, start.Add(129*time.Second)))
	if len(line.Gaps) != 1 || line.Gaps[0].Cause != nvr.Damaged {
		t.Errorf("gaps: %+v", line.Gaps)
	}
}

// slowStart is an index that is fresh, and into which nothing old comes while
// it is held up.
type slowStart struct {
	recorder.Index
	held atomic.Bool
}

func (s *slowStart) Range(ctx context.Context, id nvr.StreamID, from, to time.Time) ([]nvr.Segment, error) {
	if s.held.Load() && to.Before(time.Now().Add(-day)) {
		return nil, errors.New("the index is busy")
	}
	return s.Index.Range(ctx, id, from, to)
}

func TestWhileTheIndexIsRebuiltNoVaultIsDestroyedAndNothingTrimmed(t *testing.T) {
	t.Parallel()
	dir, camera, k := t.TempDir(), testCamera(1), newKeys()
	withQuota(t, dir, camera, k, 1<<20)
	h := newHouse(t, dir, camera, k)
	then := time.Now().Truncate(day).Add(-3*day + time.Hour)
	src := newSource(then)
	h.span(src, then, 20)
	h.span(src, then.Add(day), 20)
	h.span(src, time.Now().Add(-time.Minute), 20)
	h.stop()
	removeIndex(t, dir)
	x := &slowStart{}
	x.held.Store(true)
	h = newHouse(t, dir, camera, k, withIndex(func(i recorder.Index) recorder.Index { x.Index = i; return x }))
	h.rec.Trim(t.Context())
	if files, _ := filepath.Glob(filepath.Join(h.footage(), "s*", "*", "*.seg")); len(files) != 3 || len(k.destroyed) != 0 {
		t.Errorf("%d files, %d vaults destroyed before the index is complete", len(files), len(k.destroyed))
	}
}
