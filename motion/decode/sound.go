package decode

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/asticode/go-astiav"

	"lares/nvr"
)

// FrameSamples is how many samples of each channel lie in one AAC access unit.
const FrameSamples = 1024

// SoundFormat says how sound is coded that comes in.
type SoundFormat struct {
	// Codec is "pcm_alaw", "pcm_mulaw", "pcm_s16be", "opus" or "aac".
	Codec    string
	Rate     int // Hz, 4000 to 96,000
	Channels int // 1 or 2
	// Config is the AudioSpecificConfig (ISO 14496-3, 1.6.2.1) of "aac".
	Config string
}

// OpusFormat says how sound is coded as Opus (RFC 6716), of one channel.
type OpusFormat struct {
	Rate    int           // Hz: 8000, 12,000, 16,000, 24,000 or 48,000
	Bitrate int           // bit/s, 6000 to 128,000
	Frame   time.Duration // of each packet: 20, 40 or 60 ms
}

// drift is how far, in ticks, times may lie from where the samples say before
// sound is put to its time again: 40 ms, less than one sees on lips.
const drift = nvr.ClockRate * 40 / 1000

// Sound turns sound into AAC-LC or Opus.
type Sound struct {
	dec, enc *astiav.CodecContext
	swr      *astiav.SoftwareResampleContext
	fifo     *astiav.AudioFifo // samples that are not encoded yet
	in       packet
	out      *astiav.Packet
	raw      *astiav.Frame // as decoded
	even     *astiav.Frame // as the encoder takes it
	block    *astiav.Frame // as many samples as the encoder takes at once

	// What the encoder takes.
	samples astiav.SampleFormat
	layout  astiav.ChannelLayout
	rate    int64 // Hz
	size    int   // samples of each channel at once

	started bool
	origin  int64 // ticks of sample 0
	taken   int64 // samples that went into fifo since origin
}

// NewSound turns sound into AAC of the same channels at the same rate, or the
// next one that AAC knows.
func NewSound(in SoundFormat) (*Sound, error) {
	s := &Sound{samples: astiav.SampleFormatFltp, layout: layoutOf(in.Channels)}
	return s.begin(in, func() error {
		s.rate = int64(aacRate(s.dec.SampleRate()))
		// Two bits a sample: speech is clear, and it is little beside the pictures.
		bits := min(max(2*int(s.rate), 16000), 64000) * in.Channels
		return s.encoder(astiav.FindEncoder(astiav.CodecIDAac), map[string]string{"b": strconv.Itoa(bits), "aac_coder": "fast"})
	})
}

// NewOpus turns sound into Opus.
func NewOpus(in SoundFormat, o OpusFormat) (*Sound, error) {
	const ms = time.Millisecond
	if !slices.Contains([]int{8000, 12000, 16000, 24000, 48000}, o.Rate) || o.Bitrate < 6000 || o.Bitrate > 128_000 ||
		!slices.Contains([]time.Duration{20 * ms, 40 * ms, 60 * ms}, o.Frame) {
		return nil, fmt.Errorf("sound of %d Hz, %d bit/s in packets of %v cannot be coded as Opus", o.Rate, o.Bitrate, o.Frame)
	}
	s := &Sound{samples: astiav.SampleFormatS16, layout: astiav.ChannelLayoutMono, rate: int64(o.Rate)}
	return s.begin(in, func() error {
		return s.encoder(astiav.FindEncoderByName("libopus"), map[string]string{
			"b": strconv.Itoa(o.Bitrate), "vbr": "constrained", "application": "lowdelay",
			"frame_duration": strconv.FormatInt(o.Frame.Milliseconds(), 10),
		})
	})
}

func layoutOf(channels int) astiav.ChannelLayout {
	if channels == 2 {
		return astiav.ChannelLayoutStereo
	}
	return astiav.ChannelLayoutMono
}

