package ui_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/ui"
	"lares/ui/live"
)

func decode[T any](t *testing.T, w *httptest.ResponseRecorder) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	if !bytes.HasPrefix(w.Body.Bytes(), []byte(`{"version":1,`)) {
		t.Errorf("does not begin with the version: %.80s", w.Body)
	}
	return v
}

type refusal struct {
	Error struct{ Code, Text string }
}

func TestCamerasSayWhyTheyAreNotRecorded(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	camera := h.fleet.add("Front door")
	since := time.Date(2026, 3, 1, 14, 2, 0, 0, time.UTC)
	h.fleet.down = nvr.RecordingStatus{Since: since, Cause: nvr.CameraOffline}
	got := decode[struct {
		Cameras []struct {
			ID, Name  string
			Recording struct {
				Recording bool
				Since     int64
				Cause     string
			}
		}
	}](t, b.get("/api/v1/cameras"))
	if len(got.Cameras) != 1 || got.Cameras[0].ID != camera.ID.String() || got.Cameras[0].Recording.Recording ||
		got.Cameras[0].Recording.Since != since.UnixMilli() || got.Cameras[0].Recording.Cause != "camera-offline" {
		t.Errorf("got %+v", got)
	}
	said := ""
	for _, n := range all(page(t, b.get("/")), class("state")) {
		said = words(n)
	}
	if want := "Not recording since 2026-03-01 14:02 UTC: camera unreachable"; said != want {
		t.Errorf("page says %q, want %q", said, want)
	}
}

func TestTimelineInMilliseconds(t *testing.T) {
	h := newHouse(t)
	token := h.claim()
	b := h.browser(token)
	camera := h.fleet.add("Front door")
	h.footage.timeline = nvr.Timeline{
		Spans: []nvr.Span{{From: time.UnixMilli(1000), To: time.UnixMilli(2000)}},
		Gaps:  []nvr.Gap{{From: time.UnixMilli(2000), Cause: nvr.DiskFull, Detail: "make room"}},
	}
	got := decode[struct {
		From, To int64
		Spans    [][2]int64
		Gaps     []struct {
			From, To int64
			Cause    string
		}
	}](t, b.get("/api/v1/cameras/"+camera.ID.String()+"/timeline?from=1970-01-01T00:00:00.5Z&to=5000"))
	if got.From != 500 || got.To != 5000 || got.Spans[0] != [2]int64{1000, 2000} ||
		got.Gaps[0].From != 2000 || got.Gaps[0].To != 0 || got.Gaps[0].Cause != "disk-full" {
		t.Errorf("got %+v", got)
	}
	if n := h.entries(token, auth.LogPlayback); n != 0 {
		t.Errorf("looking at times made %d entries", n)
	}
}

func TestSpansAreBounded(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	base := "/api/v1/cameras/" + h.fleet.add("Front door").ID.String()
	for _, path := range []string{
		"/timeline?from=0&to=2851200000", "/index?from=0&to=7200001", "/media?from=0&to=7200001", "/export.mp4?from=0&to=7200001",
		"/index?from=2&to=1", "/index?from=1&to=1", "/index?from=-1&to=1", "/index?from=a&to=1", "/index?to=1", "/index?from=0&to=99999999999999",
	} {
		w := b.get(base + path)
		if got := decode[refusal](t, w); w.Code != http.StatusBadRequest || got.Error.Code != "range" {
			t.Errorf("%s: %d %+v", path, w.Code, got)
		}
	}
	wantStatus(t, b.get(base+"/index?from=0&to=7200000&quality=huge"), http.StatusBadRequest)
	wantStatus(t, b.get(base+"/init/xyz"), http.StatusNotFound)
}

func TestOneLookIsOneEntry(t *testing.T) {
	h := newHouse(t)
	token := h.claim()
	b := h.browser(token)
	base := "/api/v1/cameras/" + h.fleet.add("Front door").ID.String()
	h.footage.media = []byte("media")
	for i := range 5 {
		b.get(fmt.Sprintf("%s/index?from=%d&to=%d&play=one", base, i*1000, i*1000+500))
		b.get(fmt.Sprintf("%s/media?from=%d&to=%d&play=one", base, i*1000, i*1000+500))
		b.get(base + "/init/" + nvr.NewID[nvr.Segment]().String() + "?play=one")
	}
	if n := h.entries(token, auth.LogPlayback); n != 1 {
		t.Errorf("%d entries for one look, want 1", n)
	}
	b.get(base + "/media?from=0&to=1000&play=two")
	b.get(base + "/media?from=0&to=1000")
	b.get(base + "/media?from=0&to=1000")
	if n := h.entries(token, auth.LogPlayback); n != 4 {
		t.Errorf("%d entries, want 4", n)
	}
}

func TestMediaIsAskedForAsWritten(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	camera := h.fleet.add("Front door")
	h.footage.media = []byte("media")
	w := b.get("/api/v1/cameras/" + camera.ID.String() + "/media?from=1000&to=2000&quality=sub&keys=1")
	if w.Body.String() != "media" || w.Header().Get("Content-Type") != "video/mp4" {
		t.Errorf("%q %q", w.Header().Get("Content-Type"), w.Body)
	}
	want := nvr.MediaRequest{
		Stream: camera.Streams[1].Stream, From: time.UnixMilli(1000).UTC(), To: time.UnixMilli(2000).UTC(), KeysOnly: true, Sound: true,
	}
	if len(h.footage.asked) != 1 || h.footage.asked[0] != want {
		t.Errorf("asked %+v, want %+v", h.footage.asked, want)
	}
}

