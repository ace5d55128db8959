package decode

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/asticode/go-astiav"

	"lares/nvr"
)

// FrameSamples is how many samples of each channel lie in one AAC access unit.
const FrameSamples = 1024

// drift is how far, in ticks, times may lie from where the samples say before
// sound is put to its time again: 40 ms, less than one sees on lips.
const drift = nvr.ClockRate * 40 / 1000

// Sound turns what a camera's microphone sends into AAC-LC.
type Sound struct {
	dec, enc *astiav.CodecContext
	swr      *astiav.SoftwareResampleContext
	fifo     *astiav.AudioFifo // samples that are not encoded yet
	in       packet
	out      *astiav.Packet
	raw      *astiav.Frame // as decoded
	even     *astiav.Frame // in the encoder's format and rate
	block    *astiav.Frame // FrameSamples for the encoder
	layout   astiav.ChannelLayout
	rate     int64 // Hz, of the AAC

	started bool
	origin  int64 // ticks of sample 0
	taken   int64 // samples that went into fifo since origin
}

// NewSound opens a decoder for codec, which is "pcm_alaw", "pcm_mulaw",
// "pcm_s16be" or "opus", of rate Hz and 1 or 2 channels, and an AAC encoder for
// the same channels at the same rate, or the next one that AAC knows.
func NewSound(codec string, rate, channels int) (*Sound, error) {
	if channels < 1 || channels > 2 || rate < 4000 || rate > 96000 {
		return nil, fmt.Errorf("sound of %d channels at %d Hz cannot be turned into AAC", channels, rate)
	}
	id, err := soundCodec(codec)
	if err != nil {
		return nil, err
	}
	if id == astiav.CodecIDOpus {
		rate = 48000 // whatever was recorded (RFC 7587, 4.1)
	}
	s := &Sound{layout: astiav.ChannelLayoutMono, rate: int64(aacRate(rate)), in: newPacket(), out: astiav.AllocPacket()}
	if channels == 2 {
		s.layout = astiav.ChannelLayoutStereo
	}
	s.raw, s.even, s.block = astiav.AllocFrame(), astiav.AllocFrame(), astiav.AllocFrame()
	s.swr = astiav.AllocSoftwareResampleContext()
	s.fifo = astiav.AllocAudioFifo(astiav.SampleFormatFltp, channels, 2*FrameSamples)
	if err := s.open(id, rate, channels); err != nil {
		s.Close()
		return nil, fmt.Errorf("turn %s into AAC: %w", codec, err)
	}
	return s, nil
}

func soundCodec(name string) (astiav.CodecID, error) {
	switch name {
	case "pcm_alaw":
		return astiav.CodecIDPcmAlaw, nil
	case "pcm_mulaw":
		return astiav.CodecIDPcmMulaw, nil
	case "pcm_s16be":
		return astiav.CodecIDPcmS16Be, nil
	case "opus":
		return astiav.CodecIDOpus, nil
	}
	return 0, fmt.Errorf("sound coded as %q cannot be turned into AAC", name)
}

// aacRate returns the lowest rate of AAC (ISO 14496-3, table 1.18) that loses
// nothing of rate.
func aacRate(rate int) int {
	for _, r := range []int{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200} {
		if rate <= r {
			return r
		}
	}
	return 96000
}

func (s *Sound) open(id astiav.CodecID, rate, channels int) error {
	dec, err := openDecoder(id, nil, func(cc *astiav.CodecContext) error {
		cc.SetSampleRate(rate)
		cc.SetChannelLayout(s.layout)
		return nil
	})
	if err != nil {
		return err
	}
	s.dec = dec
	codec := astiav.FindEncoder(astiav.CodecIDAac)
	if codec == nil {
		return errors.New("this build of FFmpeg makes no AAC")
	}
	// Two bits a sample: speech is clear, and it is little beside the pictures.
	bits := min(max(2*int(s.rate), 16000), 64000) * channels
	s.enc, err = openCodec(codec, map[string]string{"b": strconv.Itoa(bits), "aac_coder": "fast"}, func(cc *astiav.CodecContext) error {
		cc.SetSampleRate(int(s.rate))
		cc.SetChannelLayout(s.layout)
		cc.SetSampleFormat(astiav.SampleFormatFltp)
		cc.SetTimeBase(astiav.NewRational(1, nvr.ClockRate))
		cc.SetFlags(cc.Flags().Add(astiav.CodecContextFlagGlobalHeader))
		return nil
	})
	if err != nil {
		return err
	}
	if n := s.enc.FrameSize(); n != FrameSamples {
		return fmt.Errorf("the encoder takes %d samples at once, not %d", n, FrameSamples)
	}
	return nil
}

