package ui_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/ui"
)

type eventList struct {
	Events []struct {
		ID, Camera, Kind, Thumbnail string
		Start, End                  int64
		Score                       float64
		Labels                      []string
		Box                         [4]float64
		Path                        [][5]float64
	}
	Next string
}

func TestEventsAreListedNewestFirst(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	door, garden := h.fleet.add("Front door"), h.fleet.add("Garden")
	h.moved.move(door, 100)
	e := h.moved.move(garden, 200)
	got := decode[eventList](t, b.get("/api/v1/events?view=abc"))
	if len(got.Events) != 2 || got.Next != "" {
		t.Fatalf("got %+v", got)
	}
	first := got.Events[0]
	if first.Camera != garden.ID.String() || first.Kind != "motion" || first.Start != e.Start.UnixMilli() || first.End != e.End.UnixMilli() ||
		first.Box != [4]float64{0.25, 0.5, 0.125, 0.25} || len(first.Path) != 1 || first.Labels == nil {
		t.Errorf("got %+v", first)
	}
	if want := "/api/v1/events/" + ui.EventWord(e.Ref) + "/thumbnail.jpg?view=abc"; first.Thumbnail != want {
		t.Errorf("thumbnail at %s, want %s", first.Thumbnail, want)
	}
	w := b.get(first.Thumbnail)
	if w.Body.String() != "jpeg" || w.Header().Get("Content-Type") != "image/jpeg" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v %q", w.Code, w.Header(), w.Body)
	}
}

func TestEventsAreChosenByCameraTimeAndKind(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	door, garden := h.fleet.add("Front door"), h.fleet.add("Garden")
	for i := range 4 {
		h.moved.move(door, 100*i)
		h.moved.move(garden, 100*i+50)
	}
	ms := func(seconds int) string { return strconv.FormatInt(at(seconds).UnixMilli(), 10) }
	for query, want := range map[string]int{
		"": 8, "camera=" + door.ID.String(): 4, "from=" + ms(100): 6, "to=" + ms(100): 2, "from=" + ms(100) + "&to=" + ms(201): 3,
		"kind=motion": 8, "kind=person": 0, "limit=3": 3,
	} {
		if got := decode[eventList](t, b.get("/api/v1/events?"+query)); len(got.Events) != want {
			t.Errorf("%q: %d events, want %d", query, len(got.Events), want)
		}
	}
	for _, query := range []string{"from=x", "to=-1", "from=2&to=1", "limit=0", "limit=201", "limit=x", "before=1.x", "before=x"} {
		if w := b.get("/api/v1/events?" + query); w.Code != http.StatusBadRequest {
			t.Errorf("%q: status %d", query, w.Code)
		}
	}
	wantStatus(t, b.get("/api/v1/events?camera="+nvr.NewID[nvr.Camera]().String()), http.StatusNotFound)
}

