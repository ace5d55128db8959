package decode

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/asticode/go-astiav"

	"lares/nvr"
)

// keyEvery is how many seconds lie between two key frames that nobody asked for,
// where the pictures come at the full rate.
const keyEvery = 4

// Transcoder turns the pictures of a stream into H.264 that everything plays:
// constrained baseline, coded in the order in which it is shown.
type Transcoder struct {
	o     nvr.H264Options
	dec   *astiav.CodecContext
	in    packet
	frame *astiav.Frame

	// Made for pictures of srcW*srcH, that are coded as format.
	srcW, srcH int
	format     astiav.PixelFormat
	scaler     *astiav.SoftwareScaleContext
	enc        *astiav.CodecContext
	params     *nvr.Params

	small   *astiav.Frame
	out     *astiav.Packet
	waiting bool  // for a key frame
	wantKey bool  // the next picture becomes one
	seen    bool  // a picture was coded
	last    int64 // its PTS
}

// NewTranscoder opens a decoder for a stream that is coded as p says.
func NewTranscoder(p *nvr.Params, o nvr.H264Options) (*Transcoder, error) {
	if o.MaxWidth < minCrop || o.MaxHeight < minCrop || o.MaxWidth > maxSide || o.MaxHeight > maxSide || o.Bitrate < 1 || o.Rate < 1 || o.Rate > 60 {
		return nil, fmt.Errorf("pictures of at most %dx%d, %d a second with %d bit/s cannot be coded as H.264", o.MaxWidth, o.MaxHeight, o.Rate, o.Bitrate)
	}
	dec, err := openVideo(p, nil)
	if err != nil {
		return nil, err
	}
	return &Transcoder{
		o: o, dec: dec, in: newPacket(), out: astiav.AllocPacket(), waiting: true,
		frame: astiav.AllocFrame(), small: astiav.AllocFrame(),
	}, nil
}

// Transcode takes the next access unit and yields those that become of it. Their
// data is theirs alone; their Params are the same until the size of the pictures
// changes. A picture may be left out where the bits do not suffice. All before the
// first key frame are passed over. An error is about this access unit: the next
// one may be given all the same.
func (t *Transcoder) Transcode(f *nvr.Frame, yield func(*nvr.Frame)) error {
	if f.Track != nvr.VideoTrack || t.waiting && !f.Key {
		return nil
	}
	t.waiting = false
	defer t.in.Unref()
	if err := t.in.fill(f.Data); err != nil {
		return fmt.Errorf("decode a picture: %w", err)
	}
	t.in.SetPts(f.PTS)
	t.in.SetDts(f.DTS)
	if err := t.dec.SendPacket(t.in.Packet); err != nil {
		return fmt.Errorf("decode a picture: %w", err)
	}
	for {
		err := t.dec.ReceiveFrame(t.frame)
		if drained(err) {
			return nil
		}
		if err == nil {
			err = t.code(yield)
			t.frame.Unref()
		}
		if err != nil {
			return fmt.Errorf("turn a picture into H.264: %w", err)
		}
	}
}

// WantKey makes the next picture a key frame.
func (t *Transcoder) WantKey() { t.wantKey = true }

// Flush forgets all pictures, for a stream that goes on after a gap: the next
// access unit that counts is a key frame.
func (t *Transcoder) Flush() {
	flush(t.dec)
	t.waiting, t.wantKey, t.seen = true, true, false
}

