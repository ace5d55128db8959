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
	"lares/homekit/internal/haptest"
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
				w := haptest.Dial(t, h.addr)
				if err := w.Verify(owner); err != nil {
					t.Errorf("verify: %v", err)
					return
				}
				if a, err := w.Do("GET", "/characteristics?id="+iid(h.motion.C), nil); err != nil || a.Status != 200 {
					t.Errorf("first request: %v, status %d", err, a.Status)
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
	subscribe(t, w, h.motion.C)
	subscribe(t, w, h.bell.C)
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
		a, err := w.Do("POST", "/resource", []byte(`{"resource-type":"image","image-width":640,"image-height":360}`))
		if err != nil {
			t.Fatalf("picture %d after %d events: %v", i, len(w.Events), err)
		}
		if !bytes.Equal(a.Body, h.picture) {
			t.Fatalf("picture %d is damaged", i)
		}
	}
	t.Logf("%d events between 100 pictures of %d bytes", len(w.Events), len(h.picture))
	if len(w.Events) == 0 {
		t.Error("no event came between the pictures")
	}
}

func TestChangesAreCollectedAndADoorbellIsNot(t *testing.T) {
	h := start(t, func(h *house) { h.SetCollect(time.Hour) })
	_, w := h.pairOwner(t)
	subscribe(t, w, h.motion.C)
	subscribe(t, w, h.bell.C)
	for i := range 11 {
		h.update(func() { h.motion.SetValue(i%2 == 0) })
	}
	h.update(func() { _ = h.bell.SetValue(0) })
	m, err := w.Next()
	if err != nil {
		t.Fatal(err)
	}
	got := haptest.Values(t, m.Body)
	if !m.Event || len(got) != 2 || got[iid(h.motion.C)] != true || got[iid(h.bell.C)] != 0.0 {
		t.Errorf("told %v (event: %v)", got, m.Event)
	}
}

func TestTheWriterOfAValueIsNotTold(t *testing.T) {
	h := start(t, func(h *house) { h.SetCollect(0) })
	owner, w := h.pairOwner(t)
	other := h.login(t, owner)
	subscribe(t, w, h.lock.C)
	subscribe(t, other, h.lock.C)
	w.Must(t, 200, "PUT", "/prepare", `{"ttl":5000,"pid":7}`)
	w.Must(t, 204, "PUT", "/characteristics", fmt.Sprintf(`{"pid":7,"characteristics":[{"aid":1,"iid":%d,"value":true}]}`, h.lock.Id))
	m, err := other.Next()
	if err != nil || !m.Event || haptest.Values(t, m.Body)[iid(h.lock.C)] != true {
		t.Errorf("the other: %v %+v", err, m)
	}
	w.Must(t, 200, "GET", "/characteristics?id="+iid(h.lock.C), "")
	if len(w.Events) != 0 {
		t.Errorf("the writer was told: %s", w.Events[0].Body)
	}
}

// The library keeps subscriptions by address, for ever, and tells them in clear.
func TestSubscriptionsEndWithTheConnection(t *testing.T) {
	h := start(t, nil)
	_, w := h.pairOwner(t)
	subscribe(t, w, h.motion.C)
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
	b := haptest.Request("GET", "/accessories", nil)
	pad := n - len(b) - len("X-Pad: \r\n")
	return bytes.Replace(b, []byte("Content-Type"), []byte("X-Pad: "+strings.Repeat("x", pad)+"\r\nContent-Type"), 1)
}

func TestRequestsOfAnySizeAreAnswered(t *testing.T) {
	h := start(t, nil)
	_, w := h.pairOwner(t)
	for _, n := range []int{1000, 1023, 1024, 1025, 2047, 2048, 2049, 4096, 8192} {
		if _, err := w.Write(w.Frames(padded(n))); err != nil {
			t.Fatal(err)
		}
		if a, err := w.Answer(); err != nil || a.Status != 200 {
			t.Fatalf("a request of %d bytes: %v, status %d", n, err, a.Status)
		}
	}
}

