package camera

import (
	"math/rand/v2"
	"time"
)

const (
	firstPause = time.Second
	maxPause   = time.Minute
	// settled is how long a connection must have brought pictures for the
	// pauses to begin small again.
	settled = 30 * time.Second
)

// backoff counts the pauses between tries.
type backoff struct{ next time.Duration }

// pause returns how long to wait now: from one second doubling to a minute,
// up to half as much again at random, so that the cameras of a house do not
// all come at once after a power cut; never more than a minute.
func (b *backoff) pause() time.Duration {
	b.next = max(b.next, firstPause)
	jitter := rand.N(b.next / 2) //nolint:gosec // not a secret
	pause := min(b.next+jitter, maxPause)
	b.next = min(2*b.next, maxPause)
	return pause
}

// worked makes the next pause small again if the connection lasted.
func (b *backoff) worked(lasted time.Duration) {
	if lasted >= settled {
		b.next = 0
	}
}
