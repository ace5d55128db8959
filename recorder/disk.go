package recorder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lares/nvr"
)

const (
	syncTick  = 2 * time.Second
	probeTick = 10 * time.Second
	// maxUnlisted bounds the finished segments that wait for the index.
	maxUnlisted = 1024
)

// disk is a footage path. Its run method makes what was written durable on a
// tick; create and the files may be used by all streams at the same time.
//
// A finished file becomes a segment in this order, so that a row never names a
// file that is not there: fdatasync, rename, fsync of both folders, row.
type disk struct {
	nvr.Disk
	index Index
	log   *slog.Logger
	// onState is told of each change of the state.
	onState func(d *disk, old, state nvr.DiskState, detail string)

	mu       sync.Mutex // guards what follows
	state    nvr.DiskState
	detail   string
	open     map[*file]struct{}
	finished []*file
	unlisted []listing // named files that the index did not take yet, oldest first
	// dedicated: the path is a mount of its own, so that one syncfs makes all
	// files durable and waits for nobody else's.
	dedicated bool
	torn      bool // open segments were left behind, to be recovered
	unsure    bool // the index may not agree with the files
}

// listing is a row on its way into the index; done is called when it is there.
type listing struct {
	segment nvr.Segment
	done    func()
}

// file is a segment file that grows. Its Write is called by one goroutine.
type file struct {
	d *disk
	f *os.File

	// Guarded by d.mu.
	segment nvr.Segment // complete when finished
	dirty   bool
	lost    bool   // the disk failed: what was written may be gone, so nothing is added
	done    func() // called when the row is in the index, or nothing will come of it
}

func newDisk(d nvr.Disk, index Index, log *slog.Logger) *disk {
	return &disk{
		Disk: d, index: index, log: log.With(slog.Any("disk", d.ID)),
		open: make(map[*file]struct{}), state: nvr.DiskLost, torn: true,
		onState: func(*disk, nvr.DiskState, nvr.DiskState, string) {},
	}
}

func (d *disk) path(name string) string { return filepath.Join(d.Path, name) }

// status returns the state and what to do about it.
func (d *disk) status() (nvr.DiskState, string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state, d.detail
}

// setState changes the state. Files that are open on a disk that is neither
// whole nor merely full are given up: their streams move on.
func (d *disk) setState(s nvr.DiskState, detail string) (changed bool) {
	d.mu.Lock()
	old := d.state
	d.state, d.detail = s, detail
	if s != nvr.DiskOK && s != nvr.DiskNoRoom {
		d.giveUpLocked()
	}
	if s == nvr.DiskOK && old != nvr.DiskOK && old != nvr.DiskNoRoom {
		d.unsure = true
	}
	d.mu.Unlock()
	if old != s {
		d.log.Info("footage path", slog.Any("state", s), slog.Any("detail", detail))
		d.onState(d, old, s, detail)
	}
	return old != s
}

func (d *disk) giveUpLocked() {
	for f := range d.open {
		f.lost = true
	}
}

// fail turns an error into a state. A disk that is full comes back by itself
// when room was made, a lost one when the probe finds it whole.
func (d *disk) fail(err error) {
	state, detail := diskProblem(err)
	if d.setState(state, detail) {
		d.log.Error("use footage path", slog.Any("err", err))
	}
}

// keptDetail says what to do where holds fill a disk.
const keptDetail = "The disk is full of footage that is kept as evidence. Let some of it go on the page 'Kept footage', or use a larger disk."

// crowd says of a disk that works whether holds have taken the room that should
// be free on it.
func (d *disk) crowd(crowded bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.state != nvr.DiskOK {
		return
	}
	if d.detail = ""; crowded {
		d.detail = keptDetail
	}
}

// diskProblem says what an error of a footage path means and what to do.
func diskProblem(err error) (nvr.DiskState, string) {
	switch {
	case errors.Is(err, errKept):
		return nvr.DiskNoRoom, keptDetail
	case isFull(err):
		return nvr.DiskNoRoom, "The disk is full. Remove other files from it or choose a larger one."
	case errors.Is(err, syscall.EROFS):
		return nvr.DiskReadOnly, "The disk went read-only, which disks do when they fail. Check it and mount it again."
	case errors.Is(err, errForeign):
		return nvr.DiskForeign, "Another disk is mounted here. Mount the one that Lares knows, or add this one as a new footage path."
	case errors.Is(err, nvr.ErrCorrupt), errors.Is(err, nvr.ErrInvalid):
		return nvr.DiskForeign, "The file " + identityName + " on this disk cannot be read. Put it back from a backup, or use another disk."
	case errors.Is(err, fs.ErrNotExist):
		return nvr.DiskLost, "The disk is not mounted. Plug it in or mount it; nothing is written to the empty folder."
	}
	return nvr.DiskLost, "The disk cannot be written. Check that it is plugged in and mounted."
}