func TestFramesMayComeInAnyPieces(t *testing.T) {
	h := start(t, nil)
	_, w := h.pairOwner(t)
	b := w.Frames(padded(1500))
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
	if a, err := w.Answer(); err != nil || a.Status != 200 {
		t.Fatalf("%v, status %d", err, a.Status)
	}
	// One frame as long as its length can say.
	head := []byte{0, 0}
	long := padded(9000)
	binary.LittleEndian.PutUint16(head, uint16(len(long)))
	if _, err := w.Write(append(head, haptest.Seal(w.Out[:], haptest.Nonce(w.Count), long, head)...)); err != nil {
		t.Fatal(err)
	}
	w.Count++
	if a, err := w.Answer(); err != nil || a.Status != 200 {
		t.Fatalf("a long frame: %v, status %d", err, a.Status)
	}
}

func TestRequestsMayFollowEachOtherAtOnce(t *testing.T) {
	h := start(t, nil)
	_, w := h.pairOwner(t)
	get := haptest.Request("GET", "/characteristics?id="+iid(h.motion.C), nil)
	// Two frames in one piece, then two requests in one frame.
	both := append(w.Frames(get), w.Frames(get)...)
	both = append(both, w.Frames(append(bytes.Clone(get), get...))...)
	if _, err := w.Write(both); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		if a, err := w.Answer(); err != nil || a.Status != 200 {
			t.Fatalf("request %d: %v, status %d", i, err, a.Status)
		}
	}
}

// A controller knows the keys before M4 comes.
func TestEncryptedRequestMayFollowTheProofAtOnce(t *testing.T) {
	h := start(t, nil)
	owner, _ := h.pairOwner(t)
	for range 20 {
		w := haptest.Dial(t, h.addr)
		w.Eager = haptest.Request("GET", "/accessories", nil)
		if err := w.Verify(owner); err != nil {
			t.Fatal(err)
		}
		if a, err := w.Answer(); err != nil || a.Status != 200 {
			t.Fatalf("%v, status %d", err, a.Status)
		}
		w.Must(t, 200, "GET", "/accessories", "")
		_ = w.Close()
	}
}

func TestStrangersGetNothing(t *testing.T) {
	h := start(t, nil)
	h.pairOwner(t)
	for _, route := range []string{"GET /accessories", "GET /characteristics?id=1.2", "PUT /characteristics", "PUT /prepare", "POST /resource", "POST /pairings", "GET /pair-setup"} {
		method, path, _ := strings.Cut(route, " ")
		a, err := haptest.Dial(t, h.addr).Do(method, path, nil)
		if err != nil || a.Status < 400 || bytes.Contains(a.Body, []byte("aid")) {
			t.Errorf("%s: %v, status %d, %s", route, err, a.Status, a.Body)
		}
	}
}

func TestRequestsAreBounded(t *testing.T) {
	h := start(t, nil)
	owner, _ := h.pairOwner(t)
	for name, b := range map[string][]byte{
		"head": append([]byte("GET /accessories HTTP/1.1\r\nX: "), bytes.Repeat([]byte{'x'}, 200<<10)...),
		"body": haptest.Request("PUT", "/characteristics", bytes.Repeat([]byte{' '}, 80<<10)),
	} {
		for _, w := range []*haptest.Wire{haptest.Dial(t, h.addr), h.login(t, owner)} {
			go func() { _, _ = w.Write(w.Frames(b)) }()
			if a, err := w.Next(); err == nil && a.Status < 400 {
				t.Errorf("a %s of %d bytes: status %d", name, len(b), a.Status)
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
		haptest.Dial(t, h.addr)
	}
	for range 4 {
		w := h.login(t, owner)
		w.Must(t, 200, "GET", "/accessories", "")
	}
	if h.Guard == nil {
		t.Fatal("the library has no bound")
	}
	if n := h.Connections(); n > 13 {
		t.Errorf("%d connections", n)
	}
	if _, err := first.Next(); !errors.Is(err, io.EOF) {
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
		s := haptest.Dial(t, h.addr)
		s.Must(t, 470, "GET", "/accessories", "")
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
	w.Must(t, 200, "GET", "/who", "")
	if got := <-who; got != "owner true" {
		t.Errorf("controller %s", got)
	}
}
