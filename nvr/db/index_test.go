package db_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/db"
)

// house hands out segments of one stream, one a minute.
type house struct {
	stream nvr.StreamID
	disk   nvr.DiskID
	vault  nvr.VaultID
}

func newHouse() house {
	return house{nvr.NewID[nvr.Stream](), nvr.NewID[nvr.Disk](), nvr.NewID[nvr.Vault]()}
}

func (h house) segment(start time.Time, seq uint64) nvr.Segment {
	return nvr.Segment{
		Stream: h.stream, Start: start.UTC(), Seq: seq, Duration: time.Minute, Bytes: 30_000_000,
		Disk: h.disk, Vault: h.vault, Day: 7,
	}
}

var noon = time.Date(2026, 7, 25, 12, 0, 0, 0, time.UTC)

func (h house) minutes(start time.Time, n int) []nvr.Segment {
	all := make([]nvr.Segment, n)
	for i := range all {
		all[i] = h.segment(start.Add(time.Duration(i)*time.Minute), uint64(i+1))
	}
	return all
}

func TestRangeReturnsWhatOverlaps(t *testing.T) {
	ctx, x, h := context.Background(), newIndex(t), newHouse()
	all := h.minutes(noon, 10)
	must(t, x.Add(ctx, all...))
	must(t, x.Add(ctx, newHouse().minutes(noon, 10)...)) // another stream
	for _, c := range []struct {
		name     string
		from, to time.Duration
		want     []nvr.Segment
	}{
		{"all", -time.Hour, time.Hour, all},
		{"up to a start", -time.Hour, 3 * time.Minute, all[:3]},
		{"from an end", 3 * time.Minute, time.Hour, all[3:]},
		{"a moment before an end", 3*time.Minute - 1, 3 * time.Minute, all[2:3]},
		{"a moment after a start", 3 * time.Minute, 3*time.Minute + 1, all[3:4]},
		{"inside one", 3*time.Minute + 10*time.Second, 3*time.Minute + 11*time.Second, all[3:4]},
		{"after all", 10 * time.Minute, time.Hour, nil},
		{"before all", -time.Hour, 0, nil},
		{"backwards", 50 * time.Second, 10 * time.Second, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			want(t, "range", c.want)(x.Range(ctx, h.stream, noon.Add(c.from), noon.Add(c.to)))
		})
	}
	want(t, "unknown stream", []nvr.Segment(nil))(x.Range(ctx, nvr.NewID[nvr.Stream](), noon, noon.Add(time.Hour)))
}

func TestRangeFindsASegmentThatIsLongerThanTheOthers(t *testing.T) {
	ctx, x, h := context.Background(), newIndex(t), newHouse()
	long := h.segment(noon, 1)
	long.Duration = 20 * time.Minute
	short := h.segment(noon.Add(5*time.Minute), 2)
	must(t, x.Add(ctx, long, short))
	want(t, "range", []nvr.Segment{long})(x.Range(ctx, h.stream, noon.Add(19*time.Minute), noon.Add(time.Hour)))
}

func TestEveryFieldSurvivesAndARowIsReplaced(t *testing.T) {
	ctx, x, h := context.Background(), newIndex(t), newHouse()
	s := h.segment(noon.Add(7*time.Millisecond), 1<<40)
	s.Flags, s.Day, s.Bytes, s.Duration = nvr.Recovered|nvr.Doomed, 20000, 1<<33, 1234*time.Millisecond
	must(t, x.Add(ctx, s))
	want(t, "newest", s)(x.Newest(ctx, h.stream))
	s.Disk, s.Vault, s.Flags, s.Bytes, s.Duration = nvr.NewID[nvr.Disk](), nvr.NewID[nvr.Vault](), nvr.Held, 5, 900*time.Microsecond
	must(t, x.Add(ctx, s))
	s.Duration = time.Millisecond // rounded up
	want(t, "replaced", []nvr.Segment{s})(x.Range(ctx, h.stream, noon, noon.Add(time.Hour)))
	want(t, "old disk", int64(0))(x.Used(ctx, h.disk))
	want(t, "new disk", int64(5))(x.Used(ctx, s.Disk))
}

func TestImpossibleSegmentsAreRefusedAndTheBatchWithThem(t *testing.T) {
	ctx, x, h := context.Background(), newIndex(t), newHouse()
	for _, change := range []func(*nvr.Segment){
		func(s *nvr.Segment) { s.Duration = -1 },
		func(s *nvr.Segment) { s.Duration = 25 * time.Hour },
		func(s *nvr.Segment) { s.Bytes = -1 },
	} {
		bad := h.segment(noon.Add(time.Minute), 2)
		change(&bad)
		if err := x.Add(ctx, h.segment(noon, 1), bad); !isErr(err, nvr.ErrInvalid) {
			t.Errorf("got %v, want ErrInvalid", err)
		}
	}
	want(t, "nothing of the batches", []nvr.Segment(nil))(x.Range(ctx, h.stream, noon, noon.Add(time.Hour)))
}

