package guard_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/brutella/hap"
)

// add asks for another pairing.
func (w *wire) add(c *controller, permission byte) error {
	_, err := w.tell("/pairings", item{6, []byte{1}}, item{0, []byte{3}}, item{1, []byte(c.id)}, item{3, c.pub}, item{11, []byte{permission}})
	return err
}

func (w *wire) remove(id string) error {
	_, err := w.tell("/pairings", item{6, []byte{1}}, item{0, []byte{4}}, item{1, []byte(id)})
	return err
}

// list returns the pairings as they come: identifier and permission.
func (w *wire) list(t *testing.T) ([]string, error) {
	t.Helper()
	a, err := w.do("POST", "/pairings", pack(item{6, []byte{1}}, item{0, []byte{5}}))
	if err != nil {
		return nil, err
	}
	if e := unpack(a.body)[7]; e != nil {
		return nil, refused(e[0])
	}
	if !bytes.HasPrefix(a.body, []byte{6, 1, 2}) {
		t.Fatalf("a list that begins with %v", a.body[:min(3, len(a.body))])
	}
	var all []string
	for part := range bytes.SplitSeq(a.body[3:], []byte{0xff, 0}) {
		m := unpack(part)
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
	guest := newController(t, "guest")
	wantCode(t, 0, w.add(guest, hap.PermissionUser))
	got, err := w.list(t)
	if err != nil || !slices.Equal(got, []string{"guest 0", "owner 1"}) {
		t.Errorf("%q, %v", got, err)
	}
	_, err = h.login(t, guest).list(t)
	wantCode(t, hap.TlvErrorAuthentication, err)
}

func TestOnlyAdminsChangePairings(t *testing.T) {
	h := start(t, nil)
	_, w := h.pairOwner(t)
	guest := newController(t, "guest")
	wantCode(t, 0, w.add(guest, hap.PermissionUser))
	g := h.login(t, guest)
	wantCode(t, hap.TlvErrorAuthentication, g.add(guest, hap.PermissionAdmin))
	wantCode(t, hap.TlvErrorAuthentication, g.remove("owner"))
	// Rights count from now on, on connections that are open too.
	wantCode(t, 0, w.add(guest, hap.PermissionAdmin))
	wantCode(t, 0, g.add(newController(t, "third"), hap.PermissionUser))
	wantCode(t, hap.TlvErrorUnknown, g.add(newController(t, "owner"), hap.PermissionUser))
}

func TestTheLastAdminStaysAdmin(t *testing.T) {
	h := start(t, nil)
	owner, w := h.pairOwner(t)
	wantCode(t, hap.TlvErrorInvalidRequest, w.add(owner, hap.PermissionUser))
}

func TestOnlyTheConnectionsOfTheRemovedEnd(t *testing.T) {
	h := start(t, nil)
	_, w := h.pairOwner(t)
	guest := newController(t, "guest")
	wantCode(t, 0, w.add(guest, hap.PermissionUser))
	g := h.login(t, guest)
	wantCode(t, 0, w.remove("guest"))
	wantCode(t, 0, w.remove("guest")) // it is gone, which is what was asked for
	if _, err := g.next(); !errors.Is(err, io.EOF) {
		t.Errorf("the connection of the guest: %v", err)
	}
	if err := dial(t, h.addr).verify(guest); err == nil {
		t.Error("the guest comes back")
	}
	w.must(t, 200, "GET", "/accessories", "")
}

// The library closes the connections of all accessories of the process.
func TestTheLastAdminLeavesOneAccessoryOnly(t *testing.T) {
	h := start(t, nil)
	other := startAnother(t, nil)
	_, w := h.pairOwner(t)
	_, stays := other.pairOwner(t)
	guest := newController(t, "guest")
	wantCode(t, 0, w.add(guest, hap.PermissionUser))
	g := h.login(t, guest)
	wantCode(t, 0, w.remove("owner"))
	for name, gone := range map[string]*wire{"owner": w, "guest": g} {
		if _, err := gone.next(); !errors.Is(err, io.EOF) {
			t.Errorf("the connection of the %s: %v", name, err)
		}
	}
	stays.must(t, 200, "GET", "/accessories", "")
	if pairings, err := h.store.KeysWithSuffix(".pairing"); err != nil || len(pairings) != 0 {
		t.Errorf("still paired: %v, %v", pairings, err)
	}
	if h.Guard == nil {
		return
	}
	wantCode(t, hap.TlvErrorUnavailable, dial(t, h.addr).pair(newController(t, "next"), dashed))
	h.OpenPairing()
	if err := dial(t, h.addr).pair(newController(t, "next"), dashed); err != nil {
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
	if _, err := w.next(); !errors.Is(err, io.EOF) {
		t.Errorf("its connection: %v", err)
	}
	if err := dial(t, h.addr).verify(owner); err == nil {
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
		return string(w.must(t, status, "PUT", "/characteristics", fmt.Sprintf(`{%s"characteristics":[{"aid":1,"iid":%d,"value":%v}]}`, pid, h.lock.Id, on)))
	}
	refused := fmt.Sprintf(`{"characteristics":[{"aid":1,"iid":%d,"status":-70410}]}`, h.lock.Id)
	for name, write := range map[string]func() string{
		"not prepared":        func() string { return put(207, "", true) },
		"not prepared, a pid": func() string { return put(207, `"pid":7,`, true) },
		"another than prepared": func() string {
			w.must(t, 200, "PUT", "/prepare", `{"ttl":5000,"pid":7}`)
			return put(207, `"pid":8,`, true)
		},
		"used up": func() string {
			w.must(t, 200, "PUT", "/prepare", `{"ttl":5000,"pid":7}`)
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
	w.must(t, 200, "PUT", "/prepare", `{"ttl":5000,"pid":7}`)
	if put(204, `"pid":7,`, true); !h.lock.Value() {
		t.Error("prepared, and not written")
	}
}

func TestSubscribingNeedsNoPreparation(t *testing.T) {
	h := start(t, nil)
	_, w := h.pairOwner(t)
	w.subscribe(t, h.lock.C)
}

// The library compares values that cannot be compared.
func TestOddValuesAreRefused(t *testing.T) {
	h := start(t, nil)
	_, w := h.pairOwner(t)
	for _, v := range []string{`{}`, `[1]`, ` {"a":1}`} {
		w.must(t, 207, "PUT", "/characteristics", fmt.Sprintf(`{"characteristics":[{"aid":1,"iid":%d,"value":%s}]}`, h.motion.Id, v))
	}
	for _, body := range []string{``, `{`, `[]`, `{"characteristics":{}}`} {
		w.must(t, 400, "PUT", "/characteristics", body)
	}
	for _, body := range []string{``, `{}`, `{"ttl":5000}`, `{"ttl":99999999,"pid":1}`, `{"ttl":-1,"pid":1}`} {
		w.must(t, 400, "PUT", "/prepare", body)
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
