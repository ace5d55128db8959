package recorder_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"lares/nvr"
	"lares/recorder"
)

// direct returns a writer that the test feeds itself.
func direct(t testing.TB, dir string) (*house, recorder.Writer) {
	t.Helper()
	camera := testCamera(1)
	camera.Streams[0].Stream = nvr.StreamID{7} // its first byte says how long the first segment is
	h := openHouse(t, dir, camera, newKeys())
	if err := h.rec.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(h.index.Close(), h.config.Close()); err != nil {
			t.Error(err)
		}
	})
	return h, h.rec.NewWriter(h.camera)
}

// A killed process loses what is not in written slots, at any rate, also when
// the rate falls a hundredfold within a segment whose slots are large.
func TestWrittenSlotsAreNeverFarBehind(t *testing.T) {
	t.Parallel()
	for name, sizes := range map[string][]int{
		"constant":                  {15000},
		"a quiet night after a day": {15000, 15000, 40},
		"day after night":           {40, 40, 15000},
		"no bits at all":            {10},
		"changing":                  {6000, 200, 20000, 60},
	} {
		for _, fps := range []int64{25, 8, 30} {
			t.Run(fmt.Sprintf("%s, %d a second", name, fps), func(t *testing.T) {
				_, w := direct(t, t.TempDir())
				src := newSource(time.Now().Add(-10 * time.Minute))
				var worst int64
				for i := range 150 * int(fps) {
					src.size = 16 + sizes[(i/int(fps*35))%len(sizes)]
					f := src.next()
					f.DTS = src.start + int64(i)*nvr.ClockRate/fps
					f.PTS = f.DTS
					written := w.Frame(t.Context(), f)
					worst = max(worst, f.DTS+nvr.ClockRate/fps-max(written, src.start))
				}
				w.Finish(t.Context())
				if worst > nvr.ClockRate*3/2 {
					t.Errorf("%.2f s were in memory only", float64(worst)/nvr.ClockRate)
				}
			})
		}
	}
}

func TestSoundAloneIsStoredAsItComes(t *testing.T) {
	t.Parallel()
	_, w := direct(t, t.TempDir())
	src := newTalkie(time.Now().Add(-10 * time.Minute))
	var last *nvr.Frame
	for i, f := range src.frames(25 * 60) {
		if f.Track == nvr.VideoTrack && i > 50 {
			continue // the picture froze
		}
		if written := w.Frame(t.Context(), f); f.DTS-max(written, src.start) > 3*nvr.ClockRate/2 {
			t.Fatalf("%.2f s of sound were in memory only", float64(f.DTS-written)/nvr.ClockRate)
		}
		last = f
	}
	if last.Track != nvr.AudioTrack {
		t.Fatal("no sound was sent")
	}
	w.Finish(t.Context())
}

func TestFilesAreAtMostOnePercentLargerThanTheMedia(t *testing.T) {
	t.Parallel()
	for rate, segments := range map[int]int{1_000_000: 10, 1_500_000: 6, 3_000_000: 3} {
		t.Run(fmt.Sprintf("%.1f Mbit a second", float64(rate)/1e6), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			h, w := direct(t, t.TempDir())
			src := newSource(time.Now().Add(-time.Hour))
			media, files := int64(0), int64(0)
			var sent []*nvr.Frame
			for range 25 * 60 * (segments + 1) {
				src.size = rate/8/25 - 48 - 200 + rng.IntN(401) // picture adds 48 on average
				if src.n%50 == 0 {
					src.size += rate / 8 / 5
				}
				src.size -= rate / 8 / 5 / 50
				f := src.next()
				sent = append(sent, f)
				w.Frame(t.Context(), f)
			}
			w.Finish(t.Context())
			h.rec.Sync(t.Context())
			rows := h.rows()
			rows = rows[1 : len(rows)-1] // whole ones: the first and the last are short
			for _, s := range rows {
				files += s.Bytes
			}
			for _, f := range sent {
				if at := nvr.TickTime(f.DTS).Add(time.Millisecond); at.After(rows[0].Start) && at.Before(rows[len(rows)-1].End()) {
					media += int64(len(f.Data))
				}
			}
			over := 100 * float64(files-media) / float64(media)
			t.Logf("%d segments, %.2f %% over %d bytes of media", len(rows), over, media)
			if over > 1 || over < 0 || len(rows) < segments-1 {
				t.Errorf("%.2f %% over the media in %d segments", over, len(rows))
			}
		})
	}
}

