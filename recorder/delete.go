package recorder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"lares/nvr"
	"lares/nvr/vault"
)

// remove deletes segments for good; detail goes with the cause. The order keeps a crash at any point from
// leaving footage that is neither listed nor deleted: the cause, the rows to
// the garbage list, the sealed keys in the files, the files; when the last
// segment of a vault went, the vault; and the garbage list.
func (r *Recorder) remove(ctx context.Context, segments []nvr.Segment, cause nvr.Cause, detail string) error {
	r.tidy.Lock()
	defer r.tidy.Unlock()
	for _, gap := range gapsOf(segments, cause, detail) {
		if err := r.gaps.AddGap(ctx, gap); err != nil {
			return fmt.Errorf("note what was deleted: %w", err)
		}
	}
	if err := r.index.Discard(ctx, segments...); err != nil {
		return fmt.Errorf("discard segments: %w", err)
	}
	return r.clean(ctx, segments)
}

// gapsOf returns the spans of segments, neighbours joined: each gap is a write
// to the disk of config.db.
func gapsOf(segments []nvr.Segment, cause nvr.Cause, detail string) []nvr.Gap {
	const touching = 100 * time.Millisecond
	var gaps []nvr.Gap
	last := make(map[nvr.StreamID]int)
	for _, s := range segments {
		i, ok := last[s.Stream]
		if ok && !s.Start.Before(gaps[i].From) && s.Start.Sub(gaps[i].To) < touching {
			gaps[i].To = later(gaps[i].To, s.End())
			continue
		}
		last[s.Stream] = len(gaps)
		gaps = append(gaps, nvr.Gap{Stream: s.Stream, From: s.Start, To: s.End(), Cause: cause, Detail: detail})
	}
	return gaps
}

// finishGarbage deletes what was discarded and could not be deleted then: the
// box went off, the disk was away, or the vault had to wait.
func (r *Recorder) finishGarbage(ctx context.Context) error {
	r.tidy.Lock()
	defer r.tidy.Unlock()
	garbage, err := r.index.Garbage(ctx)
	if err != nil {
		return fmt.Errorf("list discarded segments: %w", err)
	}
	r.mu.Lock()
	r.leftover = false
	r.mu.Unlock()
	return r.clean(ctx, garbage)
}

func (r *Recorder) hasLeftover() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.leftover
}

// clean unlinks discarded segments, destroys the vaults that are empty now and
// takes off the garbage list what is done with.
func (r *Recorder) clean(ctx context.Context, segments []nvr.Segment) error {
	gone, err := r.unlink(segments)
	var done []nvr.Segment
	if err == nil {
		done, err = r.destroyEmptyVaults(ctx, gone)
	}
	if len(done) < len(segments) {
		r.mu.Lock()
		r.leftover = true
		r.mu.Unlock()
	}
	if len(done) > 0 {
		if forgetErr := r.index.Forget(ctx, done...); forgetErr != nil {
			err = errors.Join(err, fmt.Errorf("forget deleted segments: %w", forgetErr))
		}
	}
	return err
}

// unlink destroys the files of discarded segments and returns those that are
// gone: those on a disk that is away are not.
func (r *Recorder) unlink(segments []nvr.Segment) (gone []nvr.Segment, err error) {
	dirs := make(map[string]struct{})
	there := make(map[nvr.DiskID]*disk)
	for _, s := range segments {
		d, known := there[s.Disk]
		if !known {
			if d = r.disk(s.Disk); d != nil && d.identify() != nil {
				d = nil
			}
			there[s.Disk] = d
		}
		if d == nil {
			continue
		}
		name := d.path(segName(s))
		if err := destroyFile(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.log.Error("delete segment file", slog.Any("disk", s.Disk), slog.Any("stream", s.Stream), slog.Any("err", err))
			continue
		}
		dirs[filepath.Dir(name)] = struct{}{}
		gone = append(gone, s)
	}
	for dir := range dirs {
		if err := syncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		// Fails where the folder is not empty, which is the usual case.
		_ = os.Remove(dir)
	}
	return gone, nil
}

// destroyFile overwrites the sealed key in a segment file and unlinks it.
func destroyFile(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	err = vault.Destroy(f)
	if errors.Is(err, vault.ErrFormat) {
		err = nil // without a header there is no key to destroy
	}
	return errors.Join(err, f.Close(), os.Remove(name))
}

