package ui_test

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"lares/ui"
)

// field returns the wrong field of a page and what the page says about it.
func complaint(t *testing.T, root *node) (field, message string) {
	t.Helper()
	for _, n := range all(root, tag("input")) {
		if attr(n, "aria-invalid") == "true" {
			field = attr(n, "name")
		}
	}
	for _, n := range all(root, class("error")) {
		message = words(n)
	}
	return field, message
}

func TestFirstRunFromCodeToOwner(t *testing.T) {
	h := newHouse(t)
	code, _, err := h.auth.NewSetupCode(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := h.browser("")
	wantRedirect(t, b.get("/"), "/setup")
	wantRedirect(t, b.get("/login"), "/setup")

	field, message := complaint(t, page(t, b.post("/setup/code", "setup-code", "AAAA-AAAA")))
	if field != "setup-code" || message == "" {
		t.Errorf("a wrong code: field %q, %q", field, message)
	}
	wantRedirect(t, b.post("/setup/owner", "name", anna), "/setup") // not yet
	wantRedirect(t, b.post("/setup/code", "setup-code", strings.ToLower(code)), "/setup")

	if field, _ = complaint(t, page(t, b.post("/setup/owner", "name", anna, "password", "short", "again", "short"))); field != "password" {
		t.Errorf("a short password: field %q", field)
	}
	if field, _ = complaint(t, page(t, b.post("/setup/owner", "name", anna, "password", password, "again", "x"))); field != "again" {
		t.Errorf("two passwords: field %q", field)
	}
	wantRedirect(t, b.post("/setup/owner", "name", anna, "password", password, "again", password), "/setup")

	sheet := page(t, b.get("/setup"))
	groups, ask := recoverySheet(t, sheet)
	if field, _ = complaint(t, page(t, b.post("/setup/recovery", "group-a", groups[ask[0]-1], "group-b", "XXXXX"))); field != "group-b" {
		t.Errorf("a wrong group: field %q", field)
	}
	wantRedirect(t, b.post("/setup/recovery", "group-a", strings.ToLower(groups[ask[0]-1]), "group-b", " "+groups[ask[1]-1]), "/setup")

	factor := page(t, b.get("/setup"))
	if len(all(factor, class("qr"))) != 1 {
		t.Error("no QR code")
	}
	secret := ""
	for _, n := range all(factor, class("mono")) {
		secret = words(n)
	}
	if field, _ = complaint(t, page(t, b.post("/setup/factor", "code", "000000"))); field != "code" {
		t.Errorf("a wrong second factor: field %q", field)
	}
	now, err := totp.GenerateCode(secret, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	wantRedirect(t, b.post("/setup/factor", "code", now), "/welcome")
	wantStatus(t, b.get("/welcome"), http.StatusOK)

	if claimed, err := h.auth.Claimed(t.Context()); err != nil || !claimed {
		t.Errorf("claimed %v, %v", claimed, err)
	}
	second := h.browser("")
	wantRedirect(t, second.get("/setup"), "/login")
	wantRedirect(t, second.post("/setup/code", "setup-code", code), "/login")
}

func recoverySheet(t *testing.T, root *node) (groups []string, ask [2]int) {
	t.Helper()
	for _, ol := range all(root, class("groups")) {
		for _, li := range all(ol, tag("li")) {
			groups = append(groups, words(li))
		}
	}
	i := 0
	for _, label := range all(root, tag("label")) {
		n, err := strconv.Atoi(strings.TrimPrefix(words(label), "Group "))
		if err != nil || i > 1 {
			t.Fatalf("label %q", words(label))
		}
		ask[i] = n
		i++
	}
	if len(groups) != 8 || ask[0] == ask[1] {
		t.Fatalf("%d groups, asks for %v", len(groups), ask)
	}
	return groups, ask
}

func TestLoginLeadsBackToThePage(t *testing.T) {
	h := newHouse(t)
	h.claim()
	b := h.browser("")
	w := b.get("/account")
	wantRedirect(t, w, "/login?next=%2Faccount")
	wrong := b.post("/login", "name", anna, "password", "not the password", "next", "/account")
	wantStatus(t, wrong, http.StatusForbidden)
	if strings.Contains(wrong.Body.String(), "not the password") {
		t.Error("the page repeats the password")
	}
	wantRedirect(t, b.post("/login", "name", anna, "password", password, "next", "/account"), "/account")
	wantStatus(t, b.get("/account"), http.StatusOK)
	wantRedirect(t, b.post("/logout"), "/login")
	wantRedirect(t, b.get("/account"), "/login?next=%2Faccount")
}

func TestUnknownNameIsAnsweredLikeAWrongPassword(t *testing.T) {
	h := newHouse(t)
	h.claim()
	a := h.browser("").post("/login", "name", anna, "password", "a wrong password")
	b := h.browser("").post("/login", "name", "Nora", "password", "a wrong password")
	if a.Code != b.Code || strings.ReplaceAll(a.Body.String(), anna, "Nora") != b.Body.String() {
		t.Error("the answers differ")
	}
}

func TestRestartLocksUntilThePassword(t *testing.T) {
	h := newHouse(t)
	token := h.claim()
	camera := h.fleet.add("Front door")
	media := "/api/v1/cameras/" + camera.ID.String() + "/media?from=1000&to=2000&play=a"
	wantStatus(t, h.browser(token).get(media), http.StatusOK)
	h.restart()
	b := h.browser(token)
	w := b.get(media)
	wantStatus(t, w, http.StatusLocked)
	if !strings.Contains(w.Body.String(), `"code":"locked"`) || !strings.HasPrefix(w.Body.String(), `{"version":1,`) {
		t.Errorf("answer %s", w.Body)
	}
	wantStatus(t, b.get("/unlock"), http.StatusOK)
	wantStatus(t, b.post("/unlock", "password", "wrong wrong wrong"), http.StatusForbidden)
	wantRedirect(t, b.post("/unlock", "password", password, "next", "/cameras/x?t=1"), "/cameras/x?t=1")
	wantStatus(t, b.get(media), http.StatusOK)
}

func TestAccountEndsOtherSessions(t *testing.T) {
	h := newHouse(t)
	first := h.browser(h.claim())
	second := h.browser("")
	second.post("/login", "name", anna, "password", password)
	wantStatus(t, second.get("/account"), http.StatusOK)
	var ids []string
	for _, n := range all(page(t, first.get("/account")), tag("input")) {
		if attr(n, "name") == "session" {
			ids = append(ids, attr(n, "value"))
		}
	}
	if len(ids) != 1 {
		t.Fatalf("%d other sessions, want 1", len(ids))
	}
	wantRedirect(t, first.post("/account/revoke", "session", ids[0]), "/account?done=revoked")
	wantRedirect(t, second.get("/"), "/login")
	wantStatus(t, first.post("/account/revoke", "session", strings.Repeat("00", 32)), http.StatusNotFound)
}

func TestPasswordChange(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	const next = "five slow otters hum"
	if field, _ := complaint(t, page(t, b.post("/account/password", "old", "wrong", "password", next, "again", next))); field != "old" {
		t.Errorf("a wrong old password: field %q", field)
	}
	wantRedirect(t, b.post("/account/password", "old", password, "password", next, "again", next), "/account?done=password")
	wantRedirect(t, h.browser("").post("/login", "name", anna, "password", next), "/")
}

func TestNextStaysOnThisBox(t *testing.T) {
	for next, want := range map[string]string{
		"/cameras/1?t=5": "/cameras/1?t=5", "": "/", "https://evil.example/": "/", "//evil.example": "/",
		`/\evil.example`: "/", "javascript:alert(1)": "/", "cameras": "/", "/a\tb": "/", "/\n/evil": "/",
	} {
		if got := ui.LocalPath(next); got != want {
			t.Errorf("%q leads to %q, want %q", next, got, want)
		}
	}
}

func FuzzLocalPath(f *testing.F) {
	f.Add("/cameras/1?t=5")
	f.Add("//evil.example")
	base, err := url.Parse("https://box.local/login")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, next string) {
		u, err := base.Parse(ui.LocalPath(next))
		if err != nil || u.Host != "box.local" || u.Scheme != "https" {
			t.Errorf("%q leads to %v (%v)", next, u, err)
		}
	})
}
