package recorder

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"slices"
	"sort"
	"syscall"
	"time"

	"lares/nvr"
	"lares/nvr/cmaf"
	"lares/nvr/vault"
)

// Library gives recorded footage back. It decrypts with what the caller's
// nvr.Opener opens and nothing else, also of segments that are being written.
// Its methods may be called from any goroutine.
type Library struct {
	rec *Recorder
}

// Library returns the reading side of the recorder.
func (r *Recorder) Library() *Library { return &Library{rec: r} }

// part is a segment with where its bytes are and, while it is not in the
// index, the fragments that can be read.
type part struct {
	nvr.Segment
	names []string // where its file is; a live one is being renamed from the first to the second
	live  []vault.Fragment
	// Of a live one: its records, the seconds with motion that are not among them
	// yet, and up to when (ticks) it can be read.
	isLive  bool
	written []vault.Record
	moved   []nvr.MotionSecond
	reach   int64
}

// parts returns what there is of a stream in [from, to), in the index or not yet.
func (l *Library) parts(ctx context.Context, stream nvr.StreamID, from, to time.Time) ([]part, error) {
	// Live ones first: a segment that is entered in between is then seen twice
	// rather than not at all.
	live := l.rec.live(stream, from, to)
	rows, err := l.rec.index.Range(ctx, stream, from, to)
	if err != nil {
		return nil, fmt.Errorf("list segments: %w", err)
	}
	parts := make([]part, 0, len(rows)+len(live))
	seen := make(map[uint64]bool, len(rows))
	for _, row := range rows {
		if p, ok := l.listed(row); ok {
			parts = append(parts, p)
			seen[row.Seq] = true
		}
	}
	for _, p := range live {
		if !seen[p.Seq] {
			parts = append(parts, p)
		}
	}
	sort.SliceStable(parts, func(i, j int) bool { return parts[i].Start.Before(parts[j].Start) })
	return parts, nil
}

// listed returns a segment of the index, unless its disk is not known any more.
func (l *Library) listed(row nvr.Segment) (part, bool) {
	d := l.rec.disk(row.Disk)
	if d == nil {
		return part{}, false
	}
	return part{Segment: row, names: []string{d.path(segName(row))}}, true
}

// live returns the segments of a stream that are not in the index yet.
func (r *Recorder) live(stream nvr.StreamID, from, to time.Time) []part {
	r.mu.Lock()
	w := r.writers[stream]
	r.mu.Unlock()
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var parts []part
	for i, s := range w.live {
		p := s.part()
		if p.Duration == 0 {
			// At least what the index counts: before its first fragment it may hold an event.
			p.Duration = max(nvr.TickDuration(p.reach-s.start), time.Millisecond)
			if i == len(w.live)-1 {
				p.moved = slices.Clone(w.moved)
				p.Activity.Moving = len(p.moved)
			}
		}
		if p.Start.Before(to) && p.End().After(from) {
			parts = append(parts, p)
		}
	}
	return parts
}

// part returns what can be read of a segment that is not in the index yet. Its
// Duration is 0 while it is open.
func (s *openSegment) part() part {
	s.file.d.mu.Lock()
	segment := s.file.segment
	s.file.d.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if segment.Duration == 0 {
		segment.Activity = nvr.Activity{Known: true, Events: s.events}
	}
	return part{
		Segment: segment, names: []string{s.file.d.path(partName(segment)), s.file.d.path(segName(segment))},
		live: slices.Clip(s.fragments), isLive: true, written: s.records, reach: s.end,
	}
}

// opened is a segment that was unlocked. Close it.
type opened struct {
	*vault.Reader
	part
	file      *os.File
	fragments []vault.Fragment
	sound     bool // it may be given away
}

// Close implements io.Closer.
func (o *opened) Close() error { return o.file.Close() }

// Init returns the init segment, without the sound where that is not given away.
func (o *opened) Init() ([]byte, error) {
	init, err := o.Reader.Init()
	if err != nil || o.sound {
		return init, err
	}
	return cmaf.SilentInit(init)
}

