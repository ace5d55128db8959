package nvr

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Window bounds of a stream unless the creator says otherwise.
const (
	DefaultWindow = 6 << 20
	DefaultHold   = 48 << 20
)

// frameOverhead is what a frame costs beside its data, so that a flood of
// empty frames is bounded as well.
const frameOverhead = 160

// StreamConfig bounds the memory of a Stream.
type StreamConfig struct {
	// Window is how many bytes of frames are kept; DefaultWindow if 0.
	Window int
	// Hold is the hard cap up to which a holding reader that is behind may keep
	// frames beyond the window; DefaultHold if 0.
	Hold int
}

// Stream holds the latest frames of one quality of one camera and hands them
// to any number of readers. Publishing never blocks and costs no allocation;
// a reader that stalls costs the others nothing.
type Stream struct {
	id     StreamID
	window int
	hold   int

	mu      sync.Mutex
	frames  ring
	keys    []uint64 // sequence numbers of the key frames in frames, ascending
	bytes   int
	readers map[*Reader]struct{}
	params  *Params
	state   StreamState
	closed  bool
	shut    bool // see Shut
}

// StreamState says whether frames are coming.
type StreamState struct {
	Up bool
	// Down says since when and why there are none; meaningful while !Up.
	Down Break
	// Last is the wall time of the newest frame; zero if there was none.
	Last time.Time
}

// NewStream returns an empty stream that is down for an unknown reason.
func NewStream(id StreamID, cfg StreamConfig) *Stream {
	if cfg.Window == 0 {
		cfg.Window = DefaultWindow
	}
	if cfg.Hold == 0 {
		cfg.Hold = DefaultHold
	}
	return &Stream{
		id: id, window: cfg.Window, hold: max(cfg.Hold, cfg.Window),
		readers: make(map[*Reader]struct{}),
	}
}

// ID returns the id under which the stream is recorded.
func (s *Stream) ID() StreamID { return s.id }

// Publish appends a frame and marks the stream as up. It never blocks. The
// frame must not be changed afterwards. Publishing to a closed or shut stream does
// nothing.
func (s *Stream) Publish(f *Frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.shut {
		return
	}
	seq := s.frames.push(f)
	s.bytes += cost(f)
	if f.Key {
		s.keys = append(s.keys, seq)
		s.landLocked(seq)
	}
	s.params = f.Params
	s.state = StreamState{Up: true, Last: f.Time()}
	s.evictLocked()
	for r := range s.readers {
		if f.Key || f.DTS >= r.doze {
			r.wakeLocked()
		}
	}
}

// SetDown records that no frames are coming and why. The next Publish ends it.
func (s *Stream) SetDown(b Break) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Up = false
	s.state.Down = b
}

// Clear forgets all frames, so that nothing of the past can be seen any more:
// a camera that was removed.
func (s *Stream) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clearLocked()
}

func (s *Stream) clearLocked() {
	for s.frames.len() > 0 {
		s.dropLocked()
	}
	s.params = nil
}

// Shut begins privacy mode: it forgets all frames, those that readers have not
// read yet as well, and takes none until Reopen. Readers get ErrPrivate; those
// that stay go on at the first key frame after it and have missed nothing.
func (s *Stream) Shut(why Break) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clearLocked()
	s.shut, s.state.Up, s.state.Down = true, false, why
	for r := range s.readers {
		r.next, r.seeking, r.missed = s.frames.next, true, 0
		r.wakeLocked()
	}
}

// Reopen ends privacy mode. The stream stays down until the next frame.
func (s *Stream) Reopen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shut = false
}

// State returns whether frames are coming, and why not.
func (s *Stream) State() StreamState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Params returns how the newest frame is coded, nil before the first.
func (s *Stream) Params() *Params {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.params
}

// LastKey returns the newest key frame in the window, nil if there is none.
func (s *Stream) LastKey() *Frame {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.keys) == 0 {
		return nil
	}
	return s.frames.at(s.keys[len(s.keys)-1])
}

// Size returns the bytes that the window holds.
func (s *Stream) Size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes
}

// Watched reports whether anyone but holding readers reads: then pictures are
// wanted as soon as they come.
func (s *Stream) Watched() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := range s.readers {
		if !r.hold {
			return true
		}
	}
	return false
}

// Close ends the stream: readers drain what is left and then get ErrClosed.
func (s *Stream) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for r := range s.readers {
		r.wakeLocked()
	}
}

func cost(f *Frame) int { return len(f.Data) + frameOverhead }

// evictLocked drops the oldest frames beyond the window, except those that a
// holding reader still needs, up to the hard cap.
func (s *Stream) evictLocked() {
	need := s.frames.next
	for r := range s.readers {
		if r.hold && !r.seeking {
			need = min(need, r.next)
		}
	}
	for s.bytes > s.window && s.frames.len() > 1 {
		if s.frames.first >= need && s.bytes <= s.hold {
			return
		}
		s.dropLocked()
	}
}

func (s *Stream) dropLocked() {
	seq, f := s.frames.pop()
	s.bytes -= cost(f)
	if len(s.keys) > 0 && s.keys[0] == seq {
		s.keys = s.keys[1:]
	}
}

