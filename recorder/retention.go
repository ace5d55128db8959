package recorder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"lares/nvr"
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
		r.log.Error("count the age of footage", slog.Any("err", err))
	}
	if step != 0 {
		r.log.Warn("the clock was set", slog.Any("by", step))
		r.bus.Publish(nvr.Event{
			Kind: nvr.Problem, Source: "recorder", Start: time.Now(), Cause: nvr.ClockStep,
			Detail: "The clock was set by more than an hour. Nothing is deleted for its age until it has run steadily for a day.",
		})
	}
	if r.isUndone() {
		r.takeUp(ctx)
	}
	if r.hasLeftover() {
		if err := r.finishGarbage(ctx); err != nil && ctx.Err() == nil {
			r.log.Error("delete what was discarded", slog.Any("err", err))
		}
	}
	if !r.age.trusted() {
		return
	}
	if err := r.expire(ctx); err != nil && ctx.Err() == nil {
		r.log.Error("delete old footage", slog.Any("err", err))
	}
}

// expire deletes what is older than its camera keeps, and what is older than
// any camera keeps where the camera is gone. What began on a day of the box is
// kept for whole days after that day.
func (r *Recorder) expire(ctx context.Context) error {
	today, longest := r.age.day(), r.keepDays
	for _, status := range r.cameras.List() {
		keep := status.Camera.RetentionDays
		if keep == 0 {
			keep = r.keepDays
		}
		longest = max(longest, keep)
		for _, source := range status.Camera.Streams {
			if err := r.expireUpTo(ctx, nvr.DiskID{}, source.Stream, today-keep-1); err != nil {
				return err
			}
			if status.Camera.Record != nvr.RecordQuietShorter || status.Camera.QuietDays < 1 {
				continue
			}
			if err := r.expireQuiet(ctx, source.Stream, today-status.Camera.QuietDays-1); err != nil {
				return err
			}
		}
	}
	for _, d := range r.list() {
		if err := r.expireUpTo(ctx, d.ID, nvr.StreamID{}, today-longest-1); err != nil {
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
		if err := r.remove(ctx, old, nvr.Expired, ""); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// quietMargin is how close to motion footage is not quiet.
const quietMargin = 10 * time.Second

// expireQuiet deletes the footage of a stream of box day maxDay or before in
// which, and around which, nothing moved. What is quiet does not become more
// with time: each day is looked at once.
func (r *Recorder) expireQuiet(ctx context.Context, stream nvr.StreamID, maxDay int) error {
	r.mu.Lock()
	done, known := r.quieted[stream]
	r.mu.Unlock()
	if known && done == maxDay {
		return nil
	}
	for {
		quiet, err := r.index.Quiet(ctx, stream, maxDay, quietMargin, 4*batch)
		if err != nil {
			return err
		}
		if len(quiet) == 0 {
			break
		}
		if err := r.remove(ctx, quiet, nvr.Expired, ""); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.quieted[stream] = maxDay
	return nil
}

// trim keeps the quota and the reserve of every disk.
func (r *Recorder) trim(ctx context.Context) {
	for _, d := range r.list() {
		state, _ := d.status()
		if (state != nvr.DiskOK && state != nvr.DiskNoRoom) || !r.listed(d) {
			continue // or the oldest that is listed may not be the oldest
		}
		over, err := r.over(ctx, d)
		if err == nil && over > 0 {
			err = r.makeRoom(ctx, d, over)
		}
		d.crowd(errors.Is(err, errKept))
		if err != nil && ctx.Err() == nil {
			r.log.Error("keep the reserve", slog.Any("disk", d.ID), slog.Any("err", err))
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
		over = max(over, used+d.opened()-d.Quota)
	}
	return over, nil
}

// listed reports whether the index knows all that is on a disk.
func (r *Recorder) listed(d *disk) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, unlisted := r.unlisted[d.ID]
	return !unlisted
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
		if len(old) == 0 && r.keptOn(ctx, d.ID) {
			return errKept
		}
		if len(old) == 0 {
			return fmt.Errorf("nothing is left to delete: %w", errNoDisk)
		}
		take := 0
		for take < len(old) && need > 0 {
			need -= old[take].Bytes
			take++
		}
		if err := r.remove(ctx, old[:take], nvr.Quota, ""); err != nil {
			return err
		}
	}
	return nil
}
