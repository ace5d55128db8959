package decode

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/asticode/go-astiav"

	"lares/nvr"
)

// ioBuffer is how much of a file is read at once.
const ioBuffer = 64 << 10

// File is the pictures of a video file: mp4, mov, mkv, or bare H.264 or H.265.
type File struct {
	fc     *astiav.FormatContext
	io     *astiav.IOContext
	pkt    *astiav.Packet
	params *nvr.Params
	layout layout
	more   [][]byte // parameter sets for which Params has no room; nil once given out

	stream int
	base   astiav.Rational
	period int64      // ticks of a frame where the file has no times, else 0
	count  int64      // frames given out, where the file has no times
	origin int64      // ticks that are taken off all times
	last   int64      // DTS of the frame before, in the file's time
	first  *nvr.Frame // read by OpenFile, given out by the first Next
}

// OpenFile begins to read an open file from its start. The file stays open when
// the File is closed. Beside reading and seeking it asks nothing of the system.
// It fails where there are no pictures in H.264 or H.265 in the file.
func OpenFile(r *os.File) (*File, error) {
	f := &File{pkt: astiav.AllocPacket()}
	if err := f.open(r); err != nil {
		f.Close()
		return nil, fmt.Errorf("open the video file: %w", err)
	}
	return f, nil
}

func (f *File) open(r *os.File) error {
	info, err := r.Stat()
	if err != nil {
		return err
	}
	var seek astiav.IOContextSeekFunc
	if info.Mode().IsRegular() {
		if _, err := r.Seek(0, io.SeekStart); err != nil {
			return err
		}
		seek = seeker(r, info.Size())
	}
	if f.io, err = astiav.AllocIOContext(ioBuffer, false, r.Read, seek, nil); err != nil {
		return err
	}
	astiav.SetLogLevel(astiav.LogLevelQuiet)
	f.fc = astiav.AllocFormatContext()
	f.fc.SetPb(f.io)
	f.fc.SetFlags(f.fc.Flags().Add(astiav.FormatContextFlagCustomIo))
	if err := f.fc.OpenInput("", nil, nil); err != nil {
		f.fc = nil // OpenInput freed it
		return fmt.Errorf("it is not an mp4, mov, mkv, H.264 or H.265 file: %w", err)
	}
	if err := f.fc.FindStreamInfo(nil); err != nil {
		return err
	}
	if err := f.choose(); err != nil {
		return err
	}
	if f.first, err = f.read(); errors.Is(err, io.EOF) {
		return errors.New("there is no key frame in it")
	} else if err != nil {
		return err
	}
	if _, _, err := configuration(f.params); err != nil {
		return errors.New("it does not say how its pictures are coded")
	}
	return nil
}

// seeker answers FFmpeg's seeks, which may also ask for the size.
func seeker(r *os.File, size int64) astiav.IOContextSeekFunc {
	const askSize, force = 0x10000, 0x20000 // AVSEEK_SIZE, AVSEEK_FORCE of avio.h
	return func(offset int64, whence int) (int64, error) {
		if whence&askSize != 0 {
			return size, nil
		}
		return r.Seek(offset, whence&^force)
	}
}

// choose finds the track of pictures and how it is coded.
func (f *File) choose() error {
	s, _, err := f.fc.FindBestStream(astiav.MediaTypeVideo, -1, -1)
	if err != nil {
		return errors.New("there are no pictures in it")
	}
	for _, o := range f.fc.Streams() {
		if o.Index() != s.Index() {
			o.SetDiscard(astiav.DiscardAll)
		}
	}
	cp := s.CodecParameters()
	f.stream, f.base = s.Index(), s.TimeBase()
	f.params = &nvr.Params{Width: cp.Width(), Height: cp.Height()}
	switch cp.CodecID() {
	case astiav.CodecIDH264:
		f.params.Video = nvr.H264
	case astiav.CodecIDHevc:
		f.params.Video = nvr.H265
	default:
		return fmt.Errorf("its pictures are coded as %s, and Lares knows H.264 and H.265 only", cp.CodecID())
	}
	var sets [][]byte
	if f.layout, sets, err = readConfiguration(f.params.Video, cp.ExtraData()); err != nil {
		return err
	}
	for _, set := range sets {
		if to := setOf(f.params, kindOf(f.params.Video, set)); to == nil || len(*to) > 0 {
			f.more = append(f.more, set)
		} else {
			*to = set
		}
	}
	if name := f.fc.InputFormat().Name(); name == "h264" || name == "hevc" {
		return f.countFrames(s)
	}
	return nil
}

