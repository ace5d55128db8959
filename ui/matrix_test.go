package ui_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/ui"
)

// cameraRules says, for each route about one camera or one event, what whoever
// asks needs: a right on the camera, "owner", "privacy" (to see the camera, and
// be more than a guest), or "reveal" (and be more than a viewer).
func cameraRules() map[string]string {
	table := make(map[string]string)
	for need, patterns := range map[string][]string{
		"live": {
			"GET /cameras/{camera}", "GET /api/v1/live/{camera}", "GET /api/v1/cameras/{camera}/still.jpg",
		},
		"replay": {
			"GET /api/v1/cameras/{camera}/timeline", "GET /api/v1/cameras/{camera}/index", "GET /api/v1/cameras/{camera}/init/{segment}",
			"GET /api/v1/cameras/{camera}/media", "GET /api/v1/cameras/{camera}/shared", "GET /api/v1/cameras/{camera}/search", "GET /api/v1/cameras/{camera}/density",
			"GET /api/v1/events/{event}/thumbnail.jpg", heartbeatRoute,
		},
		"export": {
			"GET /api/v1/cameras/{camera}/export.mp4", "GET /cameras/{camera}/share", "POST /cameras/{camera}/share",
			"GET /cameras/{camera}/keep", "POST /cameras/{camera}/keep",
		},
		"delete": {
			"GET /cameras/{camera}/delete", "POST /cameras/{camera}/delete",
		},
		"owner": {
			"GET /cameras/{camera}/settings", "POST /cameras/{camera}/settings", "GET /cameras/{camera}/masks", "POST /cameras/{camera}/masks",
			"POST /cameras/{camera}/remove", "POST /cameras/{camera}/retry",
			"GET /cameras/{camera}/homekit", "POST /cameras/{camera}/homekit", "POST /cameras/{camera}/homekit/remove", "POST /cameras/{camera}/homekit/test",
		},
		"privacy": {"POST /cameras/{camera}/privacy"},
		"reveal":  {"POST /cameras/{camera}/privacy/lift"},
	} {
		for _, p := range patterns {
			table[p] = need
		}
	}
	return table
}

// heartbeatRoute tells a page that a link is in force, and shows no footage.
const heartbeatRoute = "GET /api/v1/cameras/{camera}/shared"

// somebody has a role and rights on one camera.
type somebody struct {
	role   string
	rights []string
	*browser
}

// may is what the rules allow.
func (s somebody) may(need string) bool {
	switch need {
	case "owner":
		return s.role == "owner"
	case "privacy":
		return s.role != "guest"
	case "reveal":
		return s.role == "owner" || s.role == "member"
	}
	return s.role == "owner" || slices.Contains(s.rights, need)
}

// everybody is each role with each of its rights on a camera, and with as few
// others as there can be.
func (h *house) everybody(owner *browser, camera nvr.Camera) []somebody {
	h.t.Helper()
	list := []somebody{{"owner", nil, owner}}
	for role, sets := range map[string][][]string{
		"member": {{"live"}, {"replay"}, {"live", "audio"}, {"replay", "export"}, {"replay", "delete"}},
		"viewer": {{"live"}, {"replay"}},
		"guest":  {{"live"}},
	} {
		for i, rights := range sets {
			form := url.Values{"name": {fmt.Sprint(role, i)}, "role": {role}}
			for _, r := range rights {
				form.Add("right", camera.ID.String()+" "+r)
			}
			if role == "guest" {
				form.Set("from", "2024-01-01T08:00")
				form.Set("until", time.Now().Add(48*time.Hour).Format("2006-01-02T15:04"))
			}
			list = append(list, somebody{role, rights, h.joinAs(invite(h.t, owner, form))})
		}
	}
	return list
}

