package db_test

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/db"
)

// benchStreams is how many streams the rows of a benchmark belong to.
const benchStreams = 32

// benchIndex returns an index of LARES_BENCH_ROWS rows (20,000 by default; ten
// million are seven months of 32 streams and take some minutes), and its streams.
func benchIndex(b *testing.B) (x *db.Index, streams []house, minutes int) {
	b.Helper()
	rows := 20_000
	if s := os.Getenv("LARES_BENCH_ROWS"); s != "" {
		n, err := strconv.Atoi(s)
		must(b, err)
		rows = n
	}
	path := filepath.Join(b.TempDir(), "index.db")
	x = openIndex(b, path)
	disk := nvr.NewID[nvr.Disk]()
	for range benchStreams {
		h := newHouse()
		h.disk = disk
		streams = append(streams, h)
	}
	minutes = rows / benchStreams
	const batch = 60
	for from := 0; from < minutes; from += batch {
		var all []nvr.Segment
		for i := range streams {
			if from%1440 == 0 {
				streams[i].vault = nvr.NewID[nvr.Vault]()
			}
			for m := from; m < min(from+batch, minutes); m++ {
				s := streams[i].segment(noon.Add(time.Duration(m)*time.Minute), uint64(m+1))
				s.Day = 20_000 + m/1440
				all = append(all, s)
			}
		}
		must(b, x.Add(context.Background(), all...))
	}
	b.Run("Size", func(b *testing.B) {
		var bytes int64
		for b.Loop() {
			info, err := os.Stat(path)
			must(b, err)
			bytes = info.Size()
		}
		b.ReportMetric(float64(bytes)/float64(minutes*benchStreams), "B/row")
	})
	return x, streams, minutes
}

func BenchmarkIndex(b *testing.B) {
	ctx := context.Background()
	x, streams, minutes := benchIndex(b)
	rng := rand.New(rand.NewPCG(1, 2))
	instant := func() (nvr.StreamID, time.Time) {
		return streams[rng.IntN(len(streams))].stream, noon.Add(time.Duration(rng.Int64N(int64(minutes))) * time.Minute)
	}
	b.Run("RangeOfAnInstant", func(b *testing.B) {
		for b.Loop() {
			stream, t := instant()
			if found, err := x.Range(ctx, stream, t, t.Add(time.Millisecond)); err != nil || len(found) != 1 {
				b.Fatal(len(found), err)
			}
		}
	})
	b.Run("RangeOfAnHour", func(b *testing.B) {
		for b.Loop() {
			stream, t := instant()
			if _, err := x.Range(ctx, stream, t, t.Add(time.Hour)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("DaysOfAMonth", func(b *testing.B) {
		for b.Loop() {
			stream, t := instant()
			if _, err := x.Days(ctx, stream, t, t.AddDate(0, 1, 0), time.UTC); err != nil {
				b.Fatal(err)
			}
		}
	})
	// What a time line of eight cameras asks for first.
	b.Run("OverviewOfAMonth", func(b *testing.B) {
		for b.Loop() {
			for _, h := range streams[:8] {
				if _, err := x.Spans(ctx, h.stream, noon, noon.AddDate(0, 1, 0), time.Second); err != nil {
					b.Fatal(err)
				}
				if _, err := x.Density(ctx, h.stream, noon, noon.AddDate(0, 1, 0)); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("Oldest64OfADisk", func(b *testing.B) {
		for b.Loop() {
			if _, err := x.Oldest(ctx, streams[0].disk, nvr.StreamID{}, 1<<30, 64); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("AddOne", func(b *testing.B) {
		h, n := newHouse(), uint64(0)
		for b.Loop() {
			n++
			must(b, x.Add(ctx, h.segment(noon.Add(time.Duration(n)*time.Minute), n)))
		}
	})
}

func BenchmarkConfigAppendLog(b *testing.B) {
	ctx, c := context.Background(), newConfig(b)
	state, seq := randomBytes(100), uint64(0)
	for b.Loop() {
		seq++
		must(b, c.AppendLog(ctx, nvr.LogEntry{Seq: seq, Time: noon, Action: "live", Details: state, MAC: state[:32]}, state))
	}
}

func BenchmarkConfigDestroyVault(b *testing.B) {
	ctx, c := context.Background(), newConfig(b)
	for day := range 200 {
		v, grants := vault(nvr.NewID[nvr.Camera](), day, 5)
		must(b, c.AddVault(ctx, v, grants))
	}
	for b.Loop() {
		v, grants := vault(nvr.NewID[nvr.Camera](), 1, 5)
		must(b, c.AddVault(ctx, v, grants))
		must(b, c.DestroyVault(ctx, v.ID))
	}
}
