package guard

import (
	"log/slog"
	"sync"
	"time"
)

// Limits of pairing.
const (
	// PairingWindow is how long pairing stays open after OpenPairing.
	PairingWindow = 10 * time.Minute
	// MaxWrongCodes is how many wrong codes shut pairing. The specification
	// allows 100; a code of eight digits deserves less.
	MaxWrongCodes = 10
)

// PairingState says whether somebody may pair now.
type PairingState struct {
	Open       bool      // a controller with the code can pair
	Until      time.Time // end of the window, zero if it is not open
	WrongCodes int       // since pairing was opened, 0 to MaxWrongCodes
	Paired     bool      // some controller is paired: further ones come through its owner
}

// pairing is the door for pair-setup. One connection at a time has the turn.
type pairing struct {
	mu    sync.Mutex // guards what follows, and lets one pair-setup message through at a time
	until time.Time  // end of the window, zero when shut
	wrong int
	turn  *conn     // who is between M1 and M6, nil for nobody
	since time.Time // of the last message of turn
}

// OpenPairing lets a controller that knows the code pair within PairingWindow,
// and forgets wrong codes.
func (g *Guard) OpenPairing() {
	g.pairing.mu.Lock()
	defer g.pairing.mu.Unlock()
	g.pairing.until, g.pairing.wrong = g.now().Add(PairingWindow), 0
}

// ShutPairing ends the window. A pairing whose code was proven may finish.
func (g *Guard) ShutPairing() {
	g.pairing.mu.Lock()
	defer g.pairing.mu.Unlock()
	g.pairing.until = time.Time{}
}

// Pairing returns whether somebody may pair now.
func (g *Guard) Pairing() PairingState {
	g.pairing.mu.Lock()
	defer g.pairing.mu.Unlock()
	s := PairingState{WrongCodes: g.pairing.wrong, Paired: g.server.IsPaired()}
	if s.Open = !s.Paired && g.openLocked(); s.Open {
		s.Until = g.pairing.until
	}
	return s
}

// openLocked says whether the window is open.
func (g *Guard) openLocked() bool {
	return g.pairing.wrong < MaxWrongCodes && g.now().Before(g.pairing.until)
}

// takeTurnLocked gives c the turn for pair-setup, unless another connection uses
// its turn. One that does nothing with it loses it, and is closed.
func (g *Guard) takeTurnLocked(c *conn) bool {
	p := &g.pairing
	if p.turn != nil && p.turn != c {
		if g.now().Sub(p.since) < g.limits.turn {
			return false
		}
		g.endTurnLocked()
	}
	p.turn, p.since = c, g.now()
	return true
}

// endTurnLocked closes the connection that has the turn and makes the library
// forget it: it refuses pair-setup while it remembers another connection.
func (g *Guard) endTurnLocked() {
	c := g.pairing.turn
	g.pairing.turn = nil
	if err := c.close(); err != nil {
		g.log.Debug("close an idle pairing", slog.Any("error", err))
	}
	g.forget(c)
}

// leave ends the turn of a connection that is gone.
func (g *Guard) leave(c *conn) {
	g.pairing.mu.Lock()
	defer g.pairing.mu.Unlock()
	if g.pairing.turn == c {
		g.pairing.turn = nil
	}
}
