package recorder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
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
	// before the slot is closed short. With the fragment that is being built
	// it stays below 1.5 s, which is what a killed process may lose.
	writtenLag = nvr.ClockRate * 3 / 4
	// maxFragment bounds the memory of a fragment.
	maxFragment = 8 << 20
	// idleTick is how often a writer looks whether its stream went quiet.
	idleTick = 500 * time.Millisecond
	// gapAfter is how long a stream is quiet before a gap is opened.
	gapAfter = 5 * time.Second
	// lastEvent is how long a segment waits for the event that privacy mode ended.
	lastEvent = 300 * time.Millisecond
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
	scene  *scene
	log    *slog.Logger
	began  time.Time // when the writer was made
	reader *nvr.Reader

	seg   *openSegment // nil between segments
	frag  fragment
	end   int64     // ticks up to which there is footage; 0: none
	quiet bool      // a gap is open
	cause nvr.Cause // of that gap
	retry time.Time // no new segment before
	boot  bool      // the open gap is that of the time before the start
	first bool      // the first segment is shorter, to spread the rotation
	parts [][]byte

	asleep   bool      // nothing moves, and nothing else is kept
	motions  uint64    // of the scene, that were known when it fell asleep
	seen     time.Time // when the last frame came that was left alone
	taken    int64     // ticks up to which the run takenRun was recorded before the sleep
	takenRun uint64

	nudge chan struct{} // there is something for attend

	mu     sync.Mutex
	rate   float64 // bytes a second of the last segment; written by run only
	status nvr.RecordingStatus
	live   []*openSegment     // open, or finished and not yet in the index
	notes  []*note            // events that wait, at most maxNotes bytes
	moved  []nvr.MotionSecond // that wait for the end of the segment, by second
	ended  bool               // takes no more notes
	// disowned is up to when somebody deleted footage: what tells of before is
	// not taken any more.
	disowned time.Time
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
	// watched and blinded are those of the scene when it began.
	watched bool
	blinded uint64

	mu        sync.Mutex
	fragments []vault.Fragment // those that can be read
	records   []vault.Record
	end       int64
	events    int // written by run only
}

// run takes frames until the stream or ctx ends, and finishes the open
// segment. It closes its reader.
func (w *writer) run(ctx context.Context) {
	defer func() { w.reader.Close() }() // it changes
	defer w.closeNotes()
	tick := time.NewTicker(idleTick)
	defer tick.Stop()
	ticked := false
	stop := ctx.Done()
	ctx = context.WithoutCancel(ctx) // what came is stored before it stops
	ended := false
	for {
		f, missed, err := w.reader.Poll()
		if f != nil {
			w.frame(ctx, f, missed)
			continue
		}
		if err != nil && !errors.Is(err, nvr.ErrPrivate) || ended { // the stream is closed, or all that came is taken
			w.finish(ctx)
			return
		}
		if ticked { // only now: all frames that came have been taken
			w.idle(ctx)
			ticked = false
		}
		w.reader.Doze(w.dozing())
		select {
		case <-w.reader.Ready():
		case <-w.nudge:
			w.attend(ctx)
		case <-tick.C:
			ticked = true
		case <-stop:
			ended = true
		}
	}
}

// frame takes one frame.
func (w *writer) frame(ctx context.Context, f *nvr.Frame, missed int) {
	if w.asleep {
		w.seen = time.Now()
		return
	}
	if w.known(f) {
		return
	}
	if missed > 0 && w.seg != nil {
		w.lost(ctx, f)
	}
	if w.seg != nil && f.Run != w.seg.run {
		w.finish(ctx) // also for sound: its times belong to another time line
	}
	if f.Track == nvr.VideoTrack {
		w.boundary(ctx, f)
	} else if w.seg != nil && w.frag.fullOfSound(f.DTS) {
		w.store(ctx)
	}
	if w.seg == nil || f.Params != w.seg.params {
		return // waits for a key frame, a disk or an owner
	}
	w.frag.add(f)
}

// boundary ends the fragment, and the segment, where a picture calls for it.
func (w *writer) boundary(ctx context.Context, f *nvr.Frame) {
	if f.Key {
		wanted, motions := w.scene.wants(f.DTS)
		if w.motions = motions; !wanted {
			w.sleep(ctx, f)
			return
		}
	}
	if w.seg != nil {
		switch {
		case f.Key && w.over(f):
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

// over reports whether the segment ends before the key frame f: its time is up,
// the coding or the day changed, or another circle of people may open what
// comes now.
func (w *writer) over(f *nvr.Frame) bool {
	return f.DTS >= w.seg.cut || f.Params != w.seg.params || utcDay(f.DTS) != w.seg.day ||
		!w.rec.vaults.VaultInForce(w.camera, w.seg.vault)
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
	if errors.Is(err, errVaultGone) {
		seg, err = w.open(ctx, f)
	}
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
	w.deliver(ctx)
}

// open makes the file of a new segment and writes its header and init segment.
func (w *writer) open(ctx context.Context, f *nvr.Frame) (*openSegment, error) {
	start := nvr.TickTime(f.DTS).Truncate(time.Millisecond)
	to, err := w.rec.vaults.CurrentVault(ctx, w.camera, start)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoVault, err)
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
	// Only now: from here on who replaces the vault sees that it is being used.
	if !w.rec.vaults.VaultInForce(w.camera, to.Vault) {
		out.abandon()
		return nil, errVaultGone
	}
	sealed, err := vault.NewWriter(out, w.sealOptions(meta, to))
	if err == nil {
		err = sealed.Init(init)
	}
	if err != nil {
		out.abandon()
		return nil, fmt.Errorf("begin segment: %w", err)
	}
	watched, blinded := w.scene.watch()
	return &openSegment{
		watched: watched, blinded: blinded, sealed: sealed, file: out, params: f.Params, run: f.Run, vault: to.Vault,
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
	case bytesPerSecond < 800_000/8:
		return 14
	case bytesPerSecond < 2_000_000/8:
		return 15
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
	err := s.sealed.Fragment(info, w.parts...)
	clear(w.parts) // the frames are not kept
	if err != nil {
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
	n, _ := s.sealed.Written()
	written := s.sealed.Fragments()[:n]
	s.mu.Lock()
	s.fragments = append(s.fragments, written[len(s.fragments):]...)
	s.end = max(s.end, s.written())
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
	w.deliver(ctx)
	if w.seg == nil {
		return // as above
	}
	activity, err := w.sealMotion(seg)
	if err == nil {
		err = seg.sealed.Close(duration)
	}
	if err != nil {
		w.broken(ctx, err)
		return
	}
	w.publish()
	w.seg = nil
	rate := float64(seg.file.size()) / duration.Seconds()
	w.mu.Lock()
	w.rate = rate
	w.mu.Unlock()
	seg.file.finish(duration, activity, func() { w.forget(seg) })
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

func utcDay(ticks int64) int { return int(ticks / (nvr.ClockRate * 24 * 3600)) }