func TestClockOf1970AndOf2040(t *testing.T) {
	ctx, x, h := context.Background(), newIndex(t), newHouse()
	early, late := time.Unix(3, 0), time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC)
	before := h.segment(time.Unix(-30, 0), 1) // a zone west of the epoch, a clock that is off
	a, b, c := h.segment(early, 2), h.segment(late, 3), h.segment(noon, 4)
	must(t, x.Add(ctx, before, a, b, c))
	want(t, "1970", []nvr.Segment{before, a})(x.Range(ctx, h.stream, time.Unix(0, 0), time.Unix(60, 0)))
	want(t, "2040", []nvr.Segment{b})(x.Range(ctx, h.stream, late, late.Add(time.Hour)))
	want(t, "all", []nvr.Segment{before, a, c, b})(x.Range(ctx, h.stream, time.Time{}, late.AddDate(100, 0, 0)))
	want(t, "newest goes by sequence, not by clock", c)(x.Newest(ctx, h.stream))
	want(t, "days", []nvr.DayTotal{
		{Day: time.Date(1969, 12, 31, 0, 0, 0, 0, time.UTC), Footage: 30 * time.Second, Bytes: 15_000_000},
		{Day: time.Unix(0, 0).UTC(), Footage: 90 * time.Second, Bytes: 45_000_000},
		{Day: noon.Truncate(24 * time.Hour), Footage: time.Minute, Bytes: 30_000_000},
		{Day: late, Footage: time.Minute, Bytes: 30_000_000},
	})(x.Days(ctx, h.stream, time.Time{}, late.AddDate(1, 0, 0), time.UTC))
}

func TestEqualStartsAreKeptApartBySequence(t *testing.T) {
	ctx, x, h := context.Background(), newIndex(t), newHouse()
	first, second := h.segment(noon, 1), h.segment(noon, 2)
	must(t, x.Add(ctx, second))
	must(t, x.Add(ctx, first))
	want(t, "both in order", []nvr.Segment{first, second})(x.Range(ctx, h.stream, noon, noon.Add(time.Second)))
	want(t, "newest", second)(x.Newest(ctx, h.stream))
}

func TestTwoBootsWithTheClockSetBackAreBothReturned(t *testing.T) {
	ctx, x, h := context.Background(), newIndex(t), newHouse()
	firstBoot := h.minutes(noon, 3)
	secondBoot := []nvr.Segment{
		h.segment(noon.Add(30*time.Second), 4), h.segment(noon.Add(90*time.Second), 5),
	}
	must(t, x.Add(ctx, firstBoot...))
	must(t, x.Add(ctx, secondBoot...))
	want(t, "by start", []nvr.Segment{firstBoot[0], secondBoot[0], firstBoot[1], secondBoot[1], firstBoot[2]})(
		x.Range(ctx, h.stream, noon, noon.Add(time.Hour)))
	want(t, "newest", secondBoot[1])(x.Newest(ctx, h.stream))
	days, err := x.Days(ctx, h.stream, noon, noon.Add(time.Hour), time.UTC)
	want(t, "days", []nvr.DayTotal{{Day: noon.Truncate(24 * time.Hour), Footage: 5 * time.Minute, Bytes: 150_000_000}})(days, err)
}

func TestNewestFollowsDeletion(t *testing.T) {
	ctx, x, h := context.Background(), newIndex(t), newHouse()
	if _, err := x.Newest(ctx, h.stream); !isErr(err, nvr.ErrNotFound) {
		t.Fatalf("empty index: got %v, want ErrNotFound", err)
	}
	all := h.minutes(noon, 5)
	must(t, x.Add(ctx, all...))
	must(t, x.Discard(ctx, all[4], all[3]))
	want(t, "after the two newest went", all[2])(x.Newest(ctx, h.stream))
	must(t, x.Add(ctx, all[3]))
	want(t, "after one came back", all[3])(x.Newest(ctx, h.stream))
	must(t, x.Discard(ctx, all[:4]...))
	if _, err := x.Newest(ctx, h.stream); !isErr(err, nvr.ErrNotFound) {
		t.Fatalf("all discarded: got %v, want ErrNotFound", err)
	}
}

