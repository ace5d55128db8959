package recorder

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"lares/nvr"
)

// A motion map record holds the motion maps of some seconds; format.md has the
// bytes. Boxes make maps whose rows are runs of cells that repeat downwards, so
// only the rows in which something changes against the row above are kept, and a
// run in one or two bytes: about eight bytes a second.
const (
	motionVersion = 1
	// maxMotionSeconds bounds what one record may hold: far more than a segment lasts.
	maxMotionSeconds = 24 * 3600
	// maxSecond keeps seconds where times cannot overflow: the year 9999.
	maxSecond = maxMillis / 1000
)

// encodeMotion returns the record of some seconds, which ascend strictly and are
// not negative.
func encodeMotion(seconds []nvr.MotionSecond) []byte {
	b := []byte{motionVersion}
	next := int64(0)
	for i := range seconds {
		s := &seconds[i]
		b = binary.AppendUvarint(b, uint64(s.Second-next))
		next = s.Second + 1
		b = appendMap(b, &s.Map)
	}
	return b
}

// appendMap appends which rows differ from the one above them (18 bits), and for
// each of those the cells that do.
func appendMap(b []byte, m *nvr.MotionMap) []byte {
	var changed, above uint32
	for y, row := range m {
		if row != above {
			changed |= 1 << y
		}
		above = row
	}
	b = binary.AppendUvarint(b, uint64(changed))
	above = 0
	for _, row := range m {
		if row != above {
			b = binary.AppendUvarint(b, packCells(row^above))
		}
		above = row
	}
	return b
}

// packCells returns 0 to 31 for the first column and the number of columns less
// one of a single run, with a lowest bit of 0; all else is the cells with a
// lowest bit of 1.
func packCells(cells uint32) uint64 {
	first := bits.TrailingZeros32(cells)
	n := bits.OnesCount32(cells)
	if bits.TrailingZeros32(^(cells >> first)) == n {
		return uint64(first)<<6 | uint64(n-1)<<1
	}
	return uint64(cells)<<1 | 1
}

func unpackCells(v uint64) (uint32, bool) {
	if v&1 != 0 {
		return uint32(v >> 1), v>>33 == 0
	}
	first, n := v>>6, v>>1&31+1
	return uint32((uint64(1)<<n - 1) << first), first+n <= nvr.MapColumns
}

// decodeMotion reads what encodeMotion wrote. Errors: nvr.ErrCorrupt.
func decodeMotion(b []byte) ([]nvr.MotionSecond, error) {
	if len(b) == 0 || b[0] != motionVersion {
		return nil, fmt.Errorf("motion map of an unknown version: %w", nvr.ErrCorrupt)
	}
	r := varints{b: b[1:]}
	var seconds []nvr.MotionSecond
	next := uint64(0)
	for len(r.b) > 0 && !r.bad {
		step := r.next(maxSecond)
		s := nvr.MotionSecond{Second: int64(next + step)}
		next += step + 1
		r.readMap(&s.Map)
		if s.Second > maxSecond || len(seconds) == maxMotionSeconds {
			r.bad = true
		}
		seconds = append(seconds, s)
	}
	if r.bad {
		return nil, fmt.Errorf("motion map does not add up: %w", nvr.ErrCorrupt)
	}
	return seconds, nil
}

// varints reads numbers one after the other; bad is set by the first that is not
// there or out of bounds.
type varints struct {
	b   []byte
	bad bool
}

func (r *varints) next(limit uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > limit {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *varints) readMap(m *nvr.MotionMap) {
	changed := r.next(1<<nvr.MapRows - 1)
	var row uint32
	for y := range m {
		if changed>>y&1 != 0 {
			cells, ok := unpackCells(r.next(1<<33 - 1))
			r.bad = r.bad || !ok
			row ^= cells
		}
		m[y] = row
	}
}
