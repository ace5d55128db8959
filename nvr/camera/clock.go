package camera

import (
	"time"

	"lares/nvr"
)

const (
	// trustReport is how far the clock of a camera may be from ours for its
	// sender reports to be believed. Cameras that are minutes off would put the
	// pictures of one house out of order.
	trustReport = 2 * time.Second
	// steady is by how much two sender reports may contradict the RTP clock.
	steady = 500 * time.Millisecond
	// maxStep is the step of the wall clock that is left alone. It is less than
	// what time daemons slew instead of stepping.
	maxStep = 400 * time.Millisecond
	// maxAhead is how far mapped time may be ahead of arrival: pictures cannot
	// come from the future, but a camera may send the last seconds at once.
	maxAhead = 3 * time.Second
	// maxBack is a step back of the RTP clock that is not the reordering of pictures.
	maxBack = time.Second
	// maxLag is how late pictures may arrive. A network that stalls longer has
	// lost its connection.
	maxLag = 15 * time.Second
	// Slow drift against the camera's quartz is taken out at slewRate once it
	// exceeds slewFrom; quartzes are better than 200 ppm.
	slewFrom   = 300 * time.Millisecond
	slewTo     = 50 * time.Millisecond
	slewWindow = 30 * time.Second
	slewRate   = 500 // parts per million
)

// instant is a moment on both clocks of the box: the wall clock, that may be
// set, and the monotonic one, that may not.
type instant struct {
	wall time.Time
	mono time.Duration
}

// sourceClock reads both clocks. Tests bring their own.
type sourceClock func() instant

// systemClock returns the clocks of the box, monotonic from now on.
func systemClock() sourceClock {
	start := time.Now()
	return func() instant {
		now := time.Now()
		return instant{wall: now.Round(0), mono: now.Sub(start)}
	}
}

// report is what a sender report says: the same moment on the wall clock and
// the RTP clock of the camera (RFC 3550 section 6.4.1).
type report struct {
	ntp   time.Time
	stamp uint32
	at    instant // when it came
}

// reports keeps the newest report and whether they make sense.
type reports struct {
	last   report
	seen   bool
	insane bool
}

// add takes a report of a clock with the given rate in Hz.
func (r *reports) add(next report, rate int) {
	if r.seen {
		byNTP := next.ntp.Sub(r.last.ntp)
		byRTP := time.Duration(int32(next.stamp-r.last.stamp)) * time.Second / time.Duration(rate)
		r.insane = r.insane || (byNTP-byRTP).Abs() > steady
	}
	if next.ntp.Sub(next.at.wall).Abs() > trustReport {
		r.insane = true
	}
	r.last, r.seen = next, true
}

// wall returns the time of an RTP stamp by the reports, if they can be believed.
func (r *reports) wall(stamp uint32, rate int) (time.Time, bool) {
	if !r.seen || r.insane {
		return time.Time{}, false
	}
	ticks := time.Duration(int32(stamp - r.last.stamp))
	return r.last.ntp.Add(ticks * time.Second / time.Duration(rate)), true
}

// timeline maps the RTP clock of the pictures to 90 kHz ticks of wall time. It
// is anchored once per connection and then runs on the differences of RTP time
// stamps, whatever the wall clock does; breaks are reported, so that the caller
// can begin a new run at a key frame, and bridged until then.
type timeline struct {
	reports reports

	anchored  bool
	jumped    bool    // the RTP clock jumped since then
	wallStart instant // clocks when it was anchored
	stamp     uint32  // of the newest picture
	ticks     int64   // of the newest picture, before drift
	arrival   instant // of the newest picture

	drift      int64 // ticks that are added to take out drift
	slewing    int64 // +1, -1 or 0
	slewAt     time.Duration
	best       time.Duration // largest lead over arrival in this window
	bestFilled bool
	windowAt   time.Duration
}

// mapping is the answer of a timeline.
type mapping struct {
	ticks int64 // presentation time
	// stepped says that since the anchor the RTP clock jumped or the wall clock
	// was set. It is for the caller to begin a new run and anchor again.
	stepped bool
}

// at maps the stamp of a picture that arrived now.
func (t *timeline) at(stamp uint32, now instant) mapping {
	if !t.anchored {
		t.anchor(stamp, now)
		return mapping{ticks: t.ticks}
	}
	delta := int64(int32(stamp - t.stamp))
	elapsed := nvr.DurationTicks(now.mono - t.arrival.mono)
	t.stamp, t.arrival = stamp, now
	ticks := t.ticks + delta
	lead := nvr.TickDuration(ticks + t.drift - t.monotonic(now))
	jump := delta < -nvr.DurationTicks(maxBack) || lead > maxAhead || lead < -maxLag
	if jump {
		// Bridge: as if the pictures had come at the pace of arrival.
		ticks = t.ticks + max(elapsed, 1)
		lead = nvr.TickDuration(ticks + t.drift - t.monotonic(now))
		t.bestFilled = false
		t.jumped = true
	}
	t.ticks = ticks
	t.followDrift(lead, now.mono)
	return mapping{ticks: ticks + t.drift, stepped: t.jumped || t.wallStepped(now)}
}

// anchor starts the time line at a picture: by sender reports if they can be
// believed, by its arrival else.
func (t *timeline) anchor(stamp uint32, now instant) {
	wall := now.wall
	if reported, ok := t.reports.wall(stamp, nvr.ClockRate); ok && reported.Sub(now.wall).Abs() <= trustReport {
		wall = reported
	}
	*t = timeline{
		reports: t.reports, anchored: true, wallStart: now,
		stamp: stamp, ticks: nvr.Ticks(wall), arrival: now, slewAt: now.mono, windowAt: now.mono,
	}
}

// monotonic returns the wall time of now in ticks as the monotonic clock tells it.
func (t *timeline) monotonic(now instant) int64 {
	return nvr.Ticks(t.wallStart.wall) + nvr.DurationTicks(now.mono-t.wallStart.mono)
}

// wallStepped reports whether the wall clock was set since the anchor.
func (t *timeline) wallStepped(now instant) bool {
	told := t.wallStart.wall.Add(now.mono - t.wallStart.mono)
	return now.wall.Sub(told).Abs() > maxStep
}

// followDrift watches by how much pictures are ahead of their arrival. The
// largest lead of a window is the one with the least delay of the network; if
// it moves away from zero, the quartz of the camera runs at another pace than ours.
func (t *timeline) followDrift(lead time.Duration, mono time.Duration) {
	step := int64(mono-t.slewAt) * nvr.ClockRate / int64(time.Second) * slewRate / 1e6
	if t.slewing != 0 && step > 0 {
		t.drift += t.slewing * step
		t.slewAt = mono
	} else if t.slewing == 0 {
		t.slewAt = mono
	}
	if !t.bestFilled || lead > t.best {
		t.best, t.bestFilled = lead, true
	}
	if mono-t.windowAt < slewWindow {
		return
	}
	switch {
	case t.best > slewFrom:
		t.slewing = -1
	case t.best < -slewFrom:
		t.slewing = 1
	case t.best.Abs() < slewTo:
		t.slewing = 0
	}
	t.windowAt, t.bestFilled = mono, false
}
