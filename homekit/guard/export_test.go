package guard

import (
	"maps"
	"reflect"
	"time"
)

// SetClock makes pairing use another clock.
func (g *Guard) SetClock(now func() time.Time) { g.now = now }

// SetPatience sets how long strangers, and those who have the turn to pair, may
// be silent.
func (g *Guard) SetPatience(stranger, turn time.Duration) {
	g.limits.unverified, g.limits.turn = stranger, turn
}

// SetCollect sets how long changes are collected.
func (g *Guard) SetCollect(d time.Duration) { g.limits.collect = d }

// SetCrowd sets how many connections there may be before and after pair-verify.
func (g *Guard) SetCrowd(strangers, verified int) {
	g.limits.strangers, g.limits.verified = strangers, verified
}

// Connections returns how many connections there are.
func (g *Guard) Connections() int { return len(g.list()) }

// Announced returns the text records of mDNS.
func (g *Guard) Announced() map[string]string {
	text := map[string]string{}
	if err := g.lib.announcing(func() {
		got, _ := reflect.TypeAssert[map[string]string](g.lib.handle.MethodByName("Service").Call(nil)[0].FieldByName("Text"))
		maps.Copy(text, got)
	}); err != nil {
		return map[string]string{"error": err.Error()}
	}
	return text
}
