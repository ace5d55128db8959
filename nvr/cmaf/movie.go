package cmaf

import (
	"encoding/binary"
	"fmt"

	"lares/nvr"
)

// MovieTrack is one track of a plain mp4 file (ISO 14496-12), all times in
// ticks of nvr.ClockRate.
type MovieTrack struct {
	ID      nvr.Track
	Samples []MovieSample
	Chunks  []MovieChunk
	// Delay is how long after the beginning of the movie the track starts, and
	// Skip how much at its beginning is not shown. One of them is 0.
	Delay, Skip int64
}

// MovieSample is one frame.
type MovieSample struct {
	Duration uint32
	Offset   int32 // PTS minus DTS
	Size     uint32
	Key      bool
}

// MovieChunk is a run of samples of one track that lie one after the other.
type MovieChunk struct {
	At      int64 // from the first byte of the media
	Samples uint32
}

func (t *MovieTrack) duration() int64 {
	var sum int64
	for _, s := range t.Samples {
		sum += int64(s.Duration)
	}
	return sum
}

// MovieHead returns what comes before the media of a plain mp4 file: ftyp, moov
// and the header of an mdat of mediaBytes bytes. The coding of the tracks is
// taken from an init segment that Init wrote.
func MovieHead(init []byte, tracks []MovieTrack, mediaBytes int64) ([]byte, error) {
	ftyp, rest, err := cutBox(init, "ftyp")
	if err != nil {
		return nil, err
	}
	moov, _, err := cutBox(rest, "moov")
	if err != nil {
		return nil, err
	}
	// The size of moov does not depend on the offsets in it: write it twice.
	head, err := appendMovie(appendBox(nil, "ftyp", ftyp), moov, tracks, 0)
	if err != nil {
		return nil, err
	}
	const mdatHeader = 16
	head, err = appendMovie(appendBox(head[:0], "ftyp", ftyp), moov, tracks, int64(len(head)+mdatHeader))
	if err != nil {
		return nil, err
	}
	head = binary.BigEndian.AppendUint32(head, 1) // a 64-bit size follows the name
	head = append(head, "mdat"...)
	return binary.BigEndian.AppendUint64(head, uint64(mediaBytes+mdatHeader)), nil
}

func appendMovie(dst, moov []byte, tracks []MovieTrack, mediaAt int64) ([]byte, error) {
	mvhd, err := findBox(moov, "mvhd")
	if err != nil {
		return nil, err
	}
	var longest int64
	for i := range tracks {
		longest = max(longest, tracks[i].Delay+tracks[i].duration()-tracks[i].Skip)
	}
	start := len(dst)
	dst = openBox(dst, "moov")
	if dst, err = appendTimes(dst, "mvhd", mvhd, longest); err != nil {
		return nil, err
	}
	for i := range tracks {
		trak, err := findTrack(moov, tracks[i].ID)
		if err != nil {
			return nil, err
		}
		if dst, err = appendTrak(dst, trak, &tracks[i], mediaAt); err != nil {
			return nil, err
		}
	}
	closeBox(dst, start)
	return dst, nil
}

// appendTimes appends mvhd or mdhd (8.2.2, 8.4.2) as version 1 with 64-bit
// times and our clock; what follows the duration is taken over.
func appendTimes(dst []byte, name string, old []byte, duration int64) ([]byte, error) {
	const v0 = 20
	if len(old) < v0 || old[0] != 0 {
		return nil, errShort
	}
	start := len(dst)
	dst = openBox(dst, name)
	dst = binary.BigEndian.AppendUint32(dst, 1<<24)
	dst = binary.BigEndian.AppendUint64(dst, 0) // creation
	dst = binary.BigEndian.AppendUint64(dst, 0) // modification
	dst = binary.BigEndian.AppendUint32(dst, nvr.ClockRate)
	dst = binary.BigEndian.AppendUint64(dst, uint64(duration))
	dst = append(dst, old[v0:]...)
	closeBox(dst, start)
	return dst, nil
}

