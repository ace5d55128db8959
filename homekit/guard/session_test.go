package guard_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lares/homekit/guard"
)

// One in twenty connections hangs when the library changes to encryption while
// net/http reads ahead.
func TestFreshConnectionsNeverHang(t *testing.T) {
	h := start(t, nil)
	owner, _ := h.pairOwner(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				w := dial(t, h.addr)
				if err := w.verify(owner); err != nil {
					t.Errorf("verify: %v", err)
					return
				}
				if a, err := w.do("GET", "/characteristics?id="+iid(h.motion.C), nil); err != nil || a.status != 200 {
					t.Errorf("first request: %v, status %d", err, a.status)
					return
				}
				_ = w.Close()
			}
		})
	}
	wg.Wait()
}

// An event in the middle of a picture breaks the connection just when motion
// makes the phone ask for one.
func TestEventsStayOutsideAnswers(t *testing.T) {
	h := start(t, func(h *house) { h.SetCollect(0) })
	_, w := h.pairOwner(t)
	w.subscribe(t, h.motion.C)
	w.subscribe(t, h.bell.C)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for on := true; ; on = !on {
			select {
			case <-done:
				return
			case <-time.After(2 * time.Millisecond):
			}
			h.update(func() { h.motion.SetValue(on) })
			h.update(func() { _ = h.bell.SetValue(0) })
		}
	})
	defer wg.Wait()
	defer close(done)
	for i := range 100 {
		a, err := w.do("POST", "/resource", []byte(`{"resource-type":"image","image-width":640,"image-height":360}`))
		if err != nil {
			t.Fatalf("picture %d after %d events: %v", i, len(w.events), err)
		}
		if !bytes.Equal(a.body, h.picture) {
			t.Fatalf("picture %d is damaged", i)
		}
	}
	t.Logf("%d events between 100 pictures of %d bytes", len(w.events), len(h.picture))
	if len(w.events) == 0 {
		t.Error("no event came between the pictures")
	}
}

func TestChangesAreCollectedAndADoorbellIsNot(t *testing.T) {
	h := start(t, func(h *house) { h.SetCollect(time.Hour) })
	_, w := h.pairOwner(t)
	w.subscribe(t, h.motion.C)
	w.subscribe(t, h.bell.C)
	for i := range 11 {
		h.update(func() { h.motion.SetValue(i%2 == 0) })
	}
	h.update(func() { _ = h.bell.SetValue(0) })
	m, err := w.next()
	if err != nil {
		t.Fatal(err)
	}
	got := values(t, m.body)
	if !m.event || len(got) != 2 || got[iid(h.motion.C)] != true || got[iid(h.bell.C)] != 0.0 {
		t.Errorf("told %v (event: %v)", got, m.event)
	}
}

func TestTheWriterOfAValueIsNotTold(t *testing.T) {
	h := start(t, func(h *house) { h.SetCollect(0) })
	owner, w := h.pairOwner(t)
	other := h.login(t, owner)
	w.subscribe(t, h.lock.C)
	other.subscribe(t, h.lock.C)
	w.must(t, 200, "PUT", "/prepare", `{"ttl":5000,"pid":7}`)
	w.must(t, 204, "PUT", "/characteristics", fmt.Sprintf(`{"pid":7,"characteristics":[{"aid":1,"iid":%d,"value":true}]}`, h.lock.Id))
	m, err := other.next()
	if err != nil || !m.event || values(t, m.body)[iid(h.lock.C)] != true {
		t.Errorf("the other: %v %+v", err, m)
	}
	w.must(t, 200, "GET", "/characteristics?id="+iid(h.lock.C), "")
	if len(w.events) != 0 {
		t.Errorf("the writer was told: %s", w.events[0].body)
	}
}

// The library keeps subscriptions by address, for ever, and tells them in clear.
func TestSubscriptionsEndWithTheConnection(t *testing.T) {
	h := start(t, nil)
	_, w := h.pairOwner(t)
	w.subscribe(t, h.motion.C)
	remote := w.LocalAddr().String()
	if !h.motion.HasEventsEnabled(remote) {
		t.Fatal("not subscribed")
	}
	_ = w.Close()
	if h.Guard != nil {
		for got := range h.closed {
			if got == remote {
				break
			}
		}
	}
	if h.motion.HasEventsEnabled(remote) {
		t.Error("who comes next from this address is told about motion")
	}
}

// padded is a request that is n bytes long.
func padded(n int) []byte {
	b := request("GET", "/accessories", nil)
	pad := n - len(b) - len("X-Pad: \r\n")
	return bytes.Replace(b, []byte("Content-Type"), []byte("X-Pad: "+strings.Repeat("x", pad)+"\r\nContent-Type"), 1)
}

func TestRequestsOfAnySizeAreAnswered(t *testing.T) {
	h := start(t, nil)
	_, w := h.pairOwner(t)
	for _, n := range []int{1000, 1023, 1024, 1025, 2047, 2048, 2049, 4096, 8192} {
		if _, err := w.Write(w.frames(padded(n))); err != nil {
			t.Fatal(err)
		}
		if a, err := w.answer(); err != nil || a.status != 200 {
			t.Fatalf("a request of %d bytes: %v, status %d", n, err, a.status)
		}
	}
}

