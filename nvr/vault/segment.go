package vault

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
)

// Segment is a segment file without its key. It is immutable and may be used
// from any goroutine that its ReaderAt allows.
type Segment struct {
	r       io.ReaderAt
	size    int64
	block   headerBlock  // the front header, or one made from the trailer
	trailer *headerBlock // nil: none that belongs to this file
	front   bool         // the front header is good
	header  Header
}

// Open reads the header of a segment of size bytes: from the front, or from
// the trailer where the front is damaged. A file that is still being written or
// was torn has no trailer and opens as well. Errors: ErrFormat if there is no
// good header, else what r says.
func Open(r io.ReaderAt, size int64) (*Segment, error) {
	s := &Segment{r: r, size: size}
	if size < BlockSize {
		return nil, fmt.Errorf("segment of %d bytes: %w", size, ErrFormat)
	}
	if err := readFull(r, s.block[:], 0); err != nil {
		return nil, fmt.Errorf("read segment header: %w", err)
	}
	h, frontErr := s.block.decode()
	s.header, s.front = h, frontErr == nil
	s.readTrailer()
	if !s.front && s.trailer == nil {
		return nil, frontErr
	}
	return s, nil
}

// readTrailer looks for a trailer in the last block. One that cannot be read,
// is damaged, or is not this file's is none.
func (s *Segment) readTrailer() {
	if s.size < 2*BlockSize {
		return
	}
	var block headerBlock
	if err := readFull(s.r, block[:], s.size-BlockSize); err != nil {
		return
	}
	t, err := block.decode()
	if err != nil || t.Flags&(Final|Recovered) == 0 || t.fileSize() != s.size {
		return
	}
	if !s.front {
		s.block, s.header = block.asFront(), t
	}
	if !bytes.Equal(block.immutable(), s.block.immutable()) {
		return
	}
	s.trailer = &block
	s.header.Flags, s.header.Slots, s.header.Tail, s.header.Duration = t.Flags, t.Slots, t.Tail, t.Duration
}

// asFront returns the front header that belongs to a trailer.
func (b *headerBlock) asFront() headerBlock {
	front := *b
	front.end(0, 0, 0, 0)
	return front
}

// Header returns what the file says about itself.
func (s *Segment) Header() Header { return s.header }

// Closed reports whether the file has a trailer: it was closed or recovered.
func (s *Segment) Closed() bool { return s.trailer != nil }

// Vault returns the id of the vault to which the segment key is sealed.
func (s *Segment) Vault() [16]byte { return s.header.Vault }

// Info returns what the segment key is sealed with, for [KeyPair.Open].
func (s *Segment) Info() []byte { return s.block.info() }

// SealedKey returns a copy of the sealed segment key. It is empty after Destroy.
func (s *Segment) SealedKey() []byte { return bytes.Clone(s.block.sealed()) }

// holds returns ErrOpen unless this is the key that the header commits to.
func (b *headerBlock) holds(key []byte) error {
	commit, err := subkey(key, "commit")
	if err != nil {
		return err
	}
	if len(key) != 32 || subtle.ConstantTimeCompare(commit, b.commit()) != 1 {
		return fmt.Errorf("segment key: %w", ErrOpen)
	}
	return nil
}

// Unlock opens the contents with the segment key, which it does not keep, and
// reads the index if there is one. Errors: ErrOpen for another key.
func (s *Segment) Unlock(key []byte) (*Reader, error) {
	if err := s.block.holds(key); err != nil {
		return nil, err
	}
	sealer, err := newSealer(s.header.Suite, key, s.block.hash())
	if err != nil {
		return nil, err
	}
	r := &Reader{seg: s, sealer: sealer, slots: s.gridSlots()}
	r.readTail()
	return r, nil
}

// gridSlots returns how many slots fit into the file, at most: without an
// index, what the trailer says is not believed.
func (s *Segment) gridSlots() uint32 {
	return uint32(min((s.size-BlockSize)>>s.header.SlotLog2, maxSlots))
}

// readFull fills b from offset off. The end of the file before that is ErrFormat.
func readFull(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	switch {
	case n == len(b):
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("file ends too early: %w", ErrFormat)
	}
	return err
}
