package camsim

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/abema/go-mp4"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"

	"lares/nvr"
)

// maxSamples bounds the samples of a track: more than a day of sound.
const maxSamples = 8 << 20

// track is what the boxes of one track say (ISO 14496-12 section 8).
type track struct {
	scale   int64 // units in a second
	codec   nvr.Codec
	sets    [][]byte // parameter sets
	prefix  int      // bytes of the length in front of a NAL unit
	sound   *mpeg4audio.AudioSpecificConfig
	stts    *mp4.Stts
	ctts    *mp4.Ctts
	stsc    *mp4.Stsc
	stsz    *mp4.Stsz
	stss    *mp4.Stss
	chunks  []uint64
	samples []sample
}

// sample is one access unit: where it lies and when it is decoded and shown,
// in units of the track.
type sample struct {
	offset   uint64
	size     uint32
	dts, pts int64
	key      bool
}

// readTracks reads the tracks of an mp4 file of size bytes that is not
// fragmented, in any order of boxes. Tracks in other formats are left out. Edit lists are not followed.
func readTracks(r io.ReadSeeker, size int64) ([]*track, error) {
	traks, err := mp4.ExtractBox(r, nil, mp4.BoxPath{mp4.BoxTypeMoov(), mp4.BoxTypeTrak()})
	if err != nil {
		return nil, fmt.Errorf("read mp4: %w", err)
	}
	var out []*track
	for i, trak := range traks {
		t := &track{}
		if err := t.readBoxes(r, trak); err != nil {
			return nil, fmt.Errorf("read mp4 track %d: %w", i+1, err)
		}
		if t.codec == nvr.NoCodec {
			continue
		}
		if err := t.list(size); err != nil {
			return nil, fmt.Errorf("read mp4 track %d: %w", i+1, err)
		}
		out = append(out, t)
	}
	return out, nil
}

func (t *track) readBoxes(r io.ReadSeeker, trak *mp4.BoxInfo) error {
	table := mp4.BoxPath{mp4.BoxTypeMdia(), mp4.BoxTypeMinf(), mp4.BoxTypeStbl()}
	under := func(types ...mp4.BoxType) mp4.BoxPath {
		return append(append(mp4.BoxPath{}, table...), types...)
	}
	boxes, err := mp4.ExtractBoxesWithPayload(r, trak, []mp4.BoxPath{
		{mp4.BoxTypeMdia(), mp4.BoxTypeMdhd()},
		under(mp4.BoxTypeStsd(), mp4.BoxTypeAvc1(), mp4.BoxTypeAvcC()),
		under(mp4.BoxTypeStsd(), mp4.BoxTypeHvc1(), mp4.BoxTypeHvcC()),
		under(mp4.BoxTypeStsd(), mp4.BoxTypeHev1(), mp4.BoxTypeHvcC()),
		under(mp4.BoxTypeStsd(), mp4.BoxTypeMp4a(), mp4.BoxTypeEsds()),
		under(mp4.BoxTypeStts()), under(mp4.BoxTypeCtts()), under(mp4.BoxTypeStsc()), under(mp4.BoxTypeStsz()),
		under(mp4.BoxTypeStss()), under(mp4.BoxTypeStco()), under(mp4.BoxTypeCo64()),
	})
	if err != nil {
		return err
	}
	for _, box := range boxes {
		switch b := box.Payload.(type) {
		case *mp4.Mdhd:
			t.scale = int64(b.Timescale)
		case *mp4.Stts:
			t.stts = b
		case *mp4.Ctts:
			t.ctts = b
		case *mp4.Stsc:
			t.stsc = b
		case *mp4.Stsz:
			t.stsz = b
		case *mp4.Stss:
			t.stss = b
		case *mp4.Co64:
			t.chunks = b.ChunkOffset
		case *mp4.Stco:
			for _, offset := range b.ChunkOffset {
				t.chunks = append(t.chunks, uint64(offset))
			}
		default:
			t.readCodec(b)
		}
	}
	return nil
}

func (t *track) readCodec(box mp4.IBox) {
	switch b := box.(type) {
	case *mp4.AVCDecoderConfiguration:
		t.codec, t.prefix = nvr.H264, int(b.LengthSizeMinusOne)+1
		for _, set := range append(b.SequenceParameterSets, b.PictureParameterSets...) {
			t.sets = append(t.sets, set.NALUnit)
		}
	case *mp4.HvcC:
		t.codec, t.prefix = nvr.H265, int(b.LengthSizeMinusOne)+1
		for _, array := range b.NaluArrays {
			for _, nalu := range array.Nalus {
				t.sets = append(t.sets, nalu.NALUnit)
			}
		}
	case *mp4.Esds:
		for _, d := range b.Descriptors {
			var config mpeg4audio.AudioSpecificConfig
			if d.Tag == mp4.DecSpecificInfoTag && config.Unmarshal(d.Data) == nil {
				t.codec, t.sound = nvr.AAC, &config
			}
		}
	}
}

