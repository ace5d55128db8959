package media

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"lares/nvr"
)

// batch is how many bytes of frames go into one request: few enough that the
// worker's buffer stays small.
const batch = 1 << 20

// maxFrame bounds the data of a frame; a longer one counts as damaged.
const maxFrame = maxMessage / 2

// feed is what the worker's process has been given of its stream.
type feed struct {
	begun  bool // a key frame was sent since the start or the last flush
	flush  bool // the next request begins with a flush
	run    uint64
	setup  []byte // options and parameters as they are sent
	params *nvr.Params
	// Pictures may carry times of frames that were sent only: first to last where
	// sent is set.
	sent        bool
	first, last int64
}

// pictureFeed is a feed of Pictures.
type pictureFeed struct {
	feed
	options nvr.PictureOptions
}

// Pictures decodes frames of the worker's stream and yields the small grey
// pictures that are due; Pix is valid until yield returns. Frames that cannot be
// decoded are counted in the status. After a start, a new run, [Worker.Reset] and
// frames left out by KeysOnly, frames are left out up to the next key frame.
//
// Every and KeysOnly may change from call to call.
//
// Errors: ErrRestarted, a BackoffError, ErrRefused, nvr.ErrInvalid (options or
// parameters that cannot be), nvr.ErrClosed and that of ctx. When ctx ends during
// the call, the worker has a second to answer before it counts as hung.
func (w *Worker) Pictures(ctx context.Context, frames []*nvr.Frame, o nvr.PictureOptions, yield func(nvr.Grey)) error {
	if !fitPictureOptions(o) {
		return fmt.Errorf("options of pictures: %w", nvr.ErrInvalid)
	}
	return w.call(ctx, customer{ask: askPictures}, func(p *process) error {
		for len(frames) > 0 {
			n, damaged, err := w.grey.ask(p.link, frames, o)
			w.countDamaged(damaged)
			if err != nil {
				return err
			}
			frames = frames[n:]
			if len(p.link.out) == 0 {
				continue
			}
			v, err := w.grey.pictures(p.link, yield)
			w.countDamaged(v.damaged)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Reset says that frames of the stream are missing before the next ones that
// are given to Pictures.
func (w *Worker) Reset() {
	select {
	case <-w.closed:
	case <-w.turn:
		w.grey.reset()
		w.turn <- struct{}{}
	}
}

func (f *feed) reset() { f.begun, f.sent, f.flush = false, false, true }

// ask builds one request for pictures.
func (f *pictureFeed) ask(l *link, frames []*nvr.Frame, o nvr.PictureOptions) (taken, damaged int, err error) {
	return f.gather(l, frames, o.KeysOnly, func(p *nvr.Params) error { return f.open(l, p, o) })
}

// gather builds one request of frames that go together, as the link's output,
// and returns how many of the frames it took. open begins the request; there is
// none where no frame is of use.
func (f *feed) gather(l *link, frames []*nvr.Frame, keysOnly bool, open func(*nvr.Params) error) (taken, damaged int, err error) {
	size, asked := 0, false
	for ; taken < len(frames) && size < batch; taken++ {
		fr := frames[taken]
		if fr.Track != nvr.VideoTrack {
			continue
		}
		if fr.Run != f.run {
			f.run = fr.Run
			f.reset()
		}
		switch {
		case len(fr.Data) > maxFrame:
			damaged++
			f.begun = false
		case keysOnly && !fr.Key:
			f.begun = false
		case !f.begun && !fr.Key:
		case asked && (f.flush || fr.Params != f.params):
			return taken, damaged, l.end()
		default:
			if !asked {
				if err := open(fr.Params); err != nil {
					return taken, damaged, err
				}
				asked = true
			}
			f.take(fr)
			l.out = appendFrame(l.out, fr)
			size += frameHead + len(fr.Data)
		}
	}
	if !asked {
		return taken, damaged, nil
	}
	return taken, damaged, l.end()
}

// open begins a request.
func (f *pictureFeed) open(l *link, p *nvr.Params, o nvr.PictureOptions) error {
	if p != f.params || o.MaxWidth != f.options.MaxWidth || o.MaxHeight != f.options.MaxHeight {
		if !fitParams(p) {
			return fmt.Errorf("parameters of the stream: %w", nvr.ErrInvalid)
		}
		f.setup = appendSetup(f.setup[:0], p, o)
	}
	f.params, f.options = p, o
	var flush byte
	if f.flush {
		flush = 1
	}
	l.begin(askPictures)
	l.out = appendShort(appendChoice(append(l.out, flush), o), f.setup)
	return nil
}

// take notes that a frame is sent.
func (f *feed) take(fr *nvr.Frame) {
	if !f.sent {
		f.first, f.last = fr.PTS, fr.PTS
	}
	f.first, f.last = min(f.first, fr.PTS), max(f.last, fr.PTS)
	f.begun, f.sent, f.flush = true, true, false
}

// knows reports whether what came of the frames may have this time.
func (f *feed) knows(pts int64) bool { return f.sent && pts >= f.first && pts <= f.last }

var errForeignTime = fmt.Errorf("picture of a time that was not asked for: %w", errProtocol)

// pictures sends the request and hands its pictures out.
func (f *pictureFeed) pictures(l *link, yield func(nvr.Grey)) (verdict, error) {
	return exchange(l, func(k kind, body []byte) error {
		if k != sayPicture {
			return errProtocol
		}
		g, err := parsePicture(body, f.options)
		if err != nil {
			return err
		}
		if !f.knows(g.PTS) {
			return errForeignTime
		}
		yield(g)
		return nil
	})
}

// exchange sends what the link holds and passes each answer on, until the one
// that says how the request ended.
func exchange(l *link, each func(kind, []byte) error) (verdict, error) {
	if err := l.flush(); err != nil {
		return verdict{}, err
	}
	for {
		k, body, err := l.next()
		if err != nil {
			return verdict{}, fmt.Errorf("answer of the media worker: %w", err)
		}
		if k != sayDone {
			if err := each(k, body); err != nil {
				return verdict{}, err
			}
			continue
		}
		v, err := parseVerdict(body)
		if err == nil && v.refused {
			err = fmt.Errorf("%w: %s", ErrRefused, plain(v.payload))
		}
		return v, err
	}
}

// JPEG makes a still of the last of frames, which begin with a key frame and
// belong together. A stream whose frames kill the worker is made to wait alone;
// others are served. Errors as of [Worker.Pictures]; nvr.ErrInvalid also where
// the frames are more than 16 MiB.
func (w *Worker) JPEG(ctx context.Context, stream nvr.StreamID, frames []*nvr.Frame, o nvr.StillOptions) ([]byte, error) {
	if len(frames) == 0 || !frames[0].Key || !fitParams(frames[0].Params) || !fitStillOptions(o) {
		return nil, fmt.Errorf("still: %w", nvr.ErrInvalid)
	}
	var jpeg []byte
	err := w.call(ctx, customer{askStill, stream}, func(p *process) (err error) {
		jpeg, err = still(p.link, frames, o)
		return err
	})
	return jpeg, err
}

// still asks for a JPEG.
func still(l *link, frames []*nvr.Frame, o nvr.StillOptions) (jpeg []byte, err error) {
	l.begin(askStill)
	l.out = appendStillOptions(appendParams(l.out, frames[0].Params), o)
	for _, fr := range frames {
		if fr.Track == nvr.VideoTrack {
			l.out = appendFrame(l.out, fr)
		}
	}
	if err := l.end(); err != nil {
		return nil, fmt.Errorf("frames of a still: %w: %w", nvr.ErrInvalid, err)
	}
	_, err = exchange(l, func(k kind, body []byte) error {
		// ISO 10918-1, B.1.1.3: start of image, then another marker.
		if k != sayJPEG || jpeg != nil || len(body) < 4 || body[0] != 0xff || body[1] != 0xd8 || body[2] != 0xff {
			return errProtocol
		}
		jpeg = clone(body)
		return nil
	})
	if err == nil && jpeg == nil {
		err = errProtocol
	}
	if err != nil {
		return nil, err
	}
	return jpeg, nil
}

// Sound turns blocks of a camera's sound into AAC and returns the
// AudioSpecificConfig. Frames of AAC that are not full wait for the next call;
// aac is valid until yield returns. Without blocks it only says the config.
// Give it a few blocks at a time: each call costs a change of process. Errors as
// of [Worker.Pictures].
func (w *Worker) Sound(ctx context.Context, format SoundFormat, blocks []SoundBlock, yield func(pts int64, aac []byte)) (config []byte, err error) {
	if !fitFormat(format) {
		return nil, fmt.Errorf("format of sound: %w", nvr.ErrInvalid)
	}
	err = w.call(ctx, customer{ask: askSound}, func(p *process) error {
		v, err := encode(p.link, soundSetup{SoundFormat: format}, blocks, yield)
		config = clone(v.payload)
		w.countDamaged(v.damaged)
		return err
	})
	if err != nil {
		return nil, err
	}
	return config, nil
}

// Opus turns blocks of sound into packets of Opus, all of them o.Frame apart; opus
// is valid until yield returns. It is else as [Worker.Sound], and takes its place: a
// worker remembers one sound.
func (w *Worker) Opus(ctx context.Context, format SoundFormat, o OpusFormat, blocks []SoundBlock, yield func(pts int64, opus []byte)) error {
	if !fitFormat(format) || !fitOpus(o) {
		return fmt.Errorf("format of sound: %w", nvr.ErrInvalid)
	}
	return w.call(ctx, customer{ask: askSound}, func(p *process) error {
		v, err := encode(p.link, soundSetup{format, o}, blocks, yield)
		w.countDamaged(v.damaged)
		return err
	})
}

// encode asks for AAC or Opus.
func encode(l *link, format soundSetup, blocks []SoundBlock, yield func(pts int64, unit []byte)) (verdict, error) {
	if format.opus == (OpusFormat{}) {
		l.begin(askSound)
		l.out = appendFormat(l.out, format.SoundFormat)
	} else {
		l.begin(askOpus)
		l.out = appendOpus(appendFormat(l.out, format.SoundFormat), format.opus)
	}
	for _, b := range blocks {
		l.out = appendLong(binary.LittleEndian.AppendUint64(l.out, uint64(b.PTS)), b.Data)
	}
	if err := l.end(); err != nil {
		return verdict{}, fmt.Errorf("blocks of sound: %w: %w", nvr.ErrInvalid, err)
	}
	return exchange(l, func(k kind, body []byte) error {
		f := fields{rest: body}
		pts := f.i64()
		if k != saySound || f.bad || len(f.rest) == 0 || len(f.rest) > maxUnit {
			return errProtocol
		}
		yield(pts, f.rest)
		return nil
	})
}

// TryFile decodes a video file that is open for reading, in a worker of its own,
// and yields the pictures that are due. Times count from the first frame. It
// returns how many frames could not be decoded. Errors: ErrRefused where it is
// no video, that of ctx, and those of a worker that died.
func TryFile(ctx context.Context, cfg WorkerConfig, f *os.File, o nvr.PictureOptions, yield func(nvr.Grey)) (damaged int, err error) {
	if !fitPictureOptions(o) {
		return 0, fmt.Errorf("options of pictures: %w", nvr.ErrInvalid)
	}
	cfg = withDefaults(cfg)
	p, err := start(cfg, f)
	if err != nil {
		return 0, err
	}
	stop := context.AfterFunc(ctx, p.kill)
	defer stop()
	var v verdict
	if err = p.greet(); err == nil {
		v, err = tryFile(p, cfg.Deadline, o, yield)
	}
	err = p.end(err)
	if ctx.Err() != nil && !errors.Is(err, ErrRefused) {
		err = ctx.Err()
	}
	return v.damaged, err
}

func tryFile(p *process, deadline time.Duration, o nvr.PictureOptions, yield func(nvr.Grey)) (verdict, error) {
	if err := p.conn.allow(deadline); err != nil {
		return verdict{}, err
	}
	l := p.link
	l.begin(askFile)
	l.out = appendChoice(appendSize(l.out, o), o)
	if err := l.end(); err != nil {
		return verdict{}, err
	}
	return exchange(l, func(k kind, body []byte) error {
		if k != sayPicture {
			return errProtocol
		}
		g, err := parsePicture(body, o)
		if err != nil {
			return err
		}
		yield(g)
		return p.conn.allow(deadline)
	})
}
