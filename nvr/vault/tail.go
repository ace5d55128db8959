package vault

import (
	"encoding/binary"
	"fmt"
	"time"
)

// The tail is the index of a closed segment, sealed in blocks of 4 KiB behind
// the last slot. It also repeats what the trailer says, so that the trailer
// can be checked, and the init segment, so that damage of the first slot costs
// only the fragments in it.
const (
	tailHeader   = 32
	tailFragment = 28
	tailRecord   = 12

	maxTailBlocks = (tailHeader+MaxInit+tailFragment*MaxFragments+tailRecord*MaxRecords)/tailCapacity + 1
)

// tail is the decrypted tail.
type tail struct {
	slots    uint32
	duration time.Duration // whole microseconds
	init     []byte
	frags    []Fragment
	records  []Record
}

// encode returns the payload that the tail blocks carry.
func (t *tail) encode() []byte {
	le := binary.LittleEndian
	b := make([]byte, 0, tailHeader+len(t.init)+tailFragment*len(t.frags)+tailRecord*len(t.records))
	b = le.AppendUint32(b, t.slots)
	b = le.AppendUint32(b, uint32(len(t.init)))
	b = le.AppendUint32(b, uint32(len(t.frags)))
	b = le.AppendUint32(b, uint32(len(t.records)))
	b = le.AppendUint64(b, uint64(t.duration.Microseconds()))
	b = le.AppendUint64(b, 0)
	b = append(b, t.init...)
	for _, f := range t.frags {
		b = le.AppendUint64(b, uint64(f.Time))
		b = le.AppendUint32(b, f.Duration)
		b = le.AppendUint32(b, f.KeyBytes)
		b = le.AppendUint32(b, f.Length)
		b = le.AppendUint32(b, f.Slot)
		b = le.AppendUint32(b, f.Offset)
	}
	for _, r := range t.records {
		b = le.AppendUint32(b, r.Slot)
		b = le.AppendUint32(b, r.Length)
		b = append(b, byte(r.Type), 0, 0, 0)
	}
	return b
}

// decode reads what encode wrote, for a file with this many slots. Everything
// in it is bounded by the bytes that are there. Errors: ErrFormat.
func (t *tail) decode(b []byte, slots uint32) error {
	if len(b) < tailHeader {
		return fmt.Errorf("index of %d bytes: %w", len(b), ErrFormat)
	}
	le := binary.LittleEndian
	nInit, nFrags, nRecords := uint64(le.Uint32(b[4:])), uint64(le.Uint32(b[8:])), uint64(le.Uint32(b[12:]))
	micros := le.Uint64(b[16:])
	if le.Uint32(b) != slots || micros > maxMicros || le.Uint64(b[24:]) != 0 ||
		uint64(len(b)) != tailHeader+nInit+tailFragment*nFrags+tailRecord*nRecords {
		return fmt.Errorf("index does not add up: %w", ErrFormat)
	}
	t.slots, t.duration = slots, time.Duration(micros)*time.Microsecond
	b = b[tailHeader:]
	t.init, b = append([]byte(nil), b[:nInit]...), b[nInit:]
	t.frags = make([]Fragment, nFrags)
	for i := range t.frags {
		t.frags[i] = Fragment{
			FragmentInfo: FragmentInfo{
				Time: int64(le.Uint64(b)), Duration: le.Uint32(b[8:]), KeyBytes: le.Uint32(b[12:]),
			},
			Length: le.Uint32(b[16:]), Slot: le.Uint32(b[20:]), Offset: le.Uint32(b[24:]),
		}
		b = b[tailFragment:]
	}
	t.records = make([]Record, nRecords)
	for i := range t.records {
		t.records[i] = Record{Slot: le.Uint32(b), Length: le.Uint32(b[4:]), Type: SlotType(b[8])}
		b = b[tailRecord:]
	}
	return nil
}