func TestOldestIsByDayThenStartAndSkipsHeld(t *testing.T) {
	ctx, x, a, b := context.Background(), newIndex(t), newHouse(), newHouse()
	b.disk = a.disk
	// The clock of the box jumped to 2040 on its day 1 and came back on day 2.
	jumped := a.segment(time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC), 1)
	jumped.Day = 1
	a2, a3, b1, held, young, elsewhere := a.segment(noon, 2), a.segment(noon.Add(time.Minute), 3), b.segment(noon.Add(30*time.Second), 1),
		b.segment(noon.Add(-time.Hour), 2), b.segment(noon.Add(-2*time.Hour), 3), b.segment(noon.Add(-3*time.Hour), 4)
	a2.Day, a3.Day, b1.Day, held.Day, young.Day, elsewhere.Day = 2, 2, 2, 1, 9, 1
	held.Flags = nvr.Held
	elsewhere.Disk = nvr.NewID[nvr.Disk]()
	must(t, x.Add(ctx, a2, a3, b1, held, young, elsewhere, jumped))

	var anyDisk nvr.DiskID
	var anyStream nvr.StreamID
	want(t, "of the disk", []nvr.Segment{jumped, a2, b1, a3})(x.Oldest(ctx, a.disk, anyStream, 8, 100))
	want(t, "the first two", []nvr.Segment{jumped, a2})(x.Oldest(ctx, a.disk, anyStream, 8, 2))
	want(t, "of one stream on the disk", []nvr.Segment{b1, young})(x.Oldest(ctx, a.disk, b.stream, 9, 100))
	want(t, "of one stream on any disk", []nvr.Segment{elsewhere, b1, young})(x.Oldest(ctx, anyDisk, b.stream, 9, 100))
	want(t, "nothing that old", []nvr.Segment(nil))(x.Oldest(ctx, a.disk, anyStream, 0, 100))
	want(t, "none asked for", []nvr.Segment(nil))(x.Oldest(ctx, a.disk, anyStream, 8, 0))

	held.Flags = 0
	must(t, x.Add(ctx, held))
	want(t, "released", []nvr.Segment{held, jumped})(x.Oldest(ctx, a.disk, anyStream, 8, 2))
}

func TestDiscardedFootageIsGarbageUntilForgotten(t *testing.T) {
	ctx, path, h := context.Background(), filepath.Join(t.TempDir(), "index.db"), newHouse()
	x := openIndex(t, path)
	all := h.minutes(noon, 4)
	must(t, x.Add(ctx, all...))
	want(t, "used", int64(120_000_000))(x.Used(ctx, h.disk))
	must(t, x.Discard(ctx, all[:2]...))
	want(t, "used after discarding", int64(60_000_000))(x.Used(ctx, h.disk))
	want(t, "rows", all[2:])(x.Range(ctx, h.stream, noon, noon.Add(time.Hour)))
	must(t, x.Close())

	x = openIndex(t, path)
	want(t, "garbage after a restart", all[:2])(x.Garbage(ctx))
	must(t, x.Forget(ctx, all[0]))
	want(t, "garbage", all[1:2])(x.Garbage(ctx))
	must(t, x.Forget(ctx, all...))
	want(t, "no garbage", []nvr.Segment(nil))(x.Garbage(ctx))
}

func TestACopyOnAnotherDiskIsDiscardedWithoutTheRow(t *testing.T) {
	ctx, x, h := context.Background(), newIndex(t), newHouse()
	s := h.segment(noon, 1)
	must(t, x.Add(ctx, s))
	stray := s
	stray.Disk = nvr.NewID[nvr.Disk]()
	must(t, x.Discard(ctx, stray))
	want(t, "row", []nvr.Segment{s})(x.Range(ctx, h.stream, noon, noon.Add(time.Hour)))
	want(t, "garbage", []nvr.Segment{stray})(x.Garbage(ctx))
}

