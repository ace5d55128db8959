package ui_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lares/nvr"
)

// curtain is privacy mode of the house of a test.
type curtain struct {
	mu     sync.Mutex // guards what follows
	states map[nvr.CameraID]nvr.PrivacyState
	asked  []nvr.PrivacyRequest
	plan   []nvr.PrivateHours
	err    error
}

func newCurtain() *curtain { return &curtain{states: make(map[nvr.CameraID]nvr.PrivacyState)} }

func (c *curtain) Private(camera nvr.CameraID) nvr.PrivacyState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.states[camera]
}

func (c *curtain) SetPrivate(_ context.Context, r nvr.PrivacyRequest) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, r)
	c.states[r.Camera] = nvr.PrivacyState{On: r.On, Since: at(1), Until: r.Until, By: r.By}
	return c.err
}

func (c *curtain) PrivateHours() []nvr.PrivateHours { return slices.Clone(c.plan) }

func (c *curtain) SetPrivateHours(_ context.Context, plan nvr.PrivacyPlan) error {
	c.plan = plan.Hours
	return nil
}

func (c *curtain) Morning(now time.Time) time.Time { return now.Add(9 * time.Hour) }

// last returns what was asked for last, and how often something was.
func (c *curtain) last() (nvr.PrivacyRequest, int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.asked) == 0 {
		return nvr.PrivacyRequest{}, 0
	}
	return c.asked[len(c.asked)-1], len(c.asked)
}

func TestR12EveryMemberMakesPrivateAndSomeLiftIt(t *testing.T) {
	h := newHouse(t)
	owner := h.browser(h.claim())
	camera, foreign := h.fleet.add("Hall"), h.fleet.add("Study")
	for role, may := range map[string]struct{ on, lift bool }{
		"owner": {true, true}, "member": {true, true}, "viewer": {true, false}, "guest": {false, false},
	} {
		b := owner
		if role != "owner" {
			b = h.role(owner, role, camera)
			wantStatus(t, b.post("/cameras/"+foreign.ID.String()+"/privacy", "for", "lifted"), http.StatusNotFound)
		}
		for path, allowed := range map[string]bool{
			"/cameras/" + camera.ID.String() + "/privacy": may.on, "/cameras/" + camera.ID.String() + "/privacy/lift": may.lift,
			"/privacy": may.on, "/privacy/lift": may.lift,
		} {
			_, before := h.curtain.last()
			w := b.post(path, "for", "lifted", "next", "/cameras/x?y=z")
			_, after := h.curtain.last()
			if (after > before) != allowed || (w.Code == http.StatusSeeOther) != allowed {
				t.Errorf("%s: %s: %d, allowed %v", role, path, w.Code, allowed)
			}
			if to := w.Header().Get("Location"); allowed && !strings.HasPrefix(to, "/cameras/x?done=") {
				t.Errorf("it leads back to %q", to)
			}
		}
	}
}

func TestPrivacyLastsAsLongAsWasChosen(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	camera := h.fleet.add("Hall")
	for lasts, want := range map[string]time.Duration{"quarter": 15 * time.Minute, "hour": time.Hour, "morning": 9 * time.Hour} {
		from := time.Now()
		wantRedirect(t, b.post("/cameras/"+camera.ID.String()+"/privacy", "for", lasts), "/?done=private")
		r, _ := h.curtain.last()
		if r.Camera != camera.ID || !r.On || r.By.IsZero() || r.Addr == "" || r.Until.Before(from.Add(want)) || r.Until.After(time.Now().Add(want)) {
			t.Errorf("%s: asked for %+v", lasts, r)
		}
	}
	wantRedirect(t, b.post("/privacy", "for", "lifted"), "/?done=private")
	if r, _ := h.curtain.last(); !r.Camera.IsZero() || !r.Until.IsZero() {
		t.Errorf("until lifted: asked for %+v", r)
	}
	wantStatus(t, b.post("/privacy", "for", "ever"), http.StatusBadRequest)
	h.curtain.err = nvr.ErrNotKept
	wantStatus(t, b.post("/privacy", "for", "lifted"), http.StatusInsufficientStorage)
}