func TestBrokenMediaIsNoticedByTheBrowser(t *testing.T) {
	h := newHouse(t)
	token := h.claim()
	camera := h.fleet.add("Front door")
	h.footage.media, h.footage.midway = bytes.Repeat([]byte("x"), 100<<10), errors.New("disk went away")
	srv := httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/api/v1/cameras/"+camera.ID.String()+"/media?from=1&to=2", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(&http.Cookie{Name: "__Host-lares", Value: token})
	resp, err := srv.Client().Do(r)
	if err != nil {
		return // noticed before the first byte
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("half an answer looks like a whole one")
	}
}

func TestUnwritableRecordStopsFootageButNotTheOwnersLivePicture(t *testing.T) {
	h := newHouse(t)
	token := h.claim()
	camera := h.fleet.add("Front door")
	publish(h.fleet.Stream(camera.Streams[0].Stream))
	b := h.browser(token)
	h.log.mu.Lock()
	h.log.broken = true
	h.log.mu.Unlock()
	base := "/api/v1/cameras/" + camera.ID.String()
	for _, path := range []string{"/index?from=0&to=1000", "/media?from=0&to=1000", "/export.mp4?from=0&to=1000"} {
		w := b.get(base + path)
		if got := decode[refusal](t, w); w.Code != http.StatusServiceUnavailable || got.Error.Code != "log-unavailable" {
			t.Errorf("%s: %d %+v", path, w.Code, got)
		}
	}
	h.fleet.Stream(camera.Streams[0].Stream).Close()
	if w := b.get("/api/v1/live/" + camera.ID.String()); w.Code != http.StatusOK || w.Body.Len() == 0 {
		t.Errorf("live: %d with %d bytes", w.Code, w.Body.Len())
	}
}

func TestExportIsAFileWithRanges(t *testing.T) {
	h := newHouse(t)
	token := h.claim()
	b := h.browser(token)
	camera := h.fleet.add(`Front/door "1"`)
	h.footage.media = []byte("0123456789")
	path := "/api/v1/cameras/" + camera.ID.String() + "/export.mp4?from=2026-03-01T14:02:00Z&to=2026-03-01T14:03:00Z"
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	r.Header.Set("Range", "bytes=2-4")
	w := b.do(r)
	if w.Code != http.StatusPartialContent || w.Body.String() != "234" {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	_, params, err := mime.ParseMediaType(w.Header().Get("Content-Disposition"))
	if want := "Front-door -1- 2026-03-01 14.02.00 UTC.mp4"; err != nil || params["filename"] != want {
		t.Errorf("file name %q (%v), want %q", params["filename"], err, want)
	}
	wantStatus(t, b.get(path), http.StatusOK)
	if n := h.entries(token, auth.LogExport); n != 1 {
		t.Errorf("%d entries for one clip in two requests", n)
	}
}

// publish puts a group of pictures into a stream.
func publish(s *nvr.Stream) {
	p := &nvr.Params{
		Video: nvr.H264, Width: 640, Height: 352, PPS: []byte{0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0},
		SPS: []byte{
			0x67, 0x64, 0x00, 0x1e, 0xac, 0xd9, 0x40, 0xa0, 0x2d, 0xa1, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00,
			0x00, 0x03, 0x00, 0x32, 0x0f, 0x16, 0x2d, 0x96,
		},
	}
	for i := range int64(3) {
		at := 1_800_000_000*nvr.ClockRate + i*4500
		s.Publish(&nvr.Frame{Track: nvr.VideoTrack, Key: i == 0, DTS: at, PTS: at, Run: 1, Params: p, Data: []byte{0, 0, 0, 1, 0x65}})
	}
}

func TestLiveEndsWithTheSession(t *testing.T) {
	h := newHouse(t)
	token := h.claim()
	camera := h.fleet.add("Front door")
	publish(h.fleet.Stream(camera.Streams[1].Stream))
	srv := httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/api/v1/live/"+camera.ID.String()+"?quality=sub", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(&http.Cookie{Name: "__Host-lares", Value: token})
	resp, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK || resp.Header.Get(live.CodecsHeader) == "" || resp.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	if _, err := io.ReadFull(resp.Body, make([]byte, 64)); err != nil {
		t.Fatal(err)
	}
	if n := h.entries(token, auth.LogLive); n != 1 {
		t.Errorf("%d entries, want 1", n)
	}
	h.browser(token).post("/logout")
	_, _ = io.Copy(io.Discard, resp.Body) // returns only because the stream ends
}

func TestLiveWithoutPictureSaysSo(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	camera := h.fleet.add("Front door")
	h.fleet.Stream(camera.Streams[0].Stream).Close()
	w := b.get("/api/v1/live/" + camera.ID.String())
	if got := decode[refusal](t, w); w.Code != http.StatusServiceUnavailable || got.Error.Code != "no-picture" {
		t.Errorf("%d %+v", w.Code, got)
	}
}

func FuzzParseTime(f *testing.F) {
	f.Add("1800000000000")
	f.Add("2026-03-01T14:02:00.5+01:00")
	f.Fuzz(func(t *testing.T, s string) {
		if at, ok := ui.ParseTime(s); ok && (at.Before(time.Unix(0, 0)) || at.Year() > 2200) {
			t.Errorf("%q is %v", s, at)
		}
	})
}
