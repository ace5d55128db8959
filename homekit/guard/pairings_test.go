package guard_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/brutella/hap"

	"lares/homekit/internal/haptest"
)

// add asks for another pairing.
func add(w *haptest.Wire, c *haptest.Controller, permission byte) error {
	_, err := w.Tell("/pairings", haptest.Item{Type: 6, Value: []byte{1}}, haptest.Item{Type: 0, Value: []byte{3}}, haptest.Item{Type: 1, Value: []byte(c.ID)}, haptest.Item{Type: 3, Value: c.Pub}, haptest.Item{Type: 11, Value: []byte{permission}})
	return err
}

func remove(w *haptest.Wire, id string) error {
	_, err := w.Tell("/pairings", haptest.Item{Type: 6, Value: []byte{1}}, haptest.Item{Type: 0, Value: []byte{4}}, haptest.Item{Type: 1, Value: []byte(id)})
	return err
}

// list returns the pairings as they come: identifier and permission.
func list(t *testing.T, w *haptest.Wire) ([]string, error) {
	t.Helper()
	a, err := w.Do("POST", "/pairings", haptest.Pack(haptest.Item{Type: 6, Value: []byte{1}}, haptest.Item{Type: 0, Value: []byte{5}}))
	if err != nil {
		return nil, err
	}
	if e := haptest.Unpack(a.Body)[7]; e != nil {
		return nil, haptest.Refused(e[0])
	}
	if !bytes.HasPrefix(a.Body, []byte{6, 1, 2}) {
		t.Fatalf("a list that begins with %v", a.Body[:min(3, len(a.Body))])
	}
	var all []string
	for part := range bytes.SplitSeq(a.Body[3:], []byte{0xff, 0}) {
		m := haptest.Unpack(part)
		if len(m[3]) != 32 {
			t.Errorf("a key of %d bytes", len(m[3]))
		}
		all = append(all, fmt.Sprintf("%s %d", m[1], m[11][0]))
	}
	slices.Sort(all)
	return all, nil
}

func TestPairingsAreListed(t *testing.T) {
	h := start(t, nil)
	_, w := h.pairOwner(t)
	guest := haptest.NewController(t, "guest")
	wantCode(t, 0, add(w, guest, hap.PermissionUser))
	got, err := list(t, w)
	if err != nil || !slices.Equal(got, []string{"guest 0", "owner 1"}) {
		t.Errorf("%q, %v", got, err)
	}
	_, err = list(t, h.login(t, guest))
	wantCode(t, hap.TlvErrorAuthentication, err)
}

func TestOnlyAdminsChangePairings(t *testing.T) {
	h := start(t, nil)
	_, w := h.pairOwner(t)
	guest := haptest.NewController(t, "guest")
	wantCode(t, 0, add(w, guest, hap.PermissionUser))
	g := h.login(t, guest)
	wantCode(t, hap.TlvErrorAuthentication, add(g, guest, hap.PermissionAdmin))
	wantCode(t, hap.TlvErrorAuthentication, remove(g, "owner"))
	// Rights count from now on, on connections that are open too.
	wantCode(t, 0, add(w, guest, hap.PermissionAdmin))
	wantCode(t, 0, add(g, haptest.NewController(t, "third"), hap.PermissionUser))
	wantCode(t, hap.TlvErrorUnknown, add(g, haptest.NewController(t, "owner"), hap.PermissionUser))
}

func TestTheLastAdminStaysAdmin(t *testing.T) {
	h := start(t, nil)
	owner, w := h.pairOwner(t)
	wantCode(t, hap.TlvErrorInvalidRequest, add(w, owner, hap.PermissionUser))
}

func TestOnlyTheConnectionsOfTheRemovedEnd(t *testing.T) {
	h := start(t, nil)
	_, w := h.pairOwner(t)
	guest := haptest.NewController(t, "guest")
	wantCode(t, 0, add(w, guest, hap.PermissionUser))
	g := h.login(t, guest)
	wantCode(t, 0, remove(w, "guest"))
	wantCode(t, 0, remove(w, "guest")) // it is gone, which is what was asked for
	if _, err := g.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("the connection of the guest: %v", err)
	}
	if err := haptest.Dial(t, h.addr).Verify(guest); err == nil {
		t.Error("the guest comes back")
	}
	w.Must(t, 200, "GET", "/accessories", "")
}

