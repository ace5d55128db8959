package recorder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"

	"lares/nvr"
	"lares/nvr/vault"
)

const (
	retainTick = 10 * time.Second
	ageTick    = time.Minute
	// batch is how many segments are deleted in one go.
	batch = 64
)

// retain deletes what is too old or too much, until ctx ends.
func (r *Recorder) retain(ctx context.Context) error {
	room := time.NewTicker(retainTick)
	defer room.Stop()
	old := time.NewTicker(ageTick)
	defer old.Stop()
	for {
		select {
		case <-room.C:
			r.trim(ctx)
		case <-old.C:
			r.growOld(ctx)
		case <-ctx.Done():
			_, err := r.age.tick(context.WithoutCancel(ctx))
			return err
		}
	}
}

// growOld counts the time that passed and deletes what reached its age.
func (r *Recorder) growOld(ctx context.Context) {
	step, err := r.age.tick(ctx)
	if err != nil {
		r.log.Error("count the age of footage", "err", err)
	}
	if step != 0 {
		r.log.Warn("the clock was set", "by", step)
		r.bus.Publish(nvr.Event{
			Kind: nvr.Problem, Source: "recorder", Start: time.Now(), Cause: nvr.ClockStep,
			Detail: "The clock was set by more than an hour. Nothing is deleted for its age until it has run steadily for a day.",
		})
	}
	if !r.age.trusted() {
		return
	}
	if err := r.expire(ctx); err != nil && ctx.Err() == nil {
		r.log.Error("delete old footage", "err", err)
	}
}

// expire deletes what is older than its camera keeps, and what is older than
// any camera keeps where the camera is gone.
func (r *Recorder) expire(ctx context.Context) error {
	today, longest := r.age.day(), r.keepDays
	for _, status := range r.cameras.List() {
		keep := status.Camera.RetentionDays
		if keep == 0 {
			keep = r.keepDays
		}
		longest = max(longest, keep)
		for _, source := range status.Camera.Streams {
			if err := r.expireUpTo(ctx, nvr.DiskID{}, source.Stream, today-keep); err != nil {
				return err
			}
		}
	}
	for _, d := range r.list() {
		if err := r.expireUpTo(ctx, d.ID, nvr.StreamID{}, today-longest); err != nil {
			return err
		}
	}
	return nil
}

