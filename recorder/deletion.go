package recorder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"lares/nvr"
	"lares/nvr/vault"
)

// How people delete footage. The order of the steps is in format.md.

const (
	// toldLater is how long after footage an event that began in it is looked for:
	// it lies where it ended.
	toldLater = time.Hour
	// endPatience is how long a segment may take to end at a key frame.
	endPatience = 30 * time.Second
	endTick     = 50 * time.Millisecond
	// deletionBatch is how many segments are deleted in one go.
	deletionBatch = 512
)

// doomed is the footage that goes with a deletion.
type doomed struct {
	nvr.DeletionPlan
	segments []nvr.Segment // of the index
	writing  []part        // that are not in the index yet
	taken    map[segmentKey]bool
}

// PlanDeletion says what Delete would take. Errors: nvr.ErrNotFound where there
// is nothing, those of opener but nvr.ErrForbidden.
func (r *Recorder) PlanDeletion(ctx context.Context, opener nvr.Opener, req nvr.DeletionRequest) (nvr.DeletionPlan, error) {
	d, err := r.doom(ctx, opener, req)
	if err == nil && d.Empty() && len(d.Kept) == 0 {
		err = fmt.Errorf("no footage in this span: %w", nvr.ErrNotFound)
	}
	return d.DeletionPlan, err
}

// Delete destroys the footage of a camera in a span with everything that was
// made of it, so that no key of today opens it again, and returns what went.
// Segments go as a whole; what is kept as evidence stays. What shares a vault
// with it is sealed to another one first, which takes the keys of opener.
//
// Once it has begun it does not stop when ctx ends. Where it cannot get to its
// end, FinishDeletions and the next start go on. Errors: nvr.ErrNotFound where
// there is nothing, nvr.ErrBusy where a segment does not end, those of opener.
func (r *Recorder) Delete(ctx context.Context, opener nvr.Opener, req nvr.DeletionRequest) (nvr.DeletionPlan, error) {
	ctx = context.WithoutCancel(ctx)
	r.deciding.Lock()
	defer r.deciding.Unlock()
	d, err := r.doom(ctx, opener, req)
	if err != nil {
		return d.DeletionPlan, err
	}
	if err := r.retire(ctx, req.Camera, vaultsOf(d)); err != nil {
		return d.DeletionPlan, err
	}
	if d, err = r.doom(ctx, opener, req); err != nil {
		return d.DeletionPlan, err
	}
	if len(d.segments) == 0 {
		return d.DeletionPlan, fmt.Errorf("no footage in this span: %w", nvr.ErrNotFound)
	}
	d.writing = nil
	receipt := nvr.Deletion{
		ID: nvr.NewID[nvr.Deletion](), Camera: req.Camera, By: req.By, Created: time.Now().UTC(),
		Parts: gapsOf(d.segments, nvr.Deleted, req.By.String()), Vaults: vaultsOf(d),
	}
	m := &mover{rec: r, opener: opener, camera: req.Camera}
	if err := m.tryAll(ctx, receipt.Vaults, d.taken); err != nil {
		return d.DeletionPlan, err
	}
	if err := r.ledger.SaveDeletion(ctx, receipt); err != nil {
		return d.DeletionPlan, fmt.Errorf("note what is deleted: %w", err)
	}
	for _, w := range r.writersOf(req.Camera) {
		w.disown(req.To)
	}
	return d.DeletionPlan, r.carryOut(ctx, m, receipt)
}

// doom finds what goes with a deletion.
func (r *Recorder) doom(ctx context.Context, opener nvr.Opener, req nvr.DeletionRequest) (doomed, error) {
	holds, err := r.ledger.Holds(ctx)
	if err != nil {
		return doomed{}, fmt.Errorf("read holds: %w", err)
	}
	c := chooser{holds: holds, days: make(map[time.Time]bool), found: doomed{taken: make(map[segmentKey]bool)}}
	streams := r.streamsFor(req.Camera)
	for i, stream := range streams {
		parts, err := r.Library().parts(ctx, stream, req.From, req.To)
		if err != nil {
			return doomed{}, err
		}
		c.choose(parts, i == 0)
	}
	if c.found.Empty() || req.Camera.IsZero() {
		return c.result(), nil
	}
	beyond, err := r.telling(ctx, opener, streams[0], nvr.Span{From: c.found.From, To: c.found.To})
	for _, p := range c.choose(beyond, true) {
		c.found.Beyond = append(c.found.Beyond, nvr.Span{From: p.Start, To: p.End()})
	}
	return c.result(), err
}

// segmentKey names a segment in memory.
type segmentKey struct {
	stream nvr.StreamID
	start  int64 // ms
	seq    uint64
}

