package vault

import (
	"crypto/rand"
	"fmt"
	"io"
	"math"
	"time"
)

// Options say what stands in the header of a new segment.
type Options struct {
	SlotLog2  uint8 // MinSlotLog2 to MaxSlotLog2: slots of 4 KiB to 1 MiB
	Suite     Suite // AutoSuite: what is fast on this CPU
	Segment   [16]byte
	Stream    [16]byte
	Boot      [16]byte
	Start     time.Time // cut to whole microseconds
	Seq       uint64
	Monotonic time.Duration // clock of the box at Start, not negative
	Day       int           // day of the box, 32 bit
	Vault     [16]byte
	Public    []byte // of the vault, PublicSize bytes
}

// usualFragments is room for a minute in fragments of half a second.
const usualFragments = 128

// batchSize is how many bytes of slots go out in one Write if they fill up in
// one call: few calls, and little memory for each stream that is recorded.
const batchSize = 128 << 10

// Writer seals one segment. Slots that a call fills go out before it returns,
// several in one Write; no slot is split between two. After the first error of
// the underlying writer every call returns that error. Steady state allocates
// nothing.
type Writer struct {
	w      io.Writer
	header Header
	block  headerBlock
	seal   *sealer // nil once the segment is closed or given up
	err    error   // sticky

	batch   []byte // room for media slots, used in turn
	sealed  int    // where in it the slots begin that are sealed and not yet written
	at      int    // where in it the slot is that is being filled
	buf     []byte // that slot
	pending int    // bytes of payload in it
	resync  uint32 // of the pending slot
	slot    uint32 // its number: so many were sealed before it
	side    []byte // a slot for records, nil until the first

	tail    tail // what is to be indexed; its frags include one that is being written
	whole   int  // fragments that were taken whole
	covered int  // fragments that lie wholly in sealed slots
	written int  // fragments that lie wholly in written slots
}

// NewWriter makes a key, seals it to the vault and writes the header. Errors:
// ErrFormat for options that cannot be, else what w says.
func NewWriter(w io.Writer, o Options) (*Writer, error) {
	if o.Suite == AutoSuite {
		o.Suite = fastSuite()
	}
	wr := &Writer{w: w, resync: noResync, header: Header{
		SlotLog2: o.SlotLog2, Suite: o.Suite, Segment: o.Segment, Stream: o.Stream, Boot: o.Boot,
		Start: o.Start, Seq: o.Seq, Monotonic: o.Monotonic, Day: o.Day, Vault: o.Vault,
	}}
	if o.Monotonic < 0 || o.Day < math.MinInt32 || o.Day > math.MaxInt32 {
		return nil, fmt.Errorf("segment header out of bounds: %w", ErrFormat)
	}
	var key [32]byte
	defer clear(key[:])
	rand.Read(key[:]) // never fails: crypto/rand, Go 1.24
	commit, err := subkey(key[:], "commit")
	if err != nil {
		return nil, err
	}
	wr.block.encode(&wr.header, commit)
	if err := wr.block.seal(o.Vault, o.Public, key[:]); err != nil {
		return nil, err
	}
	if _, err := wr.block.decode(); err != nil { // so that what is written can be read
		return nil, err
	}
	if wr.seal, err = newSealer(o.Suite, key[:], wr.block.hash()); err != nil {
		return nil, err
	}
	wr.batch = make([]byte, max(batchSize, wr.header.slotSize()))
	wr.nextBlock()
	wr.tail.frags = make([]Fragment, 0, usualFragments)
	wr.emit(wr.block[:], "header")
	if wr.err != nil {
		return nil, wr.err
	}
	return wr, nil
}

// Init writes the CMAF init segment: once, and before the first fragment.
func (w *Writer) Init(b []byte) error {
	m := mediaHeader{kind: recordInit, length: uint32(min(len(b), MaxInit+1))}
	switch {
	case w.err != nil:
		return w.err
	case len(w.tail.init) > 0:
		return fmt.Errorf("second init segment: %w", ErrFormat)
	case !m.valid():
		return fmt.Errorf("init segment of %d bytes: %w", len(b), ErrFormat)
	}
	w.tail.init = append([]byte(nil), b...)
	w.begin(&m)
	w.put(b)
	w.writeSealed()
	return w.err
}

