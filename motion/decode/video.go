package decode

import (
	"errors"
	"fmt"
	"time"

	"github.com/asticode/go-astiav"

	"lares/nvr"
)

// Video makes small grey pictures of a stream. It begins at a key frame.
type Video struct {
	cc    *astiav.CodecContext
	pkt   packet
	frame *astiav.Frame

	strict     bool // gives up on an access unit over any part of it
	units      []byte
	maxW, maxH int
	apart      int64 // ticks that must lie between two pictures
	keysOnly   bool
	waiting    bool  // for a key frame
	doubtful   bool  // what comes up to the next key frame, or until, is made of a damaged picture
	until      int64 // PTS

	seen    bool  // a picture was yielded
	last    int64 // its PTS
	pix     []byte
	columns []uint32
	srcW    int
	srcH    int
	w, h    int
}

// NewVideo opens a decoder for a stream that is coded as p says. It fails where
// the parameter sets are missing or broken, or the codec is not known.
func NewVideo(p *nvr.Params, o nvr.PictureOptions) (*Video, error) {
	if o.MaxWidth < 1 || o.MaxHeight < 1 || o.MaxWidth > maxSide || o.MaxHeight > maxSide || o.Every < 0 {
		return nil, fmt.Errorf("pictures of at most %dx%d every %s cannot be made", o.MaxWidth, o.MaxHeight, o.Every)
	}
	// Detection does not see what the loop filter smoothes, and it costs a
	// quarter of the work.
	options := map[string]string{"skip_loop_filter": "all", "flags2": "+fast"}
	if p.Video == nvr.H265 {
		// Its decoder does not mark pictures that it could not decode: it has to
		// give up on them. That of H.264 does mark them.
		options["err_detect"] = "explode"
	}
	cc, err := openVideo(p, options)
	if err != nil {
		return nil, err
	}
	return &Video{
		cc: cc, pkt: newPacket(), frame: astiav.AllocFrame(), strict: p.Video == nvr.H265,
		maxW: o.MaxWidth, maxH: o.MaxHeight, apart: ticksApart(o.Every), keysOnly: o.KeysOnly, waiting: true,
	}, nil
}

// ticksApart is how far apart pictures must be so that there is one in each
// span of every. An eighth too early is in time: else a camera of 10 pictures a
// second whose clock trembles would be seen 3 times a second, not 5.
func ticksApart(every time.Duration) int64 {
	ticks := nvr.DurationTicks(every)
	return ticks - ticks/8
}

// distrust is how long pictures that are made of a damaged one are passed over,
// in ticks, where no key frame comes before.
const distrust = nvr.ClockRate

var errDamaged = errors.New("a part of the picture is missing")

// Decode takes the next access unit of the stream and yields the pictures that
// are due, in the order in which they are shown. Pix of a picture is valid
// during yield only. Frames of sound, and all before the first key frame, are
// passed over. Params of the frame is not looked at: who sees another one opens
// another Video. An error is about this access unit: the next one may be given
// all the same. A picture of which a part had to be made up is an error, and is not
// yielded; nor are those that follow, for a second or up to the next key frame.
func (v *Video) Decode(f *nvr.Frame, yield func(nvr.Grey)) error {
	err := v.decode(f, yield)
	if err != nil {
		v.doubtful, v.until = true, f.PTS+distrust
	}
	return err
}

func (v *Video) decode(f *nvr.Frame, yield func(nvr.Grey)) error {
	if f.Track != nvr.VideoTrack || !f.Key && (v.waiting || v.keysOnly) {
		return nil
	}
	if v.keysOnly {
		return v.decodeAlone(f, yield)
	}
	v.waiting = false
	// What no other picture needs and nobody will see is not decoded at all.
	skip := astiav.DiscardDefault
	if !v.due(f.PTS) {
		skip = astiav.DiscardNonRef
	}
	setSkip(v.cc, skip)
	return errors.Join(v.send(f), v.receive(yield))
}

// decodeAlone decodes a key frame by itself. The decoder is emptied, since it
// may hold a picture back until it has seen the ones that come after it.
func (v *Video) decodeAlone(f *nvr.Frame, yield func(nvr.Grey)) error {
	if !v.due(f.PTS) {
		return nil
	}
	setSkip(v.cc, astiav.DiscardDefault)
	err := v.send(f)
	if err == nil {
		err = v.cc.SendPacket(nil)
	}
	err = errors.Join(err, v.receive(yield))
	v.Flush()
	return err
}

