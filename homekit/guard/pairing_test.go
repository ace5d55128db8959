package guard_test

import (
	"errors"
	"io"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brutella/hap"

	"lares/homekit/guard"
	"lares/homekit/internal/haptest"
)

// code of a refusal, 0 for none.
func codeOf(t *testing.T, err error) byte {
	t.Helper()
	var r haptest.Refused
	if err != nil && !errors.As(err, &r) {
		t.Fatal(err)
	}
	return byte(r)
}

func wantCode(t *testing.T, want byte, err error) {
	t.Helper()
	if got := codeOf(t, err); got != want {
		t.Fatalf("answered with error %d and not %d", got, want)
	}
}

func TestPairingTakesTheCode(t *testing.T) {
	h := start(t, nil)
	_, w := h.pairOwner(t)
	if body := w.Must(t, 200, "GET", "/accessories", ""); len(body) < 500 {
		t.Errorf("only %q", body)
	}
	if h.Guard == nil {
		return
	}
	if got := h.Pairing(); got.Open || !got.Paired {
		t.Errorf("after pairing: %+v", got)
	}
	if got := h.said(); !slices.Equal(got, []string{"paired owner true"}) {
		t.Errorf("said %q", got)
	}
	if got := h.Pairings(); !slices.Equal(got, []guard.Pairing{{ID: "owner", Admin: true}}) {
		t.Errorf("paired: %v", got)
	}
}

// Without M3 the library's key is all zero, which everybody can compute.
func TestNobodyPairsWithoutTheProofOfTheCode(t *testing.T) {
	for name, before := range map[string]func(*testing.T, *haptest.Wire){
		"no message":   func(*testing.T, *haptest.Wire) {},
		"M1 only":      func(t *testing.T, w *haptest.Wire) { _, err := w.Begin(); wantCode(t, 0, err) },
		"a wrong code": func(t *testing.T, w *haptest.Wire) { s, _ := w.Begin(); wantCode(t, 2, w.Prove(s, "000-00-000")) },
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t, nil)
			thief := haptest.NewController(t, "thief")
			w := haptest.Dial(t, h.addr)
			before(t, w)
			if err := w.ExchangeWith(&haptest.Setup{}, thief, make([]byte, 32)); err == nil {
				t.Error("M5 was accepted")
			}
			if pairings, err := h.store.KeysWithSuffix(".pairing"); err != nil || len(pairings) != 0 {
				t.Errorf("paired: %v, %v", pairings, err)
			}
		})
	}
}

func TestTenWrongCodesShutPairing(t *testing.T) {
	h := start(t, nil)
	for range guard.MaxWrongCodes {
		w := haptest.Dial(t, h.addr)
		s, err := w.Begin()
		if err != nil {
			t.Fatal(err)
		}
		wantCode(t, hap.TlvErrorAuthentication, w.Prove(s, "000-00-001"))
		_ = w.Close()
		if h.Guard != nil {
			<-h.closed
		}
	}
	owner := haptest.NewController(t, "owner")
	wantCode(t, hap.TlvErrorMaxTries, haptest.Dial(t, h.addr).Pair(owner, dashed))
	if got := h.Pairing(); got.Open || got.WrongCodes != guard.MaxWrongCodes {
		t.Errorf("after wrong codes: %+v", got)
	}
	if got := h.said(); len(got) != guard.MaxWrongCodes || got[9] != "wrong code, 0 left" {
		t.Errorf("said %q", got)
	}
	h.OpenPairing()
	if err := haptest.Dial(t, h.addr).Pair(owner, dashed); err != nil {
		t.Errorf("after pairing was opened again: %v", err)
	}
}

func TestPairingNeedsAWindow(t *testing.T) {
	var later atomic.Int64 // added to the clock
	h := start(t, func(h *house) {
		h.SetClock(func() time.Time { return time.Now().Add(time.Duration(later.Load())) })
	})
	if h.Guard == nil {
		t.Fatal("the library has no window")
	}
	owner := haptest.NewController(t, "owner")
	h.ShutPairing()
	wantCode(t, hap.TlvErrorUnavailable, haptest.Dial(t, h.addr).Pair(owner, dashed))
	h.OpenPairing()
	w := haptest.Dial(t, h.addr)
	s, err := w.Begin()
	wantCode(t, 0, err)
	later.Store(int64(guard.PairingWindow))
	wantCode(t, hap.TlvErrorUnavailable, w.Prove(s, dashed))
	if got := h.Pairing(); got.Open {
		t.Errorf("after the window: %+v", got)
	}
	h.OpenPairing()
	if err := haptest.Dial(t, h.addr).Pair(owner, dashed); err != nil {
		t.Error(err)
	}
	h.OpenPairing()
	wantCode(t, hap.TlvErrorUnavailable, haptest.Dial(t, h.addr).Pair(haptest.NewController(t, "second"), dashed))
}

