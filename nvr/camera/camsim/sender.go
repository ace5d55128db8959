package camsim

import (
	"bytes"
	"fmt"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"lares/nvr"
)

const (
	soundPayload = 97
	reportEvery  = 5 * time.Second // RFC 3550 section 6.2: the minimum interval
)

// sender turns pictures and blocks of sound into RTP packets. It belongs to
// its path and is used under the path's lock.
type sender struct {
	stream *gortsplib.ServerStream

	videoMedia *description.Media
	h264       *format.H264 // one of h264 and h265
	h265       *format.H265
	encode     func(au [][]byte) ([]*rtp.Packet, error)

	soundMedia *description.Media // nil: silent
	sound      packetizer

	reported time.Time // when the last sender report went out
	reports  int
}

func newSender(clip *Clip, cfg Config) (*sender, error) {
	s := &sender{}
	switch clip.codec {
	case nvr.H264:
		s.h264 = &format.H264{PayloadTyp: cfg.PayloadType, PacketizationMode: 1}
		s.videoMedia = mediaOf(description.MediaTypeVideo, s.h264)
		enc, err := s.h264.CreateEncoder()
		if err != nil {
			return nil, fmt.Errorf("simulated H.264: %w", err)
		}
		s.encode = enc.Encode
	default:
		s.h265 = &format.H265{PayloadTyp: cfg.PayloadType}
		s.videoMedia = mediaOf(description.MediaTypeVideo, s.h265)
		enc, err := s.h265.CreateEncoder()
		if err != nil {
			return nil, fmt.Errorf("simulated H.265: %w", err)
		}
		s.encode = enc.Encode
	}
	s.setParams(clip)
	if clip.sound == nil || cfg.Speed != 1 {
		return s, nil
	}
	f, encode, err := clip.sound.wire()
	if err != nil {
		return nil, err
	}
	s.sound, s.soundMedia = encode, mediaOf(description.MediaTypeAudio, f)
	return s, nil
}

func (s *sender) setParams(clip *Clip) {
	if s.h264 != nil {
		s.h264.SafeSetParams(clip.sps, clip.pps)
		return
	}
	s.h265.SafeSetParams(clip.vps, clip.sps, clip.pps)
}

// picture sends one access unit with the RTP time stamp.
func (s *sender) picture(nalus [][]byte, stamp uint32, bad Misbehaviour) error {
	if bad.AnnexB {
		nalus = [][]byte{bytes.Join(nalus, []byte{0, 0, 0, 1})}
	}
	parts := [][][]byte{nalus}
	if bad.MarkerOnSEI && len(nalus) > 1 {
		parts = [][][]byte{nalus[:1], nalus[1:]}
	}
	for _, part := range parts {
		packets, err := s.encode(part)
		if err != nil {
			return fmt.Errorf("packetize: %w", err)
		}
		for _, packet := range packets {
			packet.Timestamp = stamp
			packet.Marker = packet.Marker && !bad.NoMarker
			if err := s.stream.WritePacketRTP(s.videoMedia, packet); err != nil {
				return fmt.Errorf("send: %w", err)
			}
		}
	}
	return nil
}

// block sends one piece of sound with the RTP time stamp of its first sample.
func (s *sender) block(data []byte, stamp uint32) error {
	packets, err := s.sound(data)
	if err != nil {
		return fmt.Errorf("packetize sound: %w", err)
	}
	for _, packet := range packets {
		packet.Timestamp += stamp
		if err := s.stream.WritePacketRTP(s.soundMedia, packet); err != nil {
			return fmt.Errorf("send sound: %w", err)
		}
	}
	return nil
}

// withMessage puts an SEI message of type 5 (user data, H.264 D.1.6) in front.
func withMessage(codec nvr.Codec, nalus [][]byte) [][]byte {
	message := []byte{5, 17}
	message = append(message, "simulated camera!"...)
	message = append(message, 0x80)
	head := []byte{6}
	if codec == nvr.H265 {
		head = []byte{39 << 1, 1}
	}
	return append([][]byte{append(head, message...)}, nalus...)
}

// reportLocked sends sender reports (RFC 3550 section 6.4.1) when they are due.
// stamp and pts are the same instant on the RTP clock and since the camera began.
func (p *path) reportLocked(stamp uint32, pts int64, bad Misbehaviour) {
	now := time.Now()
	if bad.Reports == Silent || !p.reportSoon && now.Sub(p.out.reported) < reportEvery {
		return
	}
	p.reportSoon, p.out.reported = false, now
	p.out.reports++
	ntp := now
	if bad.Reports == Insane {
		ntp = time.Unix(int64(p.out.reports), 0)
		if p.out.reports%2 == 0 {
			ntp = now.AddDate(100, 0, 0)
		}
	}
	p.out.report(p.out.videoMedia, ntp, stamp)
	if p.out.soundMedia != nil {
		rate := int64(p.clip.sound.Rate)
		p.out.report(p.out.soundMedia, ntp, p.rtpBase+uint32(pts*rate/nvr.ClockRate))
	}
}

func (s *sender) report(media *description.Media, ntp time.Time, stamp uint32) {
	stats := s.stream.Stats().Medias[media]
	for _, f := range stats.Formats {
		// An error means that the stream was closed: then nobody listens.
		_ = s.stream.WritePacketRTCP(media, &rtcp.SenderReport{
			SSRC: f.LocalSSRC, NTPTime: ntpTime(ntp), RTPTime: stamp,
			PacketCount: uint32(f.RTPPacketsSent),
		})
	}
}

// ntpTime converts to seconds since 1900 in 32.32 fixed point (RFC 3550 section 4).
func ntpTime(t time.Time) uint64 {
	const toUnix = 2208988800
	seconds := uint64(t.Unix()+toUnix) << 32
	return seconds | uint64(t.Nanosecond())<<32/1e9
}
