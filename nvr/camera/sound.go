package camera

import (
	"math"
	"time"

	"github.com/pion/rtp"

	"lares/nvr"
)

const (
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

// soundTrack turns RTP packets of sound into frames of a feed, by way of a
// converter where the sound is not AAC. Its time is a count of samples: cameras
// jump back in RTP time or stand still, and the samples are what is heard. It is
// used under the lock of its session.
type soundTrack struct {
	feed    *Feed
	medium  *medium
	clock   sourceClock
	video   *timeline
	convert *converter // nil for AAC
	unpack  unpacker
	rate    int // samples a second, as they come
	reports reports

	anchored bool
	with     time.Duration // anchor of the pictures that this one belongs to
	base     int64         // ticks of the sample 0
	samples  int64         // since base
	stamp    uint32        // of the newest packet
	held     int64         // samples in the newest packet
	drift    int64         // of the pictures when the sound was anchored

	least    int64 // by how many ticks sound was late at least, in this window
	windowAt time.Duration
}

func newSoundTrack(feed *Feed, m *medium, clock sourceClock, video *timeline, convert *converter) (*soundTrack, error) {
	unpack, err := newUnpacker(m)
	if err != nil {
		return nil, err
	}
	s := &soundTrack{feed: feed, medium: m, clock: clock, video: video, unpack: unpack, rate: m.sound.rate}
	if m.converted() {
		s.convert, s.rate = convert, m.heard.Rate
	}
	return s, nil
}

// push takes a packet. What cannot be unpacked is dropped: sound never breaks
// the pictures.
func (s *soundTrack) push(p *rtp.Packet) {
	pieces := s.unpack(p)
	if len(pieces) == 0 {
		return
	}
	run, running := s.feed.running()
	if !running || !s.video.anchored {
		s.anchored = false
		return
	}
	now := s.clock()
	s.place(p.Timestamp, now)
	s.held = 0
	for _, piece := range pieces {
		s.held += piece.samples
	}
	for _, piece := range pieces {
		ticks := s.ticks()
		if ticks+s.length(piece.samples) > s.arrival(now)+nvr.DurationTicks(maxSoundAhead) {
			continue // more sound than time: the camera repeats itself
		}
		s.samples += piece.samples
		s.hand(run, piece, ticks, now)
	}
}

// hand passes on a piece of sound that is heard at ticks.
func (s *soundTrack) hand(run uint64, piece piece, ticks int64, now instant) {
	if s.convert != nil {
		s.convert.push(run, SoundBlock{PTS: ticks, Data: s.medium.heard.own(piece.data)}, s.length(piece.samples))
		return
	}
	s.feed.publishSound(&nvr.Frame{
		Track: nvr.AudioTrack, DTS: ticks, PTS: ticks, Data: append([]byte(nil), piece.data...),
	}, run, now.mono)
}

// length is how long a number of samples lasts, in ticks.
func (s *soundTrack) length(samples int64) int64 { return samples * nvr.ClockRate / int64(s.rate) }

// ticks is the time of the next block.
func (s *soundTrack) ticks() int64 {
	return s.base + s.length(s.samples) + s.video.drift - s.drift
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
	lost := told - s.length(s.held)
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
