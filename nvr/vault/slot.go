package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"

	"golang.org/x/crypto/chacha20poly1305"
)

// Slots and tail blocks share one form, which this file owns; recorder/format.md
// has the table. In the clear: magic, number, progress, CRC-32C, the first 8
// bytes of the header's hash, 8 zero bytes. Sealed: kind, payload length,
// resync, part numbers, payload, zero padding. Then the tag.
const (
	slotMagic = "LRSL"
	tailMagic = "LRTL"

	offNumber   = 4
	offProgress = 8
	offSlotCRC  = 12
	offHash     = 16
	offClearPad = 24
	clearSize   = 32

	// Relative to clearSize.
	offKind      = 0
	offLength    = 4
	offResync    = 8
	offPart      = 12
	offParts     = 14
	innerSize    = 16
	payloadStart = clearSize + innerSize

	tagSize      = 16
	slotOverhead = payloadStart + tagSize
	tailCapacity = BlockSize - slotOverhead
)

// noResync: no media record begins in this slot.
const noResync = math.MaxUint32

// SlotType says what a slot holds. It is sealed: without the key one cannot
// tell an event from media. The values are stored.
type SlotType uint8

// The types of slots. Media is written with Init and Fragment, the others with
// Record. Types that are not listed here may be recorded and read as well.
const (
	Media     SlotType = 1
	Event     SlotType = 2
	Thumbnail SlotType = 3
	MotionMap SlotType = 4
	tailType  SlotType = 255
)

// slotHead is what a slot says about its payload.
type slotHead struct {
	kind        SlotType
	length      int    // bytes of payload
	resync      uint32 // where the first media record begins in the payload, or noResync
	part, parts uint16 // of a record; 0 and 0 for media
}

// blockID is what a slot or tail block says in the clear.
type blockID struct {
	magic    string // slotMagic or tailMagic
	number   uint32
	progress uint32 // ms from the segment's start to the end of the newest whole fragment
}

// sealer seals and opens the slots and tail blocks of one segment. A nonce is
// the space (slot or tail) and the number, so it is used once as long as each
// number is written once under one key, which the Writer sees to.
type sealer struct {
	aead  cipher.AEAD
	hash  [sha256.Size]byte
	nonce [12]byte
	ad    [clearSize + sha256.Size]byte
}

// subkey derives a 32-byte key of a segment for one purpose.
func subkey(key []byte, purpose string) ([]byte, error) {
	var sub []byte
	var err error
	Secretly(func() { sub, err = hkdf.Key(sha256.New, key, nil, "lares/segment/v1/"+purpose, 32) })
	if err != nil {
		return nil, fmt.Errorf("derive %s key: %w", purpose, err)
	}
	return sub, nil
}

// newSealer returns the sealer of a segment with this key and header hash.
func newSealer(suite Suite, key []byte, hash [sha256.Size]byte) (*sealer, error) {
	sub, err := subkey(key, "slots")
	if err != nil {
		return nil, err
	}
	defer clear(sub)
	s := &sealer{hash: hash}
	Secretly(func() { s.aead, err = newAEAD(suite, sub) })
	if err != nil {
		return nil, fmt.Errorf("set up cipher: %w", err)
	}
	return s, nil
}

func newAEAD(suite Suite, key []byte) (cipher.AEAD, error) {
	switch suite {
	case AES256GCM:
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		return cipher.NewGCM(block)
	case ChaCha20Poly1305:
		return chacha20poly1305.New(key)
	}
	return nil, ErrFormat
}

// bind sets nonce and associated data from the clear part of a block.
func (s *sealer) bind(block []byte) {
	clear(s.nonce[:])
	if string(block[:offNumber]) == tailMagic {
		s.nonce[0] = 1
	}
	binary.BigEndian.PutUint32(s.nonce[8:], binary.LittleEndian.Uint32(block[offNumber:]))
	copy(s.ad[:clearSize], block)
	clear(s.ad[offSlotCRC : offSlotCRC+4])
	copy(s.ad[clearSize:], s.hash[:])
}

// seal turns a block whose payload begins at payloadStart into its sealed form,
// in place. What lies behind the payload is overwritten.
func (s *sealer) seal(block []byte, id blockID, h slotHead) {
	clear(block[:payloadStart])
	copy(block, id.magic)
	binary.LittleEndian.PutUint32(block[offNumber:], id.number)
	binary.LittleEndian.PutUint32(block[offProgress:], id.progress)
	copy(block[offHash:offClearPad], s.hash[:])
	inner := block[clearSize : len(block)-tagSize]
	inner[offKind] = byte(h.kind)
	binary.LittleEndian.PutUint32(inner[offLength:], uint32(h.length))
	binary.LittleEndian.PutUint32(inner[offResync:], h.resync)
	binary.LittleEndian.PutUint16(inner[offPart:], h.part)
	binary.LittleEndian.PutUint16(inner[offParts:], h.parts)
	clear(inner[innerSize+h.length:])
	s.bind(block)
	s.aead.Seal(inner[:0], s.nonce[:], inner, s.ad[:])
	binary.LittleEndian.PutUint32(block[offSlotCRC:], blockCRC(block))
}

// open decrypts a block in place and returns what it says and its payload.
// Errors: ErrOpen, also for a block that is another one than id says; its
// progress is not looked at.
func (s *sealer) open(block []byte, id blockID) (slotHead, []byte, error) {
	if string(block[:offNumber]) != id.magic || binary.LittleEndian.Uint32(block[offNumber:]) != id.number {
		return slotHead{}, nil, ErrOpen
	}
	s.bind(block)
	inner, err := s.aead.Open(block[clearSize:clearSize], s.nonce[:], block[clearSize:], s.ad[:])
	if err != nil {
		return slotHead{}, nil, ErrOpen
	}
	return parseInner(inner)
}

// parseInner reads the decrypted part of a block.
func parseInner(inner []byte) (slotHead, []byte, error) {
	length := binary.LittleEndian.Uint32(inner[offLength:])
	h := slotHead{
		kind:   SlotType(inner[offKind]),
		length: int(length),
		resync: binary.LittleEndian.Uint32(inner[offResync:]),
		part:   binary.LittleEndian.Uint16(inner[offPart:]),
		parts:  binary.LittleEndian.Uint16(inner[offParts:]),
	}
	payload := inner[innerSize:]
	if int64(length) > int64(len(payload)) || h.resync != noResync && h.resync >= length {
		return slotHead{}, nil, ErrOpen
	}
	return h, payload[:h.length], nil
}

// blockCRC returns the CRC-32C of a block without the field for it. It tells a
// torn block from a whole one without a key; it proves nothing else.
func blockCRC(block []byte) uint32 {
	table := castagnoli()
	return crc32.Update(crc32.Update(0, table, block[:offSlotCRC]), table, block[offSlotCRC+4:])
}

// wholeBlock reports without a key whether this is the block with the magic
// and number of the segment with this header hash, as it was written.
func wholeBlock(block []byte, magic string, number uint32, hash *[sha256.Size]byte) bool {
	return string(block[:offNumber]) == magic &&
		binary.LittleEndian.Uint32(block[offNumber:]) == number &&
		[8]byte(block[offHash:offClearPad]) == [8]byte(hash[:8]) &&
		binary.LittleEndian.Uint32(block[offSlotCRC:]) == blockCRC(block)
}
