package camera

import (
	"math"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/format/rtpmpeg4audio"
	"github.com/pion/rtp"

	"lares/nvr"
)

const (
	blockSamples = 1024 // of an AAC access unit (ISO 14496-3, 4.5.2.1.1)
	// looseSound is by how much RTP time and the count of samples may differ
	// before sound was lost rather than counted wrongly.
	looseSound = 150 * time.Millisecond
	// maxSoundAhead is how far sound may run ahead of its arrival.
	maxSoundAhead = 2 * time.Second
	// Sound that is late by more than lateSound for a whole lateWindow is not
	// delayed by the network: its clock is slower than it says.
	lateSound  = 500 * time.Millisecond
	lateWindow = 10 * time.Second
)

// soundTrack turns RTP packets of AAC into frames of a feed. Its time is a
// count of samples: cameras jump back in RTP time or stand still, and the
// samples are what is heard. It is used under the lock of its session.
type soundTrack struct {
	feed    *Feed
	medium  *medium
	clock   sourceClock
	video   *timeline
	decoder *rtpmpeg4audio.Decoder
	reports reports

	anchored bool
	with     time.Duration // anchor of the pictures that this one belongs to
	base     int64         // ticks of the sample 0
	samples  int64         // since base
	stamp    uint32        // of the newest packet
	blocks   int64         // in the newest packet
	drift    int64         // of the pictures when the sound was anchored

	least    int64 // by how many ticks sound was late at least, in this window
	windowAt time.Duration
}

func newSoundTrack(feed *Feed, m *medium, clock sourceClock, video *timeline) (*soundTrack, error) {
	d := &rtpmpeg4audio.Decoder{
		SizeLength: m.sound.sizeLength, IndexLength: m.sound.indexLength, IndexDeltaLength: m.sound.indexDel,
	}
	if err := d.Init(); err != nil {
		return nil, err
	}
	return &soundTrack{feed: feed, medium: m, clock: clock, video: video, decoder: d}, nil
}

// push takes a packet. What cannot be unpacked is dropped: sound never breaks
// the pictures.
func (s *soundTrack) push(p *rtp.Packet) {
	blocks, err := s.decoder.Decode(p)
	if err != nil {
		return
	}
	if !s.feed.running() || !s.video.anchored {
		s.anchored = false
		return
	}
	now := s.clock()
	s.place(p.Timestamp, now)
	s.blocks = int64(len(blocks))
	for _, block := range blocks {
		if len(block) == 0 {
			continue
		}
		ticks := s.ticks()
		s.samples += blockSamples
		if ticks > s.arrival(now)+nvr.DurationTicks(maxSoundAhead) {
			s.samples -= blockSamples // more sound than time: the camera repeats itself
			continue
		}
		s.feed.publishSound(&nvr.Frame{
			Track: nvr.AudioTrack, DTS: ticks, PTS: ticks, Data: append([]byte(nil), block...),
		}, now.mono)
	}
}

// ticks is the time of the next block.
func (s *soundTrack) ticks() int64 {
	return s.base + s.samples*nvr.ClockRate/int64(s.medium.sound.rate) + s.video.drift - s.drift
}

// arrival is the time of now on the time line of the pictures.
func (s *soundTrack) arrival(now instant) int64 { return s.video.monotonic(now) + s.video.drift }

// place anchors the sound at its first packet, and moves it on where packets
// were lost or the camera was silent. It never moves it back.
func (s *soundTrack) place(stamp uint32, now instant) {
	if !s.anchored || s.with != s.video.wallStart.mono {
		s.anchored, s.with = true, s.video.wallStart.mono
		s.samples, s.drift, s.stamp = 0, s.video.drift, stamp
		s.base = s.arrival(now)
		if t, ok := s.aligned(stamp); ok {
			s.base = t
		}
		s.least, s.windowAt = math.MaxInt64, now.mono
		return
	}
	told := int64(int32(stamp-s.stamp)) * nvr.ClockRate / int64(s.medium.clock)
	lost := told - s.blocks*blockSamples*nvr.ClockRate/int64(s.medium.sound.rate)
	s.stamp = stamp
	late := s.arrival(now) - s.ticks()
	if lost > nvr.DurationTicks(looseSound) && late > lost/2 {
		s.base += lost
		late -= lost
	}
	s.least = min(s.least, late)
	if now.mono-s.windowAt >= lateWindow {
		if s.least > nvr.DurationTicks(lateSound) {
			s.base += s.least
		}
		s.least, s.windowAt = math.MaxInt64, now.mono
	}
}

// aligned returns the time of a stamp by the sender reports of sound and
// pictures together, so that both stay in step (RFC 3550 section 6.4.1).
func (s *soundTrack) aligned(stamp uint32) (int64, bool) {
	heard, ok := s.reports.wall(stamp, s.medium.clock)
	if !ok {
		return 0, false
	}
	seen, ok := s.video.reports.wall(s.video.stamp, nvr.ClockRate)
	if !ok {
		return 0, false
	}
	apart := heard.Sub(seen)
	if apart.Abs() > maxSoundAhead {
		return 0, false
	}
	return s.video.ticks + s.video.drift + nvr.DurationTicks(apart), true
}