func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// create begins a segment file. size is how many bytes it will probably take:
// they are reserved now, so that a full disk says so before a segment is begun
// rather than in its middle.
func (d *disk) create(s nvr.Segment, size int64) (*file, error) {
	s.Disk = d.ID
	file := &file{d: d, segment: s}
	d.mu.Lock()
	d.open[file] = struct{}{} // first: recovery leaves open files alone
	d.mu.Unlock()
	var err error
	if file.f, err = reserveFile(d.path(partName(s)), size); err != nil {
		d.mu.Lock()
		delete(d.open, file)
		d.mu.Unlock()
		return nil, err
	}
	return file, nil
}

func reserveFile(name string, size int64) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create segment file: %w", err)
	}
	if !holdFile(f) {
		return nil, errors.Join(errors.New("hold segment file"), f.Close())
	}
	err = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, size)
	if err != nil && !errors.Is(err, syscall.EOPNOTSUPP) && !errors.Is(err, syscall.ENOSYS) {
		closeErr := f.Close()
		return nil, fmt.Errorf("reserve room for segment file: %w", errors.Join(err, closeErr, os.Remove(name)))
	}
	return f, nil
}

// Write appends to the file. After an error the file is given up.
func (f *file) Write(p []byte) (int, error) {
	f.d.mu.Lock()
	lost := f.lost
	f.d.mu.Unlock()
	if lost {
		return 0, fmt.Errorf("write segment file: %w", errNoDisk)
	}
	n, err := f.f.Write(p)
	f.d.mu.Lock()
	f.dirty = true
	f.segment.Bytes += int64(n)
	f.d.mu.Unlock()
	if err != nil {
		f.d.fail(err)
		return n, fmt.Errorf("write segment file: %w", err)
	}
	return n, nil
}

// size returns the bytes that were written.
func (f *file) size() int64 {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	return f.segment.Bytes
}

// finish hands the file over to the tick, which makes it durable and enters it
// in the index; then done is called. duration is that of its footage, activity
// what was sealed beside it.
func (f *file) finish(duration time.Duration, activity nvr.Activity, done func()) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	f.segment.Duration, f.segment.Activity = duration, activity
	f.done = done
	delete(f.d.open, f)
	f.d.finished = append(f.d.finished, f)
}

// abandon gives up a file that cannot be finished. What is in it is recovered
// when the disk is whole; an empty one is removed.
func (f *file) abandon() {
	f.d.mu.Lock()
	delete(f.d.open, f)
	empty := f.segment.Bytes == 0
	f.d.torn = f.d.torn || !empty
	f.d.mu.Unlock()
	if err := f.f.Close(); err != nil {
		f.d.log.Warn("close segment file", slog.Any("err", err))
	}
	if empty {
		if err := os.Remove(f.d.path(partName(f.segment))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			f.d.log.Warn("remove empty segment file", slog.Any("err", err))
		}
	}
	if f.done != nil {
		f.done()
	}
}

// run makes files durable until ctx ends, and then once more.
func (d *disk) run(ctx context.Context) error {
	tick := time.NewTicker(syncTick)
	defer tick.Stop()
	probe := time.NewTicker(probeTick)
	defer probe.Stop()
	whole := context.WithoutCancel(ctx) // what was begun is finished
	for {
		select {
		case <-tick.C:
			d.sync(whole)
		case <-probe.C:
			d.probe(whole)
		case <-ctx.Done():
			d.sync(whole)
			return nil
		}
	}
}

// sync makes all that was written durable and turns finished files into segments.
func (d *disk) sync(ctx context.Context) {
	d.enter(ctx) // what the index did not take the last time
	d.mu.Lock()
	finished := slices.Clone(d.finished)
	dirty := make([]*file, 0, len(d.open)+len(finished))
	for f := range d.open {
		if f.dirty {
			f.dirty = false
			dirty = append(dirty, f)
		}
	}
	dirty = append(dirty, finished...)
	d.mu.Unlock()
	if len(dirty) == 0 {
		return
	}
	// They stay listed as finished until they are listed as segments, so that who
	// asks what is sealed to a vault always finds them.
	defer d.enter(ctx)
	defer d.dropFinished(len(finished))
	for _, f := range finished {
		// Gives back what create reserved beyond the end.
		if err := f.f.Truncate(f.segment.Bytes); err != nil {
			d.log.Warn("trim segment file", slog.Any("err", err))
		}
	}
	if err := d.settle(dirty, len(finished) > 0); err != nil {
		// After a failed sync the kernel may have dropped the pages and report
		// success the next time: never try again as if they were clean.
		d.fail(err)
		d.mu.Lock()
		d.giveUpLocked()
		d.mu.Unlock()
		for _, f := range finished {
			f.abandon()
		}
		return
	}
	d.publish(finished)
}