func (r *Recorder) expireUpTo(ctx context.Context, disk nvr.DiskID, stream nvr.StreamID, maxDay int) error {
	for ctx.Err() == nil {
		old, err := r.index.Oldest(ctx, disk, stream, maxDay, batch)
		if err != nil || len(old) == 0 {
			return err
		}
		if err := r.remove(ctx, old, nvr.Expired); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// trim keeps the quota and the reserve of every disk.
func (r *Recorder) trim(ctx context.Context) {
	for _, d := range r.list() {
		state, _ := d.status()
		if state != nvr.DiskOK && state != nvr.DiskNoRoom {
			continue
		}
		over, err := r.over(ctx, d)
		if err == nil && over > 0 {
			err = r.makeRoom(ctx, d, over)
		}
		if err != nil && ctx.Err() == nil {
			r.log.Error("keep the reserve", "disk", d.ID, "err", err)
		}
	}
}

// over returns how many bytes a disk holds beyond its quota or reserve.
func (r *Recorder) over(ctx context.Context, d *disk) (int64, error) {
	space, err := d.space()
	if err != nil {
		return 0, err
	}
	over := reserve(space.total, r.rateOn(d)) - space.free
	if d.Quota > 0 {
		used, err := r.index.Used(ctx, d.ID)
		if err != nil {
			return 0, err
		}
		over = max(over, used-d.Quota)
	}
	return over, nil
}

// rateOn returns the bytes a second that the streams on a disk write.
func (r *Recorder) rateOn(d *disk) float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	total := 0.0
	for id, w := range r.writers {
		if r.places[id] == d {
			total += w.measured()
		}
	}
	return total
}

// makeRoom deletes the oldest segments of a disk until need bytes are gone.
func (r *Recorder) makeRoom(ctx context.Context, d *disk, need int64) error {
	for need > 0 {
		old, err := r.index.Oldest(ctx, d.ID, nvr.StreamID{}, math.MaxInt32, batch)
		if err != nil {
			return err
		}
		if len(old) == 0 {
			return fmt.Errorf("nothing is left to delete: %w", errNoDisk)
		}
		take := 0
		for take < len(old) && need > 0 {
			need -= old[take].Bytes
			take++
		}
		if err := r.remove(ctx, old[:take], nvr.Quota); err != nil {
			return err
		}
	}
	return nil
}

// remove deletes segments for good. The order keeps a crash at any point from
// leaving footage that is neither listed nor deleted: the cause, the rows to
// the garbage list, the sealed keys in the files, the files, the garbage list;
// and when the last segment of a vault went, the vault.
func (r *Recorder) remove(ctx context.Context, segments []nvr.Segment, cause nvr.Cause) error {
	r.tidy.Lock()
	defer r.tidy.Unlock()
	for _, s := range segments {
		gap := nvr.Gap{Stream: s.Stream, From: s.Start, To: s.End(), Cause: cause}
		if err := r.gaps.AddGap(ctx, gap); err != nil {
			return fmt.Errorf("note what was deleted: %w", err)
		}
	}
	if err := r.index.Discard(ctx, segments...); err != nil {
		return fmt.Errorf("discard segments: %w", err)
	}
	if err := r.unlink(ctx, segments); err != nil {
		return err
	}
	return r.destroyEmptyVaults(ctx, segments)
}

// finishGarbage deletes the files of rows that were discarded before a crash.
func (r *Recorder) finishGarbage(ctx context.Context) error {
	garbage, err := r.index.Garbage(ctx)
	if err != nil {
		return fmt.Errorf("list discarded segments: %w", err)
	}
	return r.unlink(ctx, garbage)
}

// unlink destroys the files of discarded segments. Those on a disk that is away
// stay on the garbage list.
func (r *Recorder) unlink(ctx context.Context, segments []nvr.Segment) error {
	dirs := make(map[string]struct{})
	var gone []nvr.Segment
	for _, s := range segments {
		d := r.disk(s.Disk)
		if d == nil || d.attach() != nil {
			continue
		}
		name := d.path(segName(s))
		if err := destroyFile(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.log.Error("delete segment file", "disk", d.ID, "stream", s.Stream, "err", err)
			continue
		}
		dirs[filepath.Dir(name)] = struct{}{}
		gone = append(gone, s)
	}
	for dir := range dirs {
		if err := syncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		// Fails where the folder is not empty, which is the usual case.
		_ = os.Remove(dir) //nolint:errcheck // see above
	}
	if len(gone) == 0 {
		return nil
	}
	if err := r.index.Forget(ctx, gone...); err != nil {
		return fmt.Errorf("forget deleted segments: %w", err)
	}
	return nil
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

func (r *Recorder) disk(id nvr.DiskID) *disk {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.disks[id]
}

// destroyEmptyVaults destroys the vaults of past days that have lost their last segment.
func (r *Recorder) destroyEmptyVaults(ctx context.Context, segments []nvr.Segment) error {
	days := make(map[nvr.VaultID]time.Time)
	for _, s := range segments {
		days[s.Vault] = s.Start.Truncate(day)
	}
	for id, start := range days {
		if !time.Now().After(start.Add(day + time.Hour)) {
			continue // today's: more will come
		}
		used, err := r.vaultInUse(ctx, id, start)
		if err != nil {
			return err
		}
		if used {
			continue
		}
		if err := r.vaults.DestroyVault(ctx, id); err != nil && !errors.Is(err, nvr.ErrNotFound) {
			return fmt.Errorf("destroy vault: %w", err)
		}
		if err := r.removeEscrow(id); err != nil {
			return err
		}
	}
	return nil
}

// vaultInUse reports whether any stream still has a segment of a vault. The
// segments of a vault begin on one UTC day.
func (r *Recorder) vaultInUse(ctx context.Context, id nvr.VaultID, start time.Time) (bool, error) {
	for _, stream := range r.streamsOnDisk() {
		rows, err := r.index.Range(ctx, stream, start, start.Add(day))
		if err != nil {
			return false, err
		}
		for _, row := range rows {
			if row.Vault == id {
				return true, nil
			}
		}
	}
	return false, nil
}

func (r *Recorder) streamsOnDisk() []nvr.StreamID {
	var streams []nvr.StreamID
	seen := make(map[nvr.StreamID]bool)
	for _, d := range r.list() {
		entries, err := os.ReadDir(d.Path)
		if err != nil {
			continue // a disk that is away; its segments stay listed
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
