package guard

import (
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/brutella/hap"

	"lares/homekit/internal/tlv8"
)

// Lengths in pairing messages.
const (
	curveKey = 32 // a Curve25519 or Ed25519 public key
	aeadTag  = 16 // what encrypted data has more than plain
)

// message reads a pairing message and gives the request its body back.
func message(r *http.Request) (tlv8.Message, []byte, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, nil, err
	}
	if len(body) > pairingBytes {
		return nil, nil, errTooMuch
	}
	t, err := tlv8.Parse(body)
	return t, body, err
}

// pairingBytes bounds a pairing message; the longest real one, M3 of pair-setup,
// has about 460 bytes.
const pairingBytes = 4 << 10

// pairSetup answers a message of pair-setup (HAP specification 5.6).
func (g *Guard) pairSetup(c *conn, r *http.Request) *answer {
	t, body, err := message(r)
	if err != nil {
		return refusal(hap.M2, hap.TlvErrorUnknown).closing()
	}
	r.Body = rewind(body)
	g.pairing.mu.Lock()
	defer g.pairing.mu.Unlock()
	state := t.Byte(tlvState)
	if code := g.refuseSetupLocked(c, t); code != 0 {
		c.setup = 0
		if g.pairing.turn == c {
			g.pairing.turn = nil
			g.forget(c)
		}
		g.log.Info("pair-setup refused", slog.String("remote", c.remote), slog.Int("state", int(state)), slog.Int("code", int(code)))
		return refusal(state+1, code)
	}
	g.pairing.since = g.now()
	c.setup = 0 // until the library agrees: a message that fails starts all over
	a, err := g.setupStep(r, state)
	if err != nil {
		g.log.Error("announce a pairing", slog.Any("error", err))
	}
	if failed(a) {
		if state == hap.M3 {
			g.wrongCodeLocked(c)
		}
		return a
	}
	c.setup = state + 1
	if state == hap.M5 {
		return g.pairedLocked(c, a)
	}
	return a
}

// setupStep lets the library answer. Its answer to M5 changes what is announced.
func (g *Guard) setupStep(r *http.Request, state byte) (a *answer, err error) {
	if state != hap.M5 {
		return g.pass(r), nil
	}
	err = g.lib.announcing(func() { a = g.pass(r) })
	return a, err
}

// refuseSetupLocked returns why a message of pair-setup does not reach the
// library, 0 if it does.
func (g *Guard) refuseSetupLocked(c *conn, t tlv8.Message) byte {
	state := t.Byte(tlvState)
	mine := g.pairing.turn == c
	switch {
	case g.server.IsPaired():
		return hap.TlvErrorUnavailable
	case state != hap.M5 && g.pairing.wrong >= MaxWrongCodes:
		return hap.TlvErrorMaxTries
	case state != hap.M5 && !g.openLocked():
		return hap.TlvErrorUnavailable
	case t.Byte(tlvMethod) != hap.MethodPair:
		return hap.TlvErrorInvalidRequest
	case state == hap.M1:
		if !g.takeTurnLocked(c) {
			return hap.TlvErrorBusy
		}
		return 0
	case state == hap.M3 && mine && c.setup == hap.M2,
		state == hap.M5 && mine && c.setup == hap.M4 && len(t[tlvEncrypted]) >= aeadTag:
		return 0
	default:
		return hap.TlvErrorInvalidRequest
	}
}

// wrongCodeLocked counts a wrong code; the last one shuts the window.
func (g *Guard) wrongCodeLocked(c *conn) {
	g.pairing.wrong++
	left := MaxWrongCodes - g.pairing.wrong
	if left == 0 {
		g.pairing.until = time.Time{}
	}
	g.log.Warn("wrong HomeKit code", slog.String("remote", c.remote), slog.Int("left", left))
	if g.hooks.WrongCode != nil {
		g.hooks.WrongCode(c.remote, left)
	}
}

// pairedLocked ends a pair-setup that the library agreed to.
func (g *Guard) pairedLocked(c *conn, a *answer) *answer {
	c.setup, g.pairing.turn, g.pairing.until = 0, nil, time.Time{}
	// The library's memory of pair-setup would stop the next one.
	g.forget(c)
	list := g.lib.store.Pairings()
	if len(list) == 0 {
		// The library says yes before it stores.
		g.log.Error("a HomeKit pairing could not be kept", slog.String("remote", c.remote))
		return refusal(hap.M6, hap.TlvErrorUnknown)
	}
	for _, p := range list {
		g.log.Info("paired with HomeKit", slog.String("controller", p.Name))
		if g.hooks.Paired != nil {
			g.hooks.Paired(p.Name, p.Permission == hap.PermissionAdmin)
		}
	}
	return a
}

// pairVerify answers a message of pair-verify (HAP specification 5.7) and turns
// encryption on behind the last.
func (g *Guard) pairVerify(c *conn, r *http.Request) *answer {
	t, body, err := message(r)
	if err != nil {
		return refusal(hap.M2, hap.TlvErrorUnknown).closing()
	}
	r.Body = rewind(body)
	state := t.Byte(tlvState)
	first := state == hap.M1 && len(t[tlvPublicKey]) == curveKey
	last := state == hap.M3 && c.verify == hap.M2 && len(t[tlvEncrypted]) >= aeadTag
	c.verify = 0
	switch {
	case !g.server.IsPaired():
		return refusal(state+1, hap.TlvErrorAuthentication)
	case t.Byte(tlvMethod) != hap.MethodPair || !first && !last:
		return refusal(state+1, hap.TlvErrorInvalidRequest)
	}
	a := g.pass(r)
	if failed(a) {
		return a
	}
	c.verify = state + 1
	if last {
		s, err := g.lib.session(c.remote)
		if err != nil {
			g.log.Error("encrypt the connection of a controller", slog.Any("error", err))
			return refusal(hap.M4, hap.TlvErrorUnknown).closing()
		}
		a.after = func() { c.secure(s) }
	}
	return a
}
