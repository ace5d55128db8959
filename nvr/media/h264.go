package media

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"lares/nvr"
)

// Flags of askH264.
const (
	flagFlush = 1 << iota
	flagKey
)

// h264Feed is a feed of H264.
type h264Feed struct {
	feed
	options nvr.H264Options
	made    *nvr.Params // of what comes back
}

// H264 turns the pictures of a stream, of any codec, into H.264 of the constrained
// baseline profile and yields them in the order in which they are shown. Each frame
// belongs to the receiver; Params is shared by those that are coded alike, and DTS is
// PTS. Bits that do not suffice cost pictures. It costs a tenth of a processor and
// more, so give each stream that is watched a worker, and close it. Frames that are
// missing are no matter as long as the next one is a key frame. Errors as of
// [Worker.Pictures].
func (w *Worker) H264(ctx context.Context, frames []*nvr.Frame, o nvr.H264Options, yield func(*nvr.Frame)) error {
	if !fitH264Options(o) {
		return fmt.Errorf("options of H.264: %w", nvr.ErrInvalid)
	}
	return w.call(ctx, customer{ask: askH264}, func(p *process) error {
		for len(frames) > 0 {
			n, damaged, err := w.h264.gather(p.link, frames, false, func(params *nvr.Params) error { return w.h264.open(p.link, params, o) })
			w.countDamaged(damaged)
			if err != nil {
				return err
			}
			frames = frames[n:]
			if len(p.link.out) == 0 {
				continue
			}
			o.Key = false
			v, err := w.h264.receive(p.link, yield)
			w.countDamaged(v.damaged)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// open begins a request.
func (f *h264Feed) open(l *link, p *nvr.Params, o nvr.H264Options) error {
	var flags byte
	if f.flush {
		flags |= flagFlush
	}
	if o.Key {
		flags |= flagKey
	}
	o.Key = false
	if p != f.params || o != f.options {
		if !fitParams(p) {
			return fmt.Errorf("parameters of the stream: %w", nvr.ErrInvalid)
		}
		f.setup = appendH264Options(appendParams(f.setup[:0], p), o)
	}
	f.params, f.options = p, o
	l.begin(askH264)
	l.out = appendShort(append(l.out, flags), f.setup)
	return nil
}

// receive sends the request and hands out what becomes of it.
func (f *h264Feed) receive(l *link, yield func(*nvr.Frame)) (verdict, error) {
	return exchange(l, func(k kind, body []byte) error {
		in := fields{rest: body}
		switch {
		case k == sayParams:
			f.made = in.params()
			if f.made.Video != nvr.H264 {
				return errProtocol
			}
			return in.end()
		case k != sayFrame || f.made == nil:
			return errProtocol
		}
		fr := &nvr.Frame{Params: f.made}
		in.frame(fr)
		if err := in.end(); err != nil {
			return err
		}
		if !f.knows(fr.PTS) {
			return errForeignTime
		}
		fr.Run, fr.Data = f.run, clone(fr.Data)
		yield(fr)
		return nil
	})
}

// h264Server is the worker's side of H264.
type h264Server struct {
	// codec was made of the bytes of setup; nil where they were refused.
	codec   H264
	setup   []byte
	params  *nvr.Params // of what comes in
	refusal error
	told    *nvr.Params // of what comes out: what the other end knows
}

func (h *h264Server) answer(s *server, f *fields) (verdict, error) {
	flags, setup := f.u8(), f.short()
	if f.bad {
		return verdict{}, errProtocol
	}
	if h.setup == nil || !bytes.Equal(setup, h.setup) {
		if err := h.open(s.codecs, setup); err != nil {
			return verdict{}, err
		}
	}
	if h.codec == nil {
		return refused(h.refusal), nil
	}
	if flags&flagFlush != 0 {
		h.codec.Flush()
	}
	if flags&flagKey != 0 {
		h.codec.WantKey()
	}
	var v verdict
	for len(f.rest) > 0 {
		in := nvr.Frame{Params: h.params}
		if f.frame(&in); f.bad {
			return verdict{}, errProtocol
		}
		var failed error
		if err := h.codec.Transcode(&in, func(out *nvr.Frame) { failed = errors.Join(failed, h.send(s, out)) }); err != nil {
			v.damaged++
		}
		if failed != nil {
			return verdict{}, failed
		}
	}
	return v, nil
}

// open sets decoder and encoder up.
func (h *h264Server) open(codecs Codecs, setup []byte) error {
	f := fields{rest: setup}
	p, o := f.params(), f.h264Options()
	if err := f.end(); err != nil {
		return err
	}
	h.close()
	h.setup, h.params, h.refusal = append(h.setup[:0], setup...), p, errMissing
	if codecs.H264 == nil {
		return nil
	}
	codec, err := codecs.H264(p, o)
	if err != nil {
		h.refusal = err
		return nil
	}
	h.codec = codec
	return nil
}

func (h *h264Server) close() {
	if h.codec != nil {
		h.codec.Close()
		h.codec = nil
	}
}

// send puts a frame behind what is to be sent, and its parameters in front of
// the first one that has them.
func (h *h264Server) send(s *server, out *nvr.Frame) error {
	if out.Params != h.told {
		h.told = out.Params
		s.link.begin(sayParams)
		s.link.out = appendParams(s.link.out, out.Params)
		if err := s.sent(); err != nil {
			return err
		}
	}
	s.link.begin(sayFrame)
	s.link.out = appendFrame(s.link.out, out)
	return s.sent()
}