// findTrack returns the payload of the trak box with an id.
func findTrack(moov []byte, id nvr.Track) ([]byte, error) {
	for len(moov) >= 8 {
		payload, rest, err := cutBox(moov, string(moov[4:8]))
		if err != nil {
			return nil, err
		}
		if string(moov[4:8]) == "trak" {
			tkhd, err := findBox(payload, "tkhd")
			if err != nil {
				return nil, err
			}
			if len(tkhd) >= 24 && tkhd[0] == 0 && binary.BigEndian.Uint32(tkhd[12:]) == uint32(id) {
				return payload, nil
			}
		}
		moov = rest
	}
	return nil, fmt.Errorf("no track %d: %w", id, nvr.ErrCorrupt)
}

func appendTrak(dst, trak []byte, t *MovieTrack, mediaAt int64) ([]byte, error) {
	tkhd, err := findBox(trak, "tkhd")
	if err != nil {
		return nil, err
	}
	mdia, err := findBox(trak, "mdia")
	if err != nil {
		return nil, err
	}
	start := len(dst)
	dst = openBox(dst, "trak")
	dst = appendTrackHeader(dst, tkhd, t)
	dst = appendEdits(dst, t)
	if dst, err = appendMedia(dst, mdia, t, mediaAt); err != nil {
		return nil, err
	}
	closeBox(dst, start)
	return dst, nil
}

// appendTrackHeader appends tkhd (8.3.2) as version 1, enabled and in the movie.
func appendTrackHeader(dst, old []byte, t *MovieTrack) []byte {
	const v0, enabledInMovie = 24, 3
	start := len(dst)
	dst = openBox(dst, "tkhd")
	dst = binary.BigEndian.AppendUint32(dst, 1<<24|enabledInMovie)
	dst = binary.BigEndian.AppendUint64(dst, 0) // creation
	dst = binary.BigEndian.AppendUint64(dst, 0) // modification
	dst = binary.BigEndian.AppendUint32(dst, uint32(t.ID))
	dst = binary.BigEndian.AppendUint32(dst, 0)
	dst = binary.BigEndian.AppendUint64(dst, uint64(t.Delay+t.duration()-t.Skip))
	dst = append(dst, old[v0:]...)
	closeBox(dst, start)
	return dst
}

// appendEdits appends the edit list (8.6.6) that keeps the tracks in step.
func appendEdits(dst []byte, t *MovieTrack) []byte {
	if t.Delay == 0 && t.Skip == 0 {
		return dst
	}
	const normalRate = 1 << 16
	edts := len(dst)
	dst = openBox(dst, "edts")
	elst := len(dst)
	dst = openBox(dst, "elst")
	dst = binary.BigEndian.AppendUint32(dst, 1<<24)
	entry := func(duration, mediaTime int64) {
		dst = binary.BigEndian.AppendUint64(dst, uint64(duration))
		dst = binary.BigEndian.AppendUint64(dst, uint64(mediaTime))
		dst = binary.BigEndian.AppendUint32(dst, normalRate)
	}
	if t.Delay > 0 {
		dst = binary.BigEndian.AppendUint32(dst, 2)
		entry(t.Delay, -1)
	} else {
		dst = binary.BigEndian.AppendUint32(dst, 1)
	}
	entry(t.duration()-t.Skip, t.Skip)
	closeBox(dst, elst)
	closeBox(dst, edts)
	return dst
}

func appendMedia(dst, mdia []byte, t *MovieTrack, mediaAt int64) ([]byte, error) {
	var box [3][]byte
	for i, name := range []string{"mdhd", "hdlr", "minf"} {
		var err error
		if box[i], err = findBox(mdia, name); err != nil {
			return nil, err
		}
	}
	mdhd, hdlr, minf := box[0], box[1], box[2]
	start := len(dst)
	dst = openBox(dst, "mdia")
	dst, err := appendTimes(dst, "mdhd", mdhd, t.duration())
	if err != nil {
		return nil, err
	}
	dst = appendBox(dst, "hdlr", hdlr)
	inner := len(dst)
	dst = openBox(dst, "minf")
	for len(minf) >= 8 {
		name := string(minf[4:8])
		payload, rest, err := cutBox(minf, name)
		if err != nil {
			return nil, err
		}
		if name != "stbl" {
			dst = appendBox(dst, name, payload)
		} else if dst, err = appendTables(dst, payload, t, mediaAt); err != nil {
			return nil, err
		}
		minf = rest
	}
	closeBox(dst, inner)
	closeBox(dst, start)
	return dst, nil
}