// begin opens the decoder, and then the encoder.
func (s *Sound) begin(in SoundFormat, openEncoder func() error) (*Sound, error) {
	if in.Channels < 1 || in.Channels > 2 || in.Rate < 4000 || in.Rate > 96000 {
		return nil, fmt.Errorf("sound of %d channels at %d Hz cannot be converted", in.Channels, in.Rate)
	}
	s.in, s.out = newPacket(), astiav.AllocPacket()
	s.raw, s.even, s.block = astiav.AllocFrame(), astiav.AllocFrame(), astiav.AllocFrame()
	s.swr = astiav.AllocSoftwareResampleContext()
	err := s.decoder(in)
	if err == nil {
		err = openEncoder()
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("convert sound of the kind %s: %w", in.Codec, err)
	}
	s.fifo = s.queue()
	return s, nil
}

// queue returns a queue of samples for the encoder.
func (s *Sound) queue() *astiav.AudioFifo {
	return astiav.AllocAudioFifo(s.samples, s.layout.Channels(), 2*s.size)
}

func (s *Sound) decoder(in SoundFormat) error {
	id, ok := map[string]astiav.CodecID{
		"pcm_alaw": astiav.CodecIDPcmAlaw, "pcm_mulaw": astiav.CodecIDPcmMulaw, "pcm_s16be": astiav.CodecIDPcmS16Be,
		"opus": astiav.CodecIDOpus, "aac": astiav.CodecIDAac,
	}[in.Codec]
	switch {
	case !ok:
		return errors.New("nobody knows it")
	case id == astiav.CodecIDOpus:
		in.Rate = 48000 // whatever was recorded (RFC 7587, 4.1)
	case id == astiav.CodecIDAac && in.Config == "":
		return errors.New("it comes without a description")
	}
	var err error
	s.dec, err = openDecoder(id, nil, func(cc *astiav.CodecContext) error {
		cc.SetSampleRate(in.Rate)
		cc.SetChannelLayout(layoutOf(in.Channels))
		if in.Config == "" {
			return nil
		}
		return cc.SetExtraData([]byte(in.Config))
	})
	return err
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

func (s *Sound) encoder(codec *astiav.Codec, options map[string]string) error {
	if codec == nil {
		return errors.New("this build of FFmpeg lacks the encoder")
	}
	var err error
	s.enc, err = openCodec(codec, options, func(cc *astiav.CodecContext) error {
		cc.SetSampleRate(int(s.rate))
		cc.SetChannelLayout(s.layout)
		cc.SetSampleFormat(s.samples)
		cc.SetTimeBase(astiav.NewRational(1, nvr.ClockRate))
		cc.SetFlags(cc.Flags().Add(astiav.CodecContextFlagGlobalHeader))
		return nil
	})
	if err != nil {
		return err
	}
	s.size = s.enc.FrameSize()
	return nil
}

// Config returns the AudioSpecificConfig (ISO 14496-3, 1.6.2.1) of AAC, and the
// head of a file of Opus (RFC 7845, 5.1), which streams do without.
func (s *Sound) Config() []byte { return s.enc.ExtraData() }

// Rate returns the samples a second of what comes out.
func (s *Sound) Rate() int { return int(s.rate) }

// Encode takes the next block of sound, whose first sample is heard at pts (90 kHz
// ticks), and yields the units of AAC or packets of Opus that are complete. Their
// times, right to a sample, follow one another without a gap until pts is more than 40 ms off; then
// what was not encoded yet is dropped and sound goes on at pts, which may lie
// before what was yielded. The first unit of all lies before pts: a decoder needs
// it to get started. An error is about this block: the next one may be given all
// the same.
func (s *Sound) Encode(data []byte, pts int64, yield func(pts int64, unit []byte)) error {
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
		s.fifo = s.queue()
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
	f.SetSampleFormat(s.samples)
	f.SetChannelLayout(s.layout)
	f.SetSampleRate(int(s.rate))
}

// encode encodes the whole blocks that there are.
func (s *Sound) encode(yield func(pts int64, unit []byte)) error {
	for s.fifo.Size() >= s.size {
		s.format(s.block)
		s.block.SetNbSamples(s.size)
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

func (s *Sound) receive(yield func(pts int64, unit []byte)) error {
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
	if s.fifo != nil {
		s.fifo.Free()
	}
	s.swr.Free()
	s.in.Free()
	s.out.Free()
	s.raw.Free()
	s.even.Free()
	s.block.Free()
}