func TestDaysFollowTheTimeZone(t *testing.T) {
	ctx, x, h := context.Background(), newIndex(t), newHouse()
	// Two hours around midnight UTC of a day in Kathmandu (+5:45) and Berlin.
	start := time.Date(2026, 7, 24, 23, 0, 0, 0, time.UTC)
	must(t, x.Add(ctx, h.minutes(start, 120)...))
	for _, c := range []struct {
		zone    string
		minutes []int // of 24 July, 25 July
	}{
		{"UTC", []int{60, 60}},
		{"Asia/Kathmandu", []int{0, 120}},
		{"Europe/Berlin", []int{0, 120}},
		{"America/New_York", []int{120, 0}},
		{"Atlantic/Azores", []int{60, 60}},
		{"Asia/Tokyo", []int{0, 120}},
	} {
		loc, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Skipf("time zones are missing (package tzdata): %v", err)
		}
		days, err := x.Days(ctx, h.stream, start, start.Add(2*time.Hour), loc)
		must(t, err)
		got := []int{0, 0}
		for _, d := range days {
			if h, m, s := d.Day.Clock(); h+m+s != 0 || d.Day.Location() != loc {
				t.Errorf("%s: day begins at %v", c.zone, d.Day)
			}
			got[d.Day.Day()-24] = int(d.Footage / time.Minute)
		}
		if !slices.Equal(got, c.minutes) {
			t.Errorf("%s: got %v, want %v minutes", c.zone, got, c.minutes)
		}
	}
}

func TestAutumnDayHas25Hours(t *testing.T) {
	loc, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skipf("time zones are missing (package tzdata): %v", err)
	}
	ctx, x, h := context.Background(), newIndex(t), newHouse()
	start := time.Date(2026, 10, 25, 0, 0, 0, 0, loc)
	all := h.minutes(start, 25*60)
	must(t, x.Add(ctx, all...))
	want(t, "days", []nvr.DayTotal{{Day: start, Footage: 25 * time.Hour, Bytes: 25 * 60 * 30_000_000}})(
		x.Days(ctx, h.stream, start, start.AddDate(0, 0, 1), loc))
}

func TestOverlappingFootageCountsOnce(t *testing.T) {
	ctx, x, h := context.Background(), newIndex(t), newHouse()
	for boot := range uint64(3) {
		again := h.minutes(noon, 15)
		for i := range again {
			again[i].Seq += boot * 100
		}
		must(t, x.Add(ctx, again...))
	}
	days, err := x.Days(ctx, h.stream, noon, noon.Add(time.Hour), time.UTC)
	want(t, "days", []nvr.DayTotal{{Day: noon.Truncate(24 * time.Hour), Footage: 15 * time.Minute, Bytes: 3 * 15 * 30_000_000}})(days, err)
}

// TestTotalsAgreeWithRows adds, replaces and discards at random and compares
// what is maintained with what the rows say.
func TestTotalsAgreeWithRows(t *testing.T) {
	ctx, x := context.Background(), newIndex(t)
	rng := rand.New(rand.NewPCG(1, 2))
	disks := []nvr.DiskID{nvr.NewID[nvr.Disk](), nvr.NewID[nvr.Disk]()}
	houses := []house{newHouse(), newHouse(), newHouse()}
	rows := make(map[string]nvr.Segment)
	for range 60 {
		h := houses[rng.IntN(len(houses))]
		var batch []nvr.Segment
		for range 1 + rng.IntN(8) {
			s := h.segment(noon.Add(time.Duration(rng.IntN(5000))*time.Second), uint64(rng.IntN(3)))
			s.Duration, s.Bytes, s.Disk = time.Duration(rng.IntN(2_000_000))*time.Millisecond, rng.Int64N(1<<30), disks[rng.IntN(2)]
			batch = append(batch, s)
			rows[fmt.Sprint(s.Stream, s.Start, s.Seq)] = s
		}
		must(t, x.Add(ctx, batch...))
		old, err := x.Oldest(ctx, nvr.DiskID{}, h.stream, 100, rng.IntN(6))
		must(t, err)
		must(t, x.Discard(ctx, old...))
		for _, s := range old {
			delete(rows, fmt.Sprint(s.Stream, s.Start, s.Seq))
		}
	}
	used := make(map[nvr.DiskID]int64)
	bytes := make(map[nvr.StreamID]int64)
	for _, s := range rows {
		used[s.Disk] += s.Bytes
		bytes[s.Stream] += s.Bytes
	}
	for _, d := range disks {
		want(t, "used", used[d])(x.Used(ctx, d))
	}
	for _, h := range houses {
		days, err := x.Days(ctx, h.stream, noon, noon.AddDate(0, 0, 1), time.UTC)
		must(t, err)
		var sum int64
		for _, d := range days {
			sum += d.Bytes
		}
		want(t, "bytes of the days", bytes[h.stream])(sum, nil)
	}
	for _, s := range rows {
		must(t, x.Discard(ctx, s))
	}
	for _, h := range houses {
		want(t, "days of nothing", []nvr.DayTotal(nil))(x.Days(ctx, h.stream, noon, noon.AddDate(0, 0, 1), time.UTC))
	}
}

