package ui_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"lares/nvr/auth"
)

// remember makes a browser a remembered device and returns what its script keeps.
func remember(t *testing.T, b *browser) string {
	t.Helper()
	w := b.post("/api/v1/device")
	wantStatus(t, w, http.StatusOK)
	var answer struct{ Second string }
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Second == "" {
		t.Fatalf("answer %s (%v)", w.Body, err)
	}
	return answer.Second
}

func TestRememberedDeviceGetsInWithoutThePassword(t *testing.T) {
	h := newHouse(t)
	h.claim()
	b := h.browser("")
	ticked := page(t, b.post("/login", "name", anna, "password", password, "remember", "yes", "next", "/account"))
	linked := page(t, b.get("/remember?next=https%3A%2F%2Fevil.example"))
	for _, one := range []struct {
		root *node
		next string
		now  bool
	}{{ticked, "/account", true}, {linked, "/", false}} { // a link alone remembers nothing
		found := all(one.root, tag("lares-remember"))
		if len(found) != 1 || attr(found[0], "next") != one.next || strings.Contains(attrNames(found[0]), " now ") != one.now {
			t.Errorf("the page remembers %v, want next %q, now %v", found, one.next, one.now)
		}
	}
	second := remember(t, b)
	if body := b.get("/account").Body.String(); strings.Contains(body, second) || strings.Contains(body, b.cookies["__Host-lares-device"]) {
		t.Error("the account page shows a secret of the device")
	}
	b.post("/logout")
	if len(all(page(t, b.get("/login")), tag("lares-device"))) != 1 {
		t.Error("the login page does not offer the device")
	}
	if len(all(page(t, h.browser("").get("/login")), tag("lares-device"))) != 0 {
		t.Error("the login page of another browser offers a device")
	}
	cookie := b.cookies["__Host-lares-device"]
	wantStatus(t, b.post("/api/v1/device/login", "second", "nonsense"), http.StatusForbidden)
	b.cookies["__Host-lares-device"] = cookie
	wantStatus(t, h.browser("").post("/api/v1/device/login", "second", second), http.StatusForbidden) // one half alone
	wantStatus(t, b.post("/api/v1/device/login", "second", second), http.StatusOK)
	wantStatus(t, b.get("/account"), http.StatusOK)

	h.restart()
	b2 := h.browser(b.cookies["__Host-lares"])
	b2.cookies["__Host-lares-device"] = cookie
	wantRedirect(t, b2.get("/log"), "/unlock?next=%2Flog")
	wantStatus(t, b2.post("/api/v1/device/login", "second", second), http.StatusOK)
	wantStatus(t, b2.get("/log"), http.StatusOK)
	// What needs the password still does.
	wantStatus(t, b2.post("/api/v1/device"), http.StatusForbidden)
}

func TestForgettingADeviceNeedsThePassword(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	second := remember(t, b)
	id := ""
	for _, in := range all(page(t, b.get("/account")), tag("input")) {
		if attr(in, "name") == "device" {
			id = attr(in, "value")
		}
	}
	wantStatus(t, b.post("/account/devices/forget", "device", "x", "device-password", password), http.StatusNotFound)
	wantStatus(t, b.post("/account/devices/forget", "device", id, "device-password", "wrong"), http.StatusUnprocessableEntity)
	wantRedirect(t, b.post("/account/devices/forget", "device", id, "device-password", password), "/account?done=forgotten")
	thief := h.browser("")
	thief.cookies["__Host-lares-device"] = b.cookies["__Host-lares-device"]
	w := thief.post("/api/v1/device/login", "second", second)
	wantStatus(t, w, http.StatusForbidden)
	if !strings.Contains(w.Body.String(), `"code":"device"`) {
		t.Errorf("answer %s", w.Body)
	}
}

