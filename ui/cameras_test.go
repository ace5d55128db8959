package ui_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"lares/nvr"
	"lares/ui"
)

// draftOf returns the token of a page that shows what a camera answered.
func draftOf(t *testing.T, root *node) string {
	t.Helper()
	for _, n := range all(root, tag("input")) {
		if attr(n, "name") == "draft" {
			return attr(n, "value")
		}
	}
	t.Fatal("no draft in the page")
	return ""
}

func TestAddingACamera(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	w := b.post("/cameras/new", "maker", "reolink", "address", "192.168.1.20", "user", "admin", "password", "pa ss/wö@rd")
	wantStatus(t, w, http.StatusOK)
	if strings.Contains(w.Body.String(), "pa ss") {
		t.Error("the page holds the camera's password")
	}
	if got := h.fleet.probed[0]; got.Password.Reveal() != "pa ss/wö@rd" || got.Streams[0].URL != "rtsp://192.168.1.20/h264Preview_01_main" ||
		got.Streams[1].URL != "rtsp://192.168.1.20/h264Preview_01_sub" {
		t.Errorf("asked %+v", got)
	}
	if len(h.fleet.List()) != 0 {
		t.Error("it was added before anybody said so")
	}
	token := draftOf(t, page(t, w))
	h.fleet.add("Garden")
	for _, name := range []string{"", "garden "} {
		w = b.post("/cameras/new/add", "draft", token, "name", name, "place", "outside")
		wantStatus(t, w, http.StatusUnprocessableEntity)
		if field, message := complaint(t, page(t, w)); field != "name" || message == "" {
			t.Errorf("name %q: field %q, %q", name, field, message)
		}
	}
	w = b.post("/cameras/new/add", "draft", token, "name", "Front door", "place", "outside")
	added := h.fleet.List()[1].Camera
	wantRedirect(t, w, "/cameras/"+added.ID.String()+"?new=1")
	if added.Inside || added.Audio || added.Password.Reveal() != "pa ss/wö@rd" || len(added.Streams) != 2 || added.Name != "Front door" {
		t.Errorf("added %+v", added)
	}
	if _, message := complaint(t, page(t, b.post("/cameras/new/add", "draft", token))); message == "" {
		t.Error("a draft can be used twice")
	}
}

func TestCameraThatRefusesIsExplained(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	h.fleet.report = nvr.ProbeReport{Problem: nvr.CameraRefused}
	w := b.post("/cameras/new", "address", "rtsp://admin:geheim@192.168.1.20:554/stream1")
	root := page(t, w)
	if _, message := complaint(t, root); !strings.Contains(message, "rejects") {
		t.Errorf("page says %q", message)
	}
	if strings.Contains(w.Body.String(), "geheim") {
		t.Error("the page holds the camera's password")
	}
	if c := h.fleet.probed[0]; c.User != "admin" || c.Password.Reveal() != "geheim" || strings.Contains(c.Streams[0].URL, "@") {
		t.Errorf("asked %+v", c)
	}
	again := page(t, b.post("/cameras/new/change", "draft", draftOf(t, root)))
	for _, n := range all(again, tag("input")) {
		if attr(n, "name") == "address" && attr(n, "value") != "rtsp://192.168.1.20:554/stream1" {
			t.Errorf("address is %q", attr(n, "value"))
		}
	}
}

func TestWhatWasTypedWrongIsNamed(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	for _, tc := range []struct{ field, address, sub string }{
		{"address", "http://192.168.1.20/", ""},
		{"address", "", ""},
		{"", "192.168.1.20", ""}, // no ONVIF there, and no maker chosen
		{"sub", "rtsp://192.168.1.20/a", "nonsense nonsense"},
	} {
		w := b.post("/cameras/new", "address", tc.address, "sub", tc.sub, "maker", "other")
		wantStatus(t, w, http.StatusUnprocessableEntity)
		if field, message := complaint(t, page(t, w)); field != tc.field || message == "" {
			t.Errorf("%+v: field %q, %q", tc, field, message)
		}
	}
	if len(h.fleet.probed) != 0 {
		t.Error("a camera was asked")
	}
}

func TestSettingsKeepThePasswordUnlessItIsTyped(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	camera := h.fleet.add("Front door")
	path := "/cameras/" + camera.ID.String() + "/settings"
	wantRedirect(t, b.post(path, "name", "Garden", "place", "inside", "sound", "yes", "user", "root"), "/cameras/"+camera.ID.String()+"?done=saved")
	got, err := h.fleet.Camera(camera.ID)
	if err != nil || got.Name != "Garden" || !got.Inside || !got.Audio || got.User != "root" || got.Password.Reveal() != "camera-secret" {
		t.Errorf("%+v, %v", got, err)
	}
	b.post(path, "name", "Garden", "password", "another")
	if got, err = h.fleet.Camera(camera.ID); err != nil || got.Password.Reveal() != "another" {
		t.Errorf("password was not changed (%v)", err)
	}
}

func TestRemovingNeedsAYes(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	camera := h.fleet.add("Front door")
	b.post("/cameras/" + camera.ID.String() + "/remove")
	if len(h.fleet.List()) != 1 {
		t.Fatal("removed without a yes")
	}
	wantRedirect(t, b.post("/cameras/"+camera.ID.String()+"/remove", "sure", "yes"), "/?done=removed")
	if len(h.fleet.List()) != 0 {
		t.Error("still there")
	}
}

func TestAddressesAsPeopleTypeThem(t *testing.T) {
	for _, tc := range []struct {
		typed, url, user, password string
		path, ok                   bool
	}{
		{"192.168.1.20", "rtsp://192.168.1.20", "", "", false, true},
		{" 192.168.1.20:8554/live ", "rtsp://192.168.1.20:8554/live", "", "", true, true},
		{"cam-1.local", "rtsp://cam-1.local", "", "", false, true},
		{"RTSP://cam/x?channel=1", "rtsp://cam/x?channel=1", "", "", true, true},
		{"rtsps://[fd00::7]:322/a", "rtsps://[fd00::7]:322/a", "", "", true, true},
		{"rtsp://u:p%40ss@10.0.0.2/a", "rtsp://10.0.0.2/a", "u", "p@ss", true, true},
		{"rtsp://u:p@ss@10.0.0.2/a", "rtsp://10.0.0.2/a", "u", "p@ss", true, true},
		{typed: "http://10.0.0.2/a"},
		{typed: ""},
		{typed: "rtsp://"},
		{typed: "two words"},
		{typed: "10.0.0.2:99999"},
		{typed: "10.0.0.2:0"},
		{typed: "fd00::7"},
		{typed: "rtsp://10.0.0.2/a#b"},
	} {
		gotURL, user, pw, path, ok := ui.ParseAddress(tc.typed)
		if gotURL != tc.url || user != tc.user || pw != tc.password || path != tc.path || ok != tc.ok {
			t.Errorf("%q: %q %q %q %v %v", tc.typed, gotURL, user, pw, path, ok)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	f.Add("rtsp://u:p@10.0.0.2:554/a?b=c")
	f.Add("cam.local")
	f.Fuzz(func(t *testing.T, typed string) {
		raw, _, _, _, ok := ui.ParseAddress(typed)
		if !ok {
			return
		}
		u, err := url.Parse(raw)
		if err != nil || u.User != nil || u.Host == "" || (u.Scheme != "rtsp" && u.Scheme != "rtsps") {
			t.Errorf("%q became %q (%v)", typed, raw, err)
		}
	})
}
