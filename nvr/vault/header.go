package vault

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"time"

	"golang.org/x/sys/cpu"
)

// BlockSize is the size in bytes of the header, of each tail block and of the
// trailer.
const BlockSize = 4096

// Slots are 4 KiB to 1 MiB.
const (
	MinSlotLog2 = 12
	MaxSlotLog2 = 20
)

// Places in the header block; recorder/format.md has the table. What lies
// before offVault never changes; slots are bound to its hash.
const (
	headerMagic  = "LARESEG1"
	offSlotLog2  = 8
	offSuite     = 9
	offKEM       = 10
	offSegment   = 16
	offStream    = 32
	offBoot      = 48
	offStart     = 64
	offSeq       = 72
	offMonotonic = 80
	offDay       = 88
	offCommit    = 96
	offVault     = 128
	offSealedLen = 144
	offFlags     = 146
	offSlots     = 148
	offTail      = 152
	offDuration  = 160
	offSealed    = 192
	offHeaderCRC = BlockSize - 4

	immutableSize = offVault
	maxSealed     = 2048

	// maxSlots keeps a slot number apart from the numbers that mean none.
	maxSlots = math.MaxUint32 - 1
)

// maxMicros and maxMillis are the longest times that a time.Duration holds.
const (
	maxMicros = math.MaxInt64 / uint64(time.Microsecond)
	maxMillis = math.MaxInt64 / uint64(time.Millisecond)
)

// kemSealV1 says that the segment key is sealed with Seal.
const kemSealV1 = 1

// keyInfo begins the info that a segment key is sealed with.
const keyInfo = "lares/segment-key/v1"

// castagnoli is the table of CRC-32C (RFC 3720, appendix B.4); the standard
// library uses the CPU's instruction for it.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// Suite is the cipher of a segment. The values are stored.
type Suite uint8

// The suites; the zero value lets the Writer choose the faster one of this CPU.
const (
	AutoSuite        Suite = 0
	AES256GCM        Suite = 1
	ChaCha20Poly1305 Suite = 2
)

// String names the cipher; for AutoSuite the one that it chooses here.
func (s Suite) String() string {
	if s == AutoSuite {
		s = fastSuite()
	}
	if s == AES256GCM {
		return "AES-256-GCM"
	}
	return "ChaCha20-Poly1305"
}

// fastSuite returns AES where the CPU does it in hardware: without, Go's AES is
// several times slower than its ChaCha20.
func fastSuite() Suite {
	if cpu.X86.HasAES && cpu.X86.HasPCLMULQDQ || cpu.ARM64.HasAES && cpu.ARM64.HasPMULL {
		return AES256GCM
	}
	return ChaCha20Poly1305
}

// HeaderFlags say how a segment ended. The values are stored.
type HeaderFlags uint16

// Final: the Writer closed it. Recovered: Recover did, after a crash.
const (
	Final HeaderFlags = 1 << iota
	Recovered
)

// Header is what a segment file says without a key. The fields from Vault on
// are not proven by opening the segment: see [Reader.Intact].
type Header struct {
	SlotLog2  uint8
	Suite     Suite
	Segment   [16]byte
	Stream    [16]byte
	Boot      [16]byte
	Start     time.Time // UTC, whole microseconds
	Seq       uint64
	Monotonic time.Duration // clock of the box at Start, whole milliseconds
	Day       int           // day of the box

	Vault [16]byte
	// The rest is zero in a file without trailer.
	Flags    HeaderFlags
	Slots    uint32
	Tail     uint32        // tail blocks
	Duration time.Duration // of the media, whole microseconds
}

// slotSize returns the size of a slot in bytes.
func (h *Header) slotSize() int64 { return 1 << h.SlotLog2 }

// slotAt returns where slot n begins.
func (h *Header) slotAt(n uint32) int64 { return BlockSize + int64(n)<<h.SlotLog2 }

// fileSize returns the size of a file with this trailer.
func (h *Header) fileSize() int64 { return h.slotAt(h.Slots) + (int64(h.Tail)+1)*BlockSize }

// headerBlock is an encoded header.
type headerBlock [BlockSize]byte

// immutable returns the part that slots are bound to.
func (b *headerBlock) immutable() []byte { return b[:immutableSize] }

// hash returns what every slot and tail block is bound to.
func (b *headerBlock) hash() [32]byte { return sha256.Sum256(b.immutable()) }

// commit returns the key commitment.
func (b *headerBlock) commit() []byte { return b[offCommit : offCommit+commitSize] }

// vault returns the id of the vault that the key is sealed to.
func (b *headerBlock) vault() [16]byte { return [16]byte(b[offVault:offSealedLen]) }

// sealed returns the sealed segment key, empty if it was destroyed.
func (b *headerBlock) sealed() []byte {
	n := int(binary.LittleEndian.Uint16(b[offSealedLen:]))
	return b[offSealed : offSealed+n]
}

// info returns what the segment key is sealed with: everything that does not
// change, and the vault.
func (b *headerBlock) info() []byte {
	return append(append([]byte(keyInfo), b.immutable()...), b[offVault:offSealedLen]...)
}

