package media

import (
	"time"

	"lares/nvr"
)

const (
	leastPause = time.Second
	mostPause  = 5 * time.Minute
	// goodTime without a failure makes a stream as good as new.
	goodTime = time.Minute
	// maxGrudges bounds for how many streams failures are remembered.
	maxGrudges = 256
)

// grudge is what is held against one stream.
type grudge struct {
	failures int
	until    time.Time
}

// grudges remembers which streams killed a worker: the zero stream in workers
// that serve one only.
type grudges map[nvr.StreamID]grudge

// fail notes that a stream killed the worker and returns how long it has to
// wait: a second, twice as long with each failure that follows within a minute
// of good work, five minutes at most.
func (g grudges) fail(stream nvr.StreamID, now time.Time) time.Duration {
	e := g[stream]
	if now.Sub(e.until) > goodTime {
		e.failures = 0
	}
	pause := min(leastPause<<min(e.failures, 16), mostPause)
	e.failures, e.until = e.failures+1, now.Add(pause)
	g.forget(now)
	g[stream] = e
	return pause
}

// forget makes room: what is over goes, and if that is nothing, what is over
// first.
func (g grudges) forget(now time.Time) {
	var first nvr.StreamID
	for stream, e := range g {
		if now.Sub(e.until) > goodTime {
			delete(g, stream)
		} else if f, ok := g[first]; !ok || e.until.Before(f.until) {
			first = stream
		}
	}
	if len(g) >= maxGrudges {
		delete(g, first)
	}
}

// wait returns until when a stream has to wait; ok is false when it need not.
func (g grudges) wait(stream nvr.StreamID, now time.Time) (until time.Time, ok bool) {
	e := g[stream]
	return e.until, now.Before(e.until)
}
