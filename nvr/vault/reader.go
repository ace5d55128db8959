package vault

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// Reader reads what is in a segment. Only what authenticates comes out of it.
// It belongs to one goroutine at a time and keeps the slot that it opened last,
// so that neighbours cost one decryption.
type Reader struct {
	seg    *Segment
	sealer *sealer
	slots  uint32
	tail   *tail // what the segment holds: its index, or what a scan found; nil before that
	intact bool

	buf     []byte // the open slot, nil before the first
	current uint32
	open    bool // buf holds slot current, as follows
	head    slotHead
	payload []byte
}

// Intact reports whether the end of the segment is the one that its Writer
// sealed, so that nothing was cut off and everything in the trailer is true.
// It is false for a segment that is being written, was recovered, or was
// tampered with; what can be read of it is still authentic.
func (r *Reader) Intact() bool { return r.intact }

// Wipe drops the key and clears the open slot. The Reader must not be used
// afterwards.
func (r *Reader) Wipe() {
	clear(r.buf)
	r.sealer, r.open = nil, false
}

// Init returns the CMAF init segment. Errors: ErrOpen if it is not there or
// cannot be opened.
func (r *Reader) Init() ([]byte, error) {
	if err := r.index(); err != nil {
		return nil, err
	}
	if len(r.tail.init) == 0 {
		return nil, fmt.Errorf("init segment: %w", ErrOpen)
	}
	return slices.Clone(r.tail.init), nil
}

// Fragments returns the fragments in order: from the index, or, where there is
// none, from a scan of all slots, which leaves out what cannot be opened.
func (r *Reader) Fragments() ([]Fragment, error) {
	if err := r.index(); err != nil {
		return nil, err
	}
	return slices.Clone(r.tail.frags), nil
}

// Records returns the records in order, in the same way.
func (r *Reader) Records() ([]Record, error) {
	if err := r.index(); err != nil {
		return nil, err
	}
	return slices.Clone(r.tail.records), nil
}

// ReadFragment returns the bytes of a fragment, or those up to the end of its
// first picture if only the key frame is wanted, in dst if they fit. It opens
// only the slots that they lie in. Errors: ErrFormat for a fragment that is not
// from Fragments or, with keyOnly, does not begin with a key frame; ErrOpen for
// a damaged slot, which costs nothing but the fragments in it.
func (r *Reader) ReadFragment(dst []byte, f Fragment, keyOnly bool) ([]byte, error) {
	want := mediaHeader{FragmentInfo: f.FragmentInfo, kind: recordFrag, length: f.Length}
	size := f.Length
	if keyOnly {
		size = f.KeyBytes
	}
	if !want.valid() || size == 0 || f.Offset > 1<<MaxSlotLog2 {
		return nil, fmt.Errorf("read fragment: %w", ErrFormat)
	}
	c := cursor{r: r, slot: f.Slot, offset: int(f.Offset)}
	var b [recordHeader]byte
	if err := c.read(b[:]); err != nil {
		return nil, fmt.Errorf("read fragment: %w", err)
	}
	var got mediaHeader
	if !got.decode(b[:]) || got != want {
		return nil, fmt.Errorf("read fragment: %w", ErrOpen)
	}
	dst = slices.Grow(dst[:0], int(size))[:size]
	if err := c.read(dst); err != nil {
		return nil, fmt.Errorf("read fragment: %w", err)
	}
	return dst, nil
}

// ReadRecord returns the bytes of a record, in dst if they fit. Errors:
// ErrFormat for a record that is not from Records, ErrOpen for a damaged slot.
func (r *Reader) ReadRecord(dst []byte, rec Record) ([]byte, error) {
	if rec.Length == 0 || rec.Length > MaxRecord {
		return nil, fmt.Errorf("read record: %w", ErrFormat)
	}
	dst = dst[:0]
	for part := uint32(0); len(dst) < int(rec.Length); part++ {
		head, payload, err := r.load(rec.Slot + part)
		if err != nil {
			return nil, fmt.Errorf("read record: %w", err)
		}
		if head.kind != rec.Type || uint32(head.part) != part || part >= uint32(head.parts) || head.length == 0 {
			return nil, fmt.Errorf("read record: %w", ErrOpen)
		}
		dst = append(dst, payload...)
	}
	if len(dst) != int(rec.Length) {
		return nil, fmt.Errorf("read record: %w", ErrOpen)
	}
	return dst, nil
}