// code scales a picture and encodes it.
func (t *Transcoder) code(yield func(*nvr.Frame)) error {
	pts, apart := t.frame.Pts(), ticksApart(nvr.TickDuration(nvr.ClockRate/int64(t.o.Rate)))
	if t.seen && pts >= t.last && pts-t.last < apart && !t.wantKey {
		return nil
	}
	if err := t.fitTo(); err != nil {
		return err
	}
	t.small.SetPts(pts)
	if err := t.scaler.ScaleFrame(t.frame, t.small); err != nil {
		return fmt.Errorf("scale: %w", err)
	}
	kind := astiav.PictureTypeNone
	if t.wantKey {
		kind = astiav.PictureTypeI
	}
	t.small.SetPictureType(kind)
	if err := t.enc.SendFrame(t.small); err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	t.seen, t.last, t.wantKey = true, pts, false
	for {
		t.out.Unref()
		err := t.enc.ReceivePacket(t.out)
		if drained(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("encode: %w", err)
		}
		data, key := access(t.params, annexB.units(t.out.Data()))
		yield(&nvr.Frame{Track: nvr.VideoTrack, Key: key, DTS: t.out.Pts(), PTS: t.out.Pts(), Params: t.params, Data: data})
	}
}

// fitTo makes scaler and encoder for the size of the picture, where it is new.
func (t *Transcoder) fitTo() error {
	w, h, format := t.frame.Width(), t.frame.Height(), t.frame.PixelFormat()
	if w == t.srcW && h == t.srcH && format == t.format {
		return nil
	}
	if w < minCrop || h < minCrop || w > maxSide || h > maxSide || w*h > maxPixels {
		return fmt.Errorf("a picture of %dx%d pixels: %w", w, h, errTooLarge)
	}
	t.closeEncoder()
	toW, toH := fit(w, h, t.o.MaxWidth, t.o.MaxHeight)
	toW, toH = max(minCrop, toW&^1), max(minCrop, toH&^1) // chroma has half of each
	var err error
	t.scaler, err = astiav.CreateSoftwareScaleContext(w, h, format, toW, toH, astiav.PixelFormatYuv420P,
		astiav.NewSoftwareScaleContextFlags(astiav.SoftwareScaleContextFlagFastBilinear))
	if err != nil {
		return fmt.Errorf("scale %dx%d to %dx%d: %w", w, h, toW, toH, err)
	}
	t.small.Unref()
	t.small.SetWidth(toW)
	t.small.SetHeight(toH)
	t.small.SetPixelFormat(astiav.PixelFormatYuv420P)
	if err := t.small.AllocBuffer(0); err != nil {
		return fmt.Errorf("room for %dx%d: %w", toW, toH, err)
	}
	if err := t.openEncoder(toW, toH); err != nil {
		return err
	}
	t.params = &nvr.Params{Video: nvr.H264, Width: toW, Height: toH}
	t.srcW, t.srcH, t.format = w, h, format
	return nil
}

func (t *Transcoder) openEncoder(w, h int) error {
	codec := astiav.FindEncoderByName("libopenh264")
	if codec == nil {
		return errors.New("this build of FFmpeg makes no H.264")
	}
	options := map[string]string{
		"b": strconv.Itoa(t.o.Bitrate), "maxrate": strconv.Itoa(t.o.Bitrate), "rc_mode": "bitrate", "allow_skip_frames": "1",
		"profile": "constrained_baseline", "g": strconv.Itoa(keyEvery * t.o.Rate),
	}
	var err error
	t.enc, err = openCodec(codec, options, func(cc *astiav.CodecContext) error {
		cc.SetWidth(w)
		cc.SetHeight(h)
		cc.SetPixelFormat(astiav.PixelFormatYuv420P)
		cc.SetTimeBase(astiav.NewRational(1, nvr.ClockRate))
		cc.SetFramerate(astiav.NewRational(t.o.Rate, 1))
		return nil
	})
	return err
}

func (t *Transcoder) closeEncoder() {
	t.srcW, t.srcH = 0, 0
	if t.scaler != nil {
		t.scaler.Free()
		t.scaler = nil
	}
	if t.enc != nil {
		t.enc.Free()
		t.enc = nil
	}
}

// Close frees decoder and encoder. The Transcoder must not be used afterwards.
func (t *Transcoder) Close() {
	t.closeEncoder()
	t.dec.Free()
	t.in.Free()
	t.out.Free()
	t.frame.Free()
	t.small.Free()
}
