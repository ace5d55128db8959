package vault

import (
	"errors"
	"fmt"
	"os"
)

// Reseal seals the segment key to another vault, in place and in both copies of
// the header. At every moment one copy is whole, so it can be repeated after a
// crash; the old vault is destroyed only after it has returned. Errors: ErrOpen
// if key is not the segment's, ErrFormat for a file without trailer (close or
// recover it first), else what the file says.
func Reseal(f *os.File, key []byte, vault [16]byte, public []byte) error {
	st, err := f.Stat()
	if err != nil {
		return fmt.Errorf("reseal segment: %w", err)
	}
	seg, err := Open(f, st.Size())
	if err != nil {
		return fmt.Errorf("reseal segment: %w", err)
	}
	if err := seg.block.holds(key); err != nil {
		return fmt.Errorf("reseal segment: %w", err)
	}
	trailer, err := seg.trailerOrIndex(key)
	if err != nil {
		return fmt.Errorf("reseal segment: %w", err)
	}
	if err := trailer.seal(vault, public, key); err != nil {
		return fmt.Errorf("reseal segment: %w", err)
	}
	front, last := trailer.asFront(), seg.size-BlockSize
	order := []headerAt{{&trailer, last}, {&front, 0}}
	if !seg.front { // then the trailer is the copy that has to stay whole
		order[0], order[1] = order[1], order[0]
	}
	for _, h := range order {
		if _, err := f.WriteAt(h.block[:], h.at); err != nil {
			return fmt.Errorf("reseal segment: %w", err)
		}
		if err := syncData(f); err != nil {
			return fmt.Errorf("reseal segment: %w", err)
		}
	}
	return nil
}

// headerAt is a header block and its place in the file.
type headerAt struct {
	block *headerBlock
	at    int64
}

// trailerOrIndex returns the trailer, or, where that is damaged, the one that
// the index stands for. Errors: ErrFormat if there is neither.
func (s *Segment) trailerOrIndex(key []byte) (headerBlock, error) {
	if s.trailer != nil {
		return *s.trailer, nil
	}
	r, err := s.Unlock(key)
	if err != nil {
		return headerBlock{}, err
	}
	defer r.Wipe()
	if r.tail == nil {
		return headerBlock{}, fmt.Errorf("segment is not closed: %w", ErrFormat)
	}
	trailer, end := s.block, s.header.slotAt(r.tail.slots)
	trailer.end(Final, r.tail.slots, uint32((s.size-BlockSize-end)/BlockSize), r.tail.duration)
	return trailer, nil
}

// Destroy overwrites the sealed key in both copies of the header and syncs, so
// that the segment cannot be opened again even by who has the vault's key. It
// works on any file, also one whose headers are damaged, and is followed by
// unlink. Copies that the file system or the disk kept elsewhere stay; the
// destruction of the vault is what covers those.
func Destroy(f *os.File) error {
	st, err := f.Stat()
	if err != nil {
		return fmt.Errorf("destroy segment: %w", err)
	}
	errs := []error{destroyBlock(f, 0)}
	if last := st.Size() - BlockSize; last > 0 {
		errs = append(errs, destroyBlock(f, last))
	}
	errs = append(errs, syncData(f))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("destroy segment: %w", err)
	}
	return nil
}

// destroyBlock clears everything in a block that may be a sealed key. What the
// file says about itself stays, with a good checksum.
func destroyBlock(f *os.File, at int64) error {
	var block headerBlock
	if err := readFull(f, block[:], at); err != nil {
		block = headerBlock{} // torn or unreadable: overwritten as a whole
	}
	clear(block[offSealedLen:offFlags])
	clear(block[offSealed:])
	block.sum()
	_, err := f.WriteAt(block[:], at)
	return err
}
