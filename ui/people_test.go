package ui_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
)

const (
	ben         = "Ben"
	benPassword = "seven loud otters hum"
)

// send posts a form in which fields come more than once.
func (b *browser) send(path string, form url.Values) *httptest.ResponseRecorder {
	b.t.Helper()
	r := httptest.NewRequestWithContext(b.t.Context(), http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.do(r)
}

// invite adds a person through the page and returns the code that it shows.
func invite(t *testing.T, owner *browser, form url.Values) string {
	t.Helper()
	w := owner.send("/people/new", form)
	wantStatus(t, w, http.StatusOK)
	return shownCode(t, w)
}

func shownCode(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	shown := all(page(t, w), class("code-big"))
	if len(shown) != 1 {
		t.Fatalf("no code is shown: %.300s", w.Body)
	}
	code := strings.ReplaceAll(words(shown[0]), " ", "")
	if !regexp.MustCompile(`^([0-9A-Z]{4}-){3}[0-9A-Z]{4}$`).MatchString(code) {
		t.Fatalf("code %q", code)
	}
	return code
}

// joinAs uses an invitation up and returns the browser that is logged in.
func (h *house) joinAs(code string) *browser {
	h.t.Helper()
	b := h.browser("")
	wantRedirect(h.t, b.post("/join/code", "invitation", strings.ToLower(code)), "/join")
	wantRedirect(h.t, b.post("/join", "password", benPassword, "again", benPassword), "/")
	wantRedirect(h.t, b.post("/first", "next", "/"), "/")
	return b
}

// role makes somebody of a role who may do everything that it allows with a camera.
func (h *house) role(owner *browser, role string, camera nvr.Camera) *browser {
	h.t.Helper()
	form := url.Values{"name": {"A " + role}, "role": {role}}
	for _, r := range []string{"live", "replay", "audio", "export", "delete"} {
		form.Add("right", camera.ID.String()+" "+r)
	}
	if role == "guest" {
		form.Set("from", "2024-01-01T08:00")
		form.Set("until", time.Now().Add(48*time.Hour).Format("2006-01-02T15:04"))
	}
	return h.joinAs(invite(h.t, owner, form))
}

func TestInvitedPersonJoinsAndSeesWhatIsShared(t *testing.T) {
	h := newHouse(t)
	owner := h.browser(h.claim())
	door, bedroom := h.fleet.add("Front door"), h.fleet.add("Bedroom")
	code := invite(t, owner, url.Values{
		"name": {ben}, "role": {"viewer"},
		"right": {door.ID.String() + " live", door.ID.String() + " export", "nonsense", bedroom.ID.String()},
	})
	list := page(t, owner.get("/people"))
	if text := words(list); !strings.Contains(text, "invited") || !strings.Contains(text, "Front door: Live") || strings.Contains(text, "Save clips") {
		t.Errorf("people: %s", text)
	}
	b := h.browser("")
	if field, message := complaint(t, page(t, b.post("/join/code", "invitation", "AAAA-AAAA-AAAA-AAAA"))); field != "invitation" || message == "" {
		t.Errorf("a wrong code: %q, %q", field, message)
	}
	wantRedirect(t, b.post("/join/code", "invitation", code), "/join")
	if field, _ := complaint(t, page(t, b.post("/join", "password", "short", "again", "short"))); field != "password" {
		t.Errorf("a short password: field %q", field)
	}
	if field, _ := complaint(t, page(t, b.post("/join", "password", benPassword, "again", benPassword, "code", "000000"))); field != "code" {
		t.Errorf("a wrong second factor: field %q", field)
	}
	wantRedirect(t, b.post("/join", "password", benPassword, "again", benPassword), "/")
	wantRedirect(t, b.post("/first", "next", "/"), "/")
	if text := words(page(t, b.get("/"))); !strings.Contains(text, "Front door") || strings.Contains(text, "Bedroom") || strings.Contains(text, "Add camera") {
		t.Errorf("home of the viewer: %s", text)
	}
	wantStatus(t, b.get("/cameras/"+door.ID.String()), http.StatusOK)
	wantStatus(t, b.get("/cameras/"+bedroom.ID.String()), http.StatusNotFound)
	again := h.browser("")
	wantStatus(t, again.post("/join/code", "invitation", code), http.StatusForbidden)
}

// TestR3EveryRoleReachesItsOwnPages asks every page of the house as everybody.
func TestR3EveryRoleReachesItsOwnPages(t *testing.T) {
	h := newHouse(t)
	owner := h.browser(h.claim())
	camera := h.fleet.add("Front door")
	for role, open := range map[string][]string{
		"owner":  {"/", "/people", "/people/new", "/log", "/account", "/account/factor", "/cameras/new", "/events"},
		"member": {"/", "/log", "/account", "/account/factor", "/events"},
		"viewer": {"/", "/account", "/account/factor", "/events"},
		"guest":  {"/", "/account", "/account/factor", "/events"},
	} {
		b := owner
		if role != "owner" {
			b = h.role(owner, role, camera)
		}
		for _, path := range []string{"/", "/people", "/people/new", "/log", "/account", "/account/factor", "/cameras/new", "/events"} {
			want := http.StatusForbidden
			if slices.Contains(open, path) {
				want = http.StatusOK
			}
			if got := b.get(path).Code; got != want {
				t.Errorf("%s gets %d from %s, want %d", role, got, path, want)
			}
		}
		onlyLive := func(n *node) bool { return strings.Contains(attrNames(n), " live-only ") }
		if shown := page(t, b.get("/cameras/"+camera.ID.String())); (len(all(shown, onlyLive)) == 1) != (role == "guest") {
			t.Errorf("the camera page of a %s offers the wrong things", role)
		}
		links := words(all(page(t, b.get("/")), tag("nav"))[0])
		if strings.Contains(links, "People") != (role == "owner") || strings.Contains(links, "Who looked") != slices.Contains(open, "/log") {
			t.Errorf("the navigation of a %s: %s", role, links)
		}
	}
}

// lowest says, for each route that is not about one camera, who reaches it: the
// least powerful role of owner, member, viewer and guest. An owner reaches all.
func lowest() map[string]string {
	table := make(map[string]string)
	for role, patterns := range map[string][]string{
		"guest": {
			"GET /{$}", "GET /kiosk", "GET /events", "POST /logout", "GET /first", "POST /first", "GET /unlock", "POST /unlock", "GET /prove", "POST /prove",
			"GET /api/v1/cameras", "GET /api/v1/overview", "GET /api/v1/events", "POST /api/v1/csp",
			"GET /account", "POST /account/password", "POST /account/revoke", "GET /account/factor", "POST /account/factor",
			"POST /account/factor/off", "POST /account/codes", "POST /account/devices/forget", "GET /links", "POST /links/{link}/end", "GET /remember", "POST /api/v1/device",
		},
		"viewer": {"GET /keeps", "POST /keeps/{hold}/lift", "GET /privacy", "POST /privacy", "GET /protect"},
		"member": {"POST /privacy/lift", "GET /log", "POST /log/check"},
		"owner": {
			"GET /delete", "POST /delete",
			"POST /privacy/plan", "POST /privacy/plan/remove", "GET /welcome", "GET /cameras/new", "POST /cameras/new", "POST /cameras/new/add", "POST /cameras/new/change",
			"POST /cameras/new/search", "GET /api/v1/drafts/{draft}/still.jpg",
			"GET /homekit", "POST /homekit/switch", "GET /homekit/house", "POST /homekit/house", "POST /homekit/house/remove", "POST /homekit/house/test",
			"GET /people", "GET /people/new", "POST /people/new", "GET /people/{person}", "POST /people/{person}",
			"POST /people/{person}/suspend", "POST /people/{person}/reset", "POST /people/{person}/remove",
		},
	} {
		for _, p := range patterns {
			table[p] = role
		}
	}
	return table
}

// TestR3EveryRouteOfTheHouseHasItsRoles: a new route without an entry in the
// table fails.
func TestR3EveryRouteOfTheHouseHasItsRoles(t *testing.T) {
	h := newHouse(t)
	owner := h.browser(h.claim())
	camera := h.fleet.add("Front door")
	roles := []string{"guest", "viewer", "member", "owner"}
	for i, role := range roles {
		b := owner
		if role != "owner" {
			b = h.role(owner, role, camera)
		}
		token := b.cookies["__Host-lares"]
		for _, rt := range h.Routes() {
			if rt.Open || strings.Contains(rt.Pattern, "{camera}") || strings.Contains(rt.Pattern, "{event}") || rt.Pattern == "GET /api/v1/happenings" {
				continue // these are asked about each camera
			}
			least := slices.Index(roles, lowest()[rt.Pattern])
			if least < 0 {
				t.Errorf("%s: nobody said who reaches it", rt.Pattern)
				continue
			}
			if rt.Pattern == "POST /logout" {
				continue
			}
			method, path := fill(rt.Pattern, camera)
			w := b.do(formRequest(t, method, path))
			refused := w.Code == http.StatusForbidden && (strings.Contains(w.Body.String(), "You may not do this") || strings.Contains(w.Body.String(), `"forbidden"`))
			if refused != (i < least) {
				t.Errorf("%s: refused to a %s: %v (status %d)", rt.Pattern, role, refused, w.Code)
			}
			b.cookies["__Host-lares"] = token
		}
	}
}

// formRequest is an empty form of a page of this box, or a GET.
func formRequest(t *testing.T, method, path string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	return r
}

// attrNames are the names of an element's attributes, with spaces around.
func attrNames(n *node) string {
	names := " "
	for _, a := range n.Attr {
		names += a.Key + " "
	}
	return names
}

func TestNonsenseAboutPeopleIsRefused(t *testing.T) {
	h := newHouse(t)
	owner := h.browser(h.claim())
	camera := h.fleet.add("Front door").ID.String()
	for field, form := range map[string]url.Values{
		"name":  {"name": {" "}, "role": {"member"}},
		"":      {"name": {ben}, "role": {"king"}},
		"from":  {"name": {ben}, "role": {"guest"}, "right": {camera + " live"}},
		"until": {"name": {ben}, "role": {"guest"}, "from": {"x"}, "from-ms": {"1000"}, "until": {"x"}, "until-ms": {"2000"}},
	} {
		w := owner.send("/people/new", form)
		wantStatus(t, w, http.StatusUnprocessableEntity)
		if got, message := complaint(t, page(t, w)); got != field || message == "" {
			t.Errorf("%v: field %q, %q", form, got, message)
		}
	}
	for _, form := range []url.Values{
		{"name": {anna}, "role": {"member"}},
		{"name": {ben}, "role": {"member"}, "right": {camera + " export"}},
		{"name": {ben}, "role": {"guest"}, "from": {"x"}, "until": {"y"}},
		{"name": {ben}, "role": {"guest"}, "from": {"x"}, "from-ms": {"99999999999999999999"}, "until": {"y"}},
	} {
		wantStatus(t, owner.send("/people/new", form), http.StatusUnprocessableEntity)
	}
	for _, id := range []string{"x", nvr.NewID[nvr.Principal]().String()} {
		wantStatus(t, owner.get("/people/"+id), http.StatusNotFound)
		wantStatus(t, owner.post("/people/"+id+"/remove", "sure", "yes"), http.StatusNotFound)
	}
}

// personID finds somebody on the page of people.
func personID(t *testing.T, owner *browser, name string) string {
	t.Helper()
	for _, a := range all(page(t, owner.get("/people")), tag("a")) {
		if id, ok := strings.CutPrefix(attr(a, "href"), "/people/"); ok && words(a) == name {
			return id
		}
	}
	t.Fatalf("%s is not on the page", name)
	return ""
}

func TestOwnerChangesSuspendsResetsAndRemoves(t *testing.T) {
	h := newHouse(t)
	owner := h.browser(h.claim())
	camera := h.fleet.add("Front door")
	b := h.joinAs(invite(t, owner, url.Values{"name": {ben}, "role": {"member"}, "right": {camera.ID.String() + " live"}}))
	place := "/people/" + personID(t, owner, ben)
	wantStatus(t, owner.get(place), http.StatusOK)
	wantStatus(t, b.get("/cameras/"+camera.ID.String()), http.StatusOK)

	wantRedirect(t, owner.send(place, url.Values{"name": {"Benjamin"}, "role": {"viewer"}}), "/people?done=person")
	if text := words(page(t, owner.get("/people"))); !strings.Contains(text, "Benjamin") || !strings.Contains(text, "No camera") {
		t.Errorf("people: %s", text)
	}
	wantRedirect(t, b.get("/account"), "/login?next=%2Faccount") // less than before ends logins
	wantRedirect(t, b.post("/login", "name", "Benjamin", "password", benPassword), "/")
	wantStatus(t, b.get("/cameras/"+camera.ID.String()), http.StatusNotFound)

	wantRedirect(t, owner.post(place+"/suspend", "off", "yes"), "/people?done=person")
	w := b.post("/login", "name", "Benjamin", "password", benPassword)
	wantStatus(t, w, http.StatusForbidden)
	if _, message := complaint(t, page(t, w)); !strings.Contains(message, "switched off") {
		t.Errorf("a suspended person reads %q", message)
	}
	wantRedirect(t, owner.post(place+"/suspend"), "/people?done=person")
	wantRedirect(t, b.post("/login", "name", "Benjamin", "password", benPassword), "/")

	wantRedirect(t, owner.post(place+"/reset"), place)
	code := shownCode(t, owner.post(place+"/reset", "sure", "yes"))
	wantStatus(t, b.post("/login", "name", "Benjamin", "password", benPassword), http.StatusForbidden)
	h.joinAs(code)

	wantRedirect(t, owner.post(place+"/remove"), place)
	wantRedirect(t, owner.post(place+"/remove", "sure", "yes"), "/people?done=gone")
	wantStatus(t, b.post("/login", "name", "Benjamin", "password", benPassword), http.StatusForbidden)
	wantStatus(t, owner.get(place), http.StatusNotFound)

	self := "/people/" + personID(t, owner, anna)
	wantStatus(t, owner.post(self+"/remove", "sure", "yes"), http.StatusConflict)
	wantStatus(t, owner.send(self, url.Values{"name": {anna}, "role": {"member"}}), http.StatusConflict)
}

// TestPeopleNeedThePasswordAgain: a restart takes the proof of a login away.
func TestPeopleNeedThePasswordAgain(t *testing.T) {
	h := newHouse(t)
	token := h.claim()
	camera := h.fleet.add("Front door").ID.String()
	h.restart()
	b := h.browser(token)
	form := url.Values{"name": {ben}, "role": {"member"}, "right": {camera + " live", camera + " replay"}}
	w := b.send("/people/new", form)
	wantStatus(t, w, http.StatusForbidden)
	sent := url.Values{}
	for _, in := range all(page(t, w), tag("input")) {
		if attr(in, "type") == "hidden" && attr(in, "name") != "" {
			sent.Add(attr(in, "name"), attr(in, "value"))
		}
	}
	if action := attr(all(page(t, w), tag("form"))[0], "action"); action != "/people/new" || len(sent["right"]) != 2 || sent.Get("name") != ben {
		t.Errorf("the form goes to %q with %v", action, sent)
	}
	sent.Set("proof-password", "not the password")
	wrong := b.send("/people/new", sent)
	wantStatus(t, wrong, http.StatusForbidden)
	if field, message := complaint(t, page(t, wrong)); field != "proof-password" || message == "" || strings.Contains(wrong.Body.String(), "not the password") {
		t.Errorf("a wrong password: %q, %q", field, message)
	}
	sent.Set("proof-password", password)
	shownCode(t, b.send("/people/new", sent))
	wantStatus(t, b.get("/people"), http.StatusOK)
}

func TestR8SavingAClipNeedsThePasswordAgain(t *testing.T) {
	h := newHouse(t)
	token := h.claim()
	camera := h.fleet.add("Front door").ID.String()
	clip := "/api/v1/cameras/" + camera + "/export.mp4?from=1000&to=2000"
	h.footage.media = []byte("mp4")
	wantStatus(t, h.browser(token).get(clip), http.StatusOK) // just logged in
	h.restart()
	b := h.browser(token)
	w := b.get(clip)
	wantStatus(t, w, http.StatusForbidden)
	if !strings.Contains(w.Body.String(), `"code":"step-up"`) {
		t.Errorf("answer %s", w.Body)
	}
	next := "/cameras/" + camera + "?save"
	form := page(t, b.get("/prove?next="+url.QueryEscape(next)))
	if links := all(form, func(n *node) bool { return attr(n, "href") == "/cameras/"+camera }); len(links) != 1 {
		t.Error("no way back without the clip")
	}
	wantStatus(t, b.post("/prove", "next", next), http.StatusForbidden)
	wantRedirect(t, b.post("/prove", "next", "https://evil.example/", "proof-password", password), "/")
	wantRedirect(t, b.post("/prove", "next", next), next) // still proved
	wantStatus(t, b.get(clip), http.StatusOK)
	if n := h.entries(token, auth.LogExport); n != 2 {
		t.Errorf("%d entries of saved clips, want 2", n)
	}
}