// seal replaces vault id and sealed key and refreshes the checksum.
func (b *headerBlock) seal(vault [16]byte, public, key []byte) error {
	copy(b[offVault:], vault[:])
	sealed, err := Seal(public, b.info(), key)
	if err != nil {
		return fmt.Errorf("seal segment key: %w", err)
	}
	clear(b[offSealed:offHeaderCRC])
	binary.LittleEndian.PutUint16(b[offSealedLen:], uint16(copy(b[offSealed:offSealed+maxSealed], sealed)))
	b.sum()
	return nil
}

// end writes what only a trailer says and refreshes the checksum.
func (b *headerBlock) end(flags HeaderFlags, slots, tail uint32, d time.Duration) {
	binary.LittleEndian.PutUint16(b[offFlags:], uint16(flags))
	binary.LittleEndian.PutUint32(b[offSlots:], slots)
	binary.LittleEndian.PutUint32(b[offTail:], tail)
	binary.LittleEndian.PutUint64(b[offDuration:], uint64(d.Microseconds()))
	b.sum()
}

func (b *headerBlock) sum() {
	binary.LittleEndian.PutUint32(b[offHeaderCRC:], crc32.Checksum(b[:offHeaderCRC], castagnoli()))
}

// encode writes the immutable part. Vault and key are written by seal.
func (b *headerBlock) encode(h *Header, commit []byte) {
	copy(b[:], headerMagic)
	b[offSlotLog2], b[offSuite], b[offKEM] = h.SlotLog2, byte(h.Suite), kemSealV1
	copy(b[offSegment:], h.Segment[:])
	copy(b[offStream:], h.Stream[:])
	copy(b[offBoot:], h.Boot[:])
	binary.LittleEndian.PutUint64(b[offStart:], uint64(h.Start.UnixMicro()))
	binary.LittleEndian.PutUint64(b[offSeq:], h.Seq)
	binary.LittleEndian.PutUint64(b[offMonotonic:], uint64(h.Monotonic.Milliseconds()))
	binary.LittleEndian.PutUint32(b[offDay:], uint32(int32(h.Day)))
	copy(b[offCommit:], commit)
}

// decode checks the block and returns the header. Bytes that version 1 leaves
// unused must be zero, so that a header has one spelling. Errors: ErrFormat.
func (b *headerBlock) decode() (Header, error) {
	if string(b[:len(headerMagic)]) != headerMagic {
		return Header{}, fmt.Errorf("no segment header: %w", ErrFormat)
	}
	if crc32.Checksum(b[:offHeaderCRC], castagnoli()) != binary.LittleEndian.Uint32(b[offHeaderCRC:]) {
		return Header{}, fmt.Errorf("segment header is damaged: %w", ErrFormat)
	}
	h := Header{
		SlotLog2:  b[offSlotLog2],
		Suite:     Suite(b[offSuite]),
		Segment:   [16]byte(b[offSegment:]),
		Stream:    [16]byte(b[offStream:]),
		Boot:      [16]byte(b[offBoot:]),
		Start:     time.UnixMicro(int64(binary.LittleEndian.Uint64(b[offStart:]))).UTC(),
		Seq:       binary.LittleEndian.Uint64(b[offSeq:]),
		Monotonic: time.Duration(binary.LittleEndian.Uint64(b[offMonotonic:])) * time.Millisecond,
		Day:       int(int32(binary.LittleEndian.Uint32(b[offDay:]))),
		Vault:     b.vault(),
		Flags:     HeaderFlags(binary.LittleEndian.Uint16(b[offFlags:])),
		Slots:     binary.LittleEndian.Uint32(b[offSlots:]),
		Tail:      binary.LittleEndian.Uint32(b[offTail:]),
		Duration:  time.Duration(binary.LittleEndian.Uint64(b[offDuration:])) * time.Microsecond,
	}
	sealed := int(binary.LittleEndian.Uint16(b[offSealedLen:]))
	switch {
	case b[offKEM] != kemSealV1,
		h.Suite != AES256GCM && h.Suite != ChaCha20Poly1305,
		h.SlotLog2 < MinSlotLog2 || h.SlotLog2 > MaxSlotLog2,
		sealed > maxSealed,
		binary.LittleEndian.Uint64(b[offMonotonic:]) > maxMillis,
		binary.LittleEndian.Uint64(b[offDuration:]) > maxMicros:
		return Header{}, fmt.Errorf("segment header of another version: %w", ErrFormat)
	}
	for _, unused := range [][]byte{
		b[offKEM+1 : offSegment], b[offDay+4 : offCommit], b[offTail+4 : offDuration],
		b[offDuration+8 : offSealed], b[offSealed+sealed : offHeaderCRC],
	} {
		if len(bytes.TrimLeft(unused, "\x00")) != 0 {
			return Header{}, fmt.Errorf("segment header of another version: %w", ErrFormat)
		}
	}
	return h, nil
}
