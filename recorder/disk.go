package recorder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lares/nvr"
)

const (
	syncTick  = 2 * time.Second
	probeTick = 10 * time.Second
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
	// dedicated: the path is a mount of its own, so that one syncfs makes all
	// files durable and waits for nobody else's.
	dedicated bool
	onState   func(*disk, nvr.DiskState, string)

	mu       sync.Mutex
	state    nvr.DiskState
	detail   string
	open     map[*file]struct{}
	finished []*file
}

// file is a segment file that grows. Its Write is called by one goroutine.
type file struct {
	d *disk
	f *os.File

	// Guarded by d.mu.
	segment nvr.Segment // complete when finished
	dirty   bool
	done    func() // called when the row is in the index
}

func newDisk(d nvr.Disk, index Index, log *slog.Logger) *disk {
	return &disk{
		Disk: d, index: index, log: log.With("disk", d.ID),
		open: make(map[*file]struct{}), state: nvr.DiskLost,
		onState: func(*disk, nvr.DiskState, string) {},
	}
}

func (d *disk) path(name string) string { return filepath.Join(d.Path, name) }

// status returns the state and what to do about it.
func (d *disk) status() (nvr.DiskState, string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state, d.detail
}

func (d *disk) setState(s nvr.DiskState, detail string) {
	d.mu.Lock()
	changed := d.state != s
	d.state, d.detail = s, detail
	d.mu.Unlock()
	if changed {
		d.log.Info("footage path", "state", s, "detail", detail)
		d.onState(d, s, detail)
	}
}

// fail turns an error of writing into a state. A disk that is full comes back
// by itself when room was made, a lost one when the probe finds it whole.
func (d *disk) fail(err error) {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		d.setState(nvr.DiskNoRoom, "The disk is full. Remove other files from it or choose a larger one.")
	case errors.Is(err, syscall.EROFS):
		d.setState(nvr.DiskReadOnly, "The disk went read-only, which disks do when they fail. Check it and mount it again.")
	default:
		d.setState(nvr.DiskLost, "The disk cannot be written. Check that it is plugged in and mounted.")
	}
	d.log.Error("write footage", "err", err)
}

// create begins a segment file. size is how many bytes it will probably take:
// they are reserved now, so that a full disk says so before a segment is begun
// rather than in its middle.
func (d *disk) create(s nvr.Segment, size int64) (*file, error) {
	name := d.path(partName(s))
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create segment file: %w", err)
	}
	err = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, size)
	if err != nil && !errors.Is(err, syscall.EOPNOTSUPP) {
		closeErr := f.Close()
		return nil, fmt.Errorf("reserve room for segment file: %w", errors.Join(err, closeErr, os.Remove(name)))
	}
	s.Disk = d.ID
	file := &file{d: d, f: f, segment: s}
	d.mu.Lock()
	d.open[file] = struct{}{}
	d.mu.Unlock()
	return file, nil
}

// Write appends to the file.
func (f *file) Write(p []byte) (int, error) {
	n, err := f.f.Write(p)
	f.d.mu.Lock()
	f.dirty = true
	f.segment.Bytes += int64(n)
	f.d.mu.Unlock()
	if err != nil {
		return n, fmt.Errorf("write segment file: %w", err)
	}
	return n, nil
}

// finish hands the file over to the tick, which makes it durable and enters it
// in the index; then done is called. duration is that of its footage.
func (f *file) finish(duration time.Duration, done func()) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	f.segment.Duration = duration
	f.done = done
	delete(f.d.open, f)
	f.d.finished = append(f.d.finished, f)
}

// abandon gives up a file that cannot be finished. What is in it stays for
// start-up recovery or the return of the disk; an empty one is removed.
func (f *file) abandon() {
	f.d.mu.Lock()
	delete(f.d.open, f)
	empty := f.segment.Bytes == 0
	f.d.mu.Unlock()
	if err := f.f.Close(); err != nil {
		f.d.log.Warn("close segment file", "err", err)
	}
	if empty {
		if err := os.Remove(f.d.path(partName(f.segment))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			f.d.log.Warn("remove empty segment file", "err", err)
		}
	}
}

// run makes files durable until ctx ends, and then once more.
func (d *disk) run(ctx context.Context) error {
	tick := time.NewTicker(syncTick)
	defer tick.Stop()
	probe := time.NewTicker(probeTick)
	defer probe.Stop()
	for {
		select {
		case <-tick.C:
			d.sync(context.WithoutCancel(ctx)) // what was begun is finished
		case <-probe.C:
			d.probe()
		case <-ctx.Done():
			d.sync(context.WithoutCancel(ctx))
			return nil
		}
	}
}

// sync makes all that was written durable and turns finished files into segments.
func (d *disk) sync(ctx context.Context) {
	d.mu.Lock()
	finished := d.finished
	d.finished = nil
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
	for _, f := range finished {
		// Gives back what create reserved beyond the end.
		if err := f.f.Truncate(f.segment.Bytes); err != nil {
			d.log.Warn("trim segment file", "err", err)
		}
	}
	// After a failed sync the kernel may have dropped the pages and report
	// success the next time: never try again as if they were clean.
	if err := d.flush(dirty); err != nil {
		d.fail(err)
		for _, f := range finished {
			f.abandon()
		}
		return
	}
	if err := d.publish(ctx, finished); err != nil {
		d.log.Error("enter segments", "err", err)
	}
}

func (d *disk) flush(files []*file) error {
	if d.dedicated {
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

// publish renames durable files and enters them in the index.
func (d *disk) publish(ctx context.Context, files []*file) error {
	if len(files) == 0 {
		return nil
	}
	dirs := map[string]struct{}{d.path(partsDir): {}}
	segments := make([]nvr.Segment, 0, len(files))
	var errs []error
	for _, f := range files {
		target := d.path(segName(f.segment))
		if err := d.makeDir(filepath.Dir(target)); err != nil {
			errs = append(errs, err)
		} else if err := os.Rename(d.path(partName(f.segment)), target); err != nil {
			errs = append(errs, fmt.Errorf("name segment file: %w", err))
		} else {
			dirs[filepath.Dir(target)] = struct{}{}
			segments = append(segments, f.segment)
		}
	}
	for dir := range dirs {
		if err := syncDir(dir); err != nil {
			errs = append(errs, err)
		}
	}
	if len(segments) > 0 {
		if err := d.index.Add(ctx, segments...); err != nil {
			errs = append(errs, fmt.Errorf("enter segments in the index: %w", err))
		}
	}
	for _, f := range files {
		if err := f.f.Close(); err != nil {
			errs = append(errs, err)
		}
		if f.done != nil {
			f.done()
		}
	}
	return errors.Join(errs...)
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
