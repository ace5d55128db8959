package live

import "lares/nvr"

const (
	// guess is the duration of the first frame, ticks: 25 pictures a second.
	guess = nvr.ClockRate / 25
	// longest bounds the duration of a frame, ticks.
	longest = 2 * nvr.ClockRate
)

// clock gives the frames of one track the decoding times that a browser
// needs. It is for one goroutine.
//
// A frame has to leave before the next one says how long it lasts, so its
// duration is taken from the frame before it. Media Source Extensions drop
// everything up to the next key frame where the decoding time runs ahead by
// more than twice that duration (W3C MSE, coded frame processing, step 6). So
// a late frame keeps its time of showing, but its decoding time is pulled
// back; it catches up over the frames that follow.
type clock struct {
	started  bool
	dts      int64  // as sent
	real     int64  // as the camera meant it
	duration uint32 // of the frame that was sent last
}

// next returns the decoding time and the duration to send a frame with.
func (c *clock) next(f *nvr.Frame) (dts int64, duration uint32) {
	if !c.started {
		*c = clock{started: true, dts: f.DTS, real: f.DTS, duration: guess}
		return c.dts, c.duration
	}
	step := f.DTS - c.real
	dts = f.DTS
	if !f.Key {
		dts = min(dts, c.dts+2*int64(c.duration))
	}
	c.dts, c.real = max(dts, c.dts+1), f.DTS
	c.duration = uint32(min(max(step, 1), longest))
	return c.dts, c.duration
}