// dropFinished forgets the n files that were finished first.
func (d *disk) dropFinished(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.finished = slices.Delete(d.finished, 0, n)
}

// settle makes files durable. Before any is named it looks whether the path is
// still this disk.
func (d *disk) settle(files []*file, name bool) error {
	if name {
		if err := d.identify(); err != nil {
			return err
		}
	}
	d.mu.Lock()
	dedicated := d.dedicated
	d.mu.Unlock()
	if dedicated {
		if err := unix.Syncfs(int(files[0].f.Fd())); err != nil {
			return fmt.Errorf("sync file system: %w", err)
		}
		return nil
	}
	for _, f := range files {
		if err := unix.Fdatasync(int(f.f.Fd())); err != nil {
			return fmt.Errorf("sync segment file: %w", err)
		}
	}
	return nil
}

// publish names durable files as segments and puts their rows on the way. A
// file that cannot be named is left to recovery.
func (d *disk) publish(files []*file) {
	dirs := make(map[string]struct{})
	for _, f := range files {
		target := d.path(segName(f.segment))
		err := d.makeDir(filepath.Dir(target))
		if err == nil {
			err = os.Rename(d.path(partName(f.segment)), target)
		}
		if err != nil {
			d.fail(fmt.Errorf("name segment file: %w", err))
			f.abandon()
			continue
		}
		dirs[d.path(partsDir)], dirs[filepath.Dir(target)] = struct{}{}, struct{}{}
		if err := f.f.Close(); err != nil {
			d.log.Warn("close segment file", slog.Any("err", err))
		}
		d.list(listing{f.segment, f.done})
	}
	for dir := range dirs {
		if err := syncDir(dir); err != nil {
			d.fail(err)
		}
	}
}

// opening calls visit with each segment that is not in the index yet, until
// that returns false.
func (d *disk) opening(visit func(nvr.Segment) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for f := range d.open {
		if !visit(f.segment) {
			return
		}
	}
	for _, f := range d.finished {
		if !visit(f.segment) {
			return
		}
	}
	for _, l := range d.unlisted {
		if !visit(l.segment) {
			return
		}
	}
}

// isTorn reports whether segments wait for recovery.
func (d *disk) isTorn() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.torn
}

// opened returns the bytes that are written and not in the index.
func (d *disk) opened() (sum int64) {
	d.opening(func(s nvr.Segment) bool { sum += s.Bytes; return true })
	return sum
}

// writes reports whether a segment of a vault is on its way into the index.
func (d *disk) writes(id nvr.VaultID) (found bool) {
	d.opening(func(s nvr.Segment) bool { found = s.Vault == id; return !found })
	return found
}

// list puts a row on its way into the index.
func (d *disk) list(l listing) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unlisted = append(d.unlisted, l)
}

// enter brings the rows that wait into the index. Those that it does not take
// are kept for the next time, so that footage does not vanish from the timeline
// while the index cannot be written; the oldest of too many are left to the
// comparison of files and index.
func (d *disk) enter(ctx context.Context) {
	d.mu.Lock()
	waiting := d.unlisted
	d.mu.Unlock()
	if len(waiting) == 0 {
		return
	}
	segments := make([]nvr.Segment, len(waiting))
	for i, l := range waiting {
		segments[i] = l.segment
	}
	gone := len(waiting)
	if err := addRows(ctx, d.index, segments); err != nil {
		d.log.Error("enter segments in the index; tried again", slog.Any("waiting", len(waiting)), slog.Any("err", err))
		gone = max(0, len(waiting)-maxUnlisted)
	}
	d.mu.Lock()
	d.unlisted = append([]listing(nil), d.unlisted[gone:]...)
	d.unsure = d.unsure || (gone > 0 && len(d.unlisted) > 0)
	d.mu.Unlock()
	for _, l := range waiting[:gone] {
		if l.done != nil {
			l.done()
		}
	}
}

// addRows enters rows; one that the index cannot hold costs no other.
func addRows(ctx context.Context, index Index, segments []nvr.Segment) error {
	err := index.Add(ctx, segments...)
	if !errors.Is(err, nvr.ErrInvalid) {
		return err
	}
	for _, s := range segments {
		if err := index.Add(ctx, s); err != nil && !errors.Is(err, nvr.ErrInvalid) {
			return err
		}
	}
	return nil
}

// makeDir makes a folder below the root, and its parent, durable. It never
// makes the root itself: on an unmounted path that would write to the wrong disk.
func (d *disk) makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != d.Path {
		if err := d.makeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make folder: %w", err)
	}
	return syncDir(parent)
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open folder to sync it: %w", err)
	}
	defer f.Close() //nolint:errcheck // read-only
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}