// destroyEmptyVaults destroys the vaults of past days that have lost their last
// segment. It returns the segments whose vault is settled: destroyed, or still
// in use so that a later deletion will look again. The others stay garbage.
func (r *Recorder) destroyEmptyVaults(ctx context.Context, segments []nvr.Segment) (settled []nvr.Segment, err error) {
	fate := make(map[nvr.VaultID]bool)
	for _, s := range segments {
		done, known := fate[s.Vault]
		if !known {
			if done, err = r.settleVault(ctx, s.Vault, s.Start.Truncate(day), r.cameraOf(s.Stream)); err != nil {
				return settled, err
			}
			fate[s.Vault] = done
		}
		if done {
			settled = append(settled, s)
		}
	}
	return settled, nil
}

// settleVault destroys a camera's vault of a day that began at start if nothing
// of it is left, and reports whether that is decided. While there is footage that
// cannot be looked up, nothing is destroyed.
func (r *Recorder) settleVault(ctx context.Context, id nvr.VaultID, start time.Time, camera nvr.CameraID) (bool, error) {
	used, err := r.vaultInUse(ctx, id, start)
	if used || err != nil {
		return used, err
	}
	if t := time.Since(start); t > -time.Hour && t < day+time.Hour && r.vaults.VaultInForce(camera, id) {
		return false, nil // today's: more may come
	}
	if sure, err := r.knowsAll(ctx); !sure || err != nil {
		return false, err
	}
	if err := r.vaults.DestroyVault(ctx, id); err != nil && !errors.Is(err, nvr.ErrNotFound) {
		return false, fmt.Errorf("destroy vault: %w", err)
	}
	if err := r.removeEscrow(id); err != nil {
		return false, err
	}
	return true, nil
}

// knowsAll reports whether the index knows all footage and all disks that have
// some can be read.
func (r *Recorder) knowsAll(ctx context.Context) (bool, error) {
	for _, d := range r.list() {
		if !r.listed(d) {
			return false, nil
		}
		if d.identify() == nil && !d.isTorn() {
			continue
		}
		used, err := r.index.Used(ctx, d.ID)
		if err != nil || used > 0 {
			return false, err
		}
	}
	return true, nil
}

// vaultInUse reports whether any stream still has a segment of a vault, or
// writes one. The segments of a vault begin on one UTC day.
func (r *Recorder) vaultInUse(ctx context.Context, id nvr.VaultID, start time.Time) (bool, error) {
	for _, d := range r.list() {
		if d.writes(id) {
			return true, nil
		}
	}
	rows, err := r.sealedTo(ctx, id, start)
	return len(rows) > 0, err
}

// sealedTo lists the segments of a vault of the day that began at start.
func (r *Recorder) sealedTo(ctx context.Context, id nvr.VaultID, start time.Time) (found []nvr.Segment, err error) {
	for _, stream := range r.streamsOnDisk() {
		rows, err := r.index.Range(ctx, stream, start, start.Add(day))
		if err != nil {
			return nil, fmt.Errorf("list segments of a vault: %w", err)
		}
		for _, row := range rows {
			if row.Vault == id {
				found = append(found, row)
			}
		}
	}
	return found, nil
}

// streamsOnDisk lists the streams that have footage on the disks that are there.
func (r *Recorder) streamsOnDisk() []nvr.StreamID {
	var streams []nvr.StreamID
	seen := make(map[nvr.StreamID]bool)
	for _, d := range r.list() {
		entries, err := os.ReadDir(d.Path)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if id, ok := parseStreamDir(e.Name()); ok && !seen[id] {
				seen[id] = true
				streams = append(streams, id)
			}
		}
	}
	return streams
}

// removeEscrow overwrites and unlinks the recovery copies of a vault's seed.
func (r *Recorder) removeEscrow(id nvr.VaultID) error {
	var errs []error
	for _, d := range r.list() {
		name := d.path(vaultName(id))
		stat, err := os.Stat(name)
		if err != nil {
			continue // never was on this disk, or the disk is away
		}
		errs = append(errs, overwrite(name, stat.Size()), os.Remove(name), syncDir(filepath.Dir(name)))
	}
	return errors.Join(errs...)
}

func overwrite(name string, size int64) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, size))
	return errors.Join(err, f.Sync(), f.Close())
}
