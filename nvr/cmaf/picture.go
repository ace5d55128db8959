package cmaf

import (
	"encoding/binary"
	"fmt"

	"lares/nvr"
)

// FirstPicture reads the first picture out of the beginning of a fragment that
// AppendFragment wrote: up to the end of that picture is enough, which is what
// the index calls key-frame length. The track's only sample points into b; its
// duration is the original one.
func FirstPicture(b []byte) (Track, error) {
	moof, data, err := cutBox(b, "moof")
	if err != nil {
		return Track{}, err
	}
	traf, err := findBox(moof, "traf")
	if err != nil {
		return Track{}, err
	}
	tfhd, err := findBox(traf, "tfhd")
	if err != nil {
		return Track{}, err
	}
	tfdt, err := findBox(traf, "tfdt")
	if err != nil {
		return Track{}, err
	}
	trun, err := findBox(traf, "trun")
	if err != nil {
		return Track{}, err
	}
	const mdatHeader = 8
	if len(tfhd) < 12 || len(tfdt) < 12 || len(data) < mdatHeader {
		return Track{}, errShort
	}
	sample, err := firstSample(tfhd, trun, data[mdatHeader:])
	if err != nil {
		return Track{}, err
	}
	return Track{
		ID:   nvr.Track(binary.BigEndian.Uint32(tfhd[4:])),
		Base: int64(binary.BigEndian.Uint64(tfdt[4:])), Samples: []Sample{sample},
	}, nil
}

var errShort = fmt.Errorf("fragment is cut short: %w", nvr.ErrCorrupt)

// firstSample reads the first entry of a trun (ISO 14496-12, 8.8.8).
func firstSample(tfhd, trun, data []byte) (Sample, error) {
	fields := reader{trun}
	flags := fields.u32()
	fields.u32() // sample count
	fields.u32() // data offset
	s := Sample{}
	if flags&trunFirstFlags != 0 {
		s.Key = fields.u32() == flagsSync
	}
	if flags&trunDuration != 0 {
		s.Duration = fields.u32()
	} else if binary.BigEndian.Uint32(tfhd)&tfhdDefaultDuration != 0 {
		s.Duration = binary.BigEndian.Uint32(tfhd[8:])
	}
	size := int(fields.u32())
	if flags&trunOffset != 0 {
		s.Offset = int32(fields.u32())
	}
	if size <= 0 || size > len(data) || fields.b == nil {
		return Sample{}, errShort
	}
	s.Data = data[:size]
	return s, nil
}

// reader takes big-endian numbers off bytes; b is nil once they ran out.
type reader struct{ b []byte }

func (r *reader) u32() uint32 {
	if len(r.b) < 4 {
		r.b = nil
		return 0
	}
	n := binary.BigEndian.Uint32(r.b)
	r.b = r.b[4:]
	return n
}

// cutBox returns the payload of the box that b begins with, and what follows it.
func cutBox(b []byte, name string) (payload, rest []byte, err error) {
	if len(b) < 8 || string(b[4:8]) != name {
		return nil, nil, fmt.Errorf("no %s box: %w", name, nvr.ErrCorrupt)
	}
	size := int64(binary.BigEndian.Uint32(b))
	if size < 8 || size > int64(len(b)) {
		return nil, nil, errShort
	}
	return b[8:size], b[size:], nil
}

// findBox returns the payload of the first box of a name among those in b.
func findBox(b []byte, name string) ([]byte, error) {
	for len(b) >= 8 {
		payload, rest, err := cutBox(b, string(b[4:8]))
		if err != nil {
			return nil, err
		}
		if string(b[4:8]) == name {
			return payload, nil
		}
		b = rest
	}
	return nil, fmt.Errorf("no %s box: %w", name, nvr.ErrCorrupt)
}
