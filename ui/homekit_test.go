package ui_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"lares/nvr"
)

// doorman is the Home app's side of the house of a test.
type doorman struct {
	mu        sync.Mutex // guards what follows
	on        bool
	camera    nvr.HomeAccessory
	offers    []nvr.HomeOffer
	withdrawn []nvr.PrincipalID
	err       error // of Offer
}

func (d *doorman) Status() nvr.HomeStatus {
	d.mu.Lock()
	defer d.mu.Unlock()
	st := nvr.HomeStatus{On: d.on, Accessories: []nvr.HomeAccessory{{Name: "Lares", Reach: nvr.ReachHouse, Up: d.on}}}
	if !d.camera.Camera.IsZero() {
		st.Accessories = append(st.Accessories, d.camera)
	}
	return st
}

func (d *doorman) Switch(_ context.Context, on bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.on = on
	return nil
}

func (d *doorman) Offer(_ context.Context, o nvr.HomeOffer) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.offers = append(d.offers, o)
	d.camera.Reach, d.camera.Up = o.Reach, true
	d.camera.Code, d.camera.URI, d.camera.PairingUntil = "48151623", "X-HM://00GW95DQA7OSX", time.Now().Add(10*time.Minute)
	return d.err
}

func (d *doorman) Withdraw(_ context.Context, _ nvr.CameraID, pairing nvr.PrincipalID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.withdrawn = append(d.withdrawn, pairing)
	return nil
}

func (d *doorman) Test(context.Context, nvr.CameraID) (nvr.HomeTest, error) {
	return nvr.HomeTest{Answered: true, Reached: []string{"192.0.2.7"}, Missed: []string{"198.51.100.7"}}, nil
}

func TestCameraIsOfferedToAPhoneOnce(t *testing.T) {
	h := newHouse(t)
	owner := h.browser(h.claim())
	camera := h.fleet.add("Front door")
	h.doorman.camera = nvr.HomeAccessory{Camera: camera.ID, Name: camera.Name}
	path := "/cameras/" + camera.ID.String() + "/homekit"
	wantRedirect(t, owner.get(path), "/homekit") // it is off
	if text := words(page(t, owner.get("/homekit"))); !strings.Contains(text, "It is off") || !strings.Contains(text, "iCloud") {
		t.Errorf("off: %s", text)
	}
	wantRedirect(t, owner.post("/homekit/switch", "on", "yes"), "/homekit")
	form := page(t, owner.get(path))
	chosen := func(n *node) bool { return strings.Contains(attrNames(n), " checked ") }
	if len(all(form, chosen)) != 0 {
		t.Error("from where the camera may be seen is chosen already")
	}
	if strings.Contains(words(form), "481-51-623") {
		t.Error("the code is shown while nobody can pair")
	}
	if field, _ := complaint(t, page(t, owner.post(path, "name", "Anna's iPhone"))); field == "name" || len(h.doorman.offers) != 0 {
		t.Errorf("offered without saying from where: field %q, %v", field, h.doorman.offers)
	}
	if field, _ := complaint(t, page(t, owner.post(path, "reach", "away"))); field != "name" || len(h.doorman.offers) != 0 {
		t.Errorf("offered without saying to whom: field %q, %v", field, h.doorman.offers)
	}
	wantRedirect(t, owner.post(path, "reach", "away", "name", "Anna's iPhone"), path)
	if want := (nvr.HomeOffer{Camera: camera.ID, Reach: nvr.ReachAway, Name: "Anna's iPhone"}); len(h.doorman.offers) != 1 || h.doorman.offers[0] != want {
		t.Errorf("offered %+v", h.doorman.offers)
	}
	shown := page(t, owner.get(path))
	if !strings.Contains(words(shown), "481-51-623") || len(all(shown, class("qr"))) != 1 {
		t.Errorf("no code is shown: %s", words(shown))
	}
	if log := words(page(t, owner.get("/log"))); !strings.Contains(log, "lets the Home app show Front door, also away from home") || !strings.Contains(log, "switched the Home app on") {
		t.Errorf("record: %s", log)
	}
}

func TestPhonesAreListedWithThePeopleAndRemoved(t *testing.T) {
	h := newHouse(t)
	owner := h.browser(h.claim())
	camera := h.fleet.add("Front door")
	phone := nvr.HomePairing{ID: nvr.NewID[nvr.Principal](), Name: "Anna's iPhone", Since: at(1)}
	hub := nvr.HomePairing{ID: nvr.NewID[nvr.Principal](), Since: at(2)}
	h.doorman.on = true
	h.doorman.camera = nvr.HomeAccessory{Camera: camera.ID, Name: camera.Name, Reach: nvr.ReachHouse, Up: true, Pairings: []nvr.HomePairing{phone, hub}}
	for _, path := range []string{"/people", "/homekit"} {
		if text := words(page(t, owner.get(path))); !strings.Contains(text, "Anna's iPhone") || !strings.Contains(text, "added from the Home app") {
			t.Errorf("%s: %s", path, text)
		}
	}
	ben := h.role(owner, "viewer", camera)
	wantStatus(t, ben.get("/homekit"), http.StatusForbidden)
	path := "/cameras/" + camera.ID.String() + "/homekit"
	if text := words(page(t, owner.get(path))); strings.Contains(text, "Whose phone") || !strings.Contains(text, "It is in a home") {
		t.Errorf("a second home is offered: %s", text)
	}
	wantRedirect(t, owner.post(path, "reach", "away"), path)
	wantRedirect(t, owner.post(path+"/remove", "pairing", phone.ID.String()), path)
	wantRedirect(t, owner.post(path+"/remove"), path) // nobody said to be sure
	if len(h.doorman.withdrawn) != 1 || h.doorman.withdrawn[0] != phone.ID {
		t.Errorf("removed: %v", h.doorman.withdrawn)
	}
	wantRedirect(t, owner.post(path+"/remove", "sure", "yes"), path)
	if len(h.doorman.withdrawn) != 2 || !h.doorman.withdrawn[1].IsZero() {
		t.Errorf("taken out: %v", h.doorman.withdrawn)
	}
	text := words(page(t, owner.post(path+"/test")))
	for _, want := range []string{"Its name is answered", "It answers at 192.0.2.7", "does not answer at 198.51.100.7", "host networking"} {
		if !strings.Contains(text, want) {
			t.Errorf("the test does not say %q: %s", want, text)
		}
	}
}
