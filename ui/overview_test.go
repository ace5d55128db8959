package ui_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
)

type overview struct {
	From, To int64
	Cells    int
	Cameras  []struct {
		ID    string
		Spans [][2]int64
		Gaps  []struct {
			From, To int64
			Cause    string
		}
		Moving []int
	}
}

func seconds(s int64) time.Time { return time.Unix(s, 0) }

func TestOverviewIsAsFineAsTheScreen(t *testing.T) {
	h := newHouse(t)
	token := h.claim()
	b := h.browser(token)
	door := h.fleet.add("Front door")
	h.fleet.add("Garden")
	h.footage.timeline = nvr.Timeline{
		Spans: []nvr.Span{
			{From: seconds(0), To: seconds(100)}, {From: seconds(105), To: seconds(200)}, {From: seconds(300), To: seconds(400)},
		},
		Gaps: []nvr.Gap{
			{From: seconds(100), To: seconds(102), Cause: nvr.CameraOffline},
			{From: seconds(102), To: seconds(105), Cause: nvr.NoMotion},
			{From: seconds(200), To: seconds(240), Cause: nvr.BoxOff},
			{From: seconds(245), To: seconds(300), Cause: nvr.BoxOff},
		},
	}
	h.moved.density = []nvr.Density{
		{From: seconds(0), To: seconds(60), Moving: 30 * time.Second, Known: true},
		{From: seconds(100), To: seconds(125)},
		{From: seconds(300), To: seconds(301), Moving: time.Millisecond, Known: true},
	}
	got := decode[overview](t, b.get("/api/v1/overview?from=0&to=400000&cells=40&cameras="+door.ID.String()))
	if len(got.Cameras) != 1 || got.Cameras[0].ID != door.ID.String() || got.To != 400_000 {
		t.Fatalf("got %+v", got)
	}
	one := got.Cameras[0]
	if want := [][2]int64{{0, 200_000}, {300_000, 400_000}}; !slices.Equal(one.Spans, want) {
		t.Errorf("spans %v, want %v", one.Spans, want)
	}
	if len(one.Gaps) != 2 || one.Gaps[0].Cause != "camera-offline" || one.Gaps[1].From != 200_000 || one.Gaps[1].To != 300_000 {
		t.Errorf("gaps %+v", one.Gaps)
	}
	want := append(slices.Repeat([]int{50}, 6), 0, 0, 0, 0, -1, -1, -1)
	want = append(append(want, make([]int, 17)...), 1)
	if !slices.Equal(one.Moving, want) {
		t.Errorf("moving %v, want %v", one.Moving, want)
	}
	if all := decode[overview](t, b.get("/api/v1/overview?from=0&to=400000&cells=40")); len(all.Cameras) != 2 {
		t.Errorf("%d cameras, want both", len(all.Cameras))
	}
	if n := h.entries(token, auth.LogPlayback); n != 0 {
		t.Errorf("looking at times made %d entries", n)
	}
}

func TestOverviewShowsWhatTheSessionMaySee(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	door, bedroom := h.fleet.add("Front door"), h.fleet.add("Bedroom")
	since := seconds(250)
	h.Forbid(func(_ auth.Action, camera nvr.CameraID, at time.Time) bool {
		return camera == bedroom.ID || at.Before(since)
	})
	got := decode[overview](t, b.get("/api/v1/overview?from=0&to=400000&cells=40"))
	if len(got.Cameras) != 1 || got.Cameras[0].ID != door.ID.String() {
		t.Fatalf("got %+v", got.Cameras)
	}
	if len(h.footage.lines) != 1 || !h.footage.lines[0].From.Equal(since) || !h.footage.lines[0].To.Equal(seconds(400)) {
		t.Errorf("looked up %v", h.footage.lines)
	}
	got = decode[overview](t, b.get("/api/v1/overview?from=0&to=200000&cells=40&cameras="+bedroom.ID.String()))
	if len(got.Cameras) != 0 {
		t.Errorf("got %+v", got.Cameras)
	}
}

func TestOverviewIsBounded(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	h.fleet.add("Front door")
	for query, code := range map[string]string{
		"from=0&to=8640000001&cells=10": "range", "from=5&to=5&cells=10": "range",
		"from=0&to=10&cells=4097": "invalid", "from=0&to=10&cells=0": "invalid", "from=0&to=10": "invalid",
	} {
		w := b.get("/api/v1/overview?" + query)
		if got := decode[refusal](t, w); w.Code != http.StatusBadRequest || got.Error.Code != code {
			t.Errorf("%s: %d %+v", query, w.Code, got)
		}
	}
	wantStatus(t, b.get("/api/v1/overview?from=0&to=10&cells=4096&cameras="+strings.Repeat(",", 1000)), http.StatusOK)
	wantStatus(t, b.get("/api/v1/overview?from=7258118300000&to=7258118400000&cells=1"), http.StatusOK)
}