func TestSecondFactorIsSetChangedAndSwitchedOff(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	root := page(t, b.get("/account/factor"))
	secret, draft := words(all(root, class("mono"))[0]), ""
	for _, in := range all(root, tag("input")) {
		if attr(in, "name") == "draft" {
			draft = attr(in, "value")
		}
	}
	if field, _ := complaint(t, page(t, b.post("/account/factor", "draft", draft, "factor-code", "000000"))); field != "factor-code" {
		t.Errorf("a wrong code: field %q", field)
	}
	wantRedirect(t, b.post("/account/factor", "draft", "x", "factor-code", "000000"), "/account/factor")
	now, err := totp.GenerateCode(secret, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	codes := shownCodes(t, b.post("/account/factor", "draft", draft, "factor-code", now))

	other := h.browser("")
	wantStatus(t, other.post("/login", "name", anna, "password", password), http.StatusForbidden)
	wantRedirect(t, other.post("/login", "name", anna, "password", password, "recovery-code", strings.ToLower(codes[0])), "/")
	if text := words(page(t, b.get("/account"))); !strings.Contains(text, "9 recovery codes") {
		t.Errorf("account: %s", text)
	}
	fresh := shownCodes(t, b.post("/account/codes"))
	wantStatus(t, h.browser("").post("/login", "name", anna, "password", password, "recovery-code", codes[1]), http.StatusForbidden)
	wantRedirect(t, h.browser("").post("/login", "name", anna, "password", password, "recovery-code", fresh[1]), "/")

	wantRedirect(t, b.post("/account/factor/off"), "/account")
	wantRedirect(t, b.post("/account/factor/off", "sure", "yes"), "/account?done=factor-off")
	wantRedirect(t, h.browser("").post("/login", "name", anna, "password", password), "/")
	wantRedirect(t, b.post("/account/codes"), "/account/factor")

	h.restart()
	late := h.browser(b.cookies["__Host-lares"])
	wantStatus(t, late.post("/account/factor/off", "sure", "yes"), http.StatusForbidden)
	wantRedirect(t, late.post("/account/factor/off", "sure", "yes", "proof-password", password), "/account?done=factor-off")
}

func shownCodes(t *testing.T, w *httptest.ResponseRecorder) (codes []string) {
	t.Helper()
	for _, li := range all(page(t, w), tag("li")) {
		codes = append(codes, words(li))
	}
	if len(codes) != 10 {
		t.Fatalf("%d recovery codes", len(codes))
	}
	return codes
}

func TestOwnerComesBackWithTheRecoveryKey(t *testing.T) {
	h := newHouse(t)
	key := auth.NewRecoveryKey()
	_, _, err := h.auth.Claim(t.Context(), auth.ClaimRequest{
		Console: true, Name: anna, Password: password, WaiveSecondFactor: true, Recovery: key, Told: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	const next = "five slow otters hum"
	b := h.browser("")
	bad := strings.Split(key.String(), "-")
	bad[2] = "!!!!!"
	w := b.post("/recover", "name", anna, "key", strings.Join(bad, "-"), "password", next, "again", next)
	if field, message := complaint(t, page(t, w)); field != "key" || !strings.Contains(message, "Group 3") {
		t.Errorf("a mistyped key: %q, %q", field, message)
	}
	for _, key := range []string{"", "x", strings.Repeat("-", 4000)} {
		wantStatus(t, b.post("/recover", "name", anna, "key", key, "password", next, "again", next), http.StatusUnprocessableEntity)
	}
	foreign := auth.NewRecoveryKey()
	w = b.post("/recover", "name", anna, "key", foreign.String(), "password", next, "again", next)
	wantStatus(t, w, http.StatusForbidden)
	if strings.Contains(w.Body.String(), foreign.String()) || strings.Contains(w.Body.String(), next) {
		t.Error("the page repeats a secret")
	}
	if field, _ := complaint(t, page(t, b.post("/recover", "name", anna, "key", key.String(), "password", "short", "again", "short"))); field != "password" {
		t.Errorf("a short password: field %q", field)
	}
	wantRedirect(t, b.post("/recover", "name", anna, "key", strings.ToLower(key.String()), "password", next, "again", next), "/account?done=password")
	wantStatus(t, b.get("/account"), http.StatusOK)
	wantStatus(t, h.browser("").post("/login", "name", anna, "password", password), http.StatusForbidden)
}

func TestCodeOfTheBoxLetsInDuringAnAttack(t *testing.T) {
	h := newHouse(t)
	h.claim()
	for range 30 {
		h.browser("").post("/login", "name", anna, "password", "a wrong password")
	}
	b := h.browser("")
	w := b.post("/login", "name", anna, "password", password)
	wantStatus(t, w, http.StatusTooManyRequests)
	open := false
	for _, d := range all(page(t, w), class("ways")) {
		for _, a := range d.Attr {
			open = open || a.Key == "open"
		}
	}
	if !open {
		t.Error("the page does not show the code of the box as a way in")
	}
	wantStatus(t, b.post("/login", "name", anna, "password", password, "box-code", "AAAA-AAAA-AAAA-AAAA"), http.StatusForbidden)
	code, _, err := h.auth.NewLoginCode(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantRedirect(t, b.post("/login", "name", anna, "password", password, "box-code", code), "/")
}
