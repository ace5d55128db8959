package camsim

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"

	"lares/nvr"
)

// path is one stream of the camera.
type path struct {
	camera  *Camera
	quality nvr.Quality
	rtpBase uint32 // a camera's RTP clock begins anywhere (RFC 3550 section 5.1)

	mu         sync.Mutex
	clip       *Clip
	next       *Clip // to be played from the next picture on
	stream     *gortsplib.ServerStream
	out        *sender
	shift      int64 // by which the RTP clock has jumped, in ticks
	reportSoon bool
	sent       []SentFrame
}

func newPath(c *Camera, q nvr.Quality, clip *Clip) *path {
	return &path{camera: c, quality: q, clip: clip, rtpBase: rand.Uint32()} //nolint:gosec // not a secret
}

// open makes the stream of the clip. The server must be running.
func (p *path) open() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.openLocked()
}

func (p *path) openLocked() error {
	out, err := newSender(p.clip, p.camera.cfg)
	if err != nil {
		return err
	}
	stream := &gortsplib.ServerStream{Server: p.camera.server, Desc: out.description()}
	if err := stream.Initialize(); err != nil {
		return fmt.Errorf("open simulated stream: %w", err)
	}
	out.stream = stream
	p.stream, p.out = stream, out
	return nil
}

func (p *path) close() {
	p.mu.Lock()
	stream := p.stream
	p.stream, p.out = nil, nil
	p.mu.Unlock()
	if stream != nil {
		stream.Close()
	}
}

func (p *path) current() *gortsplib.ServerStream {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stream
}

func (p *path) clientJoined() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reportSoon = true
}

func (p *path) jump(ticks int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shift += ticks
}

func (p *path) change(clip *Clip) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = clip
}

func (p *path) log() []SentFrame {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]SentFrame(nil), p.sent...)
}

// play sends the clip again and again until ctx ends.
func (p *path) play(ctx context.Context) {
	origin := time.Now()
	var base int64 // ticks since origin at which this round began
	for ctx.Err() == nil {
		clip := p.takeClip()
		base += p.playRound(ctx, clip, origin, base)
	}
}

// playRound plays the clip once and returns how long that was, in ticks. It
// ends early when another clip is to be played.
func (p *path) playRound(ctx context.Context, clip *Clip, origin time.Time, base int64) int64 {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	block := 0
	for _, pic := range clip.frames {
		at := p.scale(pic.dts)
		if at > 0 && p.changed() {
			return at
		}
		timer.Reset(time.Until(origin.Add(nvr.TickDuration(base + at))))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return at
		}
		block = p.sendSound(clip, block, base, at)
		p.sendPicture(clip, pic, base+p.bend(p.scale(pic.pts)))
	}
	return p.scale(clip.length)
}

func (p *path) scale(ticks int64) int64 {
	if p.camera.cfg.Speed == 1 {
		return ticks
	}
	return int64(float64(ticks) / p.camera.cfg.Speed)
}

// bend moves a time by up to a fifth of a second so that the order stays.
func (p *path) bend(ticks int64) int64 {
	if !p.camera.misbehaviour().VariableRate {
		return ticks
	}
	const wave, height = 4 * nvr.ClockRate, nvr.ClockRate / 5
	return ticks + height + int64(height*math.Sin(2*math.Pi*float64(ticks)/wave))
}

func (p *path) changed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next != nil
}

// takeClip returns the clip to play. A new codec needs a new stream: the
// clients of the old one are cut off, as a camera does that is set up anew.
func (p *path) takeClip() *Clip {
	p.mu.Lock()
	old := p.stream
	if p.next == nil {
		defer p.mu.Unlock()
		return p.clip
	}
	reopen := p.next.codec != p.clip.codec
	p.clip, p.next = p.next, nil
	clip := p.clip
	var err error
	switch {
	case p.out == nil:
		reopen = false
	case reopen:
		err = p.openLocked()
	default:
		p.out.setParams(clip)
	}
	if err != nil {
		p.stream, p.out = nil, nil
	}
	p.mu.Unlock()
	if reopen && old != nil {
		old.Close()
	}
	return clip
}

// sendPicture sends one picture; pts is in ticks since the camera began.
func (p *path) sendPicture(clip *Clip, pic picture, pts int64) {
	bad := p.camera.misbehaviour()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.out == nil || bad.Frozen {
		return
	}
	pts += p.shift
	stamp := p.rtpBase + uint32(pts)
	nalus := clip.unit(pic)
	if bad.MarkerOnSEI {
		nalus = withMessage(clip.codec, nalus)
	}
	p.reportLocked(stamp, pts, bad)
	if err := p.out.picture(nalus, stamp, bad); err != nil {
		return
	}
	if p.camera.cfg.Record {
		p.sent = append(p.sent, sentFrame(clip, nalus, pts, pic.key))
	}
}

func sentFrame(clip *Clip, nalus [][]byte, pts int64, key bool) SentFrame {
	f := SentFrame{Time: time.Now(), PTS: pts, Key: key}
	sum := sha256.New()
	for _, nalu := range nalus {
		switch kindOf(clip.codec, nalu) {
		case kindVPS, kindSPS, kindPPS, kindDelimiter:
			continue
		}
		var length [4]byte
		binary.BigEndian.PutUint32(length[:], uint32(len(nalu)))
		sum.Write(length[:])
		sum.Write(nalu)
		f.Size += len(length) + len(nalu)
	}
	sum.Sum(f.Sum[:0])
	return f
}

// sendSound sends the packets of sound that are due before the time at of the
// round that began at base, and returns the first one that is not.
func (p *path) sendSound(clip *Clip, next int, base, at int64) int {
	bad := p.camera.misbehaviour()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.out == nil || p.out.soundMedia == nil || clip.sound == nil {
		return next
	}
	rate, size := int64(clip.sound.Rate), int64(clip.sound.Samples)
	for ; next < len(clip.sound.Packets); next++ {
		samples := int64(next) * size
		if samples*nvr.ClockRate/rate > at {
			break
		}
		if bad.Frozen {
			continue
		}
		stamp := uint32((base+p.shift)*rate/nvr.ClockRate + samples)
		if bad.AudioBackwards && next%8 == 7 {
			stamp -= 3 * uint32(size)
		}
		if p.out.block(clip.sound.Packets[next], p.rtpBase+stamp) != nil {
			break
		}
	}
	return next
}

// description is what the stream's DESCRIBE says.
func (s *sender) description() *description.Session {
	desc := &description.Session{
		Title:  "camera",
		Medias: []*description.Media{s.videoMedia},
	}
	if s.soundMedia != nil {
		desc.Medias = append(desc.Medias, s.soundMedia)
	}
	return desc
}

func mediaOf(typ description.MediaType, f format.Format) *description.Media {
	return &description.Media{Type: typ, Formats: []format.Format{f}}
}
