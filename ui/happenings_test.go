package ui_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
)

type happening struct {
	Version              int
	Kind, Camera, Detail string
	Cause                string
	Start                int64
	Box                  *[4]float64
	Private              []struct {
		Camera string
		On     bool
	}
	Moving []struct {
		Camera string
		Box    [4]float64
	}
}

// listener is a browser that listens to what happens.
type listener struct {
	t    *testing.T
	resp *http.Response
	in   *bufio.Scanner
}

func (h *house) listen(token string) *listener {
	h.t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	h.t.Cleanup(srv.Close)
	r, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, srv.URL+"/api/v1/happenings", nil)
	if err != nil {
		h.t.Fatal(err)
	}
	r.AddCookie(&http.Cookie{Name: "__Host-lares", Value: token})
	resp, err := srv.Client().Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = resp.Body.Close() })
	return &listener{t: h.t, resp: resp, in: bufio.NewScanner(resp.Body)}
}

// next returns the next message; false when the stream has ended.
func (l *listener) next() (happening, bool) {
	l.t.Helper()
	for l.in.Scan() {
		data, ok := strings.CutPrefix(l.in.Text(), "data: ")
		if !ok {
			continue
		}
		var v happening
		if err := json.Unmarshal([]byte(data), &v); err != nil || v.Version != 1 {
			l.t.Fatalf("%v in %s", err, data)
		}
		return v, true
	}
	return happening{}, false
}

func TestHappeningsAreToldAsTheyCome(t *testing.T) {
	h := newHouse(t)
	camera := h.fleet.add("Front door")
	h.moved.now[camera.ID] = nvr.Event{Kind: nvr.Motion, Camera: camera.ID, Start: at(1), Box: nvr.Box{X: 0.5, W: 0.5, H: 1}}
	l := h.listen(h.claim())
	if l.resp.StatusCode != http.StatusOK || l.resp.Header.Get("Content-Type") != "text/event-stream" || l.resp.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v", l.resp.StatusCode, l.resp.Header)
	}
	now, _ := l.next()
	if now.Kind != "now" || len(now.Moving) != 1 || now.Moving[0].Camera != camera.ID.String() || now.Moving[0].Box != [4]float64{0.5, 0, 0.5, 1} {
		t.Fatalf("got %+v", now)
	}
	h.bus.Publish(nvr.Event{Kind: nvr.Motion, Camera: camera.ID, Start: at(2), Box: nvr.Box{W: 1, H: 0.5}})
	h.bus.Publish(nvr.Event{Kind: nvr.RecordingDown, Camera: camera.ID, Start: at(3), Cause: nvr.DiskFull, Detail: "make room"})
	h.bus.Publish(nvr.Event{Kind: nvr.DiskDown, Start: at(4)})
	if v, _ := l.next(); v.Kind != "motion" || v.Camera != camera.ID.String() || v.Start != at(2).UnixMilli() || v.Box == nil || v.Box[3] != 0.5 {
		t.Errorf("got %+v", v)
	}
	if v, _ := l.next(); v.Kind != "recording-down" || v.Cause != "disk-full" || v.Detail != "make room" || v.Box != nil {
		t.Errorf("got %+v", v)
	}
	if v, _ := l.next(); v.Kind != "disk-down" || v.Camera != "" {
		t.Errorf("got %+v", v)
	}
}

func TestHappeningsOfForeignCamerasAreNotTold(t *testing.T) {
	h := newHouse(t)
	door, bedroom := h.fleet.add("Front door"), h.fleet.add("Bedroom")
	for _, c := range []nvr.Camera{door, bedroom} {
		h.moved.now[c.ID] = nvr.Event{Kind: nvr.Motion, Camera: c.ID, Start: at(1)}
	}
	token := h.claim()
	var mu sync.Mutex
	withdrawn := false // the right to the other camera, while the stream runs
	h.Forbid(func(a auth.Action, camera nvr.CameraID, _ time.Time) bool {
		mu.Lock()
		defer mu.Unlock()
		return camera == bedroom.ID || a == auth.ActStatus || withdrawn && camera == door.ID
	})
	l := h.listen(token)
	if now, _ := l.next(); len(now.Moving) != 1 || now.Moving[0].Camera != door.ID.String() {
		t.Errorf("got %+v", now)
	}
	h.bus.Publish(nvr.Event{Kind: nvr.Motion, Camera: bedroom.ID, Start: at(2)})
	h.bus.Publish(nvr.Event{Kind: nvr.DiskDown, Start: at(2)})
	h.bus.Publish(nvr.Event{Kind: nvr.Motion, Camera: door.ID, Start: at(3)})
	if v, _ := l.next(); v.Camera != door.ID.String() || v.Start != at(3).UnixMilli() {
		t.Errorf("got %+v", v)
	}
	mu.Lock()
	withdrawn = true
	mu.Unlock()
	h.bus.Publish(nvr.Event{Kind: nvr.MotionEnded, Camera: door.ID, Start: at(4)})
	h.bus.Close()
	if v, ok := l.next(); ok {
		t.Errorf("told after the right was withdrawn: %+v", v)
	}
}

func TestHappeningsEndWithTheSession(t *testing.T) {
	h := newHouse(t)
	h.fleet.add("Front door")
	token := h.claim()
	l := h.listen(token)
	l.next()
	h.browser(token).post("/logout")
	if v, ok := l.next(); ok { // returns only because the stream ends
		t.Errorf("told after the logout: %+v", v)
	}
}

func TestLostNewsAreMadeUpFor(t *testing.T) {
	h := newHouse(t)
	camera := h.fleet.add("Front door")
	token := h.claim()
	// The first question after the browser listens waits until the queue has run over.
	var once sync.Once
	asked, full := make(chan struct{}), make(chan struct{})
	h.Forbid(func(auth.Action, nvr.CameraID, time.Time) bool {
		once.Do(func() { close(asked); <-full })
		return false
	})
	go func() {
		<-asked
		for i := range 300 {
			h.bus.Publish(nvr.Event{Kind: nvr.Motion, Camera: camera.ID, Start: at(i)})
		}
		close(full)
	}()
	l := h.listen(token)
	for i, want := range []string{"now", "now", "motion"} {
		if v, _ := l.next(); v.Kind != want {
			t.Errorf("message %d is %+v, want %s", i, v, want)
		}
	}
}

// deadlines remembers the deadline that was set last.
type deadlines struct {
	*httptest.ResponseRecorder
	last time.Time
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.last = t
	return nil
}

// A deadline that passes resets an HTTP/2 stream, even one that is only quiet.
func TestQuietNewsHaveNoDeadline(t *testing.T) {
	h := newHouse(t)
	token := h.claim()
	h.bus.Close() // it ends after the first message
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/happenings", nil)
	r.Host = host
	r.AddCookie(&http.Cookie{Name: "__Host-lares", Value: token})
	w := &deadlines{ResponseRecorder: httptest.NewRecorder(), last: at(0)}
	h.ServeHTTP(w, r)
	if !strings.Contains(w.Body.String(), `"kind":"now"`) || !w.last.IsZero() {
		t.Errorf("deadline %v after %q", w.last, w.Body)
	}
}