// list puts the tables of samples together (ISO 14496-12 8.6 and 8.7).
func (t *track) list(size int64) error {
	if t.stts == nil || t.stsc == nil || t.stsz == nil || t.scale == 0 {
		return fmt.Errorf("tables are missing: %w", nvr.ErrInvalid)
	}
	if t.stsz.SampleCount > maxSamples || int64(t.stsz.SampleCount) > size || t.stsz.SampleSize == 0 && int(t.stsz.SampleCount) != len(t.stsz.EntrySize) {
		return fmt.Errorf("%d samples: %w", t.stsz.SampleCount, nvr.ErrInvalid)
	}
	t.samples = make([]sample, t.stsz.SampleCount)
	var total int64
	for i := range t.samples {
		s := &t.samples[i]
		s.size, s.key = t.stsz.SampleSize, t.stss == nil
		if s.size == 0 {
			s.size = t.stsz.EntrySize[i]
		}
		if total += int64(s.size); total > size {
			return fmt.Errorf("samples are larger than the file: %w", nvr.ErrInvalid)
		}
	}
	if t.stss != nil {
		for _, number := range t.stss.SampleNumber {
			if i := int64(number) - 1; i >= 0 && i < int64(len(t.samples)) {
				t.samples[i].key = true
			}
		}
	}
	t.setTimes()
	return t.setOffsets()
}

// setTimes adds up the durations and the offsets of presentation.
func (t *track) setTimes() {
	i, dts := 0, int64(0)
	for _, e := range t.stts.Entries {
		for n := uint32(0); n < e.SampleCount && i < len(t.samples); n++ {
			t.samples[i].dts, t.samples[i].pts = dts, dts
			dts += int64(e.SampleDelta)
			i++
		}
	}
	if t.ctts == nil {
		return
	}
	i = 0
	for j, e := range t.ctts.Entries {
		for n := uint32(0); n < e.SampleCount && i < len(t.samples); n++ {
			t.samples[i].pts += t.ctts.GetSampleOffset(j)
			i++
		}
	}
}

// setOffsets walks the chunks.
func (t *track) setOffsets() error {
	i, run := 0, 0
	for chunk, offset := range t.chunks {
		for run+1 < len(t.stsc.Entries) && uint32(chunk+1) >= t.stsc.Entries[run+1].FirstChunk {
			run++
		}
		if run >= len(t.stsc.Entries) {
			break
		}
		for n := uint32(0); n < t.stsc.Entries[run].SamplesPerChunk && i < len(t.samples); n++ {
			t.samples[i].offset = offset
			offset += uint64(t.samples[i].size)
			i++
		}
	}
	if i < len(t.samples) {
		return fmt.Errorf("%d of %d samples have a place: %w", i, len(t.samples), nvr.ErrInvalid)
	}
	return nil
}

// length is the duration of all samples in units of the track.
func (t *track) length() int64 {
	if len(t.samples) == 0 || len(t.stts.Entries) == 0 {
		return 0
	}
	last := t.stts.Entries[len(t.stts.Entries)-1].SampleDelta
	return t.samples[len(t.samples)-1].dts + int64(last)
}

// read returns the bytes of a sample of a file of the given size.
func (s sample) read(r io.ReadSeeker, size int64) ([]byte, error) {
	if s.offset > uint64(size) || uint64(s.size) > uint64(size)-s.offset {
		return nil, io.ErrUnexpectedEOF
	}
	if _, err := r.Seek(int64(s.offset), io.SeekStart); err != nil {
		return nil, err
	}
	out := make([]byte, s.size)
	_, err := io.ReadFull(r, out)
	return out, err
}

// splitUnit cuts an access unit behind lengths of n bytes (ISO 14496-15) into
// NAL units. Some files have start codes inside; they are cut there as well.
func splitUnit(data []byte, n int) [][]byte {
	var out [][]byte
	for len(data) > n {
		var wide [4]byte
		copy(wide[4-n:], data[:n])
		size := binary.BigEndian.Uint32(wide[:])
		data = data[n:]
		if uint64(size) > uint64(len(data)) {
			break
		}
		out = append(out, splitByteStream(data[:size])...)
		data = data[size:]
	}
	return out
}
