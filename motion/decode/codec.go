package decode

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"strconv"

	"github.com/asticode/go-astiav"

	"lares/nvr"
)

// Bounds of what is decoded: larger things are refused before memory is spent.
const (
	maxSide   = 8192     // pixels
	maxPixels = 40 << 20 // of one picture
	maxData   = 16 << 20 // bytes of one access unit or block of sound
)

var errTooLarge = errors.New("too large")

// openVideo opens a decoder for pictures on one thread. The options are
// FFmpeg's, beside those that bound it.
func openVideo(p *nvr.Params, options map[string]string) (*astiav.CodecContext, error) {
	id, extra, err := configuration(p)
	if err != nil {
		return nil, err
	}
	all := map[string]string{"max_pixels": strconv.Itoa(maxPixels)}
	maps.Copy(all, options)
	return openDecoder(id, all, func(cc *astiav.CodecContext) error { return cc.SetExtraData(extra) })
}

// openDecoder opens the decoder of id after setUp had its say.
func openDecoder(id astiav.CodecID, options map[string]string, setUp func(*astiav.CodecContext) error) (*astiav.CodecContext, error) {
	codec := astiav.FindDecoder(id)
	if codec == nil {
		return nil, fmt.Errorf("this build of FFmpeg does not decode %s", id)
	}
	return openCodec(codec, options, setUp)
}

func openCodec(codec *astiav.Codec, options map[string]string, setUp func(*astiav.CodecContext) error) (*astiav.CodecContext, error) {
	// What FFmpeg has to say of broken input comes back as errors; it must not
	// flood the log as well. The level is the same for all.
	astiav.SetLogLevel(astiav.LogLevelQuiet)
	cc := astiav.AllocCodecContext(codec)
	if cc == nil {
		return nil, fmt.Errorf("open %s: out of memory", codec.Name())
	}
	cc.SetThreadCount(1)
	if err := setUp(cc); err != nil {
		cc.Free()
		return nil, fmt.Errorf("set up %s: %w", codec.Name(), err)
	}
	dict := astiav.NewDictionary()
	defer dict.Free()
	for key, value := range options {
		if err := dict.Set(key, value, 0); err != nil {
			cc.Free()
			return nil, fmt.Errorf("set %s of %s: %w", key, codec.Name(), err)
		}
	}
	if err := cc.Open(codec, dict); err != nil {
		cc.Free()
		return nil, fmt.Errorf("open %s: %w", codec.Name(), err)
	}
	return cc, nil
}

// configuration returns the parameter sets of p as a decoder takes them, with
// NAL units behind 4-byte lengths.
func configuration(p *nvr.Params) (astiav.CodecID, []byte, error) {
	for _, set := range [][]byte{p.VPS, p.SPS, p.PPS} {
		if len(set) > 0xffff {
			return 0, nil, fmt.Errorf("parameter sets: %w", errTooLarge)
		}
	}
	switch p.Video {
	case nvr.H264:
		if len(p.SPS) < 4 || len(p.PPS) == 0 {
			return 0, nil, errors.New("the camera has not sent its parameter sets yet")
		}
		return astiav.CodecIDH264, avcC(p), nil
	case nvr.H265:
		if len(p.VPS) == 0 || len(p.SPS) == 0 || len(p.PPS) == 0 {
			return 0, nil, errors.New("the camera has not sent its parameter sets yet")
		}
		return astiav.CodecIDHevc, hvcC(p), nil
	default:
		return 0, nil, fmt.Errorf("pictures coded as %s cannot be decoded", p.Video)
	}
}

// avcC is an AVCDecoderConfigurationRecord (ISO 14496-15, 5.3.3.1.2).
func avcC(p *nvr.Params) []byte {
	b := []byte{1, p.SPS[1], p.SPS[2], p.SPS[3], 0xfc | 3, 0xe0 | 1}
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(p.SPS))), p.SPS...)
	b = append(b, 1)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(p.PPS))), p.PPS...)
}

// hvcC is an HEVCDecoderConfigurationRecord (ISO 14496-15, 8.3.3.1.2). What it
// says of profile and level is left zero: the decoder reads that in the sets.
func hvcC(p *nvr.Params) []byte {
	b := make([]byte, 21, 64+len(p.VPS)+len(p.SPS)+len(p.PPS))
	b[0] = 1
	b = append(b, 3, 3) // 4-byte lengths; three arrays
	for _, set := range [][]byte{p.VPS, p.SPS, p.PPS} {
		b = append(b, 0x80|set[0]>>1&0x3f, 0, 1)
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(set))), set...)
	}
	return b
}

// packet is a packet that is filled again and again.
type packet struct {
	*astiav.Packet
	scratch []byte
}

func newPacket() packet { return packet{Packet: astiav.AllocPacket()} }

// fill copies data into the packet with the padding that decoders need behind
// it, and forgets what was in it.
func (p *packet) fill(data []byte) error {
	if len(data) == 0 || len(data) > maxData {
		return fmt.Errorf("%d bytes of data: %w", len(data), errTooLarge)
	}
	p.Unref()
	p.scratch = append(append(p.scratch[:0], data...), make([]byte, padding)...)
	if err := p.FromData(p.scratch); err != nil {
		return fmt.Errorf("copy data: %w", err)
	}
	p.SetSize(len(data))
	return nil
}

// drained says whether an error means only that nothing more is ready.
func drained(err error) bool {
	return errors.Is(err, astiav.ErrEagain) || errors.Is(err, astiav.ErrEof)
}