func TestPagesOfEventsLeaveNoneOutAndRepeatNone(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	camera := h.fleet.add("Front door")
	var want []string
	for i := range 25 {
		// Several end in the same millisecond.
		want = append(want, ui.EventWord(h.moved.move(camera, i/4).Ref))
	}
	slices.Reverse(want)
	var got []string
	for before := ""; ; {
		list := decode[eventList](t, b.get("/api/v1/events?limit=3&before="+before))
		for _, e := range list.Events {
			got = append(got, e.ID)
		}
		if before = list.Next; before == "" || len(got) > len(want) {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %d events, want %d:\n%v\n%v", len(got), len(want), got, want)
	}
}

func TestEventsOfAForeignCameraDoNotExist(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	door, bedroom := h.fleet.add("Front door"), h.fleet.add("Bedroom")
	h.moved.move(door, 100)
	hidden := h.moved.move(bedroom, 200)
	h.Forbid(func(_ auth.Action, camera nvr.CameraID, _ time.Time) bool { return camera == bedroom.ID })
	if got := decode[eventList](t, b.get("/api/v1/events")); len(got.Events) != 1 || got.Events[0].Camera != door.ID.String() {
		t.Errorf("got %+v", got)
	}
	if strings.Contains(b.get("/events").Body.String(), "Bedroom") {
		t.Error("the page names a foreign camera")
	}
	wantStatus(t, b.get("/api/v1/events?camera="+bedroom.ID.String()), http.StatusNotFound)
	wantStatus(t, b.get("/api/v1/events/"+ui.EventWord(hidden.Ref)+"/thumbnail.jpg"), http.StatusNotFound)
	base := "/api/v1/cameras/" + bedroom.ID.String()
	for _, path := range []string{"/search?from=0&to=1000&x=0&y=0&w=1&h=1", "/still.jpg"} {
		wantStatus(t, b.get(base+path), http.StatusNotFound)
	}
	if h.moved.thumbnails != 0 || len(h.moved.boxes) != 0 || len(h.moved.stills) != 0 {
		t.Error("what was refused was asked for all the same")
	}
}

func TestEventsOutsideTheTimeOfARightAreLeftOut(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	camera := h.fleet.add("Front door")
	before, within := h.moved.move(camera, 100), h.moved.move(camera, 200)
	h.Forbid(func(a auth.Action, _ nvr.CameraID, when time.Time) bool {
		return a == auth.ActReplay && when.Before(at(150))
	})
	got := decode[eventList](t, b.get("/api/v1/events"))
	if len(got.Events) != 1 || got.Events[0].ID != ui.EventWord(within.Ref) {
		t.Errorf("got %+v", got)
	}
	wantStatus(t, b.get("/api/v1/events/"+ui.EventWord(before.Ref)+"/thumbnail.jpg"), http.StatusNotFound)
	wantStatus(t, b.get("/api/v1/events/"+ui.EventWord(within.Ref)+"/thumbnail.jpg"), http.StatusOK)
}

func TestLockedEventsSaySo(t *testing.T) {
	h := newHouse(t)
	token := h.claim()
	camera := h.fleet.add("Front door")
	e := h.moved.move(camera, 100)
	h.restart()
	b := h.browser(token)
	base := "/api/v1/cameras/" + camera.ID.String()
	for _, path := range []string{
		"/api/v1/events", "/api/v1/events/" + ui.EventWord(e.Ref) + "/thumbnail.jpg", base + "/search?from=0&to=1000&x=0&y=0&w=1&h=1",
	} {
		if w := b.get(path); w.Code != http.StatusLocked || decode[refusal](t, w).Error.Code != "locked" {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	wantStatus(t, b.get("/api/v1/overview?from=0&to=1000&cells=10"), http.StatusOK)
}

func TestLookingAtEventsIsOneEntryForEachCamera(t *testing.T) {
	h := newHouse(t)
	token := h.claim()
	b := h.browser(token)
	door, garden := h.fleet.add("Front door"), h.fleet.add("Garden")
	for i := range 6 {
		h.moved.move(door, i*10)
	}
	h.moved.move(garden, 7)
	h.fleet.add("Garage")
	for range 2 {
		for _, e := range decode[eventList](t, b.get("/api/v1/events?view=one")).Events {
			wantStatus(t, b.get(e.Thumbnail), http.StatusOK)
		}
	}
	if n := h.entries(token, "events"); n != 2 {
		t.Errorf("%d entries, want one for each camera with events", n)
	}
	b.get("/api/v1/events/" + ui.EventWord(h.moved.events[0].Ref) + "/thumbnail.jpg")
	if n := h.entries(token, "events"); n != 3 {
		t.Errorf("%d entries, want one more for a picture by itself", n)
	}
	h.log.mu.Lock()
	h.log.broken = true
	h.log.mu.Unlock()
	if w := b.get("/api/v1/events?view=two"); decode[refusal](t, w).Error.Code != "log-unavailable" {
		t.Errorf("shown without an entry: %d %s", w.Code, w.Body)
	}
}

func TestSearchInMilliseconds(t *testing.T) {
	h := newHouse(t)
	token := h.claim()
	b := h.browser(token)
	base := "/api/v1/cameras/" + h.fleet.add("Front door").ID.String()
	h.moved.spans = []nvr.Span{{From: time.UnixMilli(5000), To: time.UnixMilli(6000)}}
	s := decode[struct{ Spans [][2]int64 }](t, b.get(base+"/search?from=0&to=90000&x=0.1&y=0.2&w=0.3&h=0.8"))
	if want := (nvr.Box{X: 0.1, Y: 0.2, W: 0.3, H: 0.8}); !slices.Equal(s.Spans, [][2]int64{{5000, 6000}}) || h.moved.boxes[0] != want {
		t.Errorf("found %v in %v", s.Spans, h.moved.boxes)
	}
	if n := h.entries(token, "events"); n != 1 {
		t.Errorf("%d entries of a search, want 1", n)
	}
	for _, query := range []string{
		"x=0&y=0&w=0&h=1", "x=0.5&y=0&w=0.6&h=1", "x=-0.1&y=0&w=0.5&h=1", "x=NaN&y=0&w=0.5&h=1", "x=0&y=0&w=Inf&h=1", "x=0&y=0&w=1", "x=0&y=1&w=1&h=0.1",
	} {
		w := b.get(base + "/search?from=0&to=1000&" + query)
		if got := decode[refusal](t, w); w.Code != http.StatusBadRequest || got.Error.Code != "box" {
			t.Errorf("%s: %d %+v", query, w.Code, got)
		}
	}
	for _, path := range []string{"/search?from=0&to=612000001&x=0&y=0&w=1&h=1", "/search?from=1&to=1&x=0&y=0&w=1&h=1"} {
		if got := decode[refusal](t, b.get(base+path)); got.Error.Code != "range" {
			t.Errorf("%s: %+v", path, got)
		}
	}
}

func TestStillIsTheNewestPicture(t *testing.T) {
	h := newHouse(t)
	token := h.claim()
	b := h.browser(token)
	path := "/api/v1/cameras/" + h.fleet.add("Front door").ID.String() + "/still.jpg"
	if w := b.get(path + "?view=a"); w.Code != http.StatusServiceUnavailable || decode[refusal](t, w).Error.Code != "no-picture" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	h.moved.still = []byte("jpeg")
	w := b.get(path + "?view=a&width=640")
	if w.Body.String() != "jpeg" || w.Header().Get("Content-Type") != "image/jpeg" || w.Header().Get("X-Lares-Time") != strconv.FormatInt(at(0).UnixMilli(), 10) {
		t.Errorf("%d %v %q", w.Code, w.Header(), w.Body)
	}
	b.get(path + "?view=a&width=100000")
	if got := []int{h.moved.stills[1].MaxWidth, h.moved.stills[2].MaxWidth}; got[0] != 640 || got[1] != 1920 {
		t.Errorf("widths %v", got)
	}
	wantStatus(t, b.get(path+"?width=-1"), http.StatusBadRequest)
	if n := h.entries(token, auth.LogLive); n != 1 {
		t.Errorf("%d entries of one look, want 1", n)
	}
}

func TestAHouseWithoutDetectionHasNoEvents(t *testing.T) {
	h := newHouse(t)
	token := h.claim()
	camera := h.fleet.add("Front door")
	var err error
	h.Server, err = ui.New(ui.Config{
		Auth: h.auth, Cameras: h.fleet, Control: h.fleet, Recordings: h.footage, Status: h.fleet, Cert: h.cert,
	})
	if err != nil {
		t.Fatal(err)
	}
	b := h.browser(token)
	if got := decode[eventList](t, b.get("/api/v1/events")); len(got.Events) != 0 {
		t.Errorf("got %+v", got)
	}
	wantStatus(t, b.get("/events"), http.StatusOK)
	wantStatus(t, b.get("/cameras/"+camera.ID.String()+"/settings"), http.StatusOK)
}

func FuzzParseEventWord(f *testing.F) {
	f.Add(ui.EventWord(nvr.EventRef{Stream: nvr.NewID[nvr.Stream](), Start: at(0), Seq: 1, Slot: 2}))
	f.Add("")
	f.Fuzz(func(t *testing.T, word string) {
		ref, err := ui.ParseEventWord(word)
		if err == nil && ui.EventWord(ref) != word {
			t.Errorf("%q has another spelling: %q", word, ui.EventWord(ref))
		}
	})
}

func FuzzParseZones(f *testing.F) {
	f.Add(`[{"ignore":true,"points":[[0,0],[1,0],[0.5,1]]}]`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, typed string) {
		zones, err := ui.ParseZones(typed)
		if err != nil {
			return
		}
		text, err := ui.ZonesText(zones)
		if err != nil || !json.Valid([]byte(text)) {
			t.Fatalf("%q: %v", typed, err)
		}
		again, err := ui.ParseZones(text)
		if err != nil || !(nvr.MotionSettings{Zones: again}).Equal(nvr.MotionSettings{Zones: zones}) {
			t.Errorf("%q became %q (%v)", typed, text, err)
		}
	})
}