func TestFramesMayComeInAnyPieces(t *testing.T) {
	h := start(t, nil)
	_, w := h.pairOwner(t)
	b := w.frames(padded(1500))
	for _, cut := range []int{1, 2, 3, 700, 1041, 1042, 1043, len(b)} {
		if cut > len(b) {
			cut = len(b)
		}
		part := b[:min(cut, len(b))]
		b = b[len(part):]
		if _, err := w.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	if a, err := w.answer(); err != nil || a.status != 200 {
		t.Fatalf("%v, status %d", err, a.status)
	}
	// One frame as long as its length can say.
	head := []byte{0, 0}
	long := padded(9000)
	binary.LittleEndian.PutUint16(head, uint16(len(long)))
	if _, err := w.Write(append(head, seal(w.out[:], nonce(w.count), long, head)...)); err != nil {
		t.Fatal(err)
	}
	w.count++
	if a, err := w.answer(); err != nil || a.status != 200 {
		t.Fatalf("a long frame: %v, status %d", err, a.status)
	}
}

func TestRequestsMayFollowEachOtherAtOnce(t *testing.T) {
	h := start(t, nil)
	_, w := h.pairOwner(t)
	get := request("GET", "/characteristics?id="+iid(h.motion.C), nil)
	// Two frames in one piece, then two requests in one frame.
	both := append(w.frames(get), w.frames(get)...)
	both = append(both, w.frames(append(bytes.Clone(get), get...))...)
	if _, err := w.Write(both); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		if a, err := w.answer(); err != nil || a.status != 200 {
			t.Fatalf("request %d: %v, status %d", i, err, a.status)
		}
	}
}

// A controller knows the keys before M4 comes.
func TestEncryptedRequestMayFollowTheProofAtOnce(t *testing.T) {
	h := start(t, nil)
	owner, _ := h.pairOwner(t)
	for range 20 {
		w := dial(t, h.addr)
		w.eager = request("GET", "/accessories", nil)
		if err := w.verify(owner); err != nil {
			t.Fatal(err)
		}
		if a, err := w.answer(); err != nil || a.status != 200 {
			t.Fatalf("%v, status %d", err, a.status)
		}
		w.must(t, 200, "GET", "/accessories", "")
		_ = w.Close()
	}
}

func TestStrangersGetNothing(t *testing.T) {
	h := start(t, nil)
	h.pairOwner(t)
	for _, route := range []string{"GET /accessories", "GET /characteristics?id=1.2", "PUT /characteristics", "PUT /prepare", "POST /resource", "POST /pairings", "GET /pair-setup"} {
		method, path, _ := strings.Cut(route, " ")
		a, err := dial(t, h.addr).do(method, path, nil)
		if err != nil || a.status < 400 || bytes.Contains(a.body, []byte("aid")) {
			t.Errorf("%s: %v, status %d, %s", route, err, a.status, a.body)
		}
	}
}

func TestRequestsAreBounded(t *testing.T) {
	h := start(t, nil)
	owner, _ := h.pairOwner(t)
	for name, b := range map[string][]byte{
		"head": append([]byte("GET /accessories HTTP/1.1\r\nX: "), bytes.Repeat([]byte{'x'}, 200<<10)...),
		"body": request("PUT", "/characteristics", bytes.Repeat([]byte{' '}, 80<<10)),
	} {
		for _, w := range []*wire{dial(t, h.addr), h.login(t, owner)} {
			go func() { _, _ = w.Write(w.frames(b)) }()
			if a, err := w.next(); err == nil && a.status < 400 {
				t.Errorf("a %s of %d bytes: status %d", name, len(b), a.status)
			} else if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
				t.Errorf("a %s of %d bytes is waited for", name, len(b))
			}
		}
	}
}

func TestACrowdOfStrangersDoesNotKeepControllersOut(t *testing.T) {
	h := start(t, func(h *house) { h.SetCrowd(8, 4) })
	owner, first := h.pairOwner(t)
	for range 100 {
		dial(t, h.addr)
	}
	for range 4 {
		w := h.login(t, owner)
		w.must(t, 200, "GET", "/accessories", "")
	}
	if h.Guard == nil {
		t.Fatal("the library has no bound")
	}
	if n := h.Connections(); n > 13 {
		t.Errorf("%d connections", n)
	}
	if _, err := first.next(); !errors.Is(err, io.EOF) {
		t.Errorf("the connection of a controller that was idle for longest: %v", err)
	}
}

func TestEveryConnectionIsToldAsClosed(t *testing.T) {
	h := start(t, nil)
	if h.Guard == nil {
		t.Fatal("the library does not tell")
	}
	_, w := h.pairOwner(t)
	var want []string
	for range 3 {
		s := dial(t, h.addr)
		s.must(t, 470, "GET", "/accessories", "")
		want = append(want, s.LocalAddr().String())
		_ = s.Close()
	}
	want = append(want, w.LocalAddr().String())
	_ = w.Close()
	for len(want) > 0 {
		got := <-h.closed
		want = slices.DeleteFunc(want, func(s string) bool { return s == got })
	}
}

func TestHandlersKnowTheController(t *testing.T) {
	who := make(chan string, 1)
	h := start(t, func(h *house) {
		h.Handle("/who", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
			who <- fmt.Sprintf("%s %v", guard.Controller(r), ok && local.String() == h.addr)
		}))
	})
	_, w := h.pairOwner(t)
	w.must(t, 200, "GET", "/who", "")
	if got := <-who; got != "owner true" {
		t.Errorf("controller %s", got)
	}
}
