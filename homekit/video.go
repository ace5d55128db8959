package homekit

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/pion/rtp/codecs"

	"lares/nvr"
)

// catchUp is how many times faster than live the pictures from the newest key
// frame up to now are sent: fast enough to be live soon, and slow enough that a
// radio network does not drop them.
const catchUp = 8

// timeline maps the time line of a camera to that of RTP, which begins with a
// key frame of the past and is squeezed up to the moment at which sending began.
// All are 90 kHz ticks.
type timeline struct {
	run   uint64
	first int64 // of the picture that is sent first
	live  int64 // newest picture when that was sent; not before first
	stamp uint32
	began time.Time
}

func newTimeline(f *nvr.Frame, newest time.Time, stamp uint32) timeline {
	return timeline{run: f.Run, first: f.PTS, live: max(f.PTS, nvr.Ticks(newest)), stamp: stamp, began: time.Now()}
}

// offset is how much later than the first picture one is shown.
func (t timeline) offset(at int64) int64 {
	if at <= t.live {
		return (at - t.first) / catchUp
	}
	return (t.live-t.first)/catchUp + at - t.live
}

// due is when a picture may be sent, in decoding order.
func (t timeline) due(f *nvr.Frame) time.Time {
	if f.DTS > t.live {
		return time.Time{}
	}
	return t.began.Add(nvr.TickDuration(t.offset(f.DTS)))
}

// video sends the pictures of one stream at a time. It belongs to one goroutine.
type video struct {
	*outlet
	stream *nvr.Stream
	reader *nvr.Reader // nil while suspended
	line   timeline
	packer codecs.H264Payloader
}

// watch makes stream what is sent, from its newest key frame on.
func (v *video) watch(stream *nvr.Stream) {
	v.rest()
	v.stream, v.line = stream, timeline{}
	v.reader = stream.NewReader(nvr.ReaderOptions{})
}

// rest sends nothing until watch is called.
func (v *video) rest() {
	if v.reader != nil {
		v.reader.Close()
		v.reader = nil
	}
}

// ready says that next may have something to do.
func (v *video) ready() <-chan struct{} {
	if v.reader == nil {
		return nil
	}
	return v.reader.Ready()
}

// next sends the next picture and reports whether there was one.
func (v *video) next(ctx context.Context) (bool, error) {
	if v.reader == nil {
		return false, nil
	}
	f, _, err := v.reader.Poll()
	if err != nil || f == nil {
		return false, err
	}
	if f.Track != nvr.VideoTrack {
		return true, nil
	}
	if f.Params.Video != nvr.H264 {
		return false, errNoH264
	}
	return true, v.picture(ctx, f)
}

// picture sends a picture when it is due.
func (v *video) picture(ctx context.Context, f *nvr.Frame) error {
	switch {
	case v.line.began.IsZero() && !f.Key:
		return nil // the camera came back meanwhile; it begins with a key frame
	case v.line.began.IsZero(), v.line.run != f.Run:
		// What is watched changed, or the camera's own time line broke: this
		// picture follows the last one by as much as went by.
		stamp := v.stamp
		if !v.stamped.IsZero() {
			stamp += uint32(nvr.DurationTicks(time.Since(v.stamped))) + 1
		}
		v.line = newTimeline(f, v.stream.State().Last, stamp)
	}
	if err := sleepUntil(ctx, v.line.due(f)); err != nil {
		return err
	}
	var payloads [][]byte
	if f.Key {
		payloads = v.pack(v.pack(payloads, f.Params.SPS), f.Params.PPS)
	}
	for data := f.Data; len(data) > 4; {
		n := int(binary.BigEndian.Uint32(data))
		if n > len(data)-4 {
			return fmt.Errorf("read a picture: %w", nvr.ErrCorrupt)
		}
		payloads = v.pack(payloads, data[4:4+n])
		data = data[4+n:]
	}
	stamp := v.line.stamp + uint32(v.line.offset(f.PTS))
	for i, p := range payloads {
		if err := v.send(p, stamp, f.Time(), i == len(payloads)-1); err != nil {
			return err
		}
	}
	return nil
}

// pack adds the packets of one NAL unit (RFC 6184, 5.6 and 5.8).
func (v *video) pack(payloads [][]byte, unit []byte) [][]byte {
	v.packer.DisableStapA = true // parameter sets go by themselves
	return append(payloads, v.packer.Payload(uint16(v.room()), unit)...)
}

// sleepUntil waits for a time. Error: that of ctx.
func sleepUntil(ctx context.Context, at time.Time) error {
	wait := time.Until(at)
	if wait <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
