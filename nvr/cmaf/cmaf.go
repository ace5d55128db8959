// Package cmaf writes and reads the media format of Lares: CMAF (ISO
// 23000-19), which is what lies sealed in segments, what live view streams and
// what the player appends. It is a leaf of pure functions over bytes; recorder
// and ui call it from any goroutine.
//
// Init segments and the reading of fragments are mediacommon's. Fragments are
// written here: they are made many times a second for each camera, and
// mediacommon spends 16 bytes and several allocations on each sample where 4
// bytes and none will do.
package cmaf

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/bits"
	"strings"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4/seekablebuffer"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mp4/codecs"

	"lares/nvr"
)

// Init returns the initialization segment (ftyp and moov) for frames that are
// coded as p says. The time scale of all tracks is nvr.ClockRate.
func Init(p *nvr.Params) ([]byte, error) {
	video, err := VideoCodec(p)
	if err != nil {
		return nil, err
	}
	init := fmp4.Init{Tracks: []*fmp4.InitTrack{{ID: int(nvr.VideoTrack), TimeScale: nvr.ClockRate, Codec: video}}}
	if p.Audio == nvr.AAC {
		audio, err := AudioCodec(p)
		if err != nil {
			return nil, err
		}
		init.Tracks = append(init.Tracks,
			&fmp4.InitTrack{ID: int(nvr.AudioTrack), TimeScale: nvr.ClockRate, Codec: audio})
	}
	var buf seekablebuffer.Buffer
	if err := init.Marshal(&buf); err != nil {
		return nil, fmt.Errorf("write init segment: %w", err)
	}
	return buf.Bytes(), nil
}

// VideoCodec returns the pictures' coding in mediacommon's form.
func VideoCodec(p *nvr.Params) (codecs.Codec, error) {
	switch p.Video {
	case nvr.H264:
		return &codecs.H264{SPS: p.SPS, PPS: p.PPS}, nil
	case nvr.H265:
		return &codecs.H265{VPS: p.VPS, SPS: p.SPS, PPS: p.PPS}, nil
	}
	return nil, fmt.Errorf("pictures in %v: %w", p.Video, nvr.ErrInvalid)
}

// AudioCodec returns the sound's coding in mediacommon's form.
func AudioCodec(p *nvr.Params) (codecs.Codec, error) {
	var config mpeg4audio.AudioSpecificConfig
	if err := config.Unmarshal(p.AudioConfig); err != nil {
		return nil, fmt.Errorf("read AudioSpecificConfig: %w", err)
	}
	return &codecs.MPEG4Audio{Config: config}, nil
}

// ReadInit is the inverse of Init. Width and Height are not filled in.
func ReadInit(b []byte) (*nvr.Params, error) {
	var init fmp4.Init
	if err := init.Unmarshal(bytes.NewReader(b)); err != nil {
		return nil, fmt.Errorf("read init segment: %w", err)
	}
	p := &nvr.Params{}
	for _, track := range init.Tracks {
		if err := readCodec(p, track.Codec); err != nil {
			return nil, err
		}
	}
	if p.Video == nvr.NoCodec {
		return nil, fmt.Errorf("init segment without pictures: %w", nvr.ErrInvalid)
	}
	return p, nil
}

func readCodec(p *nvr.Params, codec codecs.Codec) error {
	switch c := codec.(type) {
	case *codecs.H264:
		p.Video, p.SPS, p.PPS = nvr.H264, c.SPS, c.PPS
	case *codecs.H265:
		p.Video, p.VPS, p.SPS, p.PPS = nvr.H265, c.VPS, c.SPS, c.PPS
	case *codecs.MPEG4Audio:
		config, err := c.Config.Marshal()
		if err != nil {
			return fmt.Errorf("write AudioSpecificConfig: %w", err)
		}
		p.Audio, p.AudioConfig = nvr.AAC, config
		p.SampleRate, p.Channels = c.Config.SampleRate, channels(c.Config.ChannelConfig)
	}
	return nil
}

// channels reads a channel configuration (ISO 14496-3, table 1.19).
func channels(config uint8) int {
	const sevenPointOne = 7
	if config == sevenPointOne {
		return 8
	}
	return int(config)
}

// Codecs returns the value of the codecs parameter of the MIME type (RFC 6381;
// ISO 14496-15 annex E for H.264 and H.265), such as "avc1.640028,mp4a.40.2".
func Codecs(p *nvr.Params) string {
	video := ""
	switch p.Video {
	case nvr.H264:
		if len(p.SPS) >= 4 {
			video = "avc1." + hex.EncodeToString(p.SPS[1:4])
		}
	case nvr.H265:
		video = hevcCodec(p.SPS)
	}
	if p.Audio == nvr.AAC && len(p.AudioConfig) > 0 {
		return fmt.Sprintf("%s,mp4a.40.%d", video, p.AudioConfig[0]>>3)
	}
	return video
}

// hevcCodec reads profile_tier_level (ITU-T H.265, 7.3.3), which begins in the
// fourth byte of a sequence parameter set.
func hevcCodec(sps []byte) string {
	const start, size = 3, 12
	sps = h264.EmulationPreventionRemove(sps)
	if len(sps) < start+size {
		return ""
	}
	ptl := sps[start : start+size]
	compat := uint32(ptl[1])<<24 | uint32(ptl[2])<<16 | uint32(ptl[3])<<8 | uint32(ptl[4])
	space := [...]string{"", "A", "B", "C"}[ptl[0]>>6]
	tier := "L"
	if ptl[0]&0x20 != 0 {
		tier = "H"
	}
	var s strings.Builder
	fmt.Fprintf(&s, "hvc1.%s%d.%X.%s%d", space, ptl[0]&0x1f, bits.Reverse32(compat), tier, ptl[11])
	constraints := ptl[5:11]
	for len(constraints) > 0 && constraints[len(constraints)-1] == 0 {
		constraints = constraints[:len(constraints)-1]
	}
	for _, b := range constraints {
		fmt.Fprintf(&s, ".%X", b)
	}
	return s.String()
}