// The library closes the connections of all accessories of the process.
func TestTheLastAdminLeavesOneAccessoryOnly(t *testing.T) {
	h := start(t, nil)
	other := startAnother(t, nil)
	_, w := h.pairOwner(t)
	_, stays := other.pairOwner(t)
	guest := haptest.NewController(t, "guest")
	wantCode(t, 0, add(w, guest, hap.PermissionUser))
	g := h.login(t, guest)
	wantCode(t, 0, remove(w, "owner"))
	for name, gone := range map[string]*haptest.Wire{"owner": w, "guest": g} {
		if _, err := gone.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("the connection of the %s: %v", name, err)
		}
	}
	stays.Must(t, 200, "GET", "/accessories", "")
	if pairings, err := h.store.KeysWithSuffix(".pairing"); err != nil || len(pairings) != 0 {
		t.Errorf("still paired: %v, %v", pairings, err)
	}
	if h.Guard == nil {
		return
	}
	wantCode(t, hap.TlvErrorUnavailable, haptest.Dial(t, h.addr).Pair(haptest.NewController(t, "next"), dashed))
	h.OpenPairing()
	if err := haptest.Dial(t, h.addr).Pair(haptest.NewController(t, "next"), dashed); err != nil {
		t.Errorf("pair again: %v", err)
	}
}

func TestThePageRemovesAPairing(t *testing.T) {
	h := start(t, nil)
	if h.Guard == nil {
		t.Fatal("the library cannot")
	}
	owner, w := h.pairOwner(t)
	if err := h.RemovePairing("owner"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("its connection: %v", err)
	}
	if err := haptest.Dial(t, h.addr).Verify(owner); err == nil {
		t.Error("it comes back")
	}
	if got := h.said(); !slices.Equal(got, []string{"paired owner true", "unpaired owner"}) {
		t.Errorf("said %q", got)
	}
}

func TestTimedWritesNeedPreparation(t *testing.T) {
	h := start(t, nil)
	_, w := h.pairOwner(t)
	put := func(status int, pid string, on bool) string {
		return string(w.Must(t, status, "PUT", "/characteristics", fmt.Sprintf(`{%s"characteristics":[{"aid":1,"iid":%d,"value":%v}]}`, pid, h.lock.Id, on)))
	}
	refused := fmt.Sprintf(`{"characteristics":[{"aid":1,"iid":%d,"status":-70410}]}`, h.lock.Id)
	for name, write := range map[string]func() string{
		"not prepared":        func() string { return put(207, "", true) },
		"not prepared, a pid": func() string { return put(207, `"pid":7,`, true) },
		"another than prepared": func() string {
			w.Must(t, 200, "PUT", "/prepare", `{"ttl":5000,"pid":7}`)
			return put(207, `"pid":8,`, true)
		},
		"used up": func() string {
			w.Must(t, 200, "PUT", "/prepare", `{"ttl":5000,"pid":7}`)
			put(204, `"pid":7,`, false)
			return put(207, `"pid":7,`, true)
		},
	} {
		if got := write(); got != refused {
			t.Errorf("%s: %s", name, got)
		}
		if h.lock.Value() {
			t.Fatalf("%s: written", name)
		}
	}
	w.Must(t, 200, "PUT", "/prepare", `{"ttl":5000,"pid":7}`)
	if put(204, `"pid":7,`, true); !h.lock.Value() {
		t.Error("prepared, and not written")
	}
}

func TestSubscribingNeedsNoPreparation(t *testing.T) {
	h := start(t, nil)
	_, w := h.pairOwner(t)
	subscribe(t, w, h.lock.C)
}

// The library compares values that cannot be compared.
func TestOddValuesAreRefused(t *testing.T) {
	h := start(t, nil)
	_, w := h.pairOwner(t)
	for _, v := range []string{`{}`, `[1]`, ` {"a":1}`} {
		w.Must(t, 207, "PUT", "/characteristics", fmt.Sprintf(`{"characteristics":[{"aid":1,"iid":%d,"value":%s}]}`, h.motion.Id, v))
	}
	for _, body := range []string{``, `{`, `[]`, `{"characteristics":{}}`} {
		w.Must(t, 400, "PUT", "/characteristics", body)
	}
	for _, body := range []string{``, `{}`, `{"ttl":5000}`, `{"ttl":99999999,"pid":1}`, `{"ttl":-1,"pid":1}`} {
		w.Must(t, 400, "PUT", "/prepare", body)
	}
}

// A phone that reads the wrong "sf" takes the accessory for unavailable.
func TestTheAnnouncementSaysWhetherAnybodyIsPaired(t *testing.T) {
	h := start(t, nil)
	if h.Guard == nil {
		t.Fatal("the library does not tell")
	}
	if got := h.Announced()["sf"]; got != "1" {
		t.Errorf("before pairing: sf=%q", got)
	}
	h.pairOwner(t)
	if got := h.Announced()["sf"]; got != "0" {
		t.Errorf("paired: sf=%q", got)
	}
	if err := h.RemovePairing("owner"); err != nil {
		t.Fatal(err)
	}
	if got := h.Announced(); got["sf"] != "1" || got["id"] == "" || got["sh"] == "" {
		t.Errorf("removed: %v", got)
	}
}
