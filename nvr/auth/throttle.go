package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"lares/nvr"
)

// How many guesses are looked at: per account five are free, then the wait
// doubles from a second to a quarter of an hour; per address ten, then one in
// two minutes; in all twenty, then one in 45 seconds, which are a hundred in an
// hour. Right answers do not count, and forgive those before from the address. Who must get in whatever strangers do has a
// session, a remembered device, or the code of the box.
const (
	freeGuesses  = 5
	maxDelay     = 15 * time.Minute
	addressEvery = 2 * time.Minute
	addressBurst = 10
	allEvery     = 45 * time.Second
	allBurst     = 20
	// forgetAfter is how long a counter stays after its last failure.
	forgetAfter = 24 * time.Hour
	pruneEvery  = time.Hour
	// maxThrottles bounds the counters in memory; the others are in the store.
	maxThrottles = 4096
)

const everybody = "all"

// throttle counts guesses. A guess is charged before it is looked at and given
// back when it was right, so that neither parallel guesses nor a restart in
// between are free. The counters are in memory and written through; if the
// store cannot be written, those in memory still count.
type throttle struct {
	store ThrottleStore
	log   *slog.Logger

	mu     sync.Mutex // guards what follows
	known  map[string]nvr.Throttle
	pruned time.Time
}

func newThrottle(store ThrottleStore, log *slog.Logger) *throttle {
	return &throttle{store: store, log: log, known: make(map[string]nvr.Throttle)}
}

// accountKey hides the name: people type passwords into the wrong field.
func accountKey(name string) string {
	h := sha256.Sum256([]byte("lares/account\x00" + foldName(name)))
	return "account/" + hex.EncodeToString(h[:16])
}

func foldName(name string) string { return strings.ToLower(strings.TrimSpace(name)) }

// addressKey takes an address with or without a port. IPv6 counts by /64, which
// is what one subscriber has.
func addressKey(addr string) string {
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		ap, err := netip.ParseAddrPort(addr)
		if err != nil {
			return "address/unknown"
		}
		ip = ap.Addr()
	}
	ip = ip.Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	prefix, err := ip.Prefix(bits)
	if err != nil {
		return "address/unknown"
	}
	return "address/" + prefix.String()
}

// sessionKey counts the guesses of somebody who is logged in apart from those
// of strangers, so that nobody on the network can keep a session from unlocking.
func sessionKey(sess *Session) string { return "session/" + hex.EncodeToString(sess.hash[:16]) }

// bucket is a leaky bucket that takes a guess at a time.
type bucket struct {
	key   string
	every time.Duration
	burst int
}

// ahead is how far ahead a full bucket lies.
func (b bucket) ahead() time.Duration { return time.Duration(b.burst) * b.every }

// charge is one guess that was let through.
type charge struct {
	t       *throttle
	account string
	buckets []bucket
}

// stranger charges a guess of somebody who is not logged in to the account, the
// address and all.
func (t *throttle) stranger(ctx context.Context, account, addr string) (*charge, error) {
	return t.charge(ctx, account, bucket{addressKey(addr), addressEvery, addressBurst}, bucket{everybody, allEvery, allBurst})
}

// charge lets a guess through or returns ErrThrottled. A refused guess costs nothing.
func (t *throttle) charge(ctx context.Context, account string, buckets ...bucket) (*charge, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	t.pruneLocked(ctx, now)
	acc := t.getLocked(ctx, account, now, maxDelay)
	wait := acc.Until.Sub(now)
	for _, b := range buckets {
		// Until is when the bucket will be empty; each guess moves it.
		full := t.getLocked(ctx, b.key, now, b.ahead()).Until
		wait = max(wait, full.Sub(now)-time.Duration(b.burst-1)*b.every)
	}
	if wait > 0 {
		return nil, ErrThrottled{RetryAfter: wait}
	}
	acc.Fails++
	acc.Until = now.Add(delay(acc.Fails))
	t.putLocked(ctx, acc)
	for _, b := range buckets {
		th := t.getLocked(ctx, b.key, now, b.ahead())
		th.Until = th.Until.Add(b.every)
		t.putLocked(ctx, th)
	}
	return &charge{t: t, account: account, buckets: buckets}, nil
}

// delay is the wait after so many failures in a row.
func delay(fails int) time.Duration {
	over := fails - freeGuesses
	if over < 0 {
		return 0
	}
	if over > 20 {
		return maxDelay
	}
	return min(maxDelay, time.Second<<over)
}

// right gives the guess back and forgets the failures of the account and of the
// address.
func (c *charge) right(ctx context.Context) { c.giveBack(ctx, true) }

// undo gives the guess back: it was neither right nor wrong.
func (c *charge) undo(ctx context.Context) { c.giveBack(ctx, false) }

func (c *charge) giveBack(ctx context.Context, all bool) {
	t := c.t
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	acc := t.getLocked(ctx, c.account, now, maxDelay)
	acc.Fails = max(0, acc.Fails-1)
	if all {
		acc.Fails = 0
	}
	acc.Until = now
	t.putLocked(ctx, acc)
	for _, b := range c.buckets {
		th := t.getLocked(ctx, b.key, now, b.ahead())
		th.Until = th.Until.Add(-b.every)
		if all && b.key != everybody {
			th.Until = now
		}
		t.putLocked(ctx, th)
	}
}

// reset forgets a counter: somebody at the box itself asked for a new code.
func (t *throttle) reset(ctx context.Context, account string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.putLocked(ctx, nvr.Throttle{Key: account, Until: time.Now()})
}

// getLocked returns a counter whose Until is not past. One that lies further
// ahead than it can get comes from a clock that was set back, and is cut to that.
func (t *throttle) getLocked(ctx context.Context, key string, now time.Time, ahead time.Duration) nvr.Throttle {
	th, ok := t.known[key]
	if !ok {
		var err error
		th, err = t.store.Throttle(ctx, key)
		if err != nil {
			if !errors.Is(err, nvr.ErrNotFound) {
				t.log.WarnContext(ctx, "cannot read the counter of failed guesses", slog.Any("error", err))
			}
			th = nvr.Throttle{}
		}
		th.Key = key
	}
	if th.Until.After(now.Add(ahead)) {
		th.Until = now.Add(ahead)
	}
	if now.Sub(th.Until) > forgetAfter {
		th.Fails = 0
	}
	if th.Until.Before(now) {
		th.Until = now
	}
	return th
}

func (t *throttle) putLocked(ctx context.Context, th nvr.Throttle) {
	if _, ok := t.known[th.Key]; !ok && len(t.known) >= maxThrottles {
		for k := range t.known {
			delete(t.known, k)
			break
		}
	}
	t.known[th.Key] = th
	if err := t.store.SaveThrottle(context.WithoutCancel(ctx), th); err != nil {
		t.log.WarnContext(ctx, "cannot store the counter of failed guesses", slog.Any("error", err))
	}
}

func (t *throttle) pruneLocked(ctx context.Context, now time.Time) {
	if since := now.Sub(t.pruned); since >= 0 && since < pruneEvery {
		return
	}
	t.pruned = now
	if err := t.store.PruneThrottles(ctx, now.Add(-forgetAfter).Unix()); err != nil {
		t.log.WarnContext(ctx, "cannot remove old counters of failed guesses", slog.Any("error", err))
	}
}