func TestR12PrivateCameraIsShownAsSuchEverywhere(t *testing.T) {
	h := newHouse(t)
	token := h.claim()
	b, camera := h.browser(token), h.fleet.add("Hall")
	id := camera.ID.String()
	sess, err := h.auth.Resume(t.Context(), token, "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	h.fleet.Stream(camera.Streams[0].Stream).Shut(nvr.Break{Since: at(1), Cause: nvr.Privacy})
	r := nvr.PrivacyRequest{Camera: camera.ID, On: true, By: sess.Principal(), Until: at(3600)}
	if err := h.curtain.SetPrivate(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/kiosk", "/cameras/" + id} {
		text := b.get(path).Body.String()
		if !strings.Contains(text, `{"camera":"`+id+`","on":true,"since":`) || !strings.Contains(text, `"by":"by Anna"`) {
			t.Errorf("%s does not say that the camera is private", path)
		}
	}
	if text := words(page(t, b.get("/privacy"))); !strings.Contains(text, "Private since") || !strings.Contains(text, "by Anna") {
		t.Errorf("the page says %s", text)
	}
	for _, path := range []string{"/api/v1/live/" + id + "?quality=main", "/api/v1/cameras/" + id + "/still.jpg"} {
		w := b.get(path)
		if w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), `"private"`) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestR12PrivacyIsToldToOpenPages(t *testing.T) {
	h := newHouse(t)
	token, camera := h.claim(), h.fleet.add("Hall")
	told := func(v happening, on bool) bool {
		return len(v.Private) == 1 && v.Private[0].On == on && v.Private[0].Camera == camera.ID.String()
	}
	for _, on := range []bool{true, false} {
		h.curtain.states[camera.ID] = nvr.PrivacyState{On: true, Since: at(1)}
		l := h.listen(token)
		if now, _ := l.next(); now.Kind != "now" || !told(now, true) {
			t.Errorf("a page that is opened hears %+v", now)
		}
		if err := h.curtain.SetPrivate(t.Context(), nvr.PrivacyRequest{Camera: camera.ID, On: on}); err != nil {
			t.Fatal(err)
		}
		h.bus.Publish(nvr.Event{Kind: nvr.PrivacyChanged, Camera: camera.ID, Start: at(2)})
		if news, _ := l.next(); news.Kind != "privacy" || !told(news, on) {
			t.Errorf("then it hears %+v", news)
		}
	}
}

func TestPlanOfTheWeekIsMadeWithAForm(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	camera := h.fleet.add("Hall")
	wantRedirect(t, b.post("/privacy/plan", "which", "inside", "day-1", "on", "day-5", "on", "from", "17:00", "to", "22:30"), "/privacy?done=planned")
	wantRedirect(t, b.post("/privacy/plan", "which", camera.ID.String(), "day-0", "on", "from", "22:00", "to", "06:00"), "/privacy?done=planned")
	want := []nvr.PrivateHours{
		{Inside: true, Days: 1<<time.Monday | 1<<time.Friday, From: 17 * 60, To: 22*60 + 30},
		{Camera: camera.ID, Days: 1 << time.Sunday, From: 22 * 60, To: 6 * 60},
	}
	if !slices.Equal(h.curtain.plan, want) {
		t.Errorf("planned %+v", h.curtain.plan)
	}
	text := words(page(t, b.get("/privacy")))
	for _, line := range []string{"Cameras inside: Mon Fri, 17:00 to 22:30", "Hall: Sun, 22:00 to 06:00 on the next day"} {
		if !strings.Contains(text, line) {
			t.Errorf("the page does not say %q: %s", line, text)
		}
	}
	for _, bad := range [][]string{
		{"which", "all", "from", "17:00", "to", "18:00"},
		{"which", "all", "day-1", "on", "from", "25:00", "to", "18:00"},
		{"which", "all", "day-1", "on", "from", "17:00"},
		{"which", nvr.NewID[nvr.Camera]().String(), "day-1", "on", "from", "17:00", "to", "18:00"},
	} {
		wantStatus(t, b.post("/privacy/plan", bad...), http.StatusUnprocessableEntity)
	}
	wantRedirect(t, b.post("/privacy/plan/remove", "line", "0"), "/privacy?done=planned")
	if !slices.Equal(h.curtain.plan, want[1:]) {
		t.Errorf("after a line was removed: %+v", h.curtain.plan)
	}
	wantStatus(t, b.post("/privacy/plan/remove", "line", "7"), http.StatusNotFound)
}

func TestR14InsideCameraIsSharedWithNobodyByItself(t *testing.T) {
	h := newHouse(t)
	owner := h.browser(h.claim())
	garden := h.fleet.add("Garden")
	people := make(map[string]*browser)
	for _, role := range []string{"member", "viewer", "guest"} {
		people[role] = h.role(owner, role, garden)
	}
	bedroom, err := h.fleet.Add(t.Context(), nvr.Camera{Name: "Bedroom", Inside: true, Streams: garden.Streams})
	if err != nil {
		t.Fatal(err)
	}
	id := bedroom.ID.String()
	for role, b := range people {
		if text := words(page(t, b.get("/"))); strings.Contains(text, "Bedroom") {
			t.Errorf("the %s sees it at home: %s", role, text)
		}
		for _, path := range []string{"/cameras/" + id, "/api/v1/live/" + id, "/api/v1/cameras/" + id + "/still.jpg", "/api/v1/cameras/" + id + "/timeline?from=1&to=2"} {
			if w := b.get(path); w.Code != http.StatusNotFound {
				t.Errorf("%s: %s: %d", role, path, w.Code)
			}
		}
	}
	wantStatus(t, owner.get("/cameras/"+id), http.StatusOK)
}
