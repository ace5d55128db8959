package vault

import (
	"errors"
	"fmt"
)

// index makes sure that r.tail says what the segment holds: where there was no
// index to open it scans all slots once. Errors: what the file says, if nothing
// could be read.
func (r *Reader) index() error {
	if r.tail != nil {
		return nil
	}
	var sc scanner
	var broken error
	for n := range r.slots {
		head, payload, err := r.load(n)
		switch {
		case err != nil:
			sc.hole()
			if !errors.Is(err, ErrOpen) {
				broken = err
			}
		case head.kind == Media:
			sc.endRecord()
			sc.media(n, payload, head.resync)
		default:
			sc.record(n, head)
		}
	}
	if broken != nil && len(sc.found.init) == 0 && len(sc.found.frags) == 0 {
		return fmt.Errorf("scan segment: %w", broken)
	}
	r.tail = &sc.found
	return nil
}

// scanner finds media records and blobs in slots that come in order.
type scanner struct {
	found tail

	// The media stream.
	synced       bool // the place of the next byte in the stream is known
	head         [recordHeader]byte
	headLen      int // bytes of head that are there
	header       mediaHeader
	left         int    // bytes of the current record that are still to come
	slot, offset uint32 // where the current record began
	init         []byte // of an init record in progress

	// A blob of several slots.
	blob  Record
	part  int // next part
	parts int // 0: none in progress
}

// hole forgets what a lost slot has cut.
func (s *scanner) hole() {
	s.synced, s.headLen, s.left = false, 0, 0
	s.endRecord()
}

// endRecord forgets a blob that is not whole.
func (s *scanner) endRecord() { s.parts = 0 }

// media takes the payload of a media slot.
func (s *scanner) media(slot uint32, payload []byte, resync uint32) {
	pos := 0
	if !s.synced {
		if int64(resync) >= int64(len(payload)) { // noResync as well
			return
		}
		s.synced, s.headLen, s.left = true, 0, 0
		pos = int(resync)
	}
	for pos < len(payload) {
		if s.left > 0 {
			pos += s.body(payload[pos:])
			continue
		}
		if s.headLen == 0 {
			s.slot, s.offset = slot, uint32(pos)
		}
		n := copy(s.head[s.headLen:], payload[pos:])
		s.headLen += n
		pos += n
		if s.headLen < recordHeader {
			return
		}
		s.headLen = 0
		if !s.header.decode(s.head[:]) {
			s.synced = false
			return
		}
		s.left, s.init = int(s.header.length), nil
	}
}

// body takes bytes of the current record and returns how many.
func (s *scanner) body(p []byte) int {
	n := min(s.left, len(p))
	s.left -= n
	if s.header.kind == recordInit {
		s.init = append(s.init, p[:n]...)
	}
	if s.left > 0 {
		return n
	}
	switch s.header.kind {
	case recordInit:
		s.found.init = s.init
	case recordFrag:
		s.found.frags = append(s.found.frags, Fragment{
			FragmentInfo: s.header.FragmentInfo, Length: s.header.length, Slot: s.slot, Offset: s.offset,
		})
	}
	return n
}

// record takes a slot of a blob.
func (s *scanner) record(slot uint32, h slotHead) {
	if h.part == 0 {
		s.blob, s.part, s.parts = Record{Type: h.kind, Slot: slot}, 0, int(h.parts)
	}
	if s.parts == 0 || h.kind != s.blob.Type || int(h.part) != s.part || int(h.parts) != s.parts {
		s.endRecord()
		return
	}
	s.blob.Length += uint32(h.length)
	if s.part++; s.part == s.parts {
		s.found.records = append(s.found.records, s.blob)
		s.endRecord()
	}
}
