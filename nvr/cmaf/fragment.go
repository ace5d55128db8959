package cmaf

import (
	"encoding/binary"
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"

	"lares/nvr"
)

// Track is the part of one track in a fragment.
type Track struct {
	ID      nvr.Track
	Base    int64 // DTS of the first sample, ticks since the Unix epoch, not negative
	Samples []Sample
}

// Sample is one frame.
type Sample struct {
	Duration uint32 // ticks
	Offset   int32  // PTS minus DTS, ticks
	Key      bool   // of a picture; only the first of a fragment may be
	Data     []byte
}

// Flags of ISO 14496-12: 8.8.3.1 (sample flags), 8.8.7 (tfhd), 8.8.8 (trun).
const (
	flagsSync    = 0x02000000 // depends on no other
	flagsNonSync = 0x01010000 // depends on others, is no sync sample

	tfhdDefaultDuration = 0x000008
	tfhdDefaultFlags    = 0x000020
	tfhdBaseIsMoof      = 0x020000

	trunDataOffset = 0x001
	trunFirstFlags = 0x004
	trunDuration   = 0x100
	trunSize       = 0x200
	trunOffset     = 0x800
)

// AppendHeader appends moof and the header of mdat for a fragment whose data,
// the samples of each track in turn, follow it. It needs no allocation where
// dst has room.
func AppendHeader(dst []byte, seq uint32, tracks ...Track) []byte {
	start := len(dst)
	dst = openBox(dst, "moof")
	mfhd := len(dst)
	dst = openBox(dst, "mfhd")
	dst = binary.BigEndian.AppendUint32(dst, 0)
	dst = binary.BigEndian.AppendUint32(dst, seq)
	closeBox(dst, mfhd)

	var dataSize, fields int
	var offsets [2]int // where the data offset of each track's trun stands
	for i, t := range tracks {
		dst, fields = appendTraf(dst, t)
		offsets[i] = fields
	}
	closeBox(dst, start)

	const mdatHeader = 8
	dataStart := len(dst) - start + mdatHeader
	for i, t := range tracks {
		binary.BigEndian.PutUint32(dst[offsets[i]:], uint32(dataStart+dataSize))
		for _, s := range t.Samples {
			dataSize += len(s.Data)
		}
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(dataSize+mdatHeader))
	return append(dst, "mdat"...)
}

// AppendFragment appends a whole fragment: AppendHeader and the data.
func AppendFragment(dst []byte, seq uint32, tracks ...Track) []byte {
	dst = AppendHeader(dst, seq, tracks...)
	for _, t := range tracks {
		for _, s := range t.Samples {
			dst = append(dst, s.Data...)
		}
	}
	return dst
}

// appendTraf appends the boxes of one track and returns the position of the
// data offset, which is known only when moof is complete.
func appendTraf(dst []byte, t Track) (out []byte, dataOffset int) {
	traf := len(dst)
	dst = openBox(dst, "traf")

	duration, same := sameDuration(t.Samples)
	flags := uint32(tfhdBaseIsMoof | tfhdDefaultFlags)
	if same {
		flags |= tfhdDefaultDuration
	}
	tfhd := len(dst)
	dst = openBox(dst, "tfhd")
	dst = binary.BigEndian.AppendUint32(dst, flags)
	dst = binary.BigEndian.AppendUint32(dst, uint32(t.ID))
	if same {
		dst = binary.BigEndian.AppendUint32(dst, duration)
	}
	dst = binary.BigEndian.AppendUint32(dst, defaultFlags(t.ID))
	closeBox(dst, tfhd)

	tfdt := len(dst)
	dst = openBox(dst, "tfdt")
	dst = binary.BigEndian.AppendUint32(dst, 1<<24) // version 1: 64-bit time
	dst = binary.BigEndian.AppendUint64(dst, uint64(t.Base))
	closeBox(dst, tfdt)

	dst, dataOffset = appendTrun(dst, t, same)
	closeBox(dst, traf)
	return dst, dataOffset
}

func appendTrun(dst []byte, t Track, sameDuration bool) (out []byte, dataOffset int) {
	flags := uint32(trunDataOffset | trunSize)
	if !sameDuration {
		flags |= trunDuration
	}
	firstKey := t.ID == nvr.VideoTrack && len(t.Samples) > 0 && t.Samples[0].Key
	if firstKey {
		flags |= trunFirstFlags
	}
	reordered := false
	for _, s := range t.Samples {
		reordered = reordered || s.Offset != 0
	}
	if reordered {
		flags |= trunOffset
	}
	trun := len(dst)
	dst = openBox(dst, "trun")
	dst = binary.BigEndian.AppendUint32(dst, 1<<24|flags) // version 1: signed offsets
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(t.Samples)))
	dataOffset = len(dst)
	dst = binary.BigEndian.AppendUint32(dst, 0)
	if firstKey {
		dst = binary.BigEndian.AppendUint32(dst, flagsSync)
	}
	for _, s := range t.Samples {
		if !sameDuration {
			dst = binary.BigEndian.AppendUint32(dst, s.Duration)
		}
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(s.Data)))
		if reordered {
			dst = binary.BigEndian.AppendUint32(dst, uint32(s.Offset))
		}
	}
	closeBox(dst, trun)
	return dst, dataOffset
}

func defaultFlags(id nvr.Track) uint32 {
	if id == nvr.AudioTrack {
		return flagsSync
	}
	return flagsNonSync
}

func sameDuration(samples []Sample) (duration uint32, same bool) {
	for i, s := range samples {
		if i > 0 && s.Duration != duration {
			return 0, false
		}
		duration = s.Duration
	}
	return duration, true
}

// sequence returns the number of a fragment that ReadFragment could read and
// AppendHeader wrote: mfhd is the first box in moof.
func sequence(fragment []byte) uint32 {
	const at = 8 + 8 + 4 // moof, mfhd, version and flags
	if len(fragment) < at+4 {
		return 0
	}
	return binary.BigEndian.Uint32(fragment[at:])
}

func openBox(dst []byte, name string) []byte {
	return append(append(dst, 0, 0, 0, 0), name...)
}

func closeBox(dst []byte, at int) {
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at))
}

// ReadFragment is the inverse of AppendFragment. The samples' data point into
// b. key says whether the first picture is a key frame: the index knows it, and
// mediacommon does not read first_sample_flags.
func ReadFragment(b []byte, key bool) ([]Track, error) {
	var parts fmp4.Parts
	if err := parts.Unmarshal(b); err != nil {
		return nil, fmt.Errorf("read fragment: %w", err)
	}
	var tracks []Track
	for _, part := range parts {
		for _, pt := range part.Tracks {
			t := Track{ID: nvr.Track(pt.ID), Base: int64(pt.BaseTime)}
			for i, s := range pt.Samples {
				t.Samples = append(t.Samples, Sample{
					Duration: s.Duration, Offset: s.PTSOffset, Data: s.Payload,
					Key: key && t.ID == nvr.VideoTrack && i == 0,
				})
			}
			tracks = append(tracks, t)
		}
	}
	return tracks, nil
}
