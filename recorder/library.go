package recorder

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sort"
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

// mergeTolerance is a hole between two segments that is not shown.
const mergeTolerance = time.Second

// Timeline returns what there is of a stream in [from, to): spans and gaps in
// order, both cut to the span. The future is in neither.
func (l *Library) Timeline(ctx context.Context, stream nvr.StreamID, from, to time.Time) (nvr.Timeline, error) {
	if now := time.Now(); to.After(now) {
		to = now
	}
	if !from.Before(to) {
		return nvr.Timeline{}, nil
	}
	segments, err := l.segments(ctx, stream, from, to)
	if err != nil {
		return nvr.Timeline{}, err
	}
	gaps, err := l.rec.gaps.GapsIn(ctx, stream, from, to)
	if err != nil {
		return nvr.Timeline{}, fmt.Errorf("list gaps: %w", err)
	}
	var spans []nvr.Span
	for _, s := range segments {
		spans = append(spans, nvr.Span{From: s.Start, To: s.End()})
	}
	return arrange(stream, spans, gaps, nvr.Span{From: from, To: to}), nil
}

// arrange merges spans, cuts everything to the window, and puts gaps only where
// there is no footage. A hole between footage that has no cause gets the unknown one.
func arrange(stream nvr.StreamID, spans []nvr.Span, gaps []nvr.Gap, window nvr.Span) nvr.Timeline {
	var t nvr.Timeline
	sort.Slice(spans, func(i, j int) bool { return spans[i].From.Before(spans[j].From) })
	for _, s := range spans {
		s, ok := cut(s, window)
		if !ok {
			continue
		}
		if n := len(t.Spans); n > 0 && s.From.Sub(t.Spans[n-1].To) <= mergeTolerance {
			t.Spans[n-1].To = later(t.Spans[n-1].To, s.To)
			continue
		}
		t.Spans = append(t.Spans, s)
	}
	sort.Slice(gaps, func(i, j int) bool { return gaps[i].From.Before(gaps[j].From) })
	at := window.From
	for i, s := range t.Spans {
		t.Gaps = append(t.Gaps, explain(stream, gaps, nvr.Span{From: at, To: s.From}, i > 0)...)
		at = s.To
	}
	t.Gaps = append(t.Gaps, explain(stream, gaps, nvr.Span{From: at, To: window.To}, false)...)
	return t
}

// explain covers a hole with the known gaps. Between footage what is left over
// has the unknown cause; before the first and after the last it is no gap, since
// there may never have been a camera, or the next frames are under way.
func explain(stream nvr.StreamID, gaps []nvr.Gap, hole nvr.Span, between bool) []nvr.Gap {
	var out []nvr.Gap
	at := hole.From
	unknown := func(to time.Time) {
		if between && to.Sub(at) > mergeTolerance {
			out = append(out, nvr.Gap{Stream: stream, From: at, To: to})
		}
	}
	for _, g := range gaps {
		end := g.To
		if end.IsZero() {
			end = hole.To
		}
		s, ok := cut(nvr.Span{From: later(g.From, at), To: end}, hole)
		if !ok {
			continue
		}
		unknown(s.From)
		g.From, g.To = s.From, s.To
		out = append(out, g)
		at = s.To
	}
	unknown(hole.To)
	return out
}

func cut(s, window nvr.Span) (nvr.Span, bool) {
	s.From = later(s.From, window.From)
	if s.To.After(window.To) {
		s.To = window.To
	}
	return s, s.From.Before(s.To)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// part is a segment with where its bytes are and, while it is not in the
// index, the fragments that can be read.
type part struct {
	nvr.Segment
	names []string // where its file is; a live one is being renamed from the first to the second
	live  []vault.Fragment
}

// segments returns the rows of a stream in [from, to) and its live segments.
func (l *Library) segments(ctx context.Context, stream nvr.StreamID, from, to time.Time) ([]nvr.Segment, error) {
	parts, err := l.parts(ctx, stream, from, to)
	segments := make([]nvr.Segment, len(parts))
	for i, p := range parts {
		segments[i] = p.Segment
	}
	return segments, err
}

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
		if d := l.rec.disk(row.Disk); d != nil {
			parts = append(parts, part{Segment: row, names: []string{d.path(segName(row))}})
			seen[row.Seq] = true
		}
	}
	for _, p := range live {
		if !seen[p.Seq] {
			parts = append(parts, p)
		}
	}
	return parts, nil
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
	for _, s := range w.live {
		s.file.d.mu.Lock()
		segment := s.file.segment
		s.file.d.mu.Unlock()
		s.mu.Lock()
		names := []string{s.file.d.path(partName(segment)), s.file.d.path(segName(segment))}
		if segment.Duration == 0 {
			segment.Duration = nvr.TickDuration(s.end - s.start)
		}
		p := part{Segment: segment, names: names, live: s.fragments}
		s.mu.Unlock()
		if segment.Start.Before(to) && segment.End().After(from) {
			parts = append(parts, p)
		}
	}
	return parts
}

// opened is a segment that was unlocked. Close it.
type opened struct {
	*vault.Reader
	part
	file      *os.File
	fragments []vault.Fragment
}

func (o *opened) Close() error { return o.file.Close() }

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
		if f, err = os.Open(name); !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
	}
	return nil, fmt.Errorf("segment file is gone: %w", nvr.ErrNotFound)
}

func unlock(ctx context.Context, opener nvr.Opener, p part, f *os.File) (*opened, error) {
	stat, err := f.Stat()
	if err != nil {
		return nil, err
	}
	sealed, err := vault.Open(f, stat.Size())
	if err != nil {
		return nil, fmt.Errorf("open segment: %w: %w", nvr.ErrCorrupt, err)
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
func (l *Library) each(ctx context.Context, opener nvr.Opener, req nvr.MediaRequest, visit func(*opened) error) error {
	parts, err := l.parts(ctx, req.Stream, req.From, req.To)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		o, err := l.open(ctx, opener, p)
		switch {
		case errors.Is(err, nvr.ErrCorrupt), errors.Is(err, nvr.ErrNotFound), errors.Is(err, nvr.ErrDestroyed):
			l.rec.log.Warn("pass over segment", "stream", req.Stream, "start", p.Start, "err", err)
			continue
		case err != nil:
			return err
		}
		err = visit(o)
		if err := errors.Join(err, o.Close()); err != nil {
			return err
		}
	}
	return nil
}

// Index lists the fragments of a stream that overlap [from, to).
func (l *Library) Index(ctx context.Context, opener nvr.Opener, stream nvr.StreamID, from, to time.Time) (nvr.PlayIndex, error) {
	var index nvr.PlayIndex
	inits := make(map[string]int)
	first, last := nvr.Ticks(from), nvr.Ticks(to)
	req := nvr.MediaRequest{Stream: stream, From: from, To: to}
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

// Init returns the initialization segment of a segment that Index named.
func (l *Library) Init(ctx context.Context, opener nvr.Opener, stream nvr.StreamID, id nvr.SegmentID) ([]byte, error) {
	millis, seq := binary.BigEndian.Uint64(id[:8]), binary.BigEndian.Uint64(id[8:])
	if millis > maxMillis {
		return nil, nvr.ErrNotFound
	}
	start := time.UnixMilli(int64(millis))
	var found []byte
	req := nvr.MediaRequest{Stream: stream, From: start, To: start.Add(time.Millisecond)}
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
			buf, err = o.ReadFragment(buf[:0], f, req.KeysOnly)
			if err != nil {
				continue // a damaged slot costs this fragment
			}
			if req.KeysOnly {
				err = keys.write(w, buf)
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