// Fragment appends a fragment whose bytes are the parts one after the other;
// it keeps none of them. Errors: ErrFormat for one out of bounds, which leaves
// the segment as it was; else the sticky error.
func (w *Writer) Fragment(f FragmentInfo, parts ...[]byte) error {
	if w.err != nil {
		return w.err
	}
	total := 0
	for _, p := range parts {
		total += len(p)
	}
	m := mediaHeader{FragmentInfo: f, kind: recordFrag, length: uint32(min(total, MaxFragment+1))}
	if len(w.tail.init) == 0 || !m.valid() || len(w.tail.frags) == MaxFragments {
		return fmt.Errorf("fragment %d of %d bytes: %w", len(w.tail.frags), total, ErrFormat)
	}
	slot, offset := w.begin(&m)
	w.tail.frags = append(w.tail.frags, Fragment{FragmentInfo: f, Length: m.length, Slot: slot, Offset: offset})
	for _, p := range parts {
		w.put(p)
	}
	w.writeSealed()
	if w.err != nil {
		return w.err
	}
	w.whole = len(w.tail.frags)
	if w.pending == w.capacity() {
		w.sealPending()
		w.writeSealed()
	}
	return w.err
}

// Flush writes the pending media slot, padded, if there is one. Everything
// that was taken is then in written slots.
func (w *Writer) Flush() error {
	if w.err == nil && w.pending > 0 {
		w.sealPending()
		w.writeSealed()
	}
	return w.err
}

// Fragments returns what was taken so far. Slot of those that are not counted
// in Written may still change. The slice belongs to the Writer and is good
// until its next call.
func (w *Writer) Fragments() []Fragment { return w.tail.frags[:w.whole] }

// Written returns how many of Fragments, from the first on, lie wholly in
// slots that were written, and the number of bytes of the file so far.
func (w *Writer) Written() (fragments int, size int64) {
	return w.written, w.header.slotAt(w.slot)
}

// Records returns the records that were written so far. The slice belongs to
// the Writer and is good until its next call.
func (w *Writer) Records() []Record { return w.tail.records }

// Record writes a blob of 1 to MaxRecord bytes into slots of its own, at once.
func (w *Writer) Record(typ SlotType, payload []byte) error {
	if w.err != nil {
		return w.err
	}
	if typ <= Media || typ >= tailType || len(payload) == 0 || len(payload) > MaxRecord || len(w.tail.records) == MaxRecords {
		return fmt.Errorf("record of type %d and %d bytes: %w", typ, len(payload), ErrFormat)
	}
	if w.side == nil {
		w.side = make([]byte, w.header.slotSize())
	}
	first := w.slot
	w.tail.records = append(w.tail.records, Record{Type: typ, Slot: first, Length: uint32(len(payload))})
	h := slotHead{kind: typ, resync: noResync, parts: uint16((len(payload) + w.capacity() - 1) / w.capacity())}
	for ; h.part < h.parts && w.err == nil; h.part++ {
		h.length = copy(w.side[payloadStart:len(w.side)-tagSize], payload)
		payload = payload[h.length:]
		w.sealSlot(w.side, h, w.written)
		w.emit(w.side, "slot")
	}
	// The pending media slot comes after these, and so do the fragments that begin in it.
	for i := len(w.tail.frags) - 1; i >= 0 && w.pending > 0 && w.tail.frags[i].Slot == first; i-- {
		w.tail.frags[i].Slot = w.slot
	}
	return w.err
}

// Close writes what is pending, the index and the trailer, and forgets the
// key. Duration is that of the media. After an error the file is one for
// Recover. A second Close returns ErrClosed.
func (w *Writer) Close(duration time.Duration) error {
	defer w.Abort()
	duration = max(duration, 0)
	if err := w.Flush(); err != nil {
		return err
	}
	w.tail.slots, w.tail.duration = w.slot, duration
	blocks := w.writeTail(w.tail.encode())
	w.block.end(Final, w.slot, blocks, duration)
	w.emit(w.block[:], "trailer")
	return w.err
}