// appendTables appends stbl (8.5.1) with the tables of all samples.
func appendTables(dst, stbl []byte, t *MovieTrack, mediaAt int64) ([]byte, error) {
	stsd, err := findBox(stbl, "stsd")
	if err != nil {
		return nil, err
	}
	start := len(dst)
	dst = openBox(dst, "stbl")
	dst = appendBox(dst, "stsd", stsd)
	dst = appendRuns(dst, "stts", 0, t.Samples, func(s MovieSample) uint32 { return s.Duration })
	reordered, allKeys := false, true
	for _, s := range t.Samples {
		reordered = reordered || s.Offset != 0
		allKeys = allKeys && s.Key
	}
	if reordered {
		dst = appendRuns(dst, "ctts", 1<<24, t.Samples, func(s MovieSample) uint32 { return uint32(s.Offset) })
	}
	if t.ID == nvr.VideoTrack && !allKeys {
		dst = appendKeys(dst, t.Samples)
	}
	dst = appendChunks(dst, t, mediaAt)
	closeBox(dst, start)
	return dst, nil
}

// appendRuns appends a table of (count, value) pairs: stts (8.6.1.2), ctts (8.6.1.3).
func appendRuns(dst []byte, name string, version uint32, samples []MovieSample, value func(MovieSample) uint32) []byte {
	start := len(dst)
	dst = openBox(dst, name)
	dst = binary.BigEndian.AppendUint32(dst, version)
	count := len(dst)
	dst = binary.BigEndian.AppendUint32(dst, 0)
	runs := uint32(0)
	for i := 0; i < len(samples); {
		n := i
		for n < len(samples) && value(samples[n]) == value(samples[i]) {
			n++
		}
		dst = binary.BigEndian.AppendUint32(dst, uint32(n-i))
		dst = binary.BigEndian.AppendUint32(dst, value(samples[i]))
		i = n
		runs++
	}
	binary.BigEndian.PutUint32(dst[count:], runs)
	closeBox(dst, start)
	return dst
}

// appendKeys appends stss (8.6.2): the numbers, from 1, of the key frames.
func appendKeys(dst []byte, samples []MovieSample) []byte {
	start := len(dst)
	dst = openBox(dst, "stss")
	dst = binary.BigEndian.AppendUint32(dst, 0)
	count := len(dst)
	dst = binary.BigEndian.AppendUint32(dst, 0)
	for i, s := range samples {
		if s.Key {
			dst = binary.BigEndian.AppendUint32(dst, uint32(i+1))
		}
	}
	binary.BigEndian.PutUint32(dst[count:], uint32(len(dst)-count-4)/4)
	closeBox(dst, start)
	return dst
}

// appendChunks appends stsz (8.7.3), stsc (8.7.4) and co64 (8.7.5).
func appendChunks(dst []byte, t *MovieTrack, mediaAt int64) []byte {
	stsz := len(dst)
	dst = openBox(dst, "stsz")
	dst = binary.BigEndian.AppendUint64(dst, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(t.Samples)))
	for _, s := range t.Samples {
		dst = binary.BigEndian.AppendUint32(dst, s.Size)
	}
	closeBox(dst, stsz)

	stsc := len(dst)
	dst = openBox(dst, "stsc")
	dst = binary.BigEndian.AppendUint32(dst, 0)
	count := len(dst)
	dst = binary.BigEndian.AppendUint32(dst, 0)
	for i, c := range t.Chunks {
		if i == 0 || c.Samples != t.Chunks[i-1].Samples {
			dst = binary.BigEndian.AppendUint32(dst, uint32(i+1))
			dst = binary.BigEndian.AppendUint32(dst, c.Samples)
			dst = binary.BigEndian.AppendUint32(dst, 1)
		}
	}
	binary.BigEndian.PutUint32(dst[count:], uint32(len(dst)-count-4)/12)
	closeBox(dst, stsc)

	co64 := len(dst)
	dst = openBox(dst, "co64")
	dst = binary.BigEndian.AppendUint32(dst, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(t.Chunks)))
	for _, c := range t.Chunks {
		dst = binary.BigEndian.AppendUint64(dst, uint64(mediaAt+c.At))
	}
	closeBox(dst, co64)
	return dst
}

func appendBox(dst []byte, name string, payload []byte) []byte {
	start := len(dst)
	dst = append(openBox(dst, name), payload...)
	closeBox(dst, start)
	return dst
}