// ask returns the status of a route for a camera. A live picture ends by itself.
func (s somebody) ask(pattern string, camera nvr.Camera, query string) int {
	method, path := fill(pattern, camera)
	if strings.Contains(pattern, "{event}") {
		path = "/api/v1/events/" + ui.EventWord(eventOf(camera)) + "/thumbnail.jpg"
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), 100*time.Millisecond)
	defer cancel()
	return s.do(formRequest(s.t, method, path+query).WithContext(ctx)).Code
}

func eventOf(camera nvr.Camera) nvr.EventRef {
	return nvr.EventRef{Stream: camera.Streams[0].Stream, Start: at(5)}
}

// TestR3EveryCameraRouteAsksForItsRight asks each route about a camera as
// everybody, for a camera with rights and for one without. A new route that
// nobody gave a rule fails.
func TestR3EveryCameraRouteAsksForItsRight(t *testing.T) {
	h := newHouse(t)
	owner := h.browser(h.claim())
	own, foreign := h.fleet.add("Front door"), h.fleet.add("Bedroom")
	for _, c := range []nvr.Camera{own, foreign} {
		h.moved.events = append(h.moved.events, nvr.StoredEvent{Ref: eventOf(c)})
	}
	people := h.everybody(owner, own)
	for _, rt := range h.Routes() {
		if !strings.Contains(rt.Pattern, "{camera}") && !strings.Contains(rt.Pattern, "{event}") {
			continue
		}
		need, ok := cameraRules()[rt.Pattern]
		if !ok {
			t.Errorf("%s: nobody said who may", rt.Pattern)
			continue
		}
		for _, who := range people {
			if who.role == "owner" && strings.HasSuffix(rt.Pattern, "/remove") {
				continue // or there would be nothing left to ask about
			}
			for camera, may := range map[string]bool{"own": who.may(need), "foreign": who.role == "owner"} {
				of := own
				if camera == "foreign" {
					of = foreign
				}
				if got := who.ask(rt.Pattern, of, "?from=1000&to=2000"); (got != http.StatusNotFound) != may || got == http.StatusForbidden {
					t.Errorf("%s: a %s with %v gets %d for the %s camera", rt.Pattern, who.role, who.rights, got, camera)
				}
			}
		}
	}
}

// TestR3FootageOutsideTheTimeOfAnAccountIsNotFound: a right counts for the time
// that the footage shows.
func TestR3FootageOutsideTheTimeOfAnAccountIsNotFound(t *testing.T) {
	h := newHouse(t)
	owner := h.browser(h.claim())
	camera := h.fleet.add("Front door")
	now := time.Now()
	form := url.Values{"name": {ben}, "role": {"viewer"}, "right": {camera.ID.String() + " replay"}}
	form.Set("from", "x")
	form.Set("from-ms", fmt.Sprint(now.Add(-time.Hour).UnixMilli()))
	form.Set("until", "x")
	form.Set("until-ms", fmt.Sprint(now.Add(time.Hour).UnixMilli()))
	who := somebody{"viewer", nil, h.joinAs(invite(t, owner, form))}
	for _, rt := range h.Routes() {
		if cameraRules()[rt.Pattern] != "replay" || rt.Pattern == heartbeatRoute || strings.Contains(rt.Pattern, "{event}") || strings.Contains(rt.Pattern, "{segment}") {
			continue
		}
		for name, c := range map[string]struct {
			from, to time.Duration // from now
			may      bool
		}{
			"before":       {-3 * time.Hour, -2 * time.Hour, false},
			"across begin": {-2 * time.Hour, -30 * time.Minute, false},
			"within":       {-30 * time.Minute, -20 * time.Minute, true},
			"across end":   {30 * time.Minute, 90 * time.Minute, false},
		} {
			query := fmt.Sprintf("?from=%d&to=%d&x=0&y=0&w=1&h=1", now.Add(c.from).UnixMilli(), now.Add(c.to).UnixMilli())
			if got := who.ask(rt.Pattern, camera, query); (got != http.StatusNotFound) != c.may {
				t.Errorf("%s of footage %s: status %d", rt.Pattern, name, got)
			}
		}
	}
}

