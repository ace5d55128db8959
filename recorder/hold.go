package recorder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"lares/nvr"
)

// Evidence holds: config.db says what is kept, the Held flag of the rows follows
// it, and so do retention, quota and deletion.

// errKept: what fills the disk is kept as evidence.
var errKept = errors.New("the disk is full of footage that is kept as evidence")

// Hold keeps the segments of h.Camera that overlap [h.From, h.To), and seals them
// to vaults of their own, so that the rest of their days can go. It fills in
// Streams. Once it is stored it stays, also where sealing fails: then the
// footage is kept in the vaults that it has. Errors: nvr.ErrNotFound where there
// is no footage, nvr.ErrBusy where a segment does not end, those of opener.
func (r *Recorder) Hold(ctx context.Context, opener nvr.Opener, h nvr.Hold) error {
	ctx = context.WithoutCancel(ctx)
	r.deciding.Lock()
	defer r.deciding.Unlock()
	h.Streams = r.streamsOf(h.Camera)
	var writing []nvr.DayVault
	for _, stream := range h.Streams {
		for _, p := range r.live(stream, h.From, h.To) {
			writing = append(writing, nvr.DayVault{Vault: p.Vault, Day: p.Start.UTC().Truncate(day)})
		}
	}
	if err := r.retire(ctx, h.Camera, writing); err != nil {
		return err
	}
	rows, err := r.keptBy(ctx, h)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return fmt.Errorf("no footage in this span: %w", nvr.ErrNotFound)
	}
	if err := r.ledger.AddHold(ctx, h); err != nil {
		return fmt.Errorf("store a hold: %w", err)
	}
	if err := r.mark(ctx, rows, func(s nvr.Segment) nvr.SegmentFlags { return s.Flags | nvr.Held }); err != nil {
		return err
	}
	m := &mover{rec: r, opener: opener, camera: h.Camera}
	for _, row := range rows {
		if err := m.move(ctx, row); isUnopenable(err) {
			r.log.Warn("keep what nobody can open", slog.Any("stream", row.Stream), slog.Any("start", row.Start), slog.Any("err", err))
		} else if err != nil {
			return err
		}
	}
	return nil
}

// Lift ends a hold: from now on its footage goes when its time comes, unless
// another hold keeps it. Error: nvr.ErrNotFound.
func (r *Recorder) Lift(ctx context.Context, id nvr.ID[nvr.Hold]) error {
	ctx = context.WithoutCancel(ctx)
	r.deciding.Lock()
	defer r.deciding.Unlock()
	holds, err := r.ledger.Holds(ctx)
	if err != nil {
		return fmt.Errorf("read holds: %w", err)
	}
	i := slices.IndexFunc(holds, func(h nvr.Hold) bool { return h.ID == id })
	if i < 0 {
		return fmt.Errorf("lift a hold: %w", nvr.ErrNotFound)
	}
	if err := r.ledger.RemoveHold(ctx, id); err != nil {
		return fmt.Errorf("lift a hold: %w", err)
	}
	rows, err := r.keptBy(ctx, holds[i])
	if err != nil {
		return err
	}
	rest := slices.Delete(holds, i, i+1)
	return r.mark(ctx, rows, func(s nvr.Segment) nvr.SegmentFlags { return flagsUnder(rest, s) })
}

// flagsUnder returns the flags of a segment with Held as holds say.
func flagsUnder(holds []nvr.Hold, s nvr.Segment) nvr.SegmentFlags {
	if slices.ContainsFunc(holds, func(h nvr.Hold) bool { return h.Keeps(s) }) {
		return s.Flags | nvr.Held
	}
	return s.Flags &^ nvr.Held
}

// Held lists what is kept as evidence, oldest first, with its size.
func (r *Recorder) Held(ctx context.Context) ([]nvr.KeptFootage, error) {
	holds, err := r.ledger.Holds(ctx)
	if err != nil {
		return nil, fmt.Errorf("read holds: %w", err)
	}
	var all []nvr.KeptFootage
	for _, h := range holds {
		rows, err := r.keptBy(ctx, h)
		if err != nil {
			return nil, err
		}
		k := nvr.KeptFootage{Hold: h}
		for _, row := range rows {
			k.Bytes += row.Bytes
		}
		all = append(all, k)
	}
	return all, nil
}

// keptBy lists the segments of a hold.
func (r *Recorder) keptBy(ctx context.Context, h nvr.Hold) (rows []nvr.Segment, err error) {
	for _, stream := range h.Streams {
		some, err := r.index.Range(ctx, stream, h.From, h.To)
		if err != nil {
			return nil, fmt.Errorf("list what is kept: %w", err)
		}
		rows = append(rows, some...)
	}
	return rows, nil
}

// mark changes the flags of rows that are still there. Deletion waits meanwhile.
func (r *Recorder) mark(ctx context.Context, rows []nvr.Segment, flags func(nvr.Segment) nvr.SegmentFlags) error {
	r.tidy.Lock()
	defer r.tidy.Unlock()
	var changed []nvr.Segment
	for _, row := range rows {
		now, err := r.index.Range(ctx, row.Stream, row.Start, row.Start.Add(time.Millisecond))
		if err != nil {
			return fmt.Errorf("look for a segment: %w", err)
		}
		for _, s := range now {
			if f := flags(s); s.Seq == row.Seq && s.Start.Equal(row.Start) && f != s.Flags {
				s.Flags = f
				changed = append(changed, s)
			}
		}
	}
	if err := r.index.Add(ctx, changed...); err != nil {
		return fmt.Errorf("mark what is kept: %w", err)
	}
	return nil
}

// markHolds marks what is kept in an index that lost it: it was made anew, or a
// disk came back.
func (r *Recorder) markHolds(ctx context.Context) error {
	holds, err := r.ledger.Holds(ctx)
	if err != nil {
		return fmt.Errorf("read holds: %w", err)
	}
	for _, h := range holds {
		rows, err := r.keptBy(ctx, h)
		if err != nil {
			return err
		}
		rows = slices.DeleteFunc(rows, func(s nvr.Segment) bool { return s.Flags&nvr.Held != 0 })
		if err := r.mark(ctx, rows, func(s nvr.Segment) nvr.SegmentFlags { return s.Flags | nvr.Held }); err != nil {
			return err
		}
	}
	return nil
}

// keptOn reports whether some of what fills a disk is kept as evidence.
func (r *Recorder) keptOn(ctx context.Context, id nvr.DiskID) bool {
	holds, err := r.ledger.Holds(ctx)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(holds, func(h nvr.Hold) bool {
		rows, err := r.keptBy(ctx, h)
		return err == nil && slices.ContainsFunc(rows, func(s nvr.Segment) bool { return s.Disk == id })
	})
}
