package recorder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"syscall"
	"time"

	"lares/nvr"
	"lares/nvr/cmaf"
	"lares/nvr/vault"
)

const (
	segmentLength = 60 * time.Second
	// fragmentLength bounds what a killed process loses: the fragment that is
	// being built, and one more in a slot that is not full.
	fragmentLength = nvr.ClockRate / 2
	// writtenLag is how far written slots may lie behind the last fragment
	// before the slot is closed short.
	writtenLag = nvr.ClockRate
	// maxFragment bounds the memory of a fragment.
	maxFragment = 8 << 20
	// idleTick is how often a writer looks whether its stream went quiet.
	idleTick = 500 * time.Millisecond
	// gapAfter is how long a stream is quiet before a gap is opened.
	gapAfter = 5 * time.Second
	// bootPatience is how long a camera may take to connect after the start
	// before the gap is its own.
	bootPatience = 15 * time.Second
	// tolerance is a hole between two frames that is not a gap.
	tolerance = nvr.ClockRate
)

// writer takes one stream into segments. Its run method owns all fields but
// those behind mu.
type writer struct {
	rec    *Recorder
	camera nvr.CameraID
	source nvr.Source
	stream *nvr.Stream
	log    *slog.Logger

	seg   *openSegment // nil between segments
	frag  fragment
	end   int64     // ticks up to which there is footage; 0: none
	quiet bool      // a gap is open
	cause nvr.Cause // of that gap
	retry time.Time // no new segment before
	boot  bool      // the open gap is that of the time before the start
	first bool      // the first segment is shorter, to spread the rotation
	parts [][]byte

	rotate chan struct{}

	mu     sync.Mutex
	rate   float64 // bytes a second of the last segment; written by run only
	status nvr.RecordingStatus
	live   []*openSegment // open, or finished and not yet in the index
}

// openSegment is a segment that is not in the index yet.
type openSegment struct {
	sealed *vault.Writer
	file   *file
	params *nvr.Params
	run    uint64
	vault  nvr.VaultID
	day    int // UTC day of its vault
	start  int64
	cut    int64 // ticks: end at the first key frame from here on
	seq    uint32

	mu        sync.Mutex
	fragments []vault.Fragment // those that can be read
	end       int64
}

// run takes frames until the stream or ctx ends, and finishes the open
// segment. It closes the reader.
func (w *writer) run(ctx context.Context, reader *nvr.Reader) {
	defer reader.Close()
	tick := time.NewTicker(idleTick)
	defer tick.Stop()
	for {
		f, missed, err := reader.Poll()
		if f != nil {
			w.frame(ctx, f, missed)
			continue
		}
		if err != nil {
			w.finish(ctx) // the stream is closed
			return
		}
		select {
		case <-reader.Ready():
		case <-tick.C:
			w.idle(ctx)
		case <-w.rotate:
			if w.seg != nil {
				w.seg.cut = 0
			}
		case <-ctx.Done():
			w.finish(context.WithoutCancel(ctx))
			return
		}
	}
}

// frame takes one frame.
func (w *writer) frame(ctx context.Context, f *nvr.Frame, missed int) {
	if missed > 0 {
		w.lost(ctx, f)
	}
	if f.Track == nvr.VideoTrack {
		w.boundary(ctx, f)
	}
	if w.seg == nil || f.Params != w.seg.params {
		return // waits for a key frame, a disk or an owner
	}
	w.frag.add(f)
}

// boundary ends the fragment, and the segment, where a picture calls for it.
func (w *writer) boundary(ctx context.Context, f *nvr.Frame) {
	if w.seg != nil {
		switch {
		case f.Run != w.seg.run:
			w.finish(ctx)
		case f.Key && (f.DTS >= w.seg.cut || f.Params != w.seg.params || utcDay(f.DTS) != w.seg.day):
			w.frag.close(f.DTS)
			w.finish(ctx)
		case f.Key || w.frag.full(f.DTS):
			w.frag.close(f.DTS)
			w.store(ctx)
		}
	}
	if w.seg == nil && f.Key {
		w.begin(ctx, f)
	}
}

// lost ends the segment because the disk was so slow that frames left the window.
func (w *writer) lost(ctx context.Context, f *nvr.Frame) {
	w.finish(ctx)
	w.addGap(ctx, f.DTS, nvr.Overload, "The disk did not keep up.")
	w.end = f.DTS
}

