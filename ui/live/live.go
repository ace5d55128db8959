// Package live sends the pictures of a stream to a browser while they are
// made: an init segment, the current group of pictures, then one CMAF fragment
// for each frame, in the body of one HTTP answer that does not end.
//
// It owns nothing that lasts. Each [Send] runs in the goroutine of its request
// and reads the stream with a cursor of its own: a slow browser is moved to
// the next key frame and costs nobody else anything.
package live

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"lares/nvr"
	"lares/nvr/cmaf"
)

// Headers of the answer: the RFC 6381 codecs of the body, and the time at which
// its first picture is shown, 90 kHz ticks since the Unix epoch.
const (
	CodecsHeader = "X-Lares-Codecs"
	StartHeader  = "X-Lares-Start"
)

// Default times of Options.
const (
	DefaultWait  = 10 * time.Second
	DefaultStall = 10 * time.Second
)

// ErrNoPicture: no key frame came in time. Nothing was written.
var ErrNoPicture = errors.New("no picture")

// Options of Send.
type Options struct {
	// Sound adds the sound of the stream, if it has any.
	Sound bool
	// Wait is how long to wait for the first key frame; DefaultWait if 0.
	Wait time.Duration
	// Stall is how long one fragment may take to be written; DefaultStall if 0.
	Stall time.Duration
	// Begin is called once before the first byte; its error ends Send. May be nil.
	Begin func() error
}

// Send writes the stream to w until ctx ends, the client leaves or stalls, or
// the frames are no longer coded as the init segment says; then the client
// asks again. An error means that nothing was written: ErrNoPicture,
// nvr.ErrClosed, that of ctx or of Options.Begin.
func Send(ctx context.Context, w http.ResponseWriter, s *nvr.Stream, o Options) error {
	if o.Wait == 0 {
		o.Wait = DefaultWait
	}
	if o.Stall == 0 {
		o.Stall = DefaultStall
	}
	reader := s.NewReader(nvr.ReaderOptions{})
	defer reader.Close()

	first, err := firstFrame(ctx, reader, o.Wait)
	if err != nil {
		return err
	}
	params := shown(first.Params, o.Sound)
	init, err := cmaf.Init(params)
	if err != nil {
		return fmt.Errorf("describe live stream: %w", err)
	}
	if o.Begin != nil {
		if err := o.Begin(); err != nil {
			return err
		}
	}
	h := w.Header()
	h.Set("Content-Type", "video/mp4")
	h.Set("Cache-Control", "no-store")
	h.Set(CodecsHeader, cmaf.Codecs(params))
	h.Set(StartHeader, strconv.FormatInt(first.PTS, 10))
	out := &sender{w: w, rc: http.NewResponseController(w), stall: o.Stall, sound: params.Audio != nvr.NoCodec}
	if out.write(init) != nil {
		return nil
	}
	out.run(ctx, reader, first)
	return nil
}

// firstFrame waits for a picture to begin with.
func firstFrame(ctx context.Context, r *nvr.Reader, wait time.Duration) (*nvr.Frame, error) {
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for {
		f, _, err := r.Next(waiting)
		switch {
		case err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
			return nil, ErrNoPicture
		case err != nil:
			return nil, fmt.Errorf("wait for a picture: %w", err)
		case f.Track == nvr.VideoTrack && f.Key:
			return f, nil
		}
	}
}

func shown(p *nvr.Params, sound bool) *nvr.Params {
	if sound || p.Audio == nvr.NoCodec {
		return p
	}
	silent := *p
	silent.Audio, silent.AudioConfig, silent.SampleRate, silent.Channels = nvr.NoCodec, nil, 0, 0
	return &silent
}

// sender writes fragments to one client.
type sender struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	stall time.Duration
	sound bool

	seq   uint32
	head  []byte
	clock [2]clock // of pictures and of sound
}

// run sends frames until something ends the stream.
func (o *sender) run(ctx context.Context, r *nvr.Reader, first *nvr.Frame) {
	for f := first; f.Params == first.Params && f.Run == first.Run; {
		if err := o.frame(f); err != nil {
			return
		}
		var err error
		if f, _, err = r.Next(ctx); err != nil {
			return
		}
	}
}

func (o *sender) frame(f *nvr.Frame) error {
	clock := &o.clock[0]
	if f.Track == nvr.AudioTrack {
		if !o.sound {
			return nil
		}
		clock = &o.clock[1]
	}
	dts, duration := clock.next(f)
	o.seq++
	sample := cmaf.Sample{Duration: duration, Offset: int32(f.PTS - dts), Key: f.Key, Data: f.Data}
	o.head = cmaf.AppendHeader(o.head[:0], o.seq, cmaf.Track{ID: f.Track, Base: dts, Samples: []cmaf.Sample{sample}})
	return o.write(o.head, f.Data)
}

// write sends the parts and flushes. A client that takes longer than the
// stall time for them is gone.
func (o *sender) write(parts ...[]byte) error {
	if err := o.rc.SetWriteDeadline(time.Now().Add(o.stall)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	for _, p := range parts {
		if _, err := o.w.Write(p); err != nil {
			return err
		}
	}
	return o.rc.Flush()
}