func TestIdlePairingGivesWay(t *testing.T) {
	h := start(t, func(h *house) { h.SetPatience(time.Hour, 0) })
	idle := haptest.Dial(t, h.addr)
	_, err := idle.Begin()
	wantCode(t, 0, err)
	if err := haptest.Dial(t, h.addr).Pair(haptest.NewController(t, "owner"), dashed); err != nil {
		t.Errorf("while somebody had begun to pair: %v", err)
	}
	if _, err := idle.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("the idle one: %v", err)
	}
}

func TestPairingInProgressIsNotDisturbed(t *testing.T) {
	h := start(t, func(h *house) { h.SetPatience(time.Hour, time.Hour) })
	first, owner := haptest.Dial(t, h.addr), haptest.NewController(t, "owner")
	s, err := first.Begin()
	wantCode(t, 0, err)
	_, err = haptest.Dial(t, h.addr).Begin()
	wantCode(t, hap.TlvErrorBusy, err)
	if err := first.Prove(s, dashed); err != nil {
		t.Fatal(err)
	}
	if err := first.Exchange(s, owner); err != nil {
		t.Fatal(err)
	}
}

// The library takes any connection that said something for one that pairs.
func TestStrangersDoNotBlockPairing(t *testing.T) {
	h := start(t, nil)
	_ = haptest.Dial(t, h.addr).Verify(haptest.NewController(t, "stranger"))
	if err := haptest.Dial(t, h.addr).Pair(haptest.NewController(t, "owner"), dashed); err != nil {
		t.Error(err)
	}
}

func TestSilentStrangersAreClosed(t *testing.T) {
	h := start(t, func(h *house) { h.SetPatience(time.Millisecond, time.Hour) })
	w := haptest.Dial(t, h.addr)
	if _, err := w.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("a connection that said nothing: %v", err)
	}
}

func TestPairingThatCannotBeKeptFails(t *testing.T) {
	h := start(t, nil)
	h.store.mu.Lock()
	h.store.full = true
	h.store.mu.Unlock()
	wantCode(t, hap.TlvErrorUnknown, haptest.Dial(t, h.addr).Pair(haptest.NewController(t, "owner"), dashed))
}

func TestBrokenPairingMessagesAreRefused(t *testing.T) {
	h := start(t, nil)
	for name, b := range map[string][]byte{
		"empty":             {},
		"cut off":           {6, 1},
		"state twice":       {6, 1, 1, 3, 1, 0, 6, 1, 5},
		"short M5":          {6, 1, 5, 5, 1, 0},
		"unknown method":    {0, 1, 7, 6, 1, 1},
		"more than allowed": make([]byte, 5<<10),
	} {
		for _, path := range []string{"/pair-setup", "/pair-verify"} {
			w := haptest.Dial(t, h.addr)
			a, err := w.Do("POST", path, b)
			if err != nil {
				t.Errorf("%s, %s: %v", path, name, err)
				continue
			}
			if haptest.Unpack(a.Body)[7] == nil {
				t.Errorf("%s, %s: status %d, %v", path, name, a.Status, a.Body)
			}
			_ = w.Close()
		}
	}
}

// A pair-verify message that is too short makes the library fall over.
func TestShortProofOfAKnownControllerIsRefused(t *testing.T) {
	h := start(t, nil)
	h.pairOwner(t)
	w := haptest.Dial(t, h.addr)
	if _, err := w.Tell("/pair-verify", haptest.Item{Type: 6, Value: []byte{1}}, haptest.Item{Type: 3, Value: make([]byte, 32)}); codeOf(t, err) != 0 {
		t.Fatal(err)
	}
	_, err := w.Tell("/pair-verify", haptest.Item{Type: 6, Value: []byte{3}}, haptest.Item{Type: 5, Value: []byte{1, 2, 3}})
	wantCode(t, hap.TlvErrorInvalidRequest, err)
}