// countFrames prepares for a file without times: frames get theirs by counting, by
// the rate that the stream itself names, else 25 a second.
func (f *File) countFrames(s *astiav.Stream) error {
	cc := astiav.AllocCodecContext(nil)
	defer cc.Free()
	if err := s.CodecParameters().ToCodecContext(cc); err != nil {
		return err
	}
	if reorders(cc) {
		return errors.New("its pictures are coded out of order and it has no times; put it into an mp4 file first")
	}
	f.period = nvr.ClockRate / 25
	if rate := cc.Framerate(); rate.Num() > 0 && rate.Den() > 0 {
		f.period = max(1, int64(nvr.ClockRate)*int64(rate.Den())/int64(rate.Num()))
	}
	return nil
}

// Params says how the pictures are coded, the same for all frames.
func (f *File) Params() *nvr.Params { return f.params }

// Next returns the next frame in the order of decoding, beginning with a key
// frame, and io.EOF after the last one. Times are relative to the first frame.
func (f *File) Next() (*nvr.Frame, error) {
	if frame := f.first; frame != nil {
		f.first = nil
		return frame, nil
	}
	frame, err := f.read()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the video file: %w", err)
	}
	return frame, err
}

func (f *File) read() (*nvr.Frame, error) {
	for {
		f.pkt.Unref()
		if err := f.fc.ReadFrame(f.pkt); errors.Is(err, astiav.ErrEof) {
			return nil, io.EOF
		} else if err != nil {
			return nil, err
		}
		if f.pkt.StreamIndex() != f.stream {
			continue
		}
		if f.pkt.Size() > maxData {
			return nil, fmt.Errorf("a picture of %d bytes: %w", f.pkt.Size(), errTooLarge)
		}
		if frame := f.frame(); frame != nil {
			return frame, nil
		}
	}
}

// frame makes a frame of the packet; nil where it is before the first key frame
// or has no picture.
func (f *File) frame() *nvr.Frame {
	data, key := access(f.params, f.layout.units(f.pkt.Data()))
	started := f.count > 0
	if len(data) == 0 || !started && !key {
		return nil
	}
	frame := &nvr.Frame{Track: nvr.VideoTrack, Key: key, Params: f.params, Data: data}
	if f.period > 0 {
		frame.PTS = f.count * f.period
		frame.DTS = frame.PTS
	} else {
		frame.PTS, frame.DTS = f.times()
	}
	if !started {
		f.origin = frame.PTS
		var sets []byte
		for _, set := range f.more {
			sets = appendUnit(sets, set)
		}
		frame.Data = slices.Concat(sets, data)
		f.more = nil
	}
	f.count++
	frame.PTS -= f.origin
	frame.DTS -= f.origin
	return frame
}

// times returns the PTS and DTS of the packet in ticks. Where the file has no
// DTS, or one that does not grow, it is made up: the order is what counts.
func (f *File) times() (pts, dts int64) {
	f.pkt.RescaleTs(f.base, astiav.NewRational(1, nvr.ClockRate))
	pts, dts = f.pkt.Pts(), f.pkt.Dts()
	if pts == astiav.NoPtsValue {
		pts = dts
	}
	if pts == astiav.NoPtsValue {
		pts = f.last + 1
	}
	switch {
	case f.count > 0 && dts <= f.last: // NoPtsValue is less than any
		dts = f.last + 1
	case dts == astiav.NoPtsValue:
		dts = pts
	}
	f.last = dts
	return pts, dts
}

// Close frees what reading took. The File must not be used afterwards.
func (f *File) Close() {
	if f.fc != nil {
		f.fc.CloseInput()
	}
	if f.io != nil {
		f.io.Free()
	}
	f.pkt.Free()
}
