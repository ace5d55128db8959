package db_test

import (
	"context"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"lares/nvr"
)

// TestReadersSeeWholeBatches has readers look while a writer adds and discards
// in batches of ten.
func TestReadersSeeWholeBatches(t *testing.T) {
	ctx, x, h := context.Background(), newIndex(t), newHouse()
	writing, done := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for writing.Err() == nil {
				rows, err := x.Range(ctx, h.stream, noon, noon.AddDate(0, 0, 1))
				if err != nil || len(rows)%10 != 0 {
					t.Errorf("%d rows, %v", len(rows), err)
					return
				}
				used, err := x.Used(ctx, h.disk)
				if err != nil || used%(10*30_000_000) != 0 {
					t.Errorf("%d bytes used, %v", used, err)
					return
				}
			}
		})
	}
	all := h.minutes(noon, 400)
	for i := 0; i < len(all); i += 10 {
		must(t, x.Add(ctx, all[i:i+10]...))
		if i >= 100 {
			must(t, x.Discard(ctx, all[i-100:i-90]...))
		}
	}
	done()
	wg.Wait()
	want(t, "used", int64(100*30_000_000))(x.Used(ctx, h.disk))
	must(t, x.Check(ctx))
}

func TestManyWritersOfTheConfigWaitForEachOther(t *testing.T) {
	ctx, c := context.Background(), newConfig(t)
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			stream := nvr.NewID[nvr.Stream]()
			for i := range int64(5) {
				g := nvr.Gap{Stream: stream, From: at(i * 100), To: at(i*100 + 10), Cause: nvr.Privacy}
				if err := c.AddGap(ctx, g); err != nil {
					t.Errorf("worker %d: %v", worker, err)
				}
			}
			if gaps, err := c.GapsIn(ctx, stream, at(0), at(1000)); err != nil || len(gaps) != 5 {
				t.Errorf("worker %d: %d gaps, %v", worker, len(gaps), err)
			}
		})
	}
	wg.Wait()
}

func TestAPathMayHoldAnyCharacter(t *testing.T) {
	ctx, h := context.Background(), newHouse()
	path := filepath.Join(t.TempDir(), "Ordner mit ? % # & + und ü.db")
	x := openIndex(t, path)
	must(t, x.Add(ctx, h.segment(noon, 1)))
	must(t, x.Close())
	x = openIndex(t, path)
	want(t, "found again", []nvr.Segment{h.segment(noon, 1)})(x.Range(ctx, h.stream, noon, noon.Add(time.Hour)))
}

// TestCallersThatLeaveInTheMiddle cancels additions at any moment: a batch is
// there or it is not, and the index goes on.
func TestCallersThatLeaveInTheMiddle(t *testing.T) {
	x, h := newIndex(t), newHouse()
	all := h.minutes(noon, 30*50)
	for i := 0; i < len(all); i += 50 {
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() { _ = x.Add(ctx, all[i:i+50]...) })
		for range i { // a little later each time
			runtime.Gosched()
		}
		cancel()
		wg.Wait()
	}
	ctx := context.Background()
	rows, err := x.Range(ctx, h.stream, noon, noon.AddDate(0, 0, 2))
	must(t, err)
	if len(rows)%50 != 0 {
		t.Errorf("%d rows: half a batch", len(rows))
	}
	want(t, "used", int64(len(rows))*30_000_000)(x.Used(ctx, h.disk))
	must(t, x.Add(ctx, all...))
	want(t, "all", all)(x.Range(ctx, h.stream, noon, noon.AddDate(0, 0, 2)))
	must(t, x.Check(ctx))
}
