package media

import (
	"os"

	"lares/nvr"
)

// Codecs are what a worker computes with; package motion/decode has them. A nil
// function is refused politely.
type Codecs struct {
	Video func(*nvr.Params, nvr.PictureOptions) (Video, error)
	JPEG  func(frames []*nvr.Frame, o nvr.StillOptions) ([]byte, error)
	Sound func(SoundFormat) (Sound, error)
	File  func(*os.File) (File, error)
}

// Video makes small grey pictures of the frames of one stream, in decode order.
// It must not keep a frame or its data after Decode returns.
type Video interface {
	// Decode takes one frame and yields the pictures that are due by now. An
	// error means that this frame is damaged; the next one may be good.
	Decode(f *nvr.Frame, yield func(nvr.Grey)) error
	// SetKeysOnly says whether frames that are not key frames are left out.
	SetKeysOnly(bool)
	// Flush forgets the frames so far; the next one is a key frame.
	Flush()
	Close()
}

// Sound turns the sound of a camera into AAC.
type Sound interface {
	// Config is the AudioSpecificConfig (ISO 14496-3, 1.6.2.1).
	Config() []byte
	// Encode takes one block of sound that begins at pts, in 90 kHz ticks.
	Encode(data []byte, pts int64, yield func(pts int64, aac []byte)) error
	Close()
}

// File is a video file that is read frame by frame.
type File interface {
	Params() *nvr.Params
	// Next returns frames in decode order, then io.EOF.
	Next() (*nvr.Frame, error)
	Close()
}

// SoundFormat says how a camera codes its sound.
type SoundFormat struct {
	// Codec is "pcm_alaw", "pcm_mulaw", "pcm_s16be" or "opus".
	Codec    string
	Rate     int // Hz, 1 to 192,000
	Channels int // 1 to 8
}

// SoundBlock is one block of a camera's sound.
type SoundBlock struct {
	PTS  int64 // 90 kHz ticks
	Data []byte
}