// begin opens a segment that begins with the key frame f.
func (w *writer) begin(ctx context.Context, f *nvr.Frame) {
	if time.Now().Before(w.retry) {
		return
	}
	seg, err := w.open(ctx, f)
	if err != nil {
		w.refuse(ctx, err)
		return
	}
	w.bridge(ctx, f)
	w.seg = seg
	w.mu.Lock()
	w.live = append(w.live, seg)
	w.mu.Unlock()
	w.setStatus(nvr.RecordingStatus{Recording: true, Since: f.Time()})
}

// bridge accounts for the time between the last footage and the key frame f.
func (w *writer) bridge(ctx context.Context, f *nvr.Frame) {
	if err := w.rec.gaps.CloseGap(ctx, w.stream.ID(), nvr.TickTime(f.DTS)); err != nil {
		w.log.Error("close gap", "err", err)
	}
	if !w.quiet && w.end != 0 && f.DTS-w.end > tolerance {
		cause, detail := nvr.CameraOffline, ""
		if f.Break != nil {
			cause, detail = f.Break.Cause, f.Break.Detail
		}
		w.addGap(ctx, f.DTS, cause, detail)
	}
	w.quiet, w.boot = false, false
	w.end = f.DTS
}

func (w *writer) addGap(ctx context.Context, to int64, cause nvr.Cause, detail string) {
	if w.end == 0 || to <= w.end {
		return
	}
	gap := nvr.Gap{Stream: w.stream.ID(), From: nvr.TickTime(w.end), To: nvr.TickTime(to), Cause: cause, Detail: detail}
	if err := w.rec.gaps.AddGap(ctx, gap); err != nil {
		w.log.Error("note gap", "err", err)
	}
}

// refuse notes why no segment could be begun and waits a little.
func (w *writer) refuse(ctx context.Context, err error) {
	cause, detail := causeOf(err)
	w.retry = time.Now().Add(time.Second)
	w.away(ctx, nvr.Break{Since: w.endTime(), Cause: cause, Detail: detail})
	w.log.Warn("cannot record", "cause", cause, "err", err)
}

// away opens a gap from the end of the footage on.
func (w *writer) away(ctx context.Context, b nvr.Break) {
	w.setStatus(nvr.RecordingStatus{Since: w.endTime(), Cause: b.Cause, Detail: b.Detail})
	if w.quiet && w.cause == b.Cause {
		return
	}
	if w.quiet {
		w.endGap(ctx, time.Now())
	}
	gap := nvr.Gap{Stream: w.stream.ID(), From: w.endTime(), Cause: b.Cause, Detail: b.Detail}
	if err := w.rec.gaps.OpenGap(ctx, gap); err != nil {
		w.log.Error("open gap", "err", err)
		return
	}
	w.quiet, w.cause = true, b.Cause
}

// endGap ends the open gap where its cause gives way to another one.
func (w *writer) endGap(ctx context.Context, to time.Time) {
	if err := w.rec.gaps.CloseGap(ctx, w.stream.ID(), to); err != nil {
		w.log.Error("close gap", "err", err)
	}
	w.end, w.quiet, w.boot = nvr.Ticks(to), false, false
}