// landLocked gives holding readers that wait for a key frame this one, so that
// it is held for them from now on.
func (s *Stream) landLocked(key uint64) {
	for r := range s.readers {
		if r.hold && r.seeking {
			r.missed += int(key - r.next)
			r.next, r.seeking = key, false
		}
	}
}

func (r *Reader) wakeLocked() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// ReaderOptions says where a reader starts and how it treats being late.
type ReaderOptions struct {
	// Hold keeps frames in the window beyond its size while this reader has not
	// read them, up to the hard cap. For the recorder only.
	Hold bool
	// From starts at the last key frame at or before this time, or at the
	// oldest one. Zero starts at the newest key frame.
	From time.Time
}

// Reader is a cursor in a stream. It belongs to one goroutine at a time.
type Reader struct {
	s    *Stream
	hold bool
	wake chan struct{}

	// Guarded by s.mu.
	next    uint64 // sequence number of the next frame
	seeking bool   // waits for a key frame
	missed  int    // frames that were lost before next
	doze    int64  // DTS before which frames do not wake
}

// NewReader returns a reader that begins with a key frame. Close it.
func (s *Stream) NewReader(opts ReaderOptions) *Reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &Reader{s: s, hold: opts.Hold, wake: make(chan struct{}, 1)}
	s.readers[r] = struct{}{}
	if key, ok := s.startLocked(opts.From); ok {
		r.next = key
	} else {
		r.next, r.seeking = s.frames.next, true
	}
	return r
}

func (s *Stream) startLocked(from time.Time) (seq uint64, ok bool) {
	if len(s.keys) == 0 {
		return 0, false
	}
	if from.IsZero() {
		return s.keys[len(s.keys)-1], true
	}
	ticks := Ticks(from)
	for _, key := range slices.Backward(s.keys) {
		if s.frames.at(key).PTS <= ticks {
			return key, true
		}
	}
	return s.keys[0], true
}

// Next returns the next frame, waiting for it if need be. missed is the number
// of frames that were lost just before it because the reader was late; it then
// continues at a key frame: the newest one, or for a holding reader the oldest.
// Errors: that of ctx, ErrClosed, or ErrPrivate while the stream is shut.
func (r *Reader) Next(ctx context.Context) (f *Frame, missed int, err error) {
	for {
		f, missed, err = r.Poll()
		if f != nil || err != nil {
			return f, missed, err
		}
		select {
		case <-r.Ready():
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
}

// Ready is signalled when Poll may have something: for readers that wait for
// more than frames.
func (r *Reader) Ready() <-chan struct{} { return r.wake }

// Doze keeps Ready silent for frames with a DTS before until, except key frames:
// for a reader that takes frames by the half second, and would else be woken for
// each. Poll returns them all the same. Ticks since the Unix epoch; 0 ends it.
func (r *Reader) Doze(until int64) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.doze = until
}

// Poll is Next without waiting: f is nil where there is no frame yet.
func (r *Reader) Poll() (f *Frame, missed int, err error) {
	s := r.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut && !s.closed {
		return nil, 0, ErrPrivate
	}
	from := r.next
	if r.next < s.frames.first {
		r.seeking = true
	}
	if r.seeking && !r.seekLocked() {
		if s.closed {
			return nil, 0, ErrClosed
		}
		return nil, 0, nil
	}
	if r.next >= s.frames.next {
		if s.closed {
			return nil, 0, ErrClosed
		}
		return nil, 0, nil
	}
	f = s.frames.at(r.next)
	missed = r.missed + int(r.next-from)
	r.missed = 0
	r.next++
	if r.hold && s.bytes > s.window {
		s.evictLocked()
	}
	return f, missed, nil
}

// seekLocked moves to a key frame at or after the cursor; false if there is none yet.
func (r *Reader) seekLocked() bool {
	keys := r.s.keys
	if len(keys) == 0 || keys[len(keys)-1] < r.next {
		return false
	}
	key := keys[len(keys)-1]
	if r.hold {
		for _, k := range keys {
			if k >= r.next {
				key = k
				break
			}
		}
	}
	r.next, r.seeking = key, false
	return true
}

// Close gives up the reader's place in the stream.
func (r *Reader) Close() {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	delete(r.s.readers, r)
}

// ring is a queue of frames that are numbered from 0 in the order of arrival.
type ring struct {
	buf         []*Frame // length is a power of two
	first, next uint64   // numbers of the oldest frame and of the one to come
}

func (q *ring) len() int { return int(q.next - q.first) }

func (q *ring) at(seq uint64) *Frame { return q.buf[seq&uint64(len(q.buf)-1)] }

func (q *ring) push(f *Frame) uint64 {
	if q.len() == len(q.buf) {
		q.grow()
	}
	seq := q.next
	q.buf[seq&uint64(len(q.buf)-1)] = f
	q.next++
	return seq
}

func (q *ring) pop() (uint64, *Frame) {
	i := q.first & uint64(len(q.buf)-1)
	f := q.buf[i]
	q.buf[i] = nil
	q.first++
	return q.first - 1, f
}

func (q *ring) grow() {
	bigger := make([]*Frame, max(64, 2*len(q.buf)))
	for seq := q.first; seq < q.next; seq++ {
		bigger[seq&uint64(len(bigger)-1)] = q.at(seq)
	}
	q.buf = bigger
}
