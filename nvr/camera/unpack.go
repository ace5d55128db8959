package camera

import (
	"fmt"

	"github.com/bluenviron/gortsplib/v4/pkg/format/rtplpcm"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtpmpeg4audio"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/opus"
	"github.com/pion/rtp"
)

const (
	blockSamples = 1024 // of an AAC access unit (ISO 14496-3, 4.5.2.1.1)
	// mostOpus is how many samples a packet of Opus may last: 120 ms at 48 kHz (RFC 6716 section 3.2.5).
	mostOpus = 5760
)

// piece is sound that came in one packet. Its data may belong to the packet.
type piece struct {
	data    []byte
	samples int64 // of each channel; more than 0
}

// unpacker takes sound out of a packet. It returns nothing where the packet
// makes no sense or is not the last one that is needed.
type unpacker func(p *rtp.Packet) []piece

func newUnpacker(m *medium) (unpacker, error) {
	switch m.heard.Codec {
	case "":
		return unpackAAC(m.sound)
	case opusCodec:
		return unpackOpus, nil
	}
	bits := 8
	if m.heard.Codec == linearCodec {
		bits = 16
	}
	return unpackSamples(bits, m.heard.Channels)
}

func unpackAAC(f aacFormat) (unpacker, error) {
	d := &rtpmpeg4audio.Decoder{SizeLength: f.sizeLength, IndexLength: f.indexLength, IndexDeltaLength: f.indexDel}
	if err := d.Init(); err != nil {
		return nil, fmt.Errorf("unpack AAC: %w", err)
	}
	return func(p *rtp.Packet) []piece {
		blocks, err := d.Decode(p)
		if err != nil {
			return nil
		}
		var out []piece
		for _, block := range blocks {
			if len(block) > 0 {
				out = append(out, piece{block, blockSamples})
			}
		}
		return out
	}, nil
}

// unpackSamples is for sound whose samples are all of the same size (RFC 3551
// sections 4.5.11 and 4.5.14).
func unpackSamples(bits, channels int) (unpacker, error) {
	d := &rtplpcm.Decoder{BitDepth: bits, ChannelCount: channels}
	if err := d.Init(); err != nil {
		return nil, fmt.Errorf("unpack samples: %w", err)
	}
	size := bits / 8 * channels
	return func(p *rtp.Packet) []piece {
		data, err := d.Decode(p)
		if err != nil || len(data) < size {
			return nil
		}
		return []piece{{data, int64(len(data) / size)}}
	}, nil
}

// unpackOpus is for one packet of Opus in each of RTP (RFC 7587 section 4.2).
func unpackOpus(p *rtp.Packet) []piece {
	samples := opus.PacketDuration2(p.Payload)
	if samples <= 0 || samples > mostOpus {
		return nil
	}
	return []piece{{p.Payload, samples}}
}