// resume accounts for the time before the start: from the newest footage, or
// from when the camera was added, until the first frame comes.
func (w *writer) resume(ctx context.Context, added time.Time) error {
	newest, err := w.rec.index.Newest(ctx, w.stream.ID())
	if errors.Is(err, nvr.ErrNotFound) {
		if !added.IsZero() {
			w.end = nvr.Ticks(added)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("find the newest segment: %w", err)
	}
	w.end = nvr.Ticks(newest.End())
	gap := nvr.Gap{Stream: w.stream.ID(), From: newest.End(), Cause: nvr.BoxOff}
	if err := w.rec.gaps.OpenGap(ctx, gap); err != nil {
		return fmt.Errorf("open gap: %w", err)
	}
	w.quiet, w.boot, w.cause = true, true, nvr.BoxOff
	return nil
}

func (w *writer) endTime() time.Time {
	if w.end == 0 {
		return time.Now()
	}
	return nvr.TickTime(w.end)
}

// idle stores what lies in memory when no frames come, and opens a gap when
// none came for a while.
func (w *writer) idle(ctx context.Context) {
	state := w.stream.State()
	if w.boot {
		if time.Since(w.rec.began) < bootPatience {
			return
		}
		w.endGap(ctx, w.rec.began)
	}
	if w.seg != nil && !w.frag.empty() && time.Since(w.frag.touched) >= idleTick {
		w.frag.close(0)
		w.store(ctx)
		w.flush(ctx)
	}
	since := time.Since(w.frag.touched)
	if w.frag.touched.IsZero() || (!state.Up && since > time.Second) || since > gapAfter {
		if w.seg != nil {
			w.finish(ctx)
		}
		if b := w.quietBreak(state); b.Cause != nvr.CauseUnknown {
			w.away(ctx, b)
		}
	}
}

// quietBreak says why a stream sends nothing.
func (w *writer) quietBreak(state nvr.StreamState) nvr.Break {
	if w.quiet && w.RecordingStatus().Cause != nvr.CameraOffline && state.Up {
		return nvr.Break{} // frames come and cannot be stored: that was noted
	}
	if state.Up {
		return nvr.Break{Cause: nvr.CameraOffline, Detail: "The camera sends no pictures."}
	}
	if state.Down.Cause == nvr.CauseUnknown {
		return nvr.Break{Cause: nvr.CameraOffline}
	}
	return state.Down
}

func (w *writer) setStatus(s nvr.RecordingStatus) {
	w.mu.Lock()
	old := w.status
	if old.Recording == s.Recording && old.Cause == s.Cause {
		s.Since = old.Since
	}
	w.status = s
	w.mu.Unlock()
	if old.Recording == s.Recording && old.Cause == s.Cause {
		return
	}
	kind := nvr.RecordingDown
	if s.Recording {
		kind = nvr.RecordingUp
	}
	w.rec.bus.Publish(nvr.Event{Kind: kind, Source: "recorder", Camera: w.camera, Start: s.Since, Cause: s.Cause, Detail: s.Detail})
}

// RecordingStatus returns whether the stream is being recorded.
func (w *writer) RecordingStatus() nvr.RecordingStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

// open makes the file of a new segment and writes its header and init segment.
func (w *writer) open(ctx context.Context, f *nvr.Frame) (*openSegment, error) {
	start := nvr.TickTime(f.DTS).Truncate(time.Millisecond)
	to, err := w.rec.vaults.CurrentVault(ctx, w.camera, start)
	if err != nil {
		return nil, fmt.Errorf("vault of the day: %w", err)
	}
	init, err := cmaf.Init(f.Params)
	if err != nil {
		return nil, err
	}
	seq, err := w.rec.nextSeq(ctx, w.stream.ID())
	if err != nil {
		return nil, err
	}
	meta := nvr.Segment{Stream: w.stream.ID(), Start: start, Seq: seq, Vault: to.Vault, Day: w.rec.age.day()}
	out, err := w.rec.place(ctx, meta, to, w.expectedSize())
	if err != nil {
		return nil, err
	}
	sealed, err := vault.NewWriter(out, w.sealOptions(meta, to))
	if err == nil {
		err = sealed.Init(init)
	}
	if err != nil {
		out.abandon()
		out.d.fail(err)
		return nil, fmt.Errorf("begin segment: %w", err)
	}
	return &openSegment{
		sealed: sealed, file: out, params: f.Params, run: f.Run, vault: to.Vault,
		day: utcDay(f.DTS), start: f.DTS, end: f.DTS, cut: f.DTS + w.length(),
	}, nil
}

func (w *writer) sealOptions(s nvr.Segment, to nvr.Recipient) vault.Options {
	return vault.Options{
		SlotLog2: slotSize(w.rate), Segment: nvr.NewID[nvr.Segment](), Stream: s.Stream, Vault: s.Vault,
		Boot: w.rec.boot, Start: s.Start, Seq: s.Seq, Monotonic: time.Since(w.rec.began), Day: s.Day, Public: to.Public,
	}
}

// slotSize returns the logarithm of the slot size: a full slot holds about half
// a second of media, so that a killed process loses little and padding is rare.
func slotSize(bytesPerSecond float64) uint8 {
	switch {
	case bytesPerSecond == 0:
		return 14
	case bytesPerSecond < 256_000/8:
		return 12
	case bytesPerSecond < 2_000_000/8:
		return 14
	}
	return 16
}

// expectedSize is how many bytes the next segment will probably take.
func (w *writer) expectedSize() int64 {
	return int64(max(w.rate, 64<<10) * segmentLength.Seconds() * 1.1)
}

func (w *writer) measured() float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rate
}

