package media

import (
	"os"
	"time"

	"lares/nvr"
)

// Codecs are what a worker computes with; package motion/decode has them. A nil
// function is refused politely.
type Codecs struct {
	Video func(*nvr.Params, nvr.PictureOptions) (Video, error)
	JPEG  func(frames []*nvr.Frame, o nvr.StillOptions) ([]byte, error)
	Sound func(SoundFormat) (Sound, error)
	Opus  func(SoundFormat, OpusFormat) (Sound, error)
	H264  func(*nvr.Params, nvr.H264Options) (H264, error)
	File  func(*os.File) (File, error)
}

// Video makes small grey pictures of the frames of one stream, in decode order.
// It must not keep a frame or its data after Decode returns.
type Video interface {
	// Decode takes one frame and yields the pictures that are due by now. An
	// error means that this frame is damaged; the next one may be good.
	Decode(f *nvr.Frame, yield func(nvr.Grey)) error
	// Choose says which pictures are wanted from now on: such that lie every
	// apart at least, and of key frames alone.
	Choose(every time.Duration, keysOnly bool)
	// Drain yields what is held back; nothing is decoded after it.
	Drain(yield func(nvr.Grey)) error
	// Flush forgets the frames so far; the next one is a key frame.
	Flush()
	Close()
}

// Sound turns the sound of a camera into AAC or Opus.
type Sound interface {
	// Config is the AudioSpecificConfig (ISO 14496-3, 1.6.2.1) of AAC.
	Config() []byte
	// Encode takes one block of sound that begins at pts, in 90 kHz ticks, and
	// yields units of AAC or packets of Opus.
	Encode(data []byte, pts int64, yield func(pts int64, unit []byte)) error
	Close()
}

// H264 turns the pictures of one stream into H.264, in decode order.
type H264 interface {
	// Transcode takes one frame and yields what becomes of it, each with the
	// same Params until they change. An error is about this frame.
	Transcode(f *nvr.Frame, yield func(*nvr.Frame)) error
	// WantKey makes the next picture a key frame.
	WantKey()
	// Flush forgets the frames so far; the next one is a key frame.
	Flush()
	Close()
}

// File is a video file that is read frame by frame.
type File interface {
	Params() *nvr.Params
	// Next returns frames in decode order, then io.EOF.
	Next() (*nvr.Frame, error)
	Close()
}

// SoundFormat says how sound is coded that goes in.
type SoundFormat struct {
	// Codec is "pcm_alaw", "pcm_mulaw", "pcm_s16be" or "opus", as cameras have
	// it, or "aac", as streams have it.
	Codec    string
	Rate     int // Hz, 1 to 192,000
	Channels int // 1 to 8
	// Config is the AudioSpecificConfig (ISO 14496-3, 1.6.2.1) of "aac".
	Config string
}

// OpusFormat says how Opus (RFC 6716) of one channel is made.
type OpusFormat struct {
	Rate    int           // Hz: 8000, 12,000, 16,000, 24,000 or 48,000
	Bitrate int           // bit/s, 6000 to 128,000
	Frame   time.Duration // of each packet: 20, 40 or 60 ms
}

// SoundBlock is one block of sound.
type SoundBlock struct {
	PTS  int64 // 90 kHz ticks
	Data []byte
}
