package camera

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"lares/nvr"
)

// Names of codecs in a SoundFormat.
const (
	aLawCodec   = "pcm_alaw"
	muLawCodec  = "pcm_mulaw"
	linearCodec = "pcm_s16be"
	opusCodec   = "opus"
)

// SoundFormat says how a camera codes its sound, where that is not AAC.
type SoundFormat struct {
	// Codec is "pcm_alaw", "pcm_mulaw", "pcm_s16be" or "opus".
	Codec    string
	Rate     int // Hz, 4000 to 96,000
	Channels int // 1 or 2
}

// SoundBlock is a piece of a camera's sound: whole samples, or one packet of Opus.
type SoundBlock struct {
	PTS  int64 // of its first sample, 90 kHz ticks
	Data []byte
}

// Transcoder turns the sound of one stream into AAC-LC and remembers what it was
// given before. It is used by one goroutine at a time.
type Transcoder interface {
	// Sound takes the next blocks and yields the AAC access units that are
	// complete; aac is valid until yield returns. It returns the
	// AudioSpecificConfig (ISO 14496-3, 1.6.2.1), which is all that it does
	// without blocks. After an error it may be called again.
	Sound(ctx context.Context, format SoundFormat, blocks []SoundBlock, yield func(pts int64, aac []byte)) (config []byte, err error)
}

const (
	// soundBatch is how much sound is converted at once, in ticks: each time
	// costs a change of process.
	soundBatch = nvr.ClockRate / 5
	// Sound that waits to be converted is dropped when it is more than
	// maxSoundQueue bytes or maxSoundWait ticks: what comes then is newer.
	maxSoundQueue = 256 << 10
	maxSoundWait  = 2 * nvr.ClockRate
	// soundApart is how far converted sound may lie from what it was made of, in
	// ticks: access units that were not full, what a decoder needs to get started.
	soundApart = nvr.ClockRate / 2
	// soundPatience is how long a connection waits to hear what its sound becomes.
	soundPatience = 2 * time.Second

	unconverted = "sound is left out: it could not be converted"
)

var errConfig = errors.New("the sound was not converted into what was said")

// converter has the sound of one stream converted and publishes it. It has a
// goroutine of its own, so that neither the pictures nor the end of a connection
// ever wait for a transcoder. Sound that cannot be converted is missing, and
// comes back when it can be again.
type converter struct {
	transcoder Transcoder
	feed       *Feed
	clock      sourceClock

	asks chan question
	wake chan struct{} // there is enough to convert

	// Of run alone: what the connection that is on sends and is recorded as.
	format SoundFormat
	config []byte

	mu    sync.Mutex // guards what follows
	queue []SoundBlock
	run   uint64 // of the feed, that the queue belongs to
	bytes int    // in the queue
	ticks int64  // in the queue
}

// question asks what sound becomes.
type question struct {
	format SoundFormat
	answer chan<- aacFormat // is buffered; closed where there is none
}

func newConverter(t Transcoder, feed *Feed, clock sourceClock) *converter {
	return &converter{transcoder: t, feed: feed, clock: clock, asks: make(chan question), wake: make(chan struct{}, 1)}
}

// serve converts until ctx ends.
func (c *converter) serve(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case q := <-c.asks:
			if f, err := c.ask(ctx, q.format); err == nil {
				q.answer <- f
			}
			close(q.answer)
		case <-c.wake:
			run, blocks := c.take()
			if len(blocks) > 0 {
				c.feed.setSoundMissing(c.pass(ctx, run, blocks) != nil)
			}
		}
	}
}

// open says what a new connection's sound becomes. ok is false where nobody
// can say it in time.
func (c *converter) open(ctx context.Context, format SoundFormat) (f aacFormat, ok bool) {
	patience := time.NewTimer(soundPatience)
	defer patience.Stop()
	answer := make(chan aacFormat, 1)
	select {
	case c.asks <- question{format, answer}:
	case <-patience.C:
		return aacFormat{}, false
	case <-ctx.Done():
		return aacFormat{}, false
	}
	select {
	case f, ok = <-answer:
	case <-patience.C:
	case <-ctx.Done():
	}
	return f, ok
}

// ask begins with the sound of another connection.
func (c *converter) ask(ctx context.Context, format SoundFormat) (aacFormat, error) {
	c.take() // what is left of the last one
	c.format, c.config = format, nil
	ctx, cancel := context.WithTimeout(ctx, soundPatience)
	defer cancel()
	config, err := c.transcoder.Sound(ctx, format, nil, func(int64, []byte) {})
	if err != nil {
		return aacFormat{}, fmt.Errorf("ask what sound becomes: %w", err)
	}
	f, ok := readConfig(config)
	if !ok {
		return aacFormat{}, errConfig
	}
	c.config = config
	return f, nil
}

// push adds sound of a run that lasts for ticks. It never waits.
func (c *converter) push(run uint64, block SoundBlock, ticks int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if run != c.run || c.bytes+len(block.Data) > maxSoundQueue || c.ticks+ticks > maxSoundWait {
		c.emptyLocked()
	}
	c.queue, c.run = append(c.queue, block), run
	c.bytes += len(block.Data)
	c.ticks += ticks
	if c.ticks < soundBatch {
		return
	}
	select {
	case c.wake <- struct{}{}:
	default: // it knows
	}
}

func (c *converter) emptyLocked() { c.queue, c.bytes, c.ticks = nil, 0, 0 }

// take empties the queue.
func (c *converter) take() (run uint64, blocks []SoundBlock) {
	c.mu.Lock()
	defer c.mu.Unlock()
	run, blocks = c.run, c.queue
	c.emptyLocked()
	return run, blocks
}

// pass has blocks converted and publishes what becomes of them, if their run is
// still on.
func (c *converter) pass(ctx context.Context, run uint64, blocks []SoundBlock) error {
	first, last := blocks[0].PTS-soundApart, blocks[len(blocks)-1].PTS+soundApart
	var frames []*nvr.Frame
	ctx, cancel := context.WithTimeout(ctx, soundPatience)
	defer cancel()
	config, err := c.transcoder.Sound(ctx, c.format, blocks, func(pts int64, aac []byte) {
		// What is left of an earlier time line belongs nowhere.
		if pts >= first && pts <= last {
			frames = append(frames, &nvr.Frame{Track: nvr.AudioTrack, DTS: pts, PTS: pts, Data: bytes.Clone(aac)})
		}
	})
	if err != nil {
		return fmt.Errorf("convert sound: %w", err)
	}
	if !bytes.Equal(config, c.config) {
		return errConfig
	}
	mono := c.clock().mono
	for _, f := range frames {
		c.feed.publishSound(f, run, mono)
	}
	return nil
}