// length returns how many ticks the next segment lasts at least. The first one
// of a stream is shorter by a share that its id gives, so that the segments of
// all streams do not end at the same moment.
func (w *writer) length() int64 {
	length := nvr.DurationTicks(segmentLength)
	if !w.first {
		return length
	}
	w.first = false
	id := w.stream.ID()
	return length/4 + length*3/4*int64(id[0])/256
}

// store seals the fragment that was closed.
func (w *writer) store(ctx context.Context) {
	defer w.frag.reset()
	if w.frag.empty() {
		return
	}
	s := w.seg
	s.seq++
	header, info := w.frag.header(s.seq)
	w.parts = w.frag.appendData(append(w.parts[:0], header))
	if err := s.sealed.Fragment(info, w.parts...); err != nil {
		w.broken(ctx, err)
		return
	}
	w.end = max(w.end, info.Time+int64(info.Duration))
	w.publish()
	if w.end-s.written() > writtenLag {
		w.flush(ctx)
	}
}

// publish makes the fragments in written slots visible to readers.
func (w *writer) publish() {
	s := w.seg
	written := s.sealed.Fragments()
	s.mu.Lock()
	s.fragments = append(s.fragments, written[len(s.fragments):]...)
	s.end = w.end
	s.mu.Unlock()
}

// written returns the ticks up to which footage lies in written slots.
func (s *openSegment) written() int64 {
	if n := len(s.fragments); n > 0 {
		return s.fragments[n-1].Time + int64(s.fragments[n-1].Duration)
	}
	return s.start
}

func (w *writer) flush(ctx context.Context) {
	if w.seg == nil {
		return
	}
	if err := w.seg.sealed.Flush(); err != nil {
		w.broken(ctx, err)
		return
	}
	w.publish()
}

// broken gives up a segment that cannot be written any further.
func (w *writer) broken(ctx context.Context, err error) {
	seg := w.seg
	w.seg = nil
	w.end = max(seg.written(), seg.start)
	seg.sealed.Abort()
	seg.file.abandon()
	seg.file.d.fail(err)
	w.forget(seg)
	w.refuse(ctx, err)
}

// finish ends the open segment, if there is one.
func (w *writer) finish(ctx context.Context) {
	if w.seg == nil {
		return
	}
	if !w.frag.empty() {
		w.frag.close(0)
		w.store(ctx)
	}
	seg := w.seg
	if seg == nil {
		return // storing the last fragment failed
	}
	duration := max(nvr.TickDuration(w.end-seg.start), time.Millisecond).Round(time.Millisecond)
	if err := seg.sealed.Close(duration); err != nil {
		w.broken(ctx, err)
		return
	}
	w.publish()
	w.seg = nil
	seg.file.d.mu.Lock()
	size := seg.file.segment.Bytes
	seg.file.d.mu.Unlock()
	w.mu.Lock()
	w.rate = float64(size) / duration.Seconds()
	w.mu.Unlock()
	seg.file.finish(duration, func() { w.forget(seg) })
}

// forget takes a segment out of the live ones: the index has it, or nobody.
func (w *writer) forget(seg *openSegment) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, s := range w.live {
		if s == seg {
			w.live = append(w.live[:i], w.live[i+1:]...)
			return
		}
	}
}

// causeOf turns an error into what the owner is told.
func causeOf(err error) (nvr.Cause, string) {
	switch {
	case errors.Is(err, nvr.ErrNoOwner):
		return nvr.NoOwner, "Finish the set-up: without an owner there is nobody to seal footage to."
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return nvr.DiskFull, "The disk is full."
	case errors.Is(err, errNoDisk):
		return nvr.DiskGone, "No footage disk can be written."
	case errors.Is(err, nvr.ErrInvalid):
		return nvr.CameraUnfit, "The stream cannot be stored."
	}
	return nvr.DiskGone, "The disk cannot be written."
}

func utcDay(ticks int64) int { return int(ticks / (nvr.ClockRate * 24 * 3600)) }
