package vault

import "encoding/binary"

// The media slots of a segment carry one stream of bytes: media records, one
// after the other, each a header of 24 bytes and its bytes. A record may begin
// and end anywhere in a slot, and its header may be cut by a border.
const (
	recordMagic  = 0x524c // "LR"
	recordInit   = 1
	recordFrag   = 2
	recordHeader = 24
)

// Bounds of what a segment takes, in bytes and pieces.
const (
	MaxInit      = 64 << 10
	MaxFragment  = 32 << 20
	MaxRecord    = 1 << 20
	MaxFragments = 1 << 16 // in one segment
	MaxRecords   = 1 << 16 // in one segment
)

// FragmentInfo is what a Writer is told about a fragment.
type FragmentInfo struct {
	Time     int64  // DTS of its first frame, 90 kHz ticks since the Unix epoch
	Duration uint32 // 90 kHz ticks
	// KeyBytes is the number of bytes up to the end of the first picture, if
	// that is a key frame, else 0.
	KeyBytes uint32
}

// Fragment is a CMAF fragment (moof and mdat) in a segment.
type Fragment struct {
	FragmentInfo
	Length uint32 // bytes of moof and mdat
	// Slot and Offset are the place of its media record: slot number and byte
	// of that slot's payload.
	Slot, Offset uint32
}

// Record is a blob that lies in slots of its own.
type Record struct {
	Type   SlotType
	Slot   uint32 // the first one
	Length uint32 // bytes
}

// mediaHeader is the header of a media record.
type mediaHeader struct {
	FragmentInfo
	kind   byte
	length uint32
}

// encode writes the header to b, recordHeader bytes.
func (m *mediaHeader) encode(b []byte) {
	binary.LittleEndian.PutUint16(b, recordMagic)
	b[2], b[3] = m.kind, 0
	binary.LittleEndian.PutUint32(b[4:], m.length)
	binary.LittleEndian.PutUint32(b[8:], m.KeyBytes)
	binary.LittleEndian.PutUint32(b[12:], m.Duration)
	binary.LittleEndian.PutUint64(b[16:], uint64(m.Time))
}

// decode reads the header from b and reports whether it can be one.
func (m *mediaHeader) decode(b []byte) bool {
	*m = mediaHeader{
		kind:   b[2],
		length: binary.LittleEndian.Uint32(b[4:]),
		FragmentInfo: FragmentInfo{
			KeyBytes: binary.LittleEndian.Uint32(b[8:]),
			Duration: binary.LittleEndian.Uint32(b[12:]),
			Time:     int64(binary.LittleEndian.Uint64(b[16:])),
		},
	}
	return binary.LittleEndian.Uint16(b) == recordMagic && b[3] == 0 && m.valid()
}

// valid reports whether the header keeps the bounds.
func (m *mediaHeader) valid() bool {
	switch m.kind {
	case recordInit:
		return m.length >= 1 && m.length <= MaxInit && m.FragmentInfo == FragmentInfo{}
	case recordFrag:
		return m.length >= 1 && m.length <= MaxFragment && m.KeyBytes <= m.length
	}
	return false
}
