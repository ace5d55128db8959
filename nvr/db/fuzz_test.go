package db_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/db"
)

// FuzzDamagedIndex writes bytes into an index and uses it: every call answers or
// fails, and the start after that works.
func FuzzDamagedIndex(f *testing.F) {
	ctx, h := context.Background(), newHouse()
	path := filepath.Join(f.TempDir(), "index.db")
	x := openIndex(f, path)
	must(f, x.Add(ctx, h.minutes(noon, 200)...))
	must(f, x.Discard(ctx, h.minutes(noon, 5)...))
	must(f, x.Close())
	whole, err := os.ReadFile(path) // #nosec G304 -- this test
	must(f, err)

	f.Add(uint32(0), []byte("not a database"))
	f.Add(uint32(24), []byte{0xff, 0xff, 0xff, 0xff})
	f.Add(uint32(100), make([]byte, 8))
	f.Add(uint32(4096), []byte{0x0d, 0x7f, 0xff})
	for page := range uint32(len(whole) / 4096) {
		f.Add(page*4096+3, []byte{0xff, 0x00})
		f.Add(page*4096+4000, []byte{0x81, 0xff, 0xff, 0xff, 0xff})
	}
	f.Fuzz(func(t *testing.T, offset uint32, junk []byte) {
		path := filepath.Join(t.TempDir(), "index.db")
		damaged := append([]byte(nil), whole...)
		copy(damaged[int(offset)%len(damaged):], junk)
		must(t, os.WriteFile(path, damaged, 0o600))
		x, err := db.OpenIndex(ctx, path, quiet())
		if isErr(err, db.ErrNewer) {
			return // the junk was a version
		}
		must(t, err)
		useAll(ctx, x, h)
		must(t, x.Close())
		x, err = db.OpenIndex(ctx, path, quiet())
		if isErr(err, db.ErrNewer) {
			return
		}
		must(t, err)
		must(t, x.Close())
	})
}

// useAll calls everything and does not mind errors.
func useAll(ctx context.Context, x *db.Index, h house) {
	rows, _ := x.Range(ctx, h.stream, noon, noon.AddDate(1, 0, 0))
	_, _ = x.Newest(ctx, h.stream)
	_, _ = x.Oldest(ctx, nvr.DiskID{}, nvr.StreamID{}, 100, 50)
	_, _ = x.Garbage(ctx)
	_, _ = x.Used(ctx, h.disk)
	_, _ = x.Days(ctx, h.stream, noon, noon.AddDate(0, 1, 0), time.UTC)
	_ = x.Add(ctx, h.minutes(noon.Add(100*time.Minute), 200)...)
	_ = x.Discard(ctx, rows...)
	_ = x.Forget(ctx, rows...)
	_ = x.Check(ctx)
}
