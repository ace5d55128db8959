package decode

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/asticode/go-astiav"

	"lares/nvr"
)

// quality of JPEGs: FFmpeg's scale, 2 (best) to 31.
const quality = "4"

// minCrop is the least side of a crop, in pixels.
const minCrop = 16

// JPEG decodes frames of pictures, the first of which is a key frame, and
// returns the one that is shown last as a JPEG. Nothing is kept between calls.
func JPEG(frames []*nvr.Frame, o nvr.StillOptions) ([]byte, error) {
	noPicture := func(f *nvr.Frame) bool { return f.Track != nvr.VideoTrack }
	if len(frames) == 0 || !frames[0].Key || frames[0].Params == nil || slices.ContainsFunc(frames, noPicture) {
		return nil, errors.New("a still picture begins with a key frame")
	}
	picture := astiav.AllocFrame()
	defer picture.Free()
	if err := lastShown(frames, picture); err != nil {
		return nil, fmt.Errorf("make a still picture: %w", err)
	}
	small, err := shape(picture, o)
	if err != nil {
		return nil, fmt.Errorf("make a still picture: %w", err)
	}
	defer small.Free()
	data, err := encodeJPEG(small)
	if err != nil {
		return nil, fmt.Errorf("make a still picture: %w", err)
	}
	return data, nil
}

// lastShown decodes frames and leaves the one that is shown last in picture. A
// broken frame does not matter as long as there is a picture in the end.
func lastShown(frames []*nvr.Frame, picture *astiav.Frame) error {
	cc, err := openVideo(frames[0].Params, nil)
	if err != nil {
		return err
	}
	defer cc.Free()
	pkt, next := newPacket(), astiav.AllocFrame()
	defer pkt.Free()
	defer next.Free()
	last := slices.MaxFunc(frames, func(a, b *nvr.Frame) int { return cmp.Compare(a.PTS, b.PTS) })
	found := false
	receive := func() {
		for cc.ReceiveFrame(next) == nil {
			picture.Unref()
			picture.MoveRef(next)
			found = true
		}
	}
	var broken error
	for _, f := range frames {
		skip := astiav.DiscardDefault
		if f.PTS < last.PTS {
			skip = astiav.DiscardNonRef
		}
		setSkip(cc, skip)
		err := pkt.fill(f.Data)
		if err == nil {
			err = cc.SendPacket(pkt.Packet)
		}
		broken = errors.Join(broken, err)
		receive()
	}
	if err := cc.SendPacket(nil); err != nil {
		broken = errors.Join(broken, err)
	}
	receive()
	if !found {
		return errors.Join(errors.New("there is no picture in these frames"), broken)
	}
	if w, h := picture.Width(), picture.Height(); w < 1 || h < 1 || w > maxSide || h > maxSide {
		return fmt.Errorf("a picture of %dx%d pixels: %w", w, h, errTooLarge)
	}
	return nil
}

// shape returns picture cut, shrunk and in the colours of a JPEG. It changes
// picture. The caller frees what is returned.
func shape(picture *astiav.Frame, o nvr.StillOptions) (*astiav.Frame, error) {
	if o.Crop != (nvr.Box{}) {
		x, w := side(o.Crop.X, o.Crop.W, picture.Width())
		y, h := side(o.Crop.Y, o.Crop.H, picture.Height())
		if err := crop(picture, x, y, w, h); err != nil {
			return nil, err
		}
	}
	w, h := picture.Width(), picture.Height()
	maxW, maxH := o.MaxWidth, o.MaxHeight
	if maxW <= 0 {
		maxW = w
	}
	if maxH <= 0 {
		maxH = h
	}
	toW, toH := fit(w, h, maxW, maxH)
	scaler, err := astiav.CreateSoftwareScaleContext(w, h, picture.PixelFormat(), toW, toH, astiav.PixelFormatYuvj420P,
		astiav.NewSoftwareScaleContextFlags(astiav.SoftwareScaleContextFlagArea))
	if err != nil {
		return nil, fmt.Errorf("shrink %dx%d to %dx%d: %w", w, h, toW, toH, err)
	}
	defer scaler.Free()
	small := astiav.AllocFrame()
	small.SetWidth(toW)
	small.SetHeight(toH)
	small.SetPixelFormat(astiav.PixelFormatYuvj420P)
	small.SetColorRange(astiav.ColorRangeJpeg)
	if err := scaler.ScaleFrame(picture, small); err != nil {
		small.Free()
		return nil, fmt.Errorf("shrink %dx%d to %dx%d: %w", w, h, toW, toH, err)
	}
	return small, nil
}

// side turns one direction of a crop, in parts of whole pixels, into an even
// start and a length that lie in the picture, long enough to be seen.
func side(start, length float64, whole int) (from, n int) {
	n = min(whole, max(minCrop, int(length*float64(whole)+0.5)))
	from = min(max(0, int(start*float64(whole))), whole-n) &^ 1
	return from, n
}

func encodeJPEG(picture *astiav.Frame) ([]byte, error) {
	codec := astiav.FindEncoder(astiav.CodecIDMjpeg)
	if codec == nil {
		return nil, errors.New("this build of FFmpeg makes no JPEGs")
	}
	cc, err := openCodec(codec, map[string]string{"qmin": quality, "qmax": quality}, func(cc *astiav.CodecContext) error {
		cc.SetWidth(picture.Width())
		cc.SetHeight(picture.Height())
		cc.SetPixelFormat(picture.PixelFormat())
		cc.SetColorRange(astiav.ColorRangeJpeg)
		cc.SetTimeBase(astiav.NewRational(1, nvr.ClockRate))
		return nil
	})
	if err != nil {
		return nil, err
	}
	defer cc.Free()
	pkt := astiav.AllocPacket()
	defer pkt.Free()
	if err := cc.SendFrame(picture); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	if err := cc.ReceivePacket(pkt); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return pkt.Data(), nil
}