// fragment appends a fragment to dst, without the sound where that is not given
// away: of one that has nothing but sound there is nothing then.
func (o *opened) fragment(dst []byte, f vault.Fragment) ([]byte, error) {
	if o.sound {
		return o.ReadFragment(dst, f, false)
	}
	whole, err := o.ReadFragment(nil, f, false)
	if err != nil {
		return dst, err
	}
	return cmaf.AppendSilent(dst, whole, f.KeyBytes > 0)
}

// open unlocks a segment.
func (l *Library) open(ctx context.Context, opener nvr.Opener, p part) (*opened, error) {
	f, err := openFile(p)
	if err != nil {
		return nil, err
	}
	o, err := unlock(ctx, opener, p, f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return o, nil
}

// openFile opens a segment's file.
func openFile(p part) (f *os.File, err error) {
	for _, name := range p.names {
		f, err = os.Open(name)
		switch {
		case errors.Is(err, syscall.EIO), errors.Is(err, syscall.ESTALE), errors.Is(err, syscall.ENOTCONN):
			return nil, fmt.Errorf("the disk does not answer: %w: %w", nvr.ErrCorrupt, err)
		case !errors.Is(err, fs.ErrNotExist):
			return f, err
		}
	}
	return nil, fmt.Errorf("segment file is gone: %w", nvr.ErrNotFound)
}

// readHeader reads what stands in a segment's file without a key.
func readHeader(f *os.File) (*vault.Segment, error) {
	stat, err := f.Stat()
	if err != nil {
		return nil, err
	}
	sealed, err := vault.Open(f, stat.Size())
	if err != nil {
		return nil, fmt.Errorf("open segment: %w: %w", nvr.ErrCorrupt, err)
	}
	return sealed, nil
}

func unlock(ctx context.Context, opener nvr.Opener, p part, f *os.File) (*opened, error) {
	sealed, err := readHeader(f)
	if err != nil {
		return nil, err
	}
	if h := sealed.Header(); h.Stream != p.Stream || h.Seq != p.Seq || !h.Start.Truncate(time.Millisecond).Equal(p.Start) {
		return nil, fmt.Errorf("the file is that of another segment: %w", nvr.ErrCorrupt)
	}
	key, err := opener.OpenKey(ctx, nvr.VaultID(sealed.Vault()), sealed.Info(), sealed.SealedKey())
	if err != nil {
		return nil, fmt.Errorf("open segment key: %w", err)
	}
	defer clear(key)
	reader, err := sealed.Unlock(key)
	if err != nil {
		return nil, fmt.Errorf("unlock segment: %w: %w", nvr.ErrCorrupt, err)
	}
	o := &opened{Reader: reader, part: p, file: f, fragments: p.live}
	if p.live == nil {
		if o.fragments, err = reader.Fragments(); err != nil {
			return nil, fmt.Errorf("read fragment index: %w: %w", nvr.ErrCorrupt, err)
		}
	}
	return o, nil
}

// each unlocks the segments of a stream in [from, to) one after the other. One
// that is damaged or was deleted meanwhile is passed over; a locked one ends it.
// One that the caller has no key for is passed over too, unless there is no other.
func (l *Library) each(ctx context.Context, opener nvr.Opener, req nvr.MediaRequest, visit func(*opened) error) error {
	parts, err := l.parts(ctx, req.Stream, req.From, req.To)
	if err != nil {
		return err
	}
	visited := false
	var forbidden error
	for _, p := range parts {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		o, err := l.reopen(ctx, opener, p)
		switch {
		case errors.Is(err, nvr.ErrForbidden):
			forbidden = err
			continue
		case isLost(err):
			l.rec.log.Warn("pass over segment", slog.Any("stream", req.Stream), slog.Any("start", p.Start), slog.Any("err", err))
			continue
		case err != nil:
			return err
		}
		visited, o.sound = true, req.Sound
		err = visit(o)
		if err := errors.Join(err, o.Close()); err != nil {
			return err
		}
	}
	if !visited {
		return forbidden
	}
	return nil
}

// Index lists the fragments that overlap [req.From, req.To). Their sizes count
// the sound whether it is asked for or not.
func (l *Library) Index(ctx context.Context, opener nvr.Opener, req nvr.MediaRequest) (nvr.PlayIndex, error) {
	var index nvr.PlayIndex
	inits := make(map[string]int)
	first, last := nvr.Ticks(req.From), nvr.Ticks(req.To)
	err := l.each(ctx, opener, req, func(o *opened) error {
		init, err := o.Init()
		if err != nil {
			return nil //nolint:nilerr // damaged: nothing of it can be played
		}
		n, known := inits[string(init)]
		if !known {
			params, err := cmaf.ReadInit(init)
			if err != nil {
				return nil //nolint:nilerr // damaged
			}
			n = len(index.Inits)
			inits[string(init)] = n
			index.Inits = append(index.Inits, nvr.Init{
				Segment: reference(o.Segment), Codecs: cmaf.Codecs(params), Width: params.Width, Height: params.Height,
			})
		}
		for _, f := range o.fragments {
			if f.Time < last && f.Time+int64(f.Duration) > first {
				index.Parts = append(index.Parts, nvr.Part{
					Time: f.Time, Duration: int64(f.Duration), Bytes: int(f.Length), KeyBytes: int(f.KeyBytes), Init: n,
				})
			}
		}
		return nil
	})
	return index, err
}

// reference names a segment of a stream: its start in milliseconds and its sequence.
func reference(s nvr.Segment) nvr.SegmentID {
	var id nvr.SegmentID
	binary.BigEndian.PutUint64(id[:8], uint64(s.Start.UnixMilli()))
	binary.BigEndian.PutUint64(id[8:], s.Seq)
	return id
}

// Init returns the initialization segment of a segment that Index named, with
// or without the sound as the index was asked for.
func (l *Library) Init(ctx context.Context, opener nvr.Opener, stream nvr.StreamID, id nvr.SegmentID, sound bool) ([]byte, error) {
	millis, seq := binary.BigEndian.Uint64(id[:8]), binary.BigEndian.Uint64(id[8:])
	if millis > maxMillis {
		return nil, nvr.ErrNotFound
	}
	start := time.UnixMilli(int64(millis))
	var found []byte
	req := nvr.MediaRequest{Stream: stream, From: start, To: start.Add(time.Millisecond), Sound: sound}
	err := l.each(ctx, opener, req, func(o *opened) error {
		if o.Seq != seq || !o.Start.Equal(start) {
			return nil
		}
		init, err := o.Init()
		found = bytes.Clone(init)
		return err
	})
	if err == nil && found == nil {
		err = nvr.ErrNotFound
	}
	return found, err
}

// Media writes the fragments that begin in [req.From, req.To), or, with
// KeysOnly, a fragment for each key frame among them. It ends where the init
// segment changes. It writes nothing before the first segment is unlocked, so
// that an error then is the whole answer.
func (l *Library) Media(ctx context.Context, opener nvr.Opener, req nvr.MediaRequest, w io.Writer) error {
	first, last := nvr.Ticks(req.From), nvr.Ticks(req.To)
	var buf []byte
	var keys keyWriter
	var init []byte
	err := l.each(ctx, opener, req, func(o *opened) error {
		own, err := o.Init()
		if err != nil {
			return nil //nolint:nilerr // damaged: nothing of it can be played
		}
		if init != nil && !bytes.Equal(init, own) {
			return errNewInit
		}
		init = bytes.Clone(own)
		for _, f := range o.fragments {
			if f.Time < first || f.Time >= last || (req.KeysOnly && f.KeyBytes == 0) {
				continue
			}
			if ctx.Err() != nil {
				return ctx.Err() // who watches may have lost the right meanwhile
			}
			if req.KeysOnly {
				buf, err = o.ReadFragment(buf[:0], f, true)
			} else {
				buf, err = o.fragment(buf[:0], f)
			}
			if err != nil {
				continue // a damaged slot costs this fragment
			}
			if req.KeysOnly {
				err = keys.write(w, buf) // takes the picture alone
			} else {
				_, err = w.Write(buf)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, errNewInit) {
		err = nil
	}
	return errors.Join(err, keys.flush(w, last))
}

// errNewInit ends a pass where the init segment changes.
var errNewInit = errors.New("the init segment changes")

// keyWriter writes fragments of one key frame each, which lasts until the next.
type keyWriter struct {
	held cmaf.Track
	seq  uint32
	buf  []byte
}

// maxKeyDuration bounds how long a key frame is shown where the next one is far.
const maxKeyDuration = 60 * nvr.ClockRate

func (k *keyWriter) write(w io.Writer, fragment []byte) error {
	track, err := cmaf.FirstPicture(fragment)
	if err != nil {
		return nil //nolint:nilerr // not a picture that can be shown
	}
	if err := k.flush(w, track.Base); err != nil {
		return err
	}
	track.Samples[0].Data = bytes.Clone(track.Samples[0].Data)
	k.held = track
	return nil
}

func (k *keyWriter) flush(w io.Writer, until int64) error {
	if len(k.held.Samples) == 0 {
		return nil
	}
	if d := until - k.held.Base; d > 0 {
		k.held.Samples[0].Duration = uint32(min(d, maxKeyDuration))
	}
	k.seq++
	k.buf = cmaf.AppendFragment(k.buf[:0], k.seq, k.held)
	k.held = cmaf.Track{}
	_, err := w.Write(k.buf)
	return err
}

// SegmentKeys yields the key of each segment of a camera, of all its streams,
// that overlaps [from, to), sealed as it stands in the segment's header: nothing
// is opened. The segments that are being written are among them. One that is
// damaged or was deleted meanwhile is passed over. An error is the last that is
// yielded: those of the index, of reading the disk, and of ctx.
func (l *Library) SegmentKeys(ctx context.Context, camera nvr.CameraID, from, to time.Time) iter.Seq2[nvr.SealedKey, error] {
	return func(yield func(nvr.SealedKey, error) bool) {
		for _, stream := range l.rec.streamsOf(camera) {
			parts, err := l.parts(ctx, stream, from, to)
			if err != nil {
				yield(nvr.SealedKey{}, err)
				return
			}
			for _, p := range parts {
				key, err := sealedKey(p)
				if isLost(err) {
					l.rec.log.Warn("pass over segment", slog.Any("stream", stream), slog.Any("start", p.Start), slog.Any("err", err))
					continue
				}
				err = errors.Join(err, ctx.Err())
				if !yield(key, err) || err != nil {
					return
				}
			}
		}
	}
}

// sealedKey reads the header of a segment.
func sealedKey(p part) (key nvr.SealedKey, err error) {
	f, err := openFile(p)
	if err != nil {
		return nvr.SealedKey{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sealed, err := readHeader(f)
	if err != nil {
		return nvr.SealedKey{}, err
	}
	return nvr.SealedKey{Vault: sealed.Vault(), Info: sealed.Info(), Sealed: sealed.SealedKey()}, nil
}

// cameraOf returns the camera of the house that a stream belongs to; zero: none.
func (r *Recorder) cameraOf(stream nvr.StreamID) nvr.CameraID {
	for _, status := range r.cameras.List() {
		for _, source := range status.Camera.Streams {
			if source.Stream == stream {
				return status.Camera.ID
			}
		}
	}
	return nvr.CameraID{}
}

// streamsOf lists the streams of a camera of the house.
func (r *Recorder) streamsOf(camera nvr.CameraID) (streams []nvr.StreamID) {
	for _, status := range r.cameras.List() {
		if status.Camera.ID != camera {
			continue
		}
		for _, source := range status.Camera.Streams {
			streams = append(streams, source.Stream)
		}
	}
	return streams
}

// EscrowFile returns what lies beside the footage for a vault, from whatever
// footage path has it. Errors: nvr.ErrNotFound.
func (r *Recorder) EscrowFile(id nvr.VaultID) ([]byte, error) {
	for _, d := range r.list() {
		raw, err := os.ReadFile(d.path(vaultName(id)))
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return raw, err
		}
	}
	return nil, nvr.ErrNotFound
}
