package camera

import (
	"bytes"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"

	"lares/nvr"
)

// role is what a NAL unit is for, as far as recording cares.
type role int

const (
	roleOther    role = iota // SEI and all else that stays in the picture
	roleSlice                // a slice of a picture that needs others
	roleKeySlice             // a slice of a picture that decodes alone
	roleVPS
	roleSPS
	rolePPS
	roleDelimiter // says where a picture begins; not kept
)

// roleOf reads the header of a NAL unit (H.264 table 7-1, H.265 table 7-1).
func roleOf(codec nvr.Codec, nalu []byte) role {
	if len(nalu) == 0 {
		return roleOther
	}
	if codec == nvr.H265 {
		typ := h265.NALUType(nalu[0] >> 1 & 0x3F)
		switch {
		case typ >= h265.NALUType_BLA_W_LP && typ <= h265.NALUType_CRA_NUT:
			return roleKeySlice
		case typ < h265.NALUType_VPS_NUT:
			return roleSlice
		}
		switch typ {
		case h265.NALUType_VPS_NUT:
			return roleVPS
		case h265.NALUType_SPS_NUT:
			return roleSPS
		case h265.NALUType_PPS_NUT:
			return rolePPS
		case h265.NALUType_AUD_NUT:
			return roleDelimiter
		}
		return roleOther
	}
	switch h264.NALUType(nalu[0] & 0x1F) {
	case h264.NALUTypeIDR:
		return roleKeySlice
	case h264.NALUTypeNonIDR, h264.NALUTypeDataPartitionA, h264.NALUTypeDataPartitionB, h264.NALUTypeDataPartitionC:
		return roleSlice
	case h264.NALUTypeSPS:
		return roleSPS
	case h264.NALUTypePPS:
		return rolePPS
	case h264.NALUTypeAccessUnitDelimiter:
		return roleDelimiter
	}
	return roleOther
}

func (r role) slice() bool { return r == roleSlice || r == roleKeySlice }

// beginsPicture reports whether a slice is the first of its picture:
// first_mb_in_slice = 0 (H.264 7.3.3), first_slice_segment_in_pic_flag (H.265 7.3.6.1).
func beginsPicture(codec nvr.Codec, slice []byte) bool {
	header := 1
	if codec == nvr.H265 {
		header = 2
	}
	return len(slice) > header && slice[header]&0x80 != 0
}

// splitStartCodes cuts at the start codes of Annex B. Inside a NAL unit they
// cannot occur (H.264 and H.265 7.4.1), so whatever has one is several units.
// Zero bytes in front of a start code belong to it. Empty pieces are left out.
func splitStartCodes(raw []byte) [][]byte {
	var out [][]byte
	for raw != nil {
		piece, rest, found := bytes.Cut(raw, []byte{0, 0, 1})
		if found {
			piece = bytes.TrimRight(piece, "\x00")
		} else {
			rest = nil
		}
		if len(piece) > 0 {
			out = append(out, piece)
		}
		raw = rest
	}
	return out
}

// paramSets are the parameter sets of a stream, each a NAL unit.
type paramSets struct{ vps, sps, pps []byte }

// take keeps a NAL unit if it is a parameter set that can be read and the
// first of its kind. It keeps a copy.
func (p *paramSets) take(codec nvr.Codec, nalu []byte) {
	var slot *[]byte
	switch roleOf(codec, nalu) {
	case roleVPS:
		slot = &p.vps
	case roleSPS:
		if w, h := pictureSize(codec, nalu); w <= 0 || h <= 0 {
			return
		}
		slot = &p.sps
	case rolePPS:
		slot = &p.pps
	default:
		return
	}
	if *slot == nil && len(nalu) > 2 {
		*slot = bytes.Clone(nalu)
	}
}

// complete reports whether a decoder could be set up with them.
func (p *paramSets) complete(codec nvr.Codec) bool {
	return len(p.sps) > 0 && len(p.pps) > 0 && (codec != nvr.H265 || len(p.vps) > 0)
}

// merge returns the sets of p with those of newer in place of them.
func (p paramSets) merge(newer paramSets) paramSets {
	if newer.vps != nil {
		p.vps = newer.vps
	}
	if newer.sps != nil {
		p.sps = newer.sps
	}
	if newer.pps != nil {
		p.pps = newer.pps
	}
	return p
}

// pictureSize reads the size after cropping from an SPS, 0 if it cannot be read.
func pictureSize(codec nvr.Codec, nalu []byte) (width, height int) {
	if codec == nvr.H265 {
		var sps h265.SPS
		if sps.Unmarshal(nalu) != nil {
			return 0, 0
		}
		return sps.Width(), sps.Height()
	}
	var sps h264.SPS
	if sps.Unmarshal(nalu) != nil {
		return 0, 0
	}
	return sps.Width(), sps.Height()
}