// Config returns the AudioSpecificConfig (ISO 14496-3, 1.6.2.1) of the AAC.
func (s *Sound) Config() []byte { return s.enc.ExtraData() }

// Rate returns the samples a second of the AAC.
func (s *Sound) Rate() int { return int(s.rate) }

// Encode takes the next block of the camera's sound, whose first sample is heard
// at pts (90 kHz ticks), and yields the AAC access units that are complete. Their
// times, right to a sample, follow one another without a gap until pts is more than 40 ms off; then
// what was not encoded yet is dropped and sound goes on at pts, which may lie
// before what was yielded. The first unit of all lies before pts: a decoder needs
// it to get started. An error is about this block: the next one may be given all
// the same.
func (s *Sound) Encode(data []byte, pts int64, yield func(pts int64, aac []byte)) error {
	defer s.in.Unref()
	if err := s.in.fill(data); err != nil {
		return fmt.Errorf("decode sound: %w", err)
	}
	s.follow(pts)
	if err := s.dec.SendPacket(s.in.Packet); err != nil {
		return fmt.Errorf("decode sound: %w", err)
	}
	for {
		err := s.dec.ReceiveFrame(s.raw)
		if drained(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("decode sound: %w", err)
		}
		err = s.take()
		s.raw.Unref()
		if err == nil {
			err = s.encode(yield)
		}
		if err != nil {
			return err
		}
	}
}

// follow begins a new time line where pts is not where the samples lead to.
func (s *Sound) follow(pts int64) {
	if off := pts - s.at(s.taken); s.started && off <= drift && off >= -drift {
		return
	}
	if n := s.fifo.Size(); n > 0 {
		s.fifo.Free()
		s.fifo = astiav.AllocAudioFifo(astiav.SampleFormatFltp, s.layout.Channels(), 2*FrameSamples)
	}
	s.started, s.origin, s.taken = true, pts, 0
}

// at returns the time of a sample in ticks.
func (s *Sound) at(sample int64) int64 { return s.origin + sample*nvr.ClockRate/s.rate }

// take brings the decoded samples into the encoder's format and rate.
func (s *Sound) take() error {
	s.format(s.even)
	defer s.even.Unref()
	if err := s.swr.ConvertFrame(s.raw, s.even); err != nil {
		return fmt.Errorf("convert sound: %w", err)
	}
	if s.even.NbSamples() == 0 {
		return nil
	}
	n, err := s.fifo.Write(s.even)
	if err != nil {
		return fmt.Errorf("convert sound: %w", err)
	}
	s.taken += int64(n)
	return nil
}

func (s *Sound) format(f *astiav.Frame) {
	f.Unref()
	f.SetSampleFormat(astiav.SampleFormatFltp)
	f.SetChannelLayout(s.layout)
	f.SetSampleRate(int(s.rate))
}

// encode encodes the whole blocks that there are.
func (s *Sound) encode(yield func(pts int64, aac []byte)) error {
	for s.fifo.Size() >= FrameSamples {
		s.format(s.block)
		s.block.SetNbSamples(FrameSamples)
		if err := s.block.AllocBuffer(0); err != nil {
			return fmt.Errorf("encode sound: %w", err)
		}
		s.block.SetPts(s.at(s.taken - int64(s.fifo.Size())))
		if _, err := s.fifo.Read(s.block); err != nil {
			return fmt.Errorf("encode sound: %w", err)
		}
		if err := s.enc.SendFrame(s.block); err != nil {
			return fmt.Errorf("encode sound: %w", err)
		}
		if err := s.receive(yield); err != nil {
			return err
		}
	}
	return nil
}

func (s *Sound) receive(yield func(pts int64, aac []byte)) error {
	for {
		s.out.Unref()
		err := s.enc.ReceivePacket(s.out)
		if drained(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("encode sound: %w", err)
		}
		yield(s.out.Pts(), s.out.Data())
	}
}

// Close frees decoder and encoder. The Sound must not be used afterwards.
func (s *Sound) Close() {
	if s.dec != nil {
		s.dec.Free()
	}
	if s.enc != nil {
		s.enc.Free()
	}
	s.fifo.Free()
	s.swr.Free()
	s.in.Free()
	s.out.Free()
	s.raw.Free()
	s.even.Free()
	s.block.Free()
}
