package ui_test

import (
	"context"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
)

// repository is the root of the source.
const repository = ".."

// tests are the names of all tests in the source.
func tests(t *testing.T) map[string]bool {
	t.Helper()
	name := regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	found := make(map[string]bool)
	err := filepath.WalkDir(repository, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && (e.Name() == "node_modules" || e.Name() == ".git") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		src, err := os.ReadFile(path)
		for _, m := range name.FindAllStringSubmatch(string(src), -1) {
			found[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestR18EveryClaimHasItsTest: the page, the threat table and the tests say the same.
func TestR18EveryClaimHasItsTest(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	root := page(t, b.get("/protect"))
	there := tests(t)
	raw, err := os.ReadFile(filepath.Join(repository, "nvr", "vault", "threats.md"))
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	for line := range strings.Lines(string(raw)) {
		if cells := strings.Split(strings.TrimSpace(line), " | "); strings.HasPrefix(line, "| ") && len(cells) == 4 {
			rows = append(rows, cells)
		}
	}
	rows = rows[1:] // the head
	shown := all(root, class("protect-who"))
	if len(shown) != len(rows) || len(rows) < 20 {
		t.Fatalf("the page knows %d attackers, the threat table %d", len(shown), len(rows))
	}
	word := regexp.MustCompile(`Test\w+`)
	for i, attacker := range shown {
		var named []string
		for _, item := range all(attacker, class("mono")) {
			named = append(named, words(item))
		}
		who := words(all(attacker, tag("h3"))[0])
		if len(named) == 0 {
			t.Errorf("%s: no test holds it", who)
		}
		for _, name := range named {
			if !there[name] {
				t.Errorf("%s: there is no test %s", who, name)
			}
		}
		if said := word.FindAllString(rows[i][3], -1); !slices.Equal(said, named) {
			t.Errorf("%s is held by %q, in the threat table (%s) by %q", who, named, rows[i][0], said)
		}
		for _, text := range all(attacker, tag("dd")) {
			if strings.Contains(words(text), "protect.") {
				t.Errorf("%s: a text is missing: %s", who, words(text))
			}
		}
	}
}

func TestProtectPageSaysWhatHoldsNow(t *testing.T) {
	h := newHouse(t)
	owner := h.browser(h.claim())
	door := h.fleet.add("Front door")
	h.moved.status = nvr.DetectionStatus{Works: true, Fence: "the kernel is old"}
	for _, c := range []struct {
		p    nvr.Protection
		want []string
		bad  int
	}{
		{nvr.Protection{Suite: "AES-256-GCM", MachineKey: nvr.KeyInTPM, Swap: nvr.SwapForbidden, Private: true, Erases: true}, []string{"erased from memory", "AES-256-GCM", "security chip", "keeps Lares out of the swap"}, 1},
		{nvr.Protection{Suite: "ChaCha20-Poly1305", MachineKey: nvr.KeyFromSystem, Swap: nvr.SwapOff, Private: true}, []string{"ChaCha20", "kept by the system", "no swap space"}, 1},
		{nvr.Protection{Swap: nvr.SwapLocked, Private: true}, []string{"a file on its system disk", "memory of Lares is locked"}, 1},
		{nvr.Protection{}, []string{"may be written to the swap", "can look into the memory"}, 3},
	} {
		h.protection = c.p
		root := page(t, owner.get("/protect"))
		text := words(root)
		for _, want := range append(c.want, "Front door: recordings of today open for 1 of the household", "the kernel is old") {
			if !strings.Contains(text, want) {
				t.Errorf("%+v: the page does not say %q", c.p, want)
			}
		}
		if bad := all(root, class("protect-bad")); len(bad) != c.bad {
			t.Errorf("%+v: %d warnings, want %d", c.p, len(bad), c.bad)
		}
	}
	if text := words(page(t, owner.get("/protect"))); strings.Contains(text, "reach no files") {
		t.Error("a fence that is reduced is praised")
	}
	h.moved.status.Fence = ""
	if text := words(page(t, owner.get("/protect"))); !strings.Contains(text, "reach no files") || strings.Contains(text, "the kernel is old") {
		t.Errorf("a whole fence: %s", text)
	}
	b := h.joinAs(invite(t, owner, url.Values{"name": {ben}, "role": {"viewer"}, "right": {door.ID.String() + " live", door.ID.String() + " replay"}}))
	h.fleet.add("Bedroom")
	if text := words(page(t, b.get("/protect"))); !strings.Contains(text, "open for 2 of") || strings.Contains(text, "Bedroom") {
		t.Errorf("a viewer reads: %s", text)
	}
}

// TestR14EverybodyConfirmsToKnowWhatIsKept: before any other page, once.
func TestR14EverybodyConfirmsToKnowWhatIsKept(t *testing.T) {
	h := newHouse(t)
	_, token, err := h.auth.Claim(t.Context(), auth.ClaimRequest{
		Console: true, Name: anna, Password: password, WaiveSecondFactor: true, Recovery: auth.NewRecoveryKey(),
	})
	if err != nil {
		t.Fatal(err)
	}
	b := h.browser(token)
	camera := h.fleet.add("Front door")
	for _, rt := range h.Routes() {
		method, path := fill(rt.Pattern, camera)
		if rt.Open || !rt.Page || method != http.MethodGet || slices.Contains([]string{"/first", "/welcome", "/unlock"}, path) {
			continue
		}
		if w := b.get(path); !strings.HasPrefix(w.Header().Get("Location"), "/first") {
			t.Errorf("%s answers %d before anything was confirmed", path, w.Code)
		}
	}
	text := words(page(t, b.get("/first?next=%2Fevents")))
	for _, want := range []string{"for 14 days", "Owners of this house open all of it", "record of who looked", "Sound is off"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q: %s", want, text)
		}
	}
	wantRedirect(t, b.post("/first", "next", "https://evil.example/"), "/")
	wantStatus(t, b.get("/events"), http.StatusOK)
	h.restart()
	b = h.browser("")
	wantRedirect(t, b.post("/login", "name", anna, "password", password), "/")
	wantStatus(t, b.get("/"), http.StatusOK)
	if n := h.entries(b.cookies["__Host-lares"], auth.LogTold); n != 1 {
		t.Errorf("%d entries, want 1", n)
	}
}

// TestGuestKeepsTheOwnPassword: a guest's account is the guest's.
func TestGuestKeepsTheOwnPassword(t *testing.T) {
	h := newHouse(t)
	owner := h.browser(h.claim())
	b := h.role(owner, "guest", h.fleet.add("Front door"))
	const next = "nine grey geese march"
	wantRedirect(t, b.post("/account/password", "old", benPassword, "password", next, "again", next), "/account?done=password")
	wantStatus(t, h.browser("").post("/login", "name", "A guest", "password", benPassword), http.StatusForbidden)
	wantRedirect(t, h.browser("").post("/login", "name", "A guest", "password", next), "/")
	if text := words(page(t, b.get("/account"))); strings.Contains(text, "How this box protects you") {
		t.Error("a guest is led to a page that guests may not open")
	}
}

// from sends requests of the browser from another address.
func (b *browser) from(addr, method, path string) *httptest.ResponseRecorder {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Second) // a stream ends by itself
	defer cancel()
	r := formRequest(b.t, method, path).WithContext(ctx)
	r.RemoteAddr = addr
	return b.do(r)
}

// TestR3CookiesThatAnotherServiceGetsOpenNothing: browsers send cookies to every
// port of a host. Whoever listens on another one has all of them, and connects
// from the host itself; what a browser keeps for one origin it does not have.
func TestR3CookiesThatAnotherServiceGetsOpenNothing(t *testing.T) {
	h := newHouse(t)
	token := h.claim()
	door := h.fleet.add("Front door")
	h.footage.media = []byte("footage")
	b := h.browser(token)
	media := "/api/v1/cameras/" + door.ID.String() + "/media?from=1000&to=2000"
	wantStatus(t, b.get(media), http.StatusOK)
	wantStatus(t, b.post("/api/v1/device"), http.StatusOK) // and the cookie of a remembered device
	const other = "127.0.0.1:40000"
	for _, rt := range h.Routes() {
		method, path := fill(rt.Pattern, door)
		if rt.Open || slices.Contains([]string{"/unlock", "/logout"}, path) {
			continue
		}
		w := b.from(other, method, path)
		if to := w.Header().Get("Location"); w.Code != http.StatusUnauthorized && (w.Code != http.StatusSeeOther || !strings.HasPrefix(to, "/unlock")) {
			t.Errorf("%s answers %d (%s) to who has the cookies alone", rt.Pattern, w.Code, to)
		}
	}
	wantStatus(t, b.from(other, http.MethodGet, media), http.StatusUnauthorized)
	wantStatus(t, b.from(other, http.MethodPost, "/api/v1/device/login"), http.StatusForbidden)
	wantStatus(t, b.from(other, http.MethodGet, "/unlock"), http.StatusOK) // and no way round in circles
	if text := words(page(t, b.from(other, http.MethodGet, "/help/certificate"))); strings.Contains(text, "Who looked") {
		t.Errorf("an open page tells who has the cookies what the owner sees: %s", text)
	}
	wantStatus(t, b.get(media), http.StatusOK) // the browser itself goes on

	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/unlock", strings.NewReader(url.Values{"password": {password}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.RemoteAddr = "10.0.0.7:5"
	wantRedirect(t, b.do(r), "/") // the owner in another network
	wantStatus(t, b.from("10.0.0.7:6", http.MethodGet, media), http.StatusOK)
}
