package ui_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"lares/nvr"
	"lares/ui"
)

// fill puts ids into the places of a pattern.
func fill(pattern string, c nvr.Camera) (method, path string) {
	method, path, ok := strings.Cut(pattern, " ")
	if !ok {
		method, path = http.MethodGet, pattern
	}
	path = strings.NewReplacer(
		"{$}", "", "{camera}", c.ID.String(), "{segment}", nvr.NewID[nvr.Segment]().String(),
		"{person}", nvr.NewID[nvr.Principal]().String(), "{link}", nvr.NewID[nvr.Principal]().String(), "{hold}", nvr.NewID[nvr.Hold]().String(), "{event}", ui.EventWord(nvr.EventRef{Stream: nvr.NewID[nvr.Stream](), Start: at(0)}),
	).Replace(path)
	return method, path
}

func TestR24OnlyTheListedRoutesAnswerWithoutLogin(t *testing.T) {
	h := newHouse(t)
	h.claim()
	camera := h.fleet.add("Front door")
	open := []string{
		"GET /healthz", "GET /ca.crt", "GET /help/certificate", "GET /static/", "GET /login", "POST /login",
		// Who has no password yet, or none any more, proves to be somebody with an
		// invitation, the printed key or the two secrets of a remembered device.
		"GET /join", "POST /join/code", "POST /join", "GET /recover", "POST /recover", "POST /api/v1/device/login",
		// Who has a link has no account: the page is empty, and the secret of the link
		// opens what it shows.
		"GET /shared", "POST /api/v1/shared",
		"GET /setup", "POST /setup/code", "POST /setup/owner", "POST /setup/recovery", "POST /setup/factor", "/",
	}
	const forms = 14 // so many of these answer by themselves
	for _, rt := range h.Routes() {
		if rt.Open != slices.Contains(open, rt.Pattern) {
			t.Errorf("%s: open is %v", rt.Pattern, rt.Open)
		}
		method, path := fill(rt.Pattern, camera)
		b := h.browser("")
		r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
		w := b.do(r)
		to := w.Header().Get("Location")
		switch {
		case rt.Pattern == "POST /join": // without an invitation
			wantRedirect(t, w, "/join")
		case slices.Contains(open[:forms], rt.Pattern):
			if path != "/static/" && !slices.Contains([]int{200, 403, 422}, w.Code) {
				t.Errorf("%s: status %d", rt.Pattern, w.Code)
			}
		case w.Code == http.StatusSeeOther && strings.HasPrefix(to, "/login"):
		case slices.Contains([]int{401, 403, 404}, w.Code):
		default:
			t.Errorf("%s answers %d (%s) without a login", rt.Pattern, w.Code, to)
		}
	}
}

func TestR6ForeignCameraIsNotFound(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	unknown := nvr.Camera{ID: nvr.NewID[nvr.Camera]()}
	for _, rt := range h.Routes() {
		if !strings.Contains(rt.Pattern, "{camera}") {
			continue
		}
		method, path := fill(rt.Pattern, unknown)
		for _, p := range []string{path, strings.Replace(path, unknown.ID.String(), "1", 1)} {
			wantStatus(t, b.do(httptest.NewRequestWithContext(t.Context(), method, p, nil)), http.StatusNotFound)
		}
	}
}

func TestR23EveryAnswerIsClosedToOthers(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	camera := h.fleet.add("Front door")
	for _, path := range []string{
		"/", "/login", "/nothing", "/cameras/" + camera.ID.String(), "/api/v1/cameras", "/healthz", "/ca.crt",
		"/api/v1/cameras/" + camera.ID.String() + "/timeline?from=1&to=2",
	} {
		head := b.get(path).Header()
		if head.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: Cache-Control %q", path, head.Get("Cache-Control"))
		}
		csp := head.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "require-trusted-types-for 'script'", "frame-ancestors 'none'", "report-uri"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: policy lacks %s", path, want)
			}
		}
		if strings.Contains(csp, "unsafe") {
			t.Errorf("%s: unsafe policy", path)
		}
	}
}

func TestForeignHostIsMisdirected(t *testing.T) {
	h := newHouse(t)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/login", nil)
	r.Host = "evil.example"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	wantStatus(t, w, http.StatusMisdirectedRequest)
	if strings.Contains(w.Body.String(), "evil") {
		t.Error("the answer repeats the foreign name")
	}
}

func TestOtherSitesCannotAct(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	camera := h.fleet.add("Front door")
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/cameras/"+camera.ID.String()+"/remove", strings.NewReader("sure=yes"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	wantStatus(t, b.do(r), http.StatusForbidden)
	if len(h.fleet.List()) != 1 {
		t.Error("another site removed a camera")
	}
}

func TestLargeBodyIsRefused(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	w := b.post("/unlock", "password", strings.Repeat("x", 100<<10))
	if w.Code/100 == 2 || w.Code == http.StatusSeeOther {
		t.Errorf("status %d", w.Code)
	}
}

func TestStaticFilesAreKeptForEver(t *testing.T) {
	h := newHouse(t)
	h.claim()
	b := h.browser("")
	var sheet string
	for _, link := range all(page(t, b.get("/login")), tag("link")) {
		if attr(link, "rel") == "stylesheet" {
			sheet = attr(link, "href")
		}
	}
	w := b.get(sheet)
	wantStatus(t, w, http.StatusOK)
	if cc := w.Header().Get("Cache-Control"); !strings.Contains(cc, "immutable") || w.Header().Get("Content-Type") != "text/css; charset=utf-8" {
		t.Errorf("%s: %q %q", sheet, cc, w.Header().Get("Content-Type"))
	}
	wantStatus(t, b.get("/static/0000000000000000/app.css"), http.StatusNotFound)
}

func TestPolicyReportsAreCounted(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	wantStatus(t, b.post("/api/v1/csp"), http.StatusNoContent)
	if h.PolicyReports() != 1 {
		t.Errorf("%d reports, want 1", h.PolicyReports())
	}
}

func TestR21PagesLoadNothingFromElsewhere(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	camera := h.fleet.add(`<b>"Door"</b> & 🐈`)
	id := camera.ID.String()
	for _, path := range []string{
		"/", "/welcome", "/account", "/cameras/new", "/cameras/" + id, "/cameras/" + id + "/settings", "/events", "/help/certificate", "/unlock",
		"/people", "/people/new", "/log", "/prove", "/account/factor", "/remember", "/join", "/recover",
	} {
		w := b.get(path)
		if path == "/unlock" {
			continue // it is not locked
		}
		wantStatus(t, w, http.StatusOK)
		for _, n := range all(page(t, w), everything) {
			for _, a := range n.Attr {
				if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
					t.Errorf("%s: <%s %s=%q>", path, n.Data, a.Key, a.Val)
				}
				if (a.Key == "src" || a.Key == "href") && strings.Contains(a.Val, "//") && !strings.HasPrefix(a.Val, "otpauth:") { // an app on this device
					t.Errorf("%s: loads %s", path, a.Val)
				}
			}
			if n.Data == "script" && attr(n, "src") == "" && attr(n, "type") != "application/json" {
				t.Errorf("%s: script in the page", path)
			}
			if n.Data == "b" {
				t.Errorf("%s: a name became markup", path)
			}
		}
		if strings.Contains(w.Body.String(), "camera-secret") {
			t.Errorf("%s holds the camera's password", path)
		}
	}
}