func (v *Video) send(f *nvr.Frame) error {
	defer v.pkt.Unref()
	data := f.Data
	if v.strict {
		v.units = appendCoded(v.units[:0], data)
		data = v.units
	}
	if err := v.pkt.fill(data); err != nil {
		return fmt.Errorf("decode a picture: %w", err)
	}
	v.pkt.SetPts(f.PTS)
	v.pkt.SetDts(f.DTS)
	if err := v.cc.SendPacket(v.pkt.Packet); err != nil {
		return fmt.Errorf("decode a picture: %w", err)
	}
	return nil
}

func (v *Video) receive(yield func(nvr.Grey)) error {
	for {
		err := v.cc.ReceiveFrame(v.frame)
		if drained(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("decode a picture: %w", err)
		}
		if damaged(v.frame) {
			err = errDamaged
		} else if v.trusted() {
			err = v.show(yield)
		}
		v.frame.Unref()
		if err != nil {
			return err
		}
	}
}

// trusted reports whether the picture is made of nothing that was damaged.
func (v *Video) trusted() bool {
	if v.frame.KeyFrame() || v.frame.Pts() >= v.until {
		v.doubtful = false
	}
	return !v.doubtful
}

// due reports whether a picture of this time is wanted. One that lies before
// the last is: the time line broke.
func (v *Video) due(pts int64) bool { return !v.seen || pts < v.last || pts-v.last >= v.apart }

func (v *Video) show(yield func(nvr.Grey)) error {
	pts := v.frame.Pts()
	if !v.due(pts) {
		return nil
	}
	if err := v.size(); err != nil {
		return err
	}
	if err := shrink(v.frame, v.pix, v.w, v.h, v.columns); err != nil {
		return err
	}
	v.seen, v.last = true, pts
	yield(nvr.Grey{PTS: pts, Width: v.w, Height: v.h, Pix: v.pix})
	return nil
}

// size makes room for the grey picture of a frame, where frames of this size
// are new.
func (v *Video) size() error {
	w, h := v.frame.Width(), v.frame.Height()
	if w == v.srcW && h == v.srcH {
		return nil
	}
	if w < 1 || h < 1 || w > maxSide || h > maxSide || w*h > maxPixels {
		return fmt.Errorf("a picture of %dx%d pixels: %w", w, h, errTooLarge)
	}
	v.srcW, v.srcH = w, h
	v.w, v.h = fit(w, h, v.maxW, v.maxH)
	v.pix, v.columns = make([]byte, v.w*v.h), make([]uint32, w)
	return nil
}

// fit returns the size of a picture of w*h that is shrunk, in its shape, to at
// most maxW*maxH.
func fit(w, h, maxW, maxH int) (int, int) {
	if w <= maxW && h <= maxH {
		return w, h
	}
	if w*maxH >= h*maxW {
		return maxW, max(1, (h*maxW+w/2)/w)
	}
	return max(1, (w*maxH+h/2)/h), maxH
}

// Choose says what is wanted from now on: pictures that lie every apart at least,
// and whether of key frames alone. Back from those it goes at the next key frame.
func (v *Video) Choose(every time.Duration, keysOnly bool) {
	if v.keysOnly && !keysOnly {
		v.Flush()
	}
	v.apart, v.keysOnly = ticksApart(every), keysOnly
}

// Drain yields what the decoder holds back of pictures that are shown in another
// order than coded. The next access unit that counts is a key frame.
func (v *Video) Drain(yield func(nvr.Grey)) error {
	if err := v.cc.SendPacket(nil); err != nil {
		return fmt.Errorf("end of the pictures: %w", err)
	}
	err := v.receive(yield)
	v.Flush()
	return err
}

// Flush forgets all pictures, for a stream that goes on after a gap: the next
// access unit that counts is a key frame.
func (v *Video) Flush() {
	flush(v.cc)
	v.waiting, v.doubtful = true, false
}

// Close frees the decoder. The Video must not be used afterwards.
func (v *Video) Close() {
	v.frame.Free()
	v.pkt.Free()
	v.cc.Free()
}