func keyOf(s nvr.Segment) segmentKey { return segmentKey{s.Stream, s.Start.UnixMilli(), s.Seq} }

// chooser collects what goes.
type chooser struct {
	holds []nvr.Hold
	days  map[time.Time]bool
	found doomed
}

// choose takes those segments that are not kept and not taken already, and
// returns them. main: they are of the camera's main stream.
func (c *chooser) choose(parts []part, main bool) (taken []part) {
	for _, p := range parts {
		f := &c.found
		if f.taken[keyOf(p.Segment)] || c.isKept(p.Segment) {
			continue
		}
		f.taken[keyOf(p.Segment)] = true
		taken = append(taken, p)
		if f.From.IsZero() || p.Start.Before(f.From) {
			f.From = p.Start
		}
		f.To = later(f.To, p.End())
		f.Bytes += max(p.Bytes, 1)
		c.days[p.Start.UTC().Truncate(day)] = true
		if main {
			f.Footage += p.Duration
			f.Events += p.Activity.Events
		}
		if p.isLive {
			f.writing = append(f.writing, p)
		} else {
			f.segments = append(f.segments, p.Segment)
		}
	}
	return taken
}

func (c *chooser) isKept(s nvr.Segment) (kept bool) {
	for _, h := range c.holds {
		if !h.Keeps(s) {
			continue
		}
		kept = true
		if !slices.ContainsFunc(c.found.Kept, func(k nvr.Hold) bool { return k.ID == h.ID }) {
			c.found.Kept = append(c.found.Kept, h)
		}
	}
	return kept || s.Flags&nvr.Held != 0
}

func (c *chooser) result() doomed {
	c.found.Days = len(c.days)
	return c.found
}

// telling lists further segments of a stream that hold an event or a second with
// motion of a span that goes: events lie where they ended, and motion may come
// late. A segment before the span tells of it only where the footage was late
// itself, and what was seen overtook it.
func (r *Recorder) telling(ctx context.Context, opener nvr.Opener, stream nvr.StreamID, span nvr.Span) ([]part, error) {
	l := r.Library()
	parts, err := l.parts(ctx, stream, span.From.Add(-lateness), span.To.Add(toldLater))
	if err != nil {
		return nil, err
	}
	parts = slices.DeleteFunc(parts, func(p part) bool {
		if !p.Start.Before(span.From) && !p.End().After(span.To) {
			return true // in the span itself
		}
		late := p.Start.Before(span.To.Add(lateness))
		return p.Activity.Known && p.Activity.Events == 0 && (p.Activity.Moving == 0 || !late)
	})
	events, err := l.survey(ctx, opener, parts, vault.Event)
	if err != nil {
		return nil, err
	}
	moved, err := l.survey(ctx, opener, parts, vault.MotionMap)
	if err != nil {
		return nil, err
	}
	var tell []part
	for i, p := range parts {
		from, to := span.From, span.To
		if p.Start.Before(span.From) {
			from = later(from, p.End())
		}
		if slices.ContainsFunc(events[i].events, func(e nvr.StoredEvent) bool { return e.Start.Before(to) && e.End.After(from) }) ||
			slices.ContainsFunc(moved[i].moved, func(s nvr.MotionSecond) bool {
				return time.Unix(s.Second+1, 0).After(from) && !time.Unix(s.Second+1, 0).After(to)
			}) {
			tell = append(tell, p)
		}
	}
	return tell, nil
}

// streamsFor lists the streams of a camera, main first, or, for none, those
// with footage that no camera of the house has any more.
func (r *Recorder) streamsFor(camera nvr.CameraID) []nvr.StreamID {
	if !camera.IsZero() {
		return r.streamsOf(camera)
	}
	return slices.DeleteFunc(r.streamsOnDisk(), func(id nvr.StreamID) bool { return !r.cameraOf(id).IsZero() })
}

// vaultsOf lists the vaults of what goes.
func vaultsOf(d doomed) (vaults []nvr.DayVault) {
	all := d.segments
	for _, p := range d.writing {
		all = append(slices.Clip(all), p.Segment)
	}
	for _, s := range all {
		v := nvr.DayVault{Vault: s.Vault, Day: s.Start.UTC().Truncate(day)}
		if !slices.Contains(vaults, v) {
			vaults = append(vaults, v)
		}
	}
	return vaults
}

