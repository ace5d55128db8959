package recorder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sort"
	"time"

	"lares/nvr"
	"lares/nvr/cmaf"
	"lares/nvr/vault"
)

const (
	// maxClip bounds the memory that the tables of a clip take.
	maxClip = 24 * time.Hour
	// lookBack is how far before a clip its first key frame may lie.
	lookBack = 2 * time.Minute
	// maxWait bounds how long a picture is shown, in ticks.
	maxWait = int64(24*time.Hour/time.Second) * nvr.ClockRate / 2
)

// Export returns the footage in [req.From, req.To) as an mp4 file whose
// tables come first, so that it plays everywhere and over a slow link. The
// camera's own bits are in it. It begins with the key frame at or before From
// and ends where the coding changes. Nothing is written to a disk: the file is
// put together, and decrypted, while it is read. Errors: nvr.ErrNotFound where
// there is no footage, nvr.ErrInvalid where the span is too long, those of
// opener.
func (l *Library) Export(ctx context.Context, opener nvr.Opener, req nvr.MediaRequest) (*nvr.Clip, error) {
	if req.To.Sub(req.From) > maxClip {
		return nil, fmt.Errorf("a clip is at most %v long: %w", maxClip, nvr.ErrInvalid)
	}
	found, init, err := l.locate(ctx, opener, req)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no footage in this span: %w", nvr.ErrNotFound)
	}
	c := &clip{ctx: ctx, lib: l, opener: opener, sound: req.Sound, chunks: found, held: -1}
	if err := c.build(init); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	first, last := c.chunks[0], c.chunks[len(c.chunks)-1]
	return &nvr.Clip{
		ReadSeekCloser: c, Size: c.size,
		From: nvr.TickTime(first.Time), To: nvr.TickTime(last.Time + int64(last.Duration)),
	}, nil
}

// chunk is a fragment's share of a clip.
type chunk struct {
	vault.Fragment
	part   part
	at     int64 // from the first byte of the media
	header int   // bytes of the fragment before its samples
	bytes  int64 // of samples
}

// locate lists the fragments of a clip, all under one init segment.
func (l *Library) locate(ctx context.Context, opener nvr.Opener, req nvr.MediaRequest) (found []chunk, init []byte, err error) {
	from, to := nvr.Ticks(req.From), nvr.Ticks(req.To)
	req.From = req.From.Add(-lookBack)
	err = l.each(ctx, opener, req, func(o *opened) error {
		own, err := o.Init()
		if err != nil {
			return nil //nolint:nilerr // damaged: nothing of it can be played
		}
		if string(own) != string(init) {
			if len(found) > 0 && found[len(found)-1].Time >= from {
				return errNewInit
			}
			found, init = nil, append([]byte(nil), own...)
		}
		for _, f := range o.fragments {
			if f.KeyBytes > 0 && (f.Time <= from || before(found, from)) {
				found = found[:0] // a later beginning that is early enough, or the first one behind a gap
			}
			if f.Time < to && (len(found) > 0 || f.KeyBytes > 0) {
				found = append(found, chunk{Fragment: f, part: o.part})
			}
		}
		return nil
	})
	if errors.Is(err, errNewInit) {
		err = nil
	}
	if before(found, from) {
		found = nil
	}
	return found, init, err
}

// before reports whether all fragments, which are in order, end before a time.
func before(all []chunk, from int64) bool {
	n := len(all)
	return n > 0 && all[n-1].Time+int64(all[n-1].Duration) <= from
}

// clip is the mp4 file: a head in memory, and then the samples of each
// fragment in turn, decrypted when they are read.
type clip struct {
	ctx    context.Context //nolint:containedctx // http.ServeContent takes an io.ReadSeeker
	lib    *Library
	opener nvr.Opener
	sound  bool // it may be in it
	head   []byte
	chunks []chunk
	size   int64
	pos    int64

	open *opened // segment that was read last
	held int     // chunk whose samples are in buf; -1: none
	buf  []byte
}

// build reads the tables of all fragments and writes the head. What is damaged
// or was deleted meanwhile is left out.
func (c *clip) build(init []byte) error {
	var tracks [2]clipTrack
	var media int64
	whole := c.chunks[:0]
	for i, ch := range c.chunks {
		if len(whole) == 0 && ch.KeyBytes == 0 {
			continue // nothing to decode it from
		}
		parsed, err := c.parse(i)
		if errors.Is(err, nvr.ErrCorrupt) || errors.Is(err, nvr.ErrNotFound) || errors.Is(err, nvr.ErrDestroyed) {
			c.lib.rec.log.Warn("leave out of clip", slog.Any("stream", ch.part.Stream), slog.Any("start", ch.part.Start), slog.Any("err", err))
			continue
		}
		if err != nil {
			return err
		}
		ch.at = media
		for _, t := range parsed {
			ch.bytes += tracks[t.ID-1].add(t, media+ch.bytes)
		}
		ch.header = len(c.buf) - int(ch.bytes)
		media += ch.bytes
		whole = append(whole, ch)
	}
	if c.chunks, c.held = whole, -1; len(whole) == 0 {
		return fmt.Errorf("nothing of this span can be read: %w", nvr.ErrCorrupt)
	}
	head, err := cmaf.MovieHead(init, movieTracks(&tracks), media)
	if err != nil {
		return fmt.Errorf("write head of clip: %w", err)
	}
	c.head, c.size = head, int64(len(head))+media
	return nil
}