// TestR11ThereIsNoWayToSpeak: no route takes sound, and no page may ask for a microphone.
func TestR11ThereIsNoWayToSpeak(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	for _, rt := range h.Routes() {
		for _, word := range []string{"talk", "speak", "microphone", "intercom", "backchannel"} {
			if strings.Contains(rt.Pattern, word) {
				t.Errorf("%s takes sound", rt.Pattern)
			}
		}
	}
	if auth.AllRights != nvr.MayLive|nvr.MayReplay|nvr.MayAudio|nvr.MayExport|nvr.MayDelete {
		t.Error("there is a right that this test does not know")
	}
	if got := b.get("/").Header().Get("Permissions-Policy"); !strings.Contains(got, "microphone=()") {
		t.Errorf("pages may ask for a microphone: %s", got)
	}
}

// TestR23ProxyGivesNobodyAnothersPicture puts a cache in front of the box that
// keeps all it is allowed to, as a proxy of the house may.
func TestR23ProxyGivesNobodyAnothersPicture(t *testing.T) {
	h := newHouse(t)
	owner := h.browser(h.claim())
	door, bedroom := h.fleet.add("Front door"), h.fleet.add("Bedroom")
	h.footage.media = []byte("the bedroom")
	h.moved.events = []nvr.StoredEvent{{Ref: eventOf(bedroom)}}
	h.moved.still = []byte("jpeg")
	proxy := &cache{next: h, kept: make(map[string]*kept)}
	owner.h = proxy
	other := h.joinAs(invite(t, h.browser(owner.cookies["__Host-lares"]), url.Values{"name": {ben}, "role": {"viewer"}, "right": {door.ID.String() + " live"}}))
	other.h = proxy
	id := bedroom.ID.String()
	for _, path := range []string{
		"/cameras/" + id, "/api/v1/cameras/" + id + "/still.jpg", "/api/v1/cameras/" + id + "/media?from=1000&to=2000",
		"/api/v1/cameras/" + id + "/export.mp4?from=1000&to=2000", "/api/v1/events/" + ui.EventWord(eventOf(bedroom)) + "/thumbnail.jpg",
		"/api/v1/cameras/" + id + "/init/" + nvr.NewID[nvr.Segment]().String(),
	} {
		first := owner.get(path)
		if first.Code != http.StatusOK {
			t.Errorf("%s: the owner gets %d", path, first.Code)
		}
		second := other.get(path)
		if second.Code != http.StatusNotFound || second.Body.String() == first.Body.String() {
			t.Errorf("%s: who may not see it gets %d", path, second.Code)
		}
	}
	if len(proxy.kept) > 0 {
		t.Errorf("a cache may keep %d answers", len(proxy.kept))
	}
}

// cache keeps each answer that is not forbidden to be kept, whoever asks.
type cache struct {
	next http.Handler
	kept map[string]*kept
}

type kept struct {
	status int
	head   http.Header
	body   []byte
}

// ServeHTTP implements http.Handler.
func (c *cache) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k := c.kept[r.URL.String()]
	if k == nil {
		k = &kept{status: http.StatusOK, head: w.Header()}
		c.next.ServeHTTP(&copying{ResponseWriter: w, to: k}, r)
		if !strings.Contains(w.Header().Get("Cache-Control"), "no-store") {
			c.kept[r.URL.String()] = k
		}
		return
	}
	maps.Copy(w.Header(), k.head)
	w.WriteHeader(k.status)
	_, _ = w.Write(k.body) // into memory
}

type copying struct {
	http.ResponseWriter
	to *kept
}

func (c *copying) WriteHeader(status int) {
	c.to.status = status
	c.ResponseWriter.WriteHeader(status)
}

func (c *copying) Write(b []byte) (int, error) {
	c.to.body = append(c.to.body, b...)
	return c.ResponseWriter.Write(b)
}
