package nvr

import "time"

// ClockRate is the number of ticks in a second of every time in a [Frame].
const ClockRate = 90000

// Ticks converts a wall time to 90 kHz ticks since the Unix epoch, to the
// nearest one, so that it is the inverse of TickTime.
func Ticks(t time.Time) int64 {
	return t.Unix()*ClockRate + (int64(t.Nanosecond())*ClockRate+5e8)/1e9
}

// TickTime converts 90 kHz ticks since the Unix epoch to wall time (UTC).
func TickTime(ticks int64) time.Time {
	s, rest := ticks/ClockRate, ticks%ClockRate
	return time.Unix(s, (rest*1e9+ClockRate/2)/ClockRate).UTC()
}

// TickDuration converts a number of ticks to a duration.
func TickDuration(ticks int64) time.Duration {
	return time.Duration(ticks/ClockRate)*time.Second + time.Duration(ticks%ClockRate)*time.Second/ClockRate
}

// DurationTicks converts a duration to ticks.
func DurationTicks(d time.Duration) int64 {
	return int64(d/time.Second)*ClockRate + int64(d%time.Second)*ClockRate/int64(time.Second)
}

// Codec names a coding of pictures or sound.
type Codec uint8

// The codecs that Lares records.
const (
	NoCodec Codec = iota
	H264
	H265
	AAC
)

// String returns the common name of the codec.
func (c Codec) String() string {
	switch c {
	case H264:
		return "H.264"
	case H265:
		return "H.265"
	case AAC:
		return "AAC"
	}
	return "none"
}

// Track tells the pictures of a stream from its sound.
type Track uint8

// The tracks of a stream; the numbers are also the CMAF track ids.
const (
	VideoTrack Track = 1
	AudioTrack Track = 2
)

// Params says how the frames of a stream are coded. One value is shared by all
// frames until something changes; a new pointer means that a decoder has to be
// set up again. Immutable.
type Params struct {
	Video Codec // H264 or H265
	// Parameter sets as single NAL units without start code or length. VPS is
	// empty for H.264.
	VPS, SPS, PPS []byte
	Width, Height int // pixels, after cropping

	Audio Codec // AAC, or NoCodec
	// AudioConfig is the AudioSpecificConfig (ISO 14496-3, 1.6.2.1).
	AudioConfig []byte
	SampleRate  int // Hz
	Channels    int
}

// Frame is one coded picture (an access unit) or one coded block of sound.
// Immutable after Publish, shared by pointer, never pooled.
type Frame struct {
	Track Track
	// Key marks a picture that decodes without any other (IDR, CRA or BLA). Sound is never Key.
	Key bool
	// DTS and PTS are 90 kHz ticks since the Unix epoch. Within a run the DTS of
	// one track grows strictly.
	DTS, PTS int64
	// Run changes where the time line breaks: a new connection, a step of the
	// wall clock. The first video frame of a run is Key.
	Run uint64
	// Break says why the run before this one ended. It is set on the first
	// frame of a run only.
	Break *Break
	// Params is in force for this frame; never nil.
	Params *Params
	// Data of a picture is its NAL units, each behind a 4-byte big-endian
	// length (ISO 14496-15), SEI included, without access unit delimiters and
	// without parameter sets that equal those of Params. Data of sound is one
	// raw AAC access unit.
	Data []byte
}

// Time returns the wall time at which the frame is shown.
func (f *Frame) Time() time.Time { return TickTime(f.PTS) }

// Break is an interruption of a stream.
type Break struct {
	Since  time.Time
	Cause  Cause
	Detail string // for the owner, without secrets; may be empty
}