// parse loads a chunk and returns its tracks.
func (c *clip) parse(i int) ([]cmaf.Track, error) {
	if err := c.load(i); err != nil {
		return nil, err
	}
	if len(c.buf) == 0 {
		return nil, nil // nothing but sound, which is left out
	}
	parsed, err := cmaf.ReadFragment(c.buf, c.chunks[i].KeyBytes > 0)
	if err != nil {
		return nil, fmt.Errorf("read fragment: %w: %w", nvr.ErrCorrupt, err)
	}
	for _, t := range parsed {
		if (t.ID != nvr.VideoTrack && t.ID != nvr.AudioTrack) || len(t.Samples) == 0 {
			return nil, fmt.Errorf("track %d of fragment: %w", t.ID, nvr.ErrCorrupt)
		}
	}
	return parsed, nil
}

// clipTrack collects the tables of one track.
type clipTrack struct {
	cmaf.MovieTrack
	base, next int64 // DTS of the first sample, and that expected next
	shown      int64 // earliest PTS
}

// add takes a fragment's share of the track, which lies at the given place, and
// returns its bytes. The last picture before it is shown until it comes; where
// time went back, which a clock step does, it follows at once.
func (t *clipTrack) add(part cmaf.Track, at int64) int64 {
	if n := len(t.Samples); n == 0 {
		t.ID, t.base, t.shown = part.ID, part.Base, part.Base+int64(part.Samples[0].Offset)
	} else if last := &t.Samples[n-1].Duration; part.Base > t.next-int64(*last) && part.Base-t.next < maxWait {
		*last = uint32(int64(*last) + part.Base - t.next)
	}
	dts, size := part.Base, int64(0)
	for _, s := range part.Samples {
		t.Samples = append(t.Samples, cmaf.MovieSample{
			Duration: s.Duration, Offset: s.Offset, Size: uint32(len(s.Data)), Key: s.Key,
		})
		t.shown = min(t.shown, dts+int64(s.Offset))
		dts += int64(s.Duration)
		size += int64(len(s.Data))
	}
	t.next = dts
	t.Chunks = append(t.Chunks, cmaf.MovieChunk{At: at, Samples: uint32(len(part.Samples))})
	return size
}

// movieTracks puts the tracks on one time line that begins with the first picture.
func movieTracks(tracks *[2]clipTrack) []cmaf.MovieTrack {
	var out []cmaf.MovieTrack
	zero := tracks[0].shown
	if len(tracks[0].Samples) == 0 {
		zero = tracks[1].shown
	}
	for i := range tracks {
		t := &tracks[i]
		if len(t.Samples) == 0 {
			continue
		}
		t.Delay, t.Skip = max(0, t.base-zero), max(0, zero-t.base)
		out = append(out, t.MovieTrack)
	}
	return out
}

// load reads and decrypts a chunk's fragment.
func (c *clip) load(i int) error {
	if c.held == i {
		return nil
	}
	if c.ctx.Err() != nil {
		return c.ctx.Err()
	}
	ch := &c.chunks[i]
	if c.open == nil || c.open.Seq != ch.part.Seq || !c.open.Start.Equal(ch.part.Start) {
		if err := c.Close(); err != nil {
			return err
		}
		open, err := c.lib.reopen(c.ctx, c.opener, ch.part)
		if err != nil {
			return err
		}
		open.sound = c.sound
		c.open = open
	}
	c.held = -1
	buf, err := c.open.fragment(c.buf[:0], ch.Fragment)
	if err != nil {
		return fmt.Errorf("read fragment: %w: %w", nvr.ErrCorrupt, err)
	}
	c.buf, c.held = buf, i
	return nil
}

// reopen opens a segment that may have been finished since it was found.
func (l *Library) reopen(ctx context.Context, opener nvr.Opener, p part) (*opened, error) {
	o, err := l.open(ctx, opener, p)
	if !errors.Is(err, nvr.ErrNotFound) {
		return o, err
	}
	parts, listErr := l.parts(ctx, p.Stream, p.Start, p.Start.Add(time.Millisecond))
	if listErr != nil {
		return nil, listErr
	}
	for _, now := range parts {
		if now.Seq == p.Seq {
			return l.open(ctx, opener, now)
		}
	}
	return nil, err
}

// Read implements io.Reader.
func (c *clip) Read(p []byte) (int, error) {
	if c.pos < int64(len(c.head)) {
		n := copy(p, c.head[c.pos:])
		c.pos += int64(n)
		return n, nil
	}
	at := c.pos - int64(len(c.head))
	i := sort.Search(len(c.chunks), func(i int) bool { return c.chunks[i].at+c.chunks[i].bytes > at })
	if i == len(c.chunks) {
		return 0, io.EOF
	}
	if err := c.load(i); err != nil {
		return 0, err
	}
	ch := &c.chunks[i]
	n := copy(p, c.buf[ch.header+int(at-ch.at):])
	c.pos += int64(n)
	return n, nil
}

// Seek implements io.Seeker.
func (c *clip) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += c.pos
	case io.SeekEnd:
		offset += c.size
	}
	if offset < 0 {
		return 0, fmt.Errorf("seek before the beginning: %w", nvr.ErrInvalid)
	}
	c.pos = offset
	return offset, nil
}

// Close implements io.Closer.
func (c *clip) Close() error {
	c.held = -1
	if c.open == nil {
		return nil
	}
	err := c.open.Close()
	c.open = nil
	return err
}
