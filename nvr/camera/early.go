package camera

import (
	"time"

	"lares/nvr"
)

const (
	// settle is how long the first pictures after privacy mode are held back.
	settle = 300 * time.Millisecond
	// holdFor is for how long after the first of them that is done at all, and
	// maxHeld how many bytes are held at most.
	holdFor = 5 * time.Second
	maxHeld = 8 << 20
)

// early are the first pictures after privacy mode. A camera may send the last
// seconds at once to whoever connects: those were taken while it was private. It
// is used under the lock of its session.
type early struct {
	began  time.Duration // when the first one came; 0: none has
	frames []*nvr.Frame
	bytes  int
	since  time.Duration // when the first of frames came
	lag    int64         // from PTS to arrival, ticks, of a picture that was not held up
}

func (e *early) holds() bool { return len(e.frames) > 0 }

// hold takes a picture that came. When it is known when those that are held were
// taken it lets go of them and returns them, from the first key frame on that was
// not taken before lifted, a time on the wall.
func (e *early) hold(frame *nvr.Frame, now instant, lifted time.Time) []*nvr.Frame {
	arrived := nvr.DurationTicks(now.mono)
	if e.began == 0 {
		e.began = now.mono
	}
	if !e.holds() {
		e.since, e.lag, e.bytes = now.mono, arrived-frame.PTS, 0
	}
	e.lag = min(e.lag, arrived-frame.PTS)
	e.frames, e.bytes = append(e.frames, frame), e.bytes+len(frame.Data)
	if now.mono-e.since < settle && e.bytes <= maxHeld {
		return nil
	}
	frames := e.frames
	e.frames = nil
	if now.mono-e.began >= holdFor {
		return frames
	}
	for i, f := range frames {
		taken := nvr.TickDuration(f.PTS + e.lag) // on the monotonic clock
		if f.Key && !now.wall.Add(taken-now.mono).Before(lifted) {
			return frames[i:]
		}
	}
	return nil
}
