package recorder_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lares/nvr"
	"lares/recorder"
)

// span publishes so many seconds of footage that begins at a time, as a new run,
// and waits until it was taken.
func (h *house) span(src *source, from time.Time, seconds int) []*nvr.Frame {
	h.t.Helper()
	src.start, src.n = nvr.Ticks(from), 0
	src.run++
	sent := publish(h.main(), src, 25*seconds)
	h.drained(h.main())
	return sent
}

// rows returns what the index holds of the main stream.
func (h *house) rows() []nvr.Segment {
	h.t.Helper()
	return must[[]nvr.Segment](h.t)(h.index.Range(h.t.Context(), h.id(), time.Unix(0, 0), time.Now().Add(day)))
}

const day = 24 * time.Hour

// settled waits until all that was published but the open segment is in the index.
func (h *house) settled(rows int) []nvr.Segment {
	h.t.Helper()
	eventually(h.t, "the segments are in the index", func() bool { return len(h.rows()) >= rows })
	return h.rows()
}

func (h *house) gaps(from, to time.Time) []nvr.Gap {
	h.t.Helper()
	return must[[]nvr.Gap](h.t)(h.config.GapsIn(h.t.Context(), h.id(), from, to))
}

// withQuota limits the footage path of a folder that is not used yet.
func withQuota(t testing.TB, dir string, camera nvr.Camera, k *keys, quota int64) {
	t.Helper()
	h := openHouse(t, dir, camera, k)
	disks := must[[]nvr.Disk](t)(h.config.Disks(t.Context()))
	disks[0].Quota = quota
	if err := errors.Join(h.config.SaveDisk(t.Context(), disks[0]), h.index.Close(), h.config.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestQuotaDeletesTheOldestAndTheirVaults(t *testing.T) {
	t.Parallel()
	dir, camera, k := t.TempDir(), testCamera(1), newKeys()
	const quota = 12 << 20
	withQuota(t, dir, camera, k, quota)
	h := newHouse(t, dir, camera, k)
	today := time.Now().Truncate(day)
	src := newSource(today)
	var first nvr.VaultID
	for i, ago := range []int{4, 3, 2} {
		h.span(src, today.Add(time.Duration(-ago)*day+6*time.Hour), 70)
		if i == 0 {
			first = h.settled(1)[0].Vault
		}
	}
	h.span(src, time.Now().Add(-time.Minute), 30)
	before := h.settled(6)
	h.rec.Trim(t.Context())
	after := h.rows()
	used := must[int64](t)(h.index.Used(t.Context(), after[0].Disk))
	if used > quota || len(after) == 0 {
		t.Errorf("%d bytes in %d segments after trimming to %d", used, len(after), quota)
	}
	for i, s := range after {
		if s != before[len(before)-len(after)+i] {
			t.Errorf("what is left are not the newest: %v", s.Start)
		}
	}
	gone := before[:len(before)-len(after)]
	for _, s := range gone {
		if _, err := os.Stat(filepath.Join(h.footage(), recorder.SegmentName(s))); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the file of a deleted segment: %v", err)
		}
		line := must[nvr.Timeline](t)(h.lib.Timeline(t.Context(), h.id(), s.Start, s.End()))
		if len(line.Spans) != 0 || len(line.Gaps) != 1 || line.Gaps[0].Cause != nvr.Quota {
			t.Errorf("timeline of a deleted segment: %+v", line)
		}
	}
	if !k.destroyed[first] {
		t.Error("the vault of the emptied day is still there")
	}
	if _, err := h.rec.EscrowFile(first); !errors.Is(err, nvr.ErrNotFound) {
		t.Errorf("its recovery copy: %v", err)
	}
	if k.destroyed[after[0].Vault] {
		t.Error("a vault that is in use was destroyed")
	}
	if left := must[[]nvr.Segment](t)(h.index.Garbage(t.Context())); len(left) != 0 {
		t.Errorf("%d segments are still to be deleted", len(left))
	}
}

func TestAgeDeletesWhatIsOldAndNothingHeld(t *testing.T) {
	t.Parallel()
	camera := testCamera(1)
	camera.RetentionDays = 3
	h := newHouse(t, t.TempDir(), camera, newKeys())
	src := newSource(time.Now())
	h.span(src, time.Now().Add(-10*time.Minute), 130)
	h.span(src, time.Now().Add(-time.Minute), 1)
	rows := h.settled(3)
	held := rows[1]
	held.Flags |= nvr.Held
	if err := h.index.Add(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	h.rec.Age(3)
	h.rec.Expire(t.Context())
	if n := len(h.rows()); n < len(rows) {
		t.Errorf("%d of %d segments left after 3 days of 3", n, len(rows))
	}
	h.rec.Age(1)
	h.rec.Expire(t.Context())
	left := h.rows()
	if len(left) != 1 || left[0].Seq != held.Seq {
		t.Errorf("left after 4 days of 3: %+v, want the one that is held", left)
	}
	found := false
	for _, g := range h.gaps(rows[0].Start, rows[0].End()) {
		found = found || g.Cause == nvr.Expired
	}
	if !found {
		t.Error("no gap says why the first is gone")
	}
}

// away moves a footage path away as an unmounted disk goes: the folder stays.
func away(t testing.TB, path string) (back func()) {
	t.Helper()
	if err := errors.Join(os.Rename(path, path+".away"), os.Mkdir(path, 0o700)); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := errors.Join(os.Remove(path), os.Rename(path+".away", path)); err != nil {
			t.Fatal(err)
		}
	}
}

func (h *house) diskState(path string) nvr.DiskStatus {
	h.t.Helper()
	for _, d := range must[[]nvr.DiskStatus](h.t)(h.rec.Disks(h.t.Context())) {
		if d.Disk.Path == path {
			return d
		}
	}
	h.t.Fatalf("no footage path %s", path)
	return nvr.DiskStatus{}
}

// feed publishes at the pace of a camera until stopped.
func (h *house) feed(s *nvr.Stream) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		src := newSource(time.Now())
		tick := time.NewTicker(40 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				f := src.next()
				f.DTS = nvr.Ticks(time.Now())
				f.PTS = f.DTS
				s.Publish(f)
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}

func TestUnmountedPathIsNotWrittenAndComesBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t, t.TempDir(), testCamera(1), newKeys())
	defer h.feed(h.main())()
	eventually(t, "it records", func() bool { return h.rec.Recording(h.id()).Recording })
	back := away(t, h.footage())
	eventually(t, "the status says so", func() bool { return h.diskState(h.footage()).State == nvr.DiskLost })
	if d := h.diskState(h.footage()); !strings.Contains(d.Detail, "mount") {
		t.Errorf("it does not say what to do: %q", d.Detail)
	}
	eventually(t, "the stream says so", func() bool { return h.rec.Recording(h.id()).Cause == nvr.DiskGone })
	if files := must[[]os.DirEntry](t)(os.ReadDir(h.footage())); len(files) != 0 {
		t.Errorf("the empty folder was written to: %v", files)
	}
	gone := time.Now()
	back()
	eventually(t, "it records again", func() bool { return h.rec.Recording(h.id()).Recording })
	eventually(t, "the torn segment is back", func() bool { return len(h.rows()) > 0 && h.rows()[0].Start.Before(gone) })
	found := false
	for _, g := range h.gaps(gone.Add(-time.Second), gone) {
		found = found || g.Cause == nvr.DiskGone
	}
	if !found {
		t.Errorf("no gap says so: %+v", h.gaps(time.Unix(0, 0), time.Now()))
	}
}

