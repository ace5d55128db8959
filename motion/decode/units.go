package decode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"iter"
	"slices"

	"lares/nvr"
)

// layout is how NAL units lie in the packets of a file.
type layout int

// annexB has start codes (ITU-T H.264, annex B); else it is the size in bytes of
// the length before each unit, 1 to 4.
const annexB layout = 0

// units yields the NAL units of data; empty ones, and what a wrong length leaves
// over, are passed over.
func (l layout) units(data []byte) iter.Seq[[]byte] {
	if l == annexB {
		return startCoded(data)
	}
	return func(yield func([]byte) bool) {
		for len(data) >= int(l) {
			size := 0
			for _, b := range data[:l] {
				size = size<<8 | int(b)
			}
			data = data[l:]
			if size > len(data) || size > 0 && !yield(data[:size]) {
				return
			}
			data = data[size:]
		}
	}
}

func startCoded(data []byte) iter.Seq[[]byte] {
	start := []byte{0, 0, 1}
	return func(yield func([]byte) bool) {
		_, rest, found := bytes.Cut(data, start)
		for found {
			var unit []byte
			unit, rest, found = bytes.Cut(rest, start)
			// A start code of four bytes, and trailing_zero_8bits.
			unit = bytes.TrimRight(unit, "\x00")
			if len(unit) > 0 && !yield(unit) {
				return
			}
		}
	}
}

// appendUnit adds a NAL unit behind its 4-byte length.
func appendUnit(b, unit []byte) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(unit))), unit...)
}

// appendCoded adds the units of an access unit of H.265 that code the picture, so
// without remarks (SEI) of the camera, which may be broken (H.265 table 7-1).
func appendCoded(b, data []byte) []byte {
	const pps = 34 // the last type of those that are needed
	for unit := range layout(4).units(data) {
		if unit[0]>>1&0x3f <= pps {
			b = appendUnit(b, unit)
		}
	}
	return b
}

// kind is what a NAL unit is to Lares.
type kind int

const (
	other kind = iota
	delimiter
	vps
	sps
	pps
	keyPicture
)

// kindOf reads the type of a NAL unit of one byte at least (H.264 table 7-1,
// H.265 table 7-1).
func kindOf(c nvr.Codec, unit []byte) kind {
	if c == nvr.H265 {
		switch t := unit[0] >> 1 & 0x3f; {
		case t >= 16 && t <= 21: // BLA, IDR, CRA
			return keyPicture
		case t == 32:
			return vps
		case t == 33:
			return sps
		case t == 34:
			return pps
		case t == 35:
			return delimiter
		}
		return other
	}
	switch unit[0] & 0x1f {
	case 5:
		return keyPicture
	case 7:
		return sps
	case 8:
		return pps
	case 9:
		return delimiter
	}
	return other
}

// setOf returns where parameter sets of a kind are kept, nil for other units.
func setOf(p *nvr.Params, k kind) *[]byte {
	switch k {
	case vps:
		return &p.VPS
	case sps:
		return &p.SPS
	case pps:
		return &p.PPS
	default:
		return nil
	}
}

// access rewrites the units of one access unit as nvr.Frame has them. Parameter
// sets that p lacks are put there.
func access(p *nvr.Params, units iter.Seq[[]byte]) (data []byte, key bool) {
	for unit := range units {
		k := kindOf(p.Video, unit)
		if k == delimiter {
			continue
		}
		if set := setOf(p, k); set != nil {
			if len(*set) == 0 {
				*set = slices.Clone(unit)
			}
			if bytes.Equal(*set, unit) {
				continue
			}
		}
		key = key || k == keyPicture
		data = appendUnit(data, unit)
	}
	return data, key
}

var errConfiguration = errors.New("the description of the video is broken")

// readConfiguration reads the parameter sets of a file's header (avcC, hvcC or
// Annex B) and how its packets are laid out.
func readConfiguration(c nvr.Codec, extra []byte) (layout, [][]byte, error) {
	if len(extra) == 0 || extra[0] != 1 {
		return annexB, slices.Collect(annexB.units(extra)), nil
	}
	if c == nvr.H264 {
		return readAvcC(extra)
	}
	return readHvcC(extra)
}

func readAvcC(b []byte) (layout, [][]byte, error) {
	if len(b) < 7 {
		return 0, nil, errConfiguration
	}
	length, n, b := layout(b[4]&3+1), int(b[5]&0x1f), b[6:]
	sets, b, err := readSets(nil, b, n)
	if err != nil || len(b) == 0 {
		return 0, nil, errConfiguration
	}
	sets, _, err = readSets(sets, b[1:], int(b[0]))
	return length, sets, err
}

func readHvcC(b []byte) (layout, [][]byte, error) {
	if len(b) < 23 {
		return 0, nil, errConfiguration
	}
	length, arrays, b := layout(b[21]&3+1), int(b[22]), b[23:]
	var sets [][]byte
	for range arrays {
		if len(b) < 3 {
			return 0, nil, errConfiguration
		}
		var err error
		if sets, b, err = readSets(sets, b[3:], int(binary.BigEndian.Uint16(b[1:]))); err != nil {
			return 0, nil, err
		}
	}
	return length, sets, nil
}

// readSets reads n parameter sets, each behind a 2-byte length, and returns what
// is left of b.
func readSets(sets [][]byte, b []byte, n int) (all [][]byte, rest []byte, err error) {
	for range n {
		if len(b) < 2 || len(b)-2 < int(binary.BigEndian.Uint16(b)) {
			return nil, nil, errConfiguration
		}
		size := int(binary.BigEndian.Uint16(b))
		if size > 0 {
			sets = append(sets, b[2:2+size])
		}
		b = b[2+size:]
	}
	return sets, b, nil
}
