package guard

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/brutella/hap"

	"lares/homekit/internal/tlv8"
)

const (
	maxPairings   = 64 // the specification asks for at least 16
	maxIdentifier = 64 // bytes; iOS uses the 36 of a UUID
)

// Pairing is a controller that may use the accessories.
type Pairing struct {
	ID    string // as the controller calls itself
	Admin bool   // may add and remove pairings
}

// Pairings returns who is paired.
func (g *Guard) Pairings() []Pairing {
	var list []Pairing
	for _, p := range g.lib.store.Pairings() {
		list = append(list, Pairing{ID: p.Name, Admin: p.Permission == hap.PermissionAdmin})
	}
	return list
}

// RemovePairing removes a controller and closes its connections. With the last
// admin all others go. A controller that is not paired is no error.
func (g *Guard) RemovePairing(name string) error {
	g.pairing.mu.Lock()
	closes, err := g.removeLocked(name)
	g.pairing.mu.Unlock()
	closes()
	return err
}

// pairings answers list, add and remove (HAP specification 5.10 to 5.12), for
// admins only.
func (g *Guard) pairings(c *conn, r *http.Request) *answer {
	t, _, err := message(r)
	if err != nil || t.Byte(tlvState) != hap.M1 {
		return refusal(hap.M2, hap.TlvErrorUnknown)
	}
	g.pairing.mu.Lock()
	defer g.pairing.mu.Unlock()
	me, err := g.lib.store.Pairing(c.verifiedAs())
	if err != nil || me.Permission != hap.PermissionAdmin {
		return refusal(hap.M2, hap.TlvErrorAuthentication)
	}
	done := tlvAnswer(tlv8.Append(nil, tlvState, []byte{hap.M2}))
	switch t.Byte(tlvMethod) {
	case hap.MethodListPairings:
		g.writePairings(done)
	case hap.MethodAddPairing:
		if code := g.addLocked(t); code != 0 {
			return refusal(hap.M2, code)
		}
	case hap.MethodDeletePairing:
		if done.after, err = g.removeLocked(string(t[tlvIdentifier])); err != nil {
			g.log.Error("remove a HomeKit pairing", slog.Any("error", err))
			a := refusal(hap.M2, hap.TlvErrorUnknown)
			a.after = done.after
			return a
		}
	default:
		return refusal(hap.M2, hap.TlvErrorInvalidRequest)
	}
	return done
}

// writePairings adds the list of pairings to an answer.
func (g *Guard) writePairings(a *answer) {
	var b []byte
	for i, p := range g.lib.store.Pairings() {
		if i > 0 {
			b = tlv8.Append(b, tlvSeparator, nil)
		}
		b = tlv8.Append(b, tlvIdentifier, []byte(p.Name))
		b = tlv8.Append(b, tlvPublicKey, p.PublicKey)
		b = tlv8.Append(b, tlvPermission, []byte{p.Permission})
	}
	a.body.Write(b)
}

// addLocked keeps a pairing, or gives one that is there other rights. It returns
// an error code of HAP, 0 for none.
func (g *Guard) addLocked(t tlv8.Message) byte {
	p := hap.Pairing{Name: string(t[tlvIdentifier]), PublicKey: t[tlvPublicKey], Permission: t.Byte(tlvPermission)}
	if p.Name == "" || len(p.Name) > maxIdentifier || len(p.PublicKey) != curveKey || p.Permission > hap.PermissionAdmin {
		return hap.TlvErrorInvalidRequest
	}
	old, err := g.lib.store.Pairing(p.Name)
	switch {
	case err == nil && !bytes.Equal(old.PublicKey, p.PublicKey):
		return hap.TlvErrorUnknown
	case err == nil && p.Permission != hap.PermissionAdmin && !g.adminBeside(p.Name):
		// Nobody could add or remove pairings any more.
		return hap.TlvErrorInvalidRequest
	case err != nil && len(g.lib.store.Pairings()) >= maxPairings:
		return hap.TlvErrorMaxPeers
	}
	if err := g.lib.store.SavePairing(p); err != nil {
		g.log.Error("keep a HomeKit pairing", slog.Any("error", err))
		return hap.TlvErrorUnknown
	}
	g.log.Info("HomeKit pairing added", slog.String("controller", p.Name))
	if g.hooks.Paired != nil {
		g.hooks.Paired(p.Name, p.Permission == hap.PermissionAdmin)
	}
	return 0
}

// adminBeside says whether there is an admin other than name.
func (g *Guard) adminBeside(name string) bool {
	for _, p := range g.lib.store.Pairings() {
		if p.Name != name && p.Permission == hap.PermissionAdmin {
			return true
		}
	}
	return false
}

// removeLocked removes a pairing, or all when no admin would be left. It returns
// what closes the connections of those who are gone, for after the answer.
func (g *Guard) removeLocked(name string) (closes func(), err error) {
	var gone []string
	closes = func() {
		for _, id := range gone {
			g.closeController(id)
		}
	}
	all := !g.adminBeside(name)
	for _, p := range g.lib.store.Pairings() {
		if p.Name != name && !all {
			continue
		}
		if err := g.lib.store.DeletePairing(p.Name); err != nil {
			return closes, fmt.Errorf("remove the pairing of %s: %w", p.Name, err)
		}
		gone = append(gone, p.Name)
		g.log.Info("HomeKit pairing removed", slog.String("controller", p.Name))
		if g.hooks.Unpaired != nil {
			g.hooks.Unpaired(p.Name)
		}
	}
	if len(gone) > 0 && !g.server.IsPaired() {
		if err := g.lib.unpaired(); err != nil {
			return closes, fmt.Errorf("announce that nobody is paired: %w", err)
		}
	}
	return closes, nil
}