// Clock steps: nothing is lost and nothing is twice, whatever the wall clock says.
func TestClockStepsLoseNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t, t.TempDir(), testCamera(1), newKeys())
	src := newSource(time.Now())
	now := time.Now().Truncate(time.Second)
	starts := []time.Time{
		time.Date(1970, 1, 1, 0, 0, 5, 0, time.UTC), now.Add(-5 * time.Hour), time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC),
		now.Add(-4 * time.Hour), now.Add(-4*time.Hour - 2*time.Second),
	}
	total := 0
	for _, start := range starts {
		src.start, src.n = nvr.Ticks(start), 0
		src.run++
		for i := range 100 {
			f := src.next()
			if i == 0 && src.run > 2 {
				f.Break = &nvr.Break{Since: start, Cause: nvr.ClockStep}
			}
			h.main().Publish(f)
			total++
		}
	}
	h.drained(h.main())
	h.stopRecording()
	rows := must[[]nvr.Segment](t)(h.index.Range(t.Context(), h.id(), time.Unix(0, 0), time.Date(2041, 1, 1, 0, 0, 0, 0, time.UTC)))
	if len(rows) != len(starts) {
		t.Errorf("%d segments of %d runs", len(rows), len(starts))
	}
	h.rec.Trim(t.Context())
	h.rec.Expire(t.Context())
	got := h.recorded(h.id(), time.Unix(0, 0), time.Date(2041, 1, 1, 0, 0, 0, 0, time.UTC))
	if len(got) < total {
		t.Errorf("%d of %d pictures came back", len(got), total)
	}
	line := must[nvr.Timeline](t)(h.lib.Timeline(t.Context(), h.id(), now.Add(-5*time.Hour), now.Add(-3*time.Hour)))
	if len(line.Spans) != 2 {
		t.Errorf("timeline: %+v", line)
	}
}

// BenchmarkWriter measures the way of a frame into a sealed slot, on tmpfs where
// there is one.
func BenchmarkWriter(b *testing.B) {
	for _, rate := range []int{400_000, 3_000_000} {
		b.Run(fmt.Sprintf("%.1f Mbit a second", float64(rate)/1e6), func(b *testing.B) {
			dir := b.TempDir()
			if memory, err := os.MkdirTemp("/dev/shm", "lares-bench-"); err == nil {
				dir = memory
				b.Cleanup(func() {
					if err := os.RemoveAll(memory); err != nil {
						b.Error(err)
					}
				})
			}
			h, w := direct(b, dir)
			src := newSource(time.Now().Add(-time.Hour))
			frames := make([]*nvr.Frame, 25*300)
			src.size = rate / 8 / 25
			for i := range frames {
				frames[i] = src.next()
			}
			length := int64(len(frames)) * nvr.ClockRate / 25
			b.ReportAllocs()
			b.SetBytes(int64(src.size))
			for n := 0; b.Loop(); n++ {
				f := *frames[n%len(frames)]
				f.DTS += int64(n/len(frames)) * length
				f.PTS = f.DTS
				w.Frame(b.Context(), &f)
				if n%(25*60) == 0 {
					h.rec.Sync(b.Context())
				}
			}
			b.StopTimer()
			w.Finish(b.Context())
			h.rec.Sync(b.Context())
		})
	}
}

// BenchmarkTimelineOfAMonth reads 43 200 rows, a minute each, with a hole a day.
func BenchmarkTimelineOfAMonth(b *testing.B) {
	h, _ := direct(b, b.TempDir())
	start := time.Now().Truncate(time.Minute).Add(-30 * day)
	var rows []nvr.Segment
	for i := range 30 * 24 * 60 {
		if i%1440 != 600 {
			rows = append(rows, nvr.Segment{
				Stream: h.id(), Start: start.Add(time.Duration(i) * time.Minute), Seq: uint64(i), Duration: time.Minute, Bytes: 1 << 20,
				Disk: must[[]nvr.Disk](b)(h.config.Disks(b.Context()))[0].ID,
			})
		}
	}
	if err := h.index.Add(b.Context(), rows...); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		line := must[nvr.Timeline](b)(h.lib.Timeline(b.Context(), h.id(), start, time.Now()))
		if len(line.Spans) != 31 {
			b.Fatalf("%d spans", len(line.Spans))
		}
	}
}
