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
	// maxGrudges bounds for how many customers failures are remembered.
	maxGrudges = 256
)

// customer is what can kill a worker by itself: one kind of request, of one
// stream where the worker serves several.
type customer struct {
	ask    kind
	stream nvr.StreamID
}

// grudge is what is held against one customer.
type grudge struct {
	failures int
	until    time.Time
}

// grudges remembers who killed a worker, so that the sound of a camera goes on
// while its pictures wait.
type grudges map[customer]grudge

// fail notes that c killed the worker and returns how long it has to wait: a
// second, twice as long with each failure that follows within a minute of good
// work, five minutes at most.
func (g grudges) fail(c customer, now time.Time) time.Duration {
	e := g[c]
	if now.Sub(e.until) > goodTime {
		e.failures = 0
	}
	pause := min(leastPause<<min(e.failures, 16), mostPause)
	e.failures, e.until = e.failures+1, now.Add(pause)
	g.forget(now)
	g[c] = e
	return pause
}

// forget makes room: what is over goes, and if that is nothing, what is over
// first.
func (g grudges) forget(now time.Time) {
	var first customer
	for c, e := range g {
		if now.Sub(e.until) > goodTime {
			delete(g, c)
		} else if f, ok := g[first]; !ok || e.until.Before(f.until) {
			first = c
		}
	}
	if len(g) >= maxGrudges {
		delete(g, first)
	}
}

// wait returns until when c has to wait; ok is false when it need not.
func (g grudges) wait(c customer, now time.Time) (until time.Time, ok bool) {
	e := g[c]
	return e.until, now.Before(e.until)
}
