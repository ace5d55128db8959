package camsim

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"lares/nvr"
)

// maxClip bounds the memory that a clip takes, in bytes of its file.
const maxClip = 512 << 20

// errNoVideo says that a file has no pictures that a camera could send.
var errNoVideo = errors.New("no H.264 or H.265 video in it")

// Clip is a piece of video, with sound or without, in memory. Immutable.
type Clip struct {
	codec         nvr.Codec
	vps, sps, pps []byte
	frames        []picture
	length        int64 // 90 kHz ticks from the first picture to the first one of the next round

	sound *Sound // nil: silent
}

// picture is one access unit in decoding order. dts and pts are 90 kHz ticks
// since the start of the clip; nalus holds no delimiters and no parameter sets.
type picture struct {
	dts, pts int64
	key      bool
	nalus    [][]byte
}

// Codec returns how the pictures are coded.
func (c *Clip) Codec() nvr.Codec { return c.codec }

// Frames returns the number of pictures.
func (c *Clip) Frames() int { return len(c.frames) }

// Sound returns the sound of the clip, nil if there is none.
func (c *Clip) Sound() *Sound { return c.sound }

// HasSound reports whether the clip carries sound.
func (c *Clip) HasSound() bool { return c.sound != nil }

// Load reads a clip from a file: mp4 (H.264 or H.265, optionally AAC), or a
// byte stream (ITU-T H.264 and H.265, Annex B) that is named .h264, .264,
// .h265, .265 or .hevc. A byte stream carries no times: it plays at the rate of
// its parameter sets, else at 25 pictures a second, in decoding order.
func Load(name string) (*Clip, error) {
	f, err := os.Open(name) //nolint:gosec // naming the file is what this is for
	if err != nil {
		return nil, fmt.Errorf("open clip: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	switch strings.ToLower(filepath.Ext(name)) {
	case ".h264", ".264":
		return ReadByteStream(f, nvr.H264)
	case ".h265", ".265", ".hevc":
		return ReadByteStream(f, nvr.H265)
	}
	return ReadMP4(f)
}

// ReadMP4 reads a clip from an mp4 file that is not fragmented. The first video
// track and the first AAC track are taken.
func ReadMP4(r io.ReadSeeker) (*Clip, error) {
	size, err := checkSize(r)
	if err != nil {
		return nil, err
	}
	tracks, err := readTracks(r, size)
	if err != nil {
		return nil, err
	}
	c := &Clip{}
	for _, t := range tracks {
		switch {
		case t.codec == nvr.AAC && c.sound == nil:
			err = c.readSound(r, t, size)
		case t.codec != nvr.AAC && c.codec == nvr.NoCodec:
			err = c.readPictures(r, t, size)
		}
		if err != nil {
			return nil, fmt.Errorf("read mp4: %w", err)
		}
	}
	return c, c.check()
}

func checkSize(r io.Seeker) (int64, error) {
	size, err := r.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, fmt.Errorf("measure clip: %w", err)
	}
	if size > maxClip {
		return 0, fmt.Errorf("clip of %d bytes is too large: %w", size, nvr.ErrInvalid)
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return 0, fmt.Errorf("rewind clip: %w", err)
	}
	return size, nil
}

func (c *Clip) readPictures(r io.ReadSeeker, t *track, size int64) error {
	c.codec = t.codec
	c.strip(t.sets)
	ticks := func(units int64) int64 { return units * nvr.ClockRate / t.scale }
	for i, s := range t.samples {
		data, err := s.read(r, size)
		if err != nil {
			return fmt.Errorf("sample %d: %w", i, err)
		}
		p := picture{dts: ticks(s.dts), pts: ticks(s.pts), key: s.key, nalus: c.strip(splitUnit(data, t.prefix))}
		if len(p.nalus) > 0 {
			c.frames = append(c.frames, p)
		}
	}
	c.length = ticks(t.length())
	return nil
}

func (c *Clip) readSound(r io.ReadSeeker, t *track, size int64) error {
	c.sound = &Sound{Coding: aac, Rate: t.sound.SampleRate, Samples: aacSamples, config: t.sound}
	for i, s := range t.samples {
		data, err := s.read(r, size)
		if err != nil {
			return fmt.Errorf("sound %d: %w", i, err)
		}
		c.sound.Packets = append(c.sound.Packets, data)
	}
	return nil
}

// strip takes delimiters and parameter sets out of an access unit and
// remembers the latter.
func (c *Clip) strip(au [][]byte) [][]byte {
	kept := au[:0:0]
	for _, nalu := range au {
		switch kindOf(c.codec, nalu) {
		case kindVPS:
			c.vps = nalu
		case kindSPS:
			c.sps = nalu
		case kindPPS:
			c.pps = nalu
		case kindDelimiter:
		default:
			kept = append(kept, nalu)
		}
	}
	return kept
}

func (c *Clip) check() error {
	switch {
	case c.codec == nvr.NoCodec || len(c.frames) == 0 || c.length <= 0:
		return fmt.Errorf("clip: %w", errNoVideo)
	case len(c.sps) == 0 || len(c.pps) == 0:
		return fmt.Errorf("clip has no parameter sets: %w", nvr.ErrInvalid)
	case !c.frames[0].key:
		return fmt.Errorf("clip does not begin with a key frame: %w", nvr.ErrInvalid)
	}
	if c.sound != nil && len(c.sound.Packets) == 0 {
		c.sound = nil
	}
	return nil
}

// unit is a picture together with the parameter sets in front of it.
func (c *Clip) unit(p picture) [][]byte {
	if !p.key {
		return p.nalus
	}
	var au [][]byte
	if len(c.vps) > 0 {
		au = append(au, c.vps)
	}
	au = append(au, c.sps, c.pps)
	return append(au, p.nalus...)
}