func TestForeignDiskIsRefused(t *testing.T) {
	t.Parallel()
	dir, camera, k := t.TempDir(), testCamera(1), newKeys()
	first := openHouse(t, dir, camera, k)
	if err := errors.Join(first.index.Close(), first.config.Close()); err != nil {
		t.Fatal(err)
	}
	// What another house would mount at the same place.
	other := openHouse(t, t.TempDir(), testCamera(1), newKeys())
	if err := errors.Join(other.index.Close(), other.config.Close(), os.RemoveAll(first.footage()), os.Rename(other.footage(), first.footage())); err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, dir, camera, k)
	defer h.feed(h.main())()
	eventually(t, "the stream says why", func() bool { return h.rec.Recording(h.id()).Cause == nvr.DiskGone })
	if s := h.diskState(h.footage()); s.State != nvr.DiskForeign || !strings.Contains(s.Detail, "Another disk") {
		t.Errorf("status: %+v", s)
	}
	for _, e := range must[[]os.DirEntry](t)(os.ReadDir(h.footage())) {
		if e.Name() != "lares-disk.json" {
			t.Errorf("it was written to: %s", e.Name())
		}
	}
}

func TestTwoDisksSpreadStreamsAndALostOneMovesIts(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	paths := []string{filepath.Join(root, "a"), filepath.Join(root, "b")}
	h := newHouse(t, t.TempDir(), testCamera(2), newKeys(), withPaths(paths...))
	for _, s := range h.camera.Streams {
		defer h.feed(h.streams[s.Stream])()
		eventually(t, "it records", func() bool { return h.rec.Recording(s.Stream).Recording })
	}
	one, two := h.rec.Place(h.camera.Streams[0].Stream), h.rec.Place(h.camera.Streams[1].Stream)
	if one == two {
		t.Fatalf("both streams on %s", one)
	}
	defer away(t, one)()
	eventually(t, "the stream moved", func() bool { return h.rec.Place(h.camera.Streams[0].Stream) == two })
	eventually(t, "it records", func() bool { return h.rec.Recording(h.camera.Streams[0].Stream).Recording })
	if got := h.rec.Place(h.camera.Streams[1].Stream); got != two {
		t.Errorf("the other stream moved to %s", got)
	}
}