func TestIndexIsFreshUntilItIsComplete(t *testing.T) {
	ctx, path, h := context.Background(), filepath.Join(t.TempDir(), "index.db"), newHouse()
	x := openIndex(t, path)
	if !x.Fresh() {
		t.Fatal("a new index is not fresh")
	}
	must(t, x.Add(ctx, h.segment(noon, 1)))
	must(t, x.Close())
	x = openIndex(t, path)
	if !x.Fresh() {
		t.Fatal("an index that was never completed is not fresh")
	}
	must(t, x.SetComplete(ctx))
	must(t, x.Close())
	if x = openIndex(t, path); x.Fresh() {
		t.Fatal("a complete index is fresh")
	}
	must(t, x.Check(ctx))
}

func TestADamagedIndexIsMovedAsideAndMadeAnew(t *testing.T) {
	for name, damage := range map[string]func([]byte){
		"no database": func(b []byte) { copy(b, "this is not what it was") },
		"bad schema":  func(b []byte) { clear(b[100:4096]) },
		"other names": func(b []byte) { copy(b[bytes.Index(b, []byte("TABLE state")):], "TABLE slate") },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, path, h := context.Background(), filepath.Join(t.TempDir(), "index.db"), newHouse()
			x := openIndex(t, path)
			must(t, x.Add(ctx, h.minutes(noon, 100)...))
			must(t, x.SetComplete(ctx))
			must(t, x.Close())
			damageFile(t, path, damage)

			x = openIndex(t, path)
			if !x.Fresh() {
				t.Error("not fresh")
			}
			want(t, "empty", []nvr.Segment(nil))(x.Range(ctx, h.stream, noon, noon.Add(time.Hour)))
			must(t, x.Add(ctx, h.segment(noon, 1)))
			if _, err := os.Stat(path + ".damaged"); err != nil {
				t.Errorf("the damaged file was not kept: %v", err)
			}
		})
	}
}

func TestDamageThatShowsInUseIsMovedAsideAtClose(t *testing.T) {
	ctx, path, h := context.Background(), filepath.Join(t.TempDir(), "index.db"), newHouse()
	x := openIndex(t, path)
	must(t, x.Add(ctx, h.minutes(noon, 1000)...))
	must(t, x.SetComplete(ctx))
	must(t, x.Close())
	damageFile(t, path, func(b []byte) { clear(b[len(b)*3/4:]) })

	x = openIndex(t, path)
	if err := x.Check(ctx); !isErr(err, db.ErrCorrupt) {
		t.Fatalf("check: got %v, want ErrCorrupt", err)
	}
	must(t, x.Close())
	if x = openIndex(t, path); !x.Fresh() {
		t.Error("not fresh after damage")
	}
	must(t, x.Check(ctx))
}

func TestCloseLeavesNoWriteAheadLog(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "index.db")
	x := openIndex(t, path)
	must(t, x.Add(ctx, newHouse().minutes(noon, 100)...))
	must(t, x.Close())
	if b := rawFiles(t, path)["index.db-wal"]; len(b) != 0 {
		t.Errorf("%d bytes left", len(b))
	}
}

func TestACancelledCallChangesNothing(t *testing.T) {
	x, h := newIndex(t), newHouse()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := x.Add(ctx, h.segment(noon, 1)); !isErr(err, context.Canceled) {
		t.Fatalf("got %v, want context.Canceled", err)
	}
	want(t, "nothing", []nvr.Segment(nil))(x.Range(context.Background(), h.stream, noon, noon.Add(time.Hour)))
}

func TestIndexThatWasRemovedWithoutItsLogIsMadeAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index.db")
	log := slog.New(slog.DiscardHandler)
	old, err := db.OpenIndex(t.Context(), path, log)
	if err != nil {
		t.Fatal(err)
	}
	s := nvr.Segment{Stream: nvr.NewID[nvr.Stream](), Start: time.UnixMilli(1000).UTC(), Duration: time.Minute, Disk: nvr.NewID[nvr.Disk](), Vault: nvr.NewID[nvr.Vault]()}
	if err := old.Add(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	// As an owner would who was told to delete the index of a box that was killed.
	wal, err := os.ReadFile(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(path), os.WriteFile(path+"-wal", wal, 0o600)); err != nil {
		t.Fatal(err)
	}
	fresh, err := db.OpenIndex(t.Context(), path, log)
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	if !fresh.Fresh() {
		t.Error("it does not say that it was made anew")
	}
	if err := fresh.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if rows, err := fresh.Range(t.Context(), s.Stream, time.UnixMilli(0), time.UnixMilli(1e6)); err != nil || len(rows) != 0 {
		t.Errorf("the new index holds %v, %v", rows, err)
	}
}