// Abort forgets the key without writing anything; the file is one for Recover.
// After Close it does nothing.
func (w *Writer) Abort() {
	w.seal = nil
	clear(w.batch)
	clear(w.side)
	if w.err == nil {
		w.err = ErrClosed
	}
}

// capacity returns the bytes of payload that a slot takes.
func (w *Writer) capacity() int { return len(w.buf) - slotOverhead }

// begin starts a media record and returns its place.
func (w *Writer) begin(m *mediaHeader) (slot, offset uint32) {
	if w.pending == w.capacity() {
		w.sealPending()
	}
	if w.resync == noResync {
		w.resync = uint32(w.pending)
	}
	slot, offset = w.slot, uint32(w.pending)
	var b [recordHeader]byte
	m.encode(b[:])
	w.put(b[:])
	return slot, offset
}

// put appends to the media stream and seals each slot that is full and that
// more follows.
func (w *Writer) put(p []byte) {
	for len(p) > 0 && w.err == nil {
		if w.pending == w.capacity() {
			w.sealPending()
			continue
		}
		n := copy(w.buf[payloadStart+w.pending:len(w.buf)-tagSize], p)
		w.pending += n
		p = p[n:]
	}
}

// sealPending seals the pending media slot and begins the next one.
func (w *Writer) sealPending() {
	w.sealSlot(w.buf, slotHead{kind: Media, length: w.pending, resync: w.resync}, w.whole)
	w.covered = w.whole
	w.pending, w.resync = 0, noResync
	w.at += len(w.buf)
	if w.at+len(w.buf) > len(w.batch) {
		w.writeSealed()
		w.sealed, w.at = 0, 0
	}
	w.nextBlock()
}

func (w *Writer) nextBlock() { w.buf = w.batch[w.at:][:w.header.slotSize()] }

// writeSealed writes the media slots that were sealed.
func (w *Writer) writeSealed() {
	if w.sealed == w.at {
		return
	}
	w.emit(w.batch[w.sealed:w.at], "slots")
	w.sealed = w.at
	if w.err == nil {
		w.written = w.covered
	}
}

// sealSlot seals a slot under the next number. With it on disk, the first so
// many fragments are whole.
func (w *Writer) sealSlot(block []byte, h slotHead, whole int) {
	if w.err != nil {
		return
	}
	if w.slot == maxSlots {
		w.err = fmt.Errorf("segment is full: %w", ErrFormat)
		return
	}
	w.seal.seal(block, blockID{magic: slotMagic, number: w.slot, progress: w.progress(whole)}, h)
	w.slot++
}

// progress returns the end of the last of the first n fragments, in ms since Start.
func (w *Writer) progress(n int) uint32 {
	if n == 0 {
		return 0
	}
	f := w.tail.frags[n-1]
	ms := (f.Time+int64(f.Duration))/90 - w.header.Start.UnixMilli()
	return uint32(max(0, min(ms, math.MaxUint32)))
}

// writeTail seals and writes the index and returns the number of its blocks.
func (w *Writer) writeTail(payload []byte) uint32 {
	block := make([]byte, BlockSize)
	parts := (len(payload) + tailCapacity - 1) / tailCapacity
	for i := range parts {
		h := slotHead{kind: tailType, resync: noResync, part: uint16(i), parts: uint16(parts)}
		h.length = copy(block[payloadStart:BlockSize-tagSize], payload)
		payload = payload[h.length:]
		w.seal.seal(block, blockID{magic: tailMagic, number: uint32(i), progress: w.progress(w.whole)}, h)
		w.emit(block, "index")
	}
	return uint32(parts)
}

// emit writes blocks in one call.
func (w *Writer) emit(blocks []byte, what string) {
	if w.err != nil {
		return
	}
	n, err := w.w.Write(blocks)
	if err == nil && n < len(blocks) {
		err = io.ErrShortWrite
	}
	if err != nil {
		w.err = fmt.Errorf("write segment %s: %w", what, err)
	}
}