func TestVaultIsKeptWhileAnyFootageOfItMayBeOnADiskThatIsAway(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	paths := []string{filepath.Join(root, "a"), filepath.Join(root, "b")}
	h := newHouse(t, t.TempDir(), testCamera(2), newKeys(), withPaths(paths...))
	then := time.Now().Truncate(day).Add(-3*day + time.Hour)
	for _, s := range h.camera.Streams {
		src := newSource(then)
		publish(h.streams[s.Stream], src, 25*10)
		src.start, src.n = nvr.Ticks(time.Now()), 0
		src.run++
		publish(h.streams[s.Stream], src, 50)
	}
	main, sub := h.camera.Streams[0].Stream, h.camera.Streams[1].Stream
	rows := func(id nvr.StreamID) []nvr.Segment {
		return must[[]nvr.Segment](t)(h.index.Range(t.Context(), id, then, then.Add(time.Minute)))
	}
	eventually(t, "both are in the index", func() bool { return len(rows(main)) == 1 && len(rows(sub)) == 1 })
	if h.rec.Place(main) == h.rec.Place(sub) || rows(main)[0].Vault != rows(sub)[0].Vault {
		t.Fatal("the streams are not on two disks under one vault")
	}
	vault := rows(main)[0].Vault
	back := away(t, h.rec.Place(main))
	onlySub := h.camera
	onlySub.Streams = h.camera.Streams[1:]
	onlySub.RetentionDays = 1
	if old := must[[]nvr.Segment](t)(h.index.Oldest(t.Context(), nvr.DiskID{}, sub, 9, 1)); len(old) != 1 {
		t.Fatal("nothing old")
	} else if err := h.rec.Remove(t.Context(), old, nvr.Quota); err != nil {
		t.Fatal(err)
	}
	if h.keys.destroyed[vault] {
		t.Fatal("the vault of footage on the disk that is away was destroyed")
	}
	back()
	if err := h.rec.Remove(t.Context(), rows(main), nvr.Quota); err != nil {
		t.Fatal(err)
	}
	if !h.keys.destroyed[vault] {
		t.Error("the vault outlived its last segment")
	}
}

// stubborn is an index that takes nothing while it is down.
type stubborn struct {
	recorder.Index
	down atomic.Bool
}

func (s *stubborn) Add(ctx context.Context, segments ...nvr.Segment) error {
	if s.down.Load() {
		return errors.New("the index cannot be written")
	}
	return s.Index.Add(ctx, segments...)
}

func TestNothingIsLostWhileTheIndexCannotBeWritten(t *testing.T) {
	t.Parallel()
	x := &stubborn{}
	x.down.Store(true)
	h := newHouse(t, t.TempDir(), testCamera(1), newKeys(), withIndex(func(i recorder.Index) recorder.Index { x.Index = i; return x }))
	start := time.Now().Add(-5 * time.Minute)
	src := newSource(start)
	sent := publish(h.main(), src, 25*150)
	h.drained(h.main())
	whole := func() bool { return len(h.recorded(h.id(), start, time.Now())) == len(sent) }
	named := func() bool {
		files, _ := filepath.Glob(filepath.Join(h.footage(), "s*", "*", "*.seg"))
		return len(files) >= 2
	}
	eventually(t, "the segments are named", named)
	eventually(t, "all is readable without a row", whole)
	if n := len(h.rows()); n != 0 {
		t.Fatalf("%d rows", n)
	}
	x.down.Store(false)
	h.settled(2)
	compare(t, h.recorded(h.id(), start, time.Now()), sent)
}

// The disk is a tmpfs, which only root can mount.
func TestFullDiskGoesOnByDeletingTheOldestOrSaysSo(t *testing.T) {
	t.Parallel()
	mnt := t.TempDir()
	if err := unix.Mount("tmpfs", mnt, "tmpfs", 0, "size=64m"); err != nil {
		t.Skipf("needs a small file system, which root may mount: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(mnt, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	h := newHouse(t, t.TempDir(), testCamera(1), newKeys(), withPaths(mnt))
	src := newSource(time.Now().Add(-time.Hour))
	src.size = 15000
	began := time.Now().Add(-time.Hour)
	for i := range 6 { // 6 times 22 MB
		h.span(src, began.Add(time.Duration(i)*time.Minute), 59)
		if i > 0 {
			eventually(t, "what came before is in the index", func() bool {
				rows := h.rows()
				return len(rows) > 0 && !rows[len(rows)-1].Start.Before(began.Add(time.Duration(i-1)*time.Minute-time.Second))
			})
		}
	}
	found := false
	for _, g := range h.gaps(time.Unix(0, 0), time.Now()) {
		found = found || g.Cause == nvr.Quota
	}
	if !found {
		t.Error("no gap says that the oldest made room")
	}
	other := filepath.Join(mnt, "other")
	fill(t, other)
	stop := h.feed(h.main())
	defer stop()
	eventually(t, "it says that the disk is full", func() bool {
		fill(t, other)
		return h.rec.Recording(h.id()).Cause == nvr.DiskFull
	})
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it records again", func() bool { return h.rec.Recording(h.id()).Recording })
}

// fill takes all the room that is left.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for chunk := make([]byte, 1<<16); len(chunk) > 0; {
		if _, err := f.Write(chunk); err != nil {
			chunk = chunk[:len(chunk)/2]
		}
	}
}