// load opens a slot, if it is not the one that is open already. The payload is
// good until the next call. Errors: ErrOpen, or what the file says.
func (r *Reader) load(n uint32) (slotHead, []byte, error) {
	if r.open && r.current == n {
		return r.head, r.payload, nil
	}
	r.open = false
	if n >= r.slots {
		return slotHead{}, nil, ErrOpen
	}
	if r.buf == nil {
		r.buf = make([]byte, r.seg.header.slotSize())
	}
	if err := readFull(r.seg.r, r.buf, r.seg.header.slotAt(n)); err != nil {
		return slotHead{}, nil, fmt.Errorf("read slot: %w", err)
	}
	head, payload, err := r.sealer.open(r.buf, blockID{magic: slotMagic, number: n})
	if err != nil {
		return slotHead{}, nil, err
	}
	r.current, r.open, r.head, r.payload = n, true, head, payload
	return head, payload, nil
}

// readTail finds and opens the index in front of the last block. Where it
// cannot be opened or belongs to another number of slots there is none.
func (r *Reader) readTail() {
	end := r.seg.size - BlockSize // where the trailer is, or was
	if end < 2*BlockSize || end%BlockSize != 0 {
		return
	}
	last := make([]byte, BlockSize)
	if err := readFull(r.seg.r, last, end-BlockSize); err != nil {
		return
	}
	// How long the index is, is believed until it is opened.
	parts := int64(binary.LittleEndian.Uint32(last[offNumber:])) + 1
	begin := end - parts*BlockSize
	slots := (begin - BlockSize) >> r.seg.header.SlotLog2
	if string(last[:offNumber]) != tailMagic || parts > maxTailBlocks ||
		begin < BlockSize || slots > maxSlots || r.seg.header.slotAt(uint32(slots)) != begin {
		return
	}
	blocks := make([]byte, parts*BlockSize)
	if err := readFull(r.seg.r, blocks, begin); err != nil {
		return
	}
	payload, err := r.openTail(blocks)
	if err != nil {
		return
	}
	var t tail
	if err := t.decode(payload, uint32(slots)); err != nil {
		return
	}
	r.tail, r.slots = &t, t.slots
	h := r.seg.header
	r.intact = r.seg.trailer != nil && h.Flags == Final && h.Slots == t.slots &&
		int64(h.Tail) == parts && h.Duration == t.duration
}

// openTail opens the blocks of the index in place and joins their payloads.
func (r *Reader) openTail(blocks []byte) ([]byte, error) {
	parts := len(blocks) / BlockSize
	joined := make([]byte, 0, parts*tailCapacity)
	for i := range parts {
		block := blocks[i*BlockSize:][:BlockSize]
		head, payload, err := r.sealer.open(block, blockID{magic: tailMagic, number: uint32(i)})
		if err != nil {
			return nil, err
		}
		if head.kind != tailType || int(head.part) != i || int(head.parts) != parts {
			return nil, ErrOpen
		}
		joined = append(joined, payload...)
	}
	return joined, nil
}

// cursor reads the media stream from a place on.
type cursor struct {
	r      *Reader
	slot   uint32
	offset int
}

// read fills p and moves on, past slots that hold no media.
func (c *cursor) read(p []byte) error {
	for len(p) > 0 {
		head, payload, err := c.r.load(c.slot)
		if err != nil {
			return err
		}
		if head.kind != Media || c.offset >= len(payload) {
			c.slot, c.offset = c.slot+1, 0
			continue
		}
		n := copy(p, payload[c.offset:])
		c.offset += n
		p = p[n:]
	}
	return nil
}