// retire sees to it that nothing more is sealed to vaults and waits until what
// was is in the index. Error: nvr.ErrBusy.
func (r *Recorder) retire(ctx context.Context, camera nvr.CameraID, vaults []nvr.DayVault) error {
	for _, v := range vaults {
		if !r.vaults.VaultInForce(camera, v.Vault) {
			continue
		}
		if _, err := r.vaults.NewVault(ctx, camera, v.Day); err != nil {
			return fmt.Errorf("replace a vault: %w", err)
		}
	}
	tick := time.NewTicker(endTick)
	defer tick.Stop()
	for until := time.Now().Add(endPatience); ; <-tick.C {
		busy := slices.ContainsFunc(r.list(), func(d *disk) bool {
			return slices.ContainsFunc(vaults, func(v nvr.DayVault) bool { return d.writes(v.Vault) })
		})
		if !busy {
			return nil
		}
		if time.Now().After(until) {
			return fmt.Errorf("what is being recorded does not end: %w", nvr.ErrBusy)
		}
	}
}

// carryOut does what a receipt says: the footage, then the vaults.
func (r *Recorder) carryOut(ctx context.Context, m *mover, receipt nvr.Deletion) error {
	err := r.removeParts(ctx, receipt)
	gone := true
	for _, v := range receipt.Vaults {
		destroyed, vaultErr := m.emptyVault(ctx, v)
		gone, err = gone && destroyed, errors.Join(err, vaultErr)
	}
	if err == nil && gone {
		receipt.Done = time.Now().UTC()
		err = r.ledger.SaveDeletion(ctx, receipt)
	}
	if receipt.Done.IsZero() || err != nil {
		r.setUndone(true)
	}
	if err != nil {
		return fmt.Errorf("delete footage: %w", err)
	}
	return nil
}

// removeParts deletes what of a receipt is still there and not kept.
func (r *Recorder) removeParts(ctx context.Context, receipt nvr.Deletion) error {
	var segments []nvr.Segment
	for _, p := range receipt.Parts {
		rows, err := r.index.Range(ctx, p.Stream, p.From, p.To)
		if err != nil {
			return fmt.Errorf("list what is deleted: %w", err)
		}
		for _, row := range rows {
			if !row.Start.Before(p.From) && row.Flags&nvr.Held == 0 {
				segments = append(segments, row)
			}
		}
	}
	for some := range slices.Chunk(segments, deletionBatch) {
		if err := r.remove(ctx, some, nvr.Deleted, receipt.By.String()); err != nil {
			return err
		}
	}
	return nil
}

// takeUp goes on with what people decided and a crash interrupted, as far as it
// takes no key, and marks what is kept and came back. While something is being
// decided it is put off: retention waits for nobody.
func (r *Recorder) takeUp(ctx context.Context) {
	if !r.deciding.TryLock() {
		r.setUndone(true)
		return
	}
	defer r.deciding.Unlock()
	if err := errors.Join(r.markHolds(ctx), r.finish(ctx, nil)); err != nil {
		r.log.Error("go on with what was kept and deleted", slog.Any("err", err))
	}
}

// FinishDeletions goes on with deletions that could not get to their end, with
// the keys of opener: what shares a vault with deleted footage is sealed to
// another one.
func (r *Recorder) FinishDeletions(ctx context.Context, opener nvr.Opener) error {
	r.deciding.Lock()
	defer r.deciding.Unlock()
	return r.finish(context.WithoutCancel(ctx), opener)
}

// Unfinished lists the deletions that are not done.
func (r *Recorder) Unfinished(ctx context.Context) ([]nvr.Deletion, error) {
	return r.ledger.OpenDeletions(ctx)
}

func (r *Recorder) finish(ctx context.Context, opener nvr.Opener) error {
	open, err := r.ledger.OpenDeletions(ctx)
	if err != nil {
		return fmt.Errorf("list deletions: %w", err)
	}
	r.setUndone(false)
	for _, d := range open {
		m := &mover{rec: r, opener: opener, camera: d.Camera}
		err = errors.Join(err, r.carryOut(ctx, m, d))
	}
	return err
}

func (r *Recorder) setUndone(undone bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.undone = undone
}

func (r *Recorder) isUndone() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.undone
}

// disown makes the writer forget what is not sealed yet of the time before to,
// and take nothing more of it.
func (w *writer) disown(to time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.disowned = to
	w.moved = slices.DeleteFunc(w.moved, func(s nvr.MotionSecond) bool { return s.Second < to.Unix() })
}

// ownShare returns the part of an event that lies after what was deleted last,
// and whether its picture does too; false where there is none.
func (w *writer) ownShare(e nvr.Event) (rest nvr.Event, picture, some bool) {
	w.mu.Lock()
	from := w.disowned
	w.mu.Unlock()
	if !e.Start.Before(from) {
		return e, true, true
	}
	e.Start = from
	e.Path = slices.DeleteFunc(slices.Clone(e.Path), func(s nvr.Sight) bool { return s.At.Before(from) })
	return e, !e.Best.Before(from), e.End.After(from)
}
