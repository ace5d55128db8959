package camsim

import (
	"bytes"
	"fmt"
	"io"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"

	"lares/nvr"
)

// naluKind is what a NAL unit carries, as far as a player cares.
type naluKind int

const (
	kindOther naluKind = iota
	kindPicture
	kindKeyPicture
	kindVPS
	kindSPS
	kindPPS
	kindSEI
	kindDelimiter
)

// kindOf reads the type of a NAL unit (H.264 table 7-1, H.265 table 7-1).
func kindOf(codec nvr.Codec, nalu []byte) naluKind {
	if len(nalu) == 0 {
		return kindOther
	}
	if codec == nvr.H265 {
		return kindOfH265(h265.NALUType(nalu[0] >> 1 & 0x3F))
	}
	switch h264.NALUType(nalu[0] & 0x1F) {
	case h264.NALUTypeIDR:
		return kindKeyPicture
	case h264.NALUTypeNonIDR, h264.NALUTypeDataPartitionA, h264.NALUTypeDataPartitionB, h264.NALUTypeDataPartitionC:
		return kindPicture
	case h264.NALUTypeSPS:
		return kindSPS
	case h264.NALUTypePPS:
		return kindPPS
	case h264.NALUTypeSEI:
		return kindSEI
	case h264.NALUTypeAccessUnitDelimiter:
		return kindDelimiter
	}
	return kindOther
}

func kindOfH265(typ h265.NALUType) naluKind {
	switch {
	case typ >= 16 && typ <= 23: // IRAP
		return kindKeyPicture
	case typ < 32:
		return kindPicture
	}
	switch typ {
	case h265.NALUType_VPS_NUT:
		return kindVPS
	case h265.NALUType_SPS_NUT:
		return kindSPS
	case h265.NALUType_PPS_NUT:
		return kindPPS
	case h265.NALUType_AUD_NUT:
		return kindDelimiter
	case h265.NALUType_PREFIX_SEI_NUT:
		return kindSEI
	}
	return kindOther
}

// startsPicture reports whether a slice is the first of its picture:
// first_mb_in_slice = 0 (H.264 7.3.3), first_slice_segment_in_pic_flag (H.265 7.3.6.1).
func startsPicture(codec nvr.Codec, nalu []byte) bool {
	header := 1
	if codec == nvr.H265 {
		header = 2
	}
	return len(nalu) > header && nalu[header]&0x80 != 0
}

// ReadByteStream reads a clip from an Annex B byte stream.
func ReadByteStream(r io.Reader, codec nvr.Codec) (*Clip, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxClip+1))
	if err != nil {
		return nil, fmt.Errorf("read byte stream: %w", err)
	}
	if len(raw) > maxClip {
		return nil, fmt.Errorf("clip is too large: %w", nvr.ErrInvalid)
	}
	c := &Clip{codec: codec}
	var au [][]byte
	seen := false // a slice of the picture in au
	flush := func() {
		if seen {
			c.addPicture(au)
		}
		au, seen = nil, false
	}
	for _, nalu := range splitByteStream(raw) {
		kind := kindOf(codec, nalu)
		slice := kind == kindPicture || kind == kindKeyPicture
		if seen && (slice && startsPicture(codec, nalu) || kind != kindOther && !slice) {
			flush()
		}
		au = append(au, nalu)
		seen = seen || slice
	}
	flush()
	c.setTimes()
	return c, c.check()
}

// splitByteStream cuts at start codes (Annex B.1). A start code of four bytes
// leaves a zero at the end of the unit before it, which is cut as well: no NAL
// unit ends in a zero byte (7.4.1).
func splitByteStream(raw []byte) [][]byte {
	var out [][]byte
	for len(raw) > 0 {
		next := bytes.Index(raw, []byte{0, 0, 1})
		nalu, rest := raw, []byte(nil)
		if next >= 0 {
			nalu, rest = raw[:next], raw[next+3:]
		}
		if nalu = bytes.TrimRight(nalu, "\x00"); len(nalu) > 0 {
			out = append(out, nalu)
		}
		raw = rest
	}
	return out
}

func (c *Clip) addPicture(au [][]byte) {
	p := picture{}
	for _, nalu := range au {
		p.key = p.key || kindOf(c.codec, nalu) == kindKeyPicture
	}
	if p.nalus = c.strip(au); len(p.nalus) > 0 {
		c.frames = append(c.frames, p)
	}
}

// setTimes spaces the pictures evenly.
func (c *Clip) setTimes() {
	rate := 25.0
	switch c.codec {
	case nvr.H264:
		var sps h264.SPS
		if sps.Unmarshal(c.sps) == nil && sps.FPS() > 0 {
			rate = sps.FPS()
		}
	case nvr.H265:
		var sps h265.SPS
		if sps.Unmarshal(c.sps) == nil && sps.FPS() > 0 {
			rate = sps.FPS()
		}
	}
	at := func(i int) int64 { return int64(float64(i) * nvr.ClockRate / rate) }
	for i := range c.frames {
		c.frames[i].dts, c.frames[i].pts = at(i), at(i)
	}
	c.length = at(len(c.frames))
}
