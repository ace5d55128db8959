package camsim

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/g711"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/pion/rtp"

	"lares/nvr"
)

// Coding is how a camera codes its sound.
type Coding int

// The codings that a clip can be given with [Clip.WithSound]. ALaw and MuLaw are
// G.711, Linear is 16 bits a sample with the high byte first.
const (
	ALaw Coding = iota
	MuLaw
	Linear
	Opus
	aac
)

// aacSamples is the length of an AAC access unit (ISO 14496-3, 4.5.2.1.1).
const aacSamples = 1024

// Sound is what a camera hears during a clip. Immutable.
type Sound struct {
	Coding   Coding
	Rate     int // samples a second; 48,000 for Opus
	Channels int // 1 or 2
	// Samples is how many samples of each channel lie in one of Packets, which
	// are sent one after the other, from the start with each round of the clip.
	Samples int
	Packets [][]byte

	config *mpeg4audio.AudioSpecificConfig // of AAC
}

// WithSound returns the clip with another sound.
func (c *Clip) WithSound(s *Sound) *Clip {
	out := *c
	out.sound = s
	return &out
}

// WithTone returns the clip with a tone of 440 Hz in one of the codings but
// Opus, in packets of 40 ms. Errors: nvr.ErrInvalid.
func (c *Clip) WithTone(coding Coding, rate, channels int) (*Clip, error) {
	s := &Sound{Coding: coding, Rate: rate, Channels: channels, Samples: rate / 25}
	var linear []byte
	for i := range c.length * int64(rate) / nvr.ClockRate {
		level := int16(8000 * math.Sin(2*math.Pi*440*float64(i)/float64(rate)))
		for range channels {
			linear = binary.BigEndian.AppendUint16(linear, uint16(level))
		}
	}
	for size := 2 * channels * s.Samples; len(linear) >= size; linear = linear[size:] {
		data, err := coding.encode(linear[:size])
		if err != nil {
			return nil, fmt.Errorf("simulated tone: %w", err)
		}
		s.Packets = append(s.Packets, data)
	}
	return c.WithSound(s), nil
}

// encode codes samples of 16 bits, the high byte first.
func (c Coding) encode(linear []byte) ([]byte, error) {
	switch c {
	case ALaw:
		return g711.Alaw(linear).Marshal()
	case MuLaw:
		return g711.Mulaw(linear).Marshal()
	case Linear:
		return linear, nil
	}
	return nil, nvr.ErrInvalid
}

// packetizer puts one of Packets into RTP.
type packetizer func(data []byte) ([]*rtp.Packet, error)

// wire returns the form of the sound in RTP.
func (s *Sound) wire() (format.Format, packetizer, error) {
	switch s.Coding {
	case aac:
		f := &format.MPEG4Audio{
			PayloadTyp: soundPayload, Config: s.config,
			SizeLength: 13, IndexLength: 3, IndexDeltaLength: 3, // AAC-hbr, RFC 3640 section 3.3.6
		}
		enc, err := f.CreateEncoder()
		if err != nil {
			return nil, nil, fmt.Errorf("simulated AAC: %w", err)
		}
		return f, func(data []byte) ([]*rtp.Packet, error) { return enc.Encode([][]byte{data}) }, nil
	case Opus:
		f := &format.Opus{PayloadTyp: soundPayload, ChannelCount: s.Channels}
		enc, err := f.CreateEncoder()
		if err != nil {
			return nil, nil, fmt.Errorf("simulated Opus: %w", err)
		}
		return f, func(data []byte) ([]*rtp.Packet, error) {
			packet, err := enc.Encode(data)
			return []*rtp.Packet{packet}, err
		}, nil
	case Linear:
		f := &format.LPCM{PayloadTyp: soundPayload, BitDepth: 16, SampleRate: s.Rate, ChannelCount: s.Channels}
		enc, err := f.CreateEncoder()
		if err != nil {
			return nil, nil, fmt.Errorf("simulated samples: %w", err)
		}
		return f, enc.Encode, nil
	}
	f := &format.G711{PayloadTyp: s.g711Payload(), MULaw: s.Coding == MuLaw, SampleRate: s.Rate, ChannelCount: s.Channels}
	enc, err := f.CreateEncoder()
	if err != nil {
		return nil, nil, fmt.Errorf("simulated G.711: %w", err)
	}
	return f, enc.Encode, nil
}

// g711Payload is the static payload type where there is one (RFC 3551 section 6).
func (s *Sound) g711Payload() uint8 {
	switch {
	case s.Rate != 8000 || s.Channels != 1:
		return soundPayload
	case s.Coding == MuLaw:
		return 0
	}
	return 8
}
