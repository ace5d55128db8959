package vault

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"time"
)

// RecoverInfo says what Recover left of a segment.
type RecoverInfo struct {
	Header Header // Slots and Duration of what is left
	Bytes  int64  // size of the file now
	Cut    int64  // bytes that were cut off
}

// Recover ends a file that a crash left without trailer, without any key: it
// cuts off what follows the last whole slot, appends a trailer and syncs. Holes
// before that slot stay and cost only themselves. A file that has its trailer is
// left as it is. Slots is 0 if nothing was left. Errors: ErrFormat if the file
// has no good header, so that nobody can open it; else what the file says.
// Recover may be repeated, whenever it was interrupted.
func Recover(f *os.File) (RecoverInfo, error) {
	st, err := f.Stat()
	if err != nil {
		return RecoverInfo{}, fmt.Errorf("recover segment: %w", err)
	}
	seg, err := Open(f, st.Size())
	if err != nil {
		return RecoverInfo{}, fmt.Errorf("recover segment: %w", err)
	}
	info := RecoverInfo{Header: seg.header, Bytes: seg.size}
	if seg.trailer == nil {
		slots, progress, err := seg.lastSlot()
		if err != nil {
			return RecoverInfo{}, fmt.Errorf("recover segment: %w", err)
		}
		h := &info.Header
		h.Flags, h.Slots, h.Duration = Recovered, slots, progress
		info.Bytes = h.fileSize()
		info.Cut = seg.size - h.slotAt(slots)
		if err := seg.cut(f, h); err != nil {
			return RecoverInfo{}, fmt.Errorf("recover segment: %w", err)
		}
	}
	if err := f.Sync(); err != nil {
		return RecoverInfo{}, fmt.Errorf("recover segment: %w", err)
	}
	return info, nil
}

// lastSlot returns the number of slots up to the last whole one and how far
// the media in them goes.
func (s *Segment) lastSlot() (slots uint32, progress time.Duration, err error) {
	hash, buf := s.block.hash(), make([]byte, s.header.slotSize())
	for n := s.gridSlots(); n > 0; n-- {
		if err := readFull(s.r, buf, s.header.slotAt(n-1)); err != nil {
			return 0, 0, err
		}
		if wholeBlock(buf, slotMagic, n-1, &hash) {
			ms := binary.LittleEndian.Uint32(buf[offProgress:])
			return n, time.Duration(ms) * time.Millisecond, nil
		}
	}
	return 0, 0, nil
}

// cut truncates the file after the slots of h and appends the trailer.
func (s *Segment) cut(f *os.File, h *Header) error {
	end := h.slotAt(h.Slots)
	if err := f.Truncate(end); err != nil {
		return err
	}
	trailer := s.block
	trailer.end(h.Flags, h.Slots, h.Tail, h.Duration)
	_, err := f.WriteAt(trailer[:], end)
	return err
}

// CheckLevel says how much Check reads.
type CheckLevel uint8

// CheckHeader reads both headers and compares sizes. CheckCRC reads the whole file.
const (
	CheckHeader CheckLevel = iota
	CheckCRC
)

// CheckReport is what Check found. Checksums find decay, not tampering: that
// takes the key.
type CheckReport struct {
	Header  Header
	Front   bool // the front header is good
	Trailer bool // the trailer is good; false as well while the segment is being written
	// Damaged lists the slots that are not as they were written, and Index says
	// that the index is not. Both are for CheckCRC only.
	Damaged []uint32
	Index   bool
}

// Whole reports whether nothing is wrong with a segment that was closed or
// recovered.
func (c *CheckReport) Whole() bool {
	return c.Front && c.Trailer && !c.Index && len(c.Damaged) == 0
}

// Check looks over a segment of size bytes without a key. Errors: ErrFormat if
// there is no good header, else what r says.
func Check(r io.ReaderAt, size int64, level CheckLevel) (CheckReport, error) {
	seg, err := Open(r, size)
	if err != nil {
		return CheckReport{}, fmt.Errorf("check segment: %w", err)
	}
	report := CheckReport{Header: seg.header, Front: seg.front, Trailer: seg.trailer != nil}
	if level < CheckCRC {
		return report, nil
	}
	slots, tail := seg.gridSlots(), uint32(0)
	if seg.trailer != nil {
		slots, tail = seg.header.Slots, seg.header.Tail
	}
	hash, buf := seg.block.hash(), make([]byte, seg.header.slotSize())
	for n := range slots {
		if err := readFull(r, buf, seg.header.slotAt(n)); err != nil {
			return report, fmt.Errorf("check segment: %w", err)
		}
		if !wholeBlock(buf, slotMagic, n, &hash) {
			report.Damaged = append(report.Damaged, n)
		}
	}
	for i := range tail {
		block := buf[:BlockSize]
		if err := readFull(r, block, seg.header.slotAt(slots)+int64(i)*BlockSize); err != nil {
			return report, fmt.Errorf("check segment: %w", err)
		}
		report.Index = report.Index || !wholeBlock(block, tailMagic, i, &hash)
	}
	return report, nil
}
