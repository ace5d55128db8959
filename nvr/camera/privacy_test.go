package camera

import (
	"testing"
	"time"

	"lares/nvr"
)

func berlin(t *testing.T) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skipf("no time zones here: %v", err)
	}
	return zone
}

const everyDay = 1<<7 - 1

func TestPlanFollowsTheClockOnTheWall(t *testing.T) {
	zone := berlin(t)
	for _, c := range []struct {
		name     string
		from, to int
		days     nvr.Weekdays
		at       string // in Berlin
		start    string // empty: not private then
		end      string
	}{
		{"on a weekday", 17 * 60, 22 * 60, 0b0111110, "2026-11-23T17:00:00+01:00", "2026-11-23T17:00:00+01:00", "2026-11-23T22:00:00+01:00"},
		{"a moment before", 17 * 60, 22 * 60, 0b0111110, "2026-11-23T16:59:59+01:00", "", ""},
		{"at its end", 17 * 60, 22 * 60, 0b0111110, "2026-11-23T22:00:00+01:00", "", ""},
		{"on a Sunday", 17 * 60, 22 * 60, 0b0111110, "2026-11-22T18:00:00+01:00", "", ""},
		{"over midnight, before", 22 * 60, 6 * 60, 1 << time.Friday, "2026-11-27T23:00:00+01:00", "2026-11-27T22:00:00+01:00", "2026-11-28T06:00:00+01:00"},
		{"over midnight, after", 22 * 60, 6 * 60, 1 << time.Friday, "2026-11-28T05:59:00+01:00", "2026-11-27T22:00:00+01:00", "2026-11-28T06:00:00+01:00"},
		{"the morning of the day", 22 * 60, 6 * 60, 1 << time.Friday, "2026-11-27T05:00:00+01:00", "", ""},
		{"a whole day", 0, 0, 1 << time.Monday, "2026-11-23T12:00:00+01:00", "2026-11-23T00:00:00+01:00", "2026-11-24T00:00:00+01:00"},
		{"in autumn, the first of both hours", 60, 2*60 + 30, everyDay, "2026-10-25T02:45:00+02:00", "2026-10-25T01:00:00+02:00", "2026-10-25T02:30:00+01:00"},
		{"in autumn, the second of both hours", 60, 2*60 + 30, everyDay, "2026-10-25T02:15:00+01:00", "2026-10-25T01:00:00+02:00", "2026-10-25T02:30:00+01:00"},
		{"in autumn, from within both hours", 2*60 + 30, 4 * 60, everyDay, "2026-10-25T02:35:00+02:00", "2026-10-25T02:30:00+02:00", "2026-10-25T04:00:00+01:00"},
		{"the evening after autumn's change", 17 * 60, 22 * 60, everyDay, "2026-10-25T21:59:00+01:00", "2026-10-25T17:00:00+01:00", "2026-10-25T22:00:00+01:00"},
		{"in spring, into the hour that is left out", 60, 2*60 + 30, everyDay, "2026-03-29T03:15:00+02:00", "2026-03-29T01:00:00+01:00", "2026-03-29T03:30:00+02:00"},
		{"in spring, out of the hour that is left out", 2*60 + 30, 4 * 60, everyDay, "2026-03-29T03:00:00+02:00", "2026-03-29T01:30:00+01:00", "2026-03-29T04:00:00+02:00"},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		week := []nvr.PrivateHours{{Days: c.days, From: c.from, To: c.to}}
		w, ok := planned(week, nvr.Camera{}, at, zone)
		if ok != (c.start != "") {
			t.Errorf("%s: private %v", c.name, ok)
			continue
		}
		if got := [2]string{w.start.Format(time.RFC3339), w.end.Format(time.RFC3339)}; ok && got != [2]string{c.start, c.end} {
			t.Errorf("%s: private %v, want %s to %s", c.name, got, c.start, c.end)
		}
	}
}

func TestPlanIsAboutTheCamerasThatItNames(t *testing.T) {
	hall, garden := nvr.Camera{ID: nvr.NewID[nvr.Camera](), Inside: true}, nvr.Camera{ID: nvr.NewID[nvr.Camera]()}
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		line         nvr.PrivateHours
		hall, garden bool
	}{
		"all":    {nvr.PrivateHours{}, true, true},
		"inside": {nvr.PrivateHours{Inside: true}, true, false},
		"one":    {nvr.PrivateHours{Camera: garden.ID}, false, true},
	} {
		c.line.Days = everyDay
		for camera, want := range map[nvr.CameraID]bool{hall.ID: c.hall, garden.ID: c.garden} {
			which := hall
			if camera == garden.ID {
				which = garden
			}
			if _, got := planned([]nvr.PrivateHours{c.line}, which, at, time.UTC); got != want {
				t.Errorf("%s: camera inside %v is private: %v", name, which.Inside, got)
			}
		}
	}
}

// clocks are both clocks of a box; the one on the wall can be set.
type clocks struct{ now instant }

func (c *clocks) pass(d time.Duration) {
	c.now.wall, c.now.mono = c.now.wall.Add(d), c.now.mono+d
}

// house is a box with one camera and privacy mode alone.
type house struct {
	privacy
	clocks
	camera nvr.Camera
}

func newHouse() *house {
	return &house{
		privacy: newPrivacy(time.UTC), camera: nvr.Camera{ID: nvr.NewID[nvr.Camera](), Inside: true},
		clocks: clocks{instant{wall: time.Date(2026, 11, 23, 16, 0, 0, 0, time.UTC), mono: time.Hour}},
	}
}

// on lets time pass and reports whether the camera is private then.
func (h *house) on(d time.Duration) bool {
	h.clocks.pass(d)
	h.privacy.pass([]nvr.Camera{h.camera}, h.now)
	return h.of(h.camera.ID).On
}

func (h *house) switchOn(camera nvr.CameraID, lasts time.Duration) {
	s := nvr.PrivacySwitch{Camera: camera, Since: h.now.wall}
	if lasts > 0 {
		s.Until = h.now.wall.Add(lasts)
	}
	h.set(s, h.now)
}

func TestR12TimerOfPrivacyModeEndsAtItsTime(t *testing.T) {
	h := newHouse()
	h.switchOn(h.camera.ID, 15*time.Minute)
	if !h.on(15*time.Minute - time.Second) {
		t.Error("lifted before its time")
	}
	if h.on(time.Second) {
		t.Error("still private after its time")
	}
	h.switchOn(nvr.CameraID{}, 0)
	if !h.on(1000*time.Hour) || !h.of(h.camera.ID).House {
		t.Error("privacy of the house without an end has ended")
	}
}

func TestR12SetClockNeverLiftsPrivacyMode(t *testing.T) {
	for name, step := range map[string]time.Duration{"ahead": 5 * time.Hour, "back": -5 * time.Hour, "to 2040": 14 * 365 * 24 * time.Hour} {
		h := newHouse()
		h.switchOn(h.camera.ID, time.Hour)
		h.week = []nvr.PrivateHours{{Days: everyDay, From: 16 * 60, To: 17 * 60}}
		h.on(0)
		h.now.wall = h.now.wall.Add(step)
		if !h.on(time.Hour - time.Second) {
			t.Errorf("%s: lifted by a clock that was set", name)
		}
		// What people were told is a time on the wall.
		if over := !h.on(time.Second); over != (step > 0) {
			t.Errorf("%s: lifted an hour later: %v", name, over)
		}
	}
}

func TestR12NobodyCutsPrivacyModeShort(t *testing.T) {
	h := newHouse()
	h.switchOn(h.camera.ID, 2*time.Hour)
	h.switchOn(h.camera.ID, 15*time.Minute)
	if !h.on(time.Hour) {
		t.Error("a shorter time ended the longer one")
	}
	h.switchOn(h.camera.ID, 2*time.Hour)
	if !h.on(119*time.Minute) || h.on(time.Minute) {
		t.Error("a longer time did not extend it")
	}
	h.switchOn(h.camera.ID, 0)
	h.switchOn(h.camera.ID, time.Minute)
	if !h.on(time.Hour) || !h.of(h.camera.ID).Until.IsZero() {
		t.Error("a time ended what was to last until somebody lifts it")
	}
}

func TestR12PlanHoldsEachTimeAndIsLiftedOnce(t *testing.T) {
	h := newHouse()
	h.week = []nvr.PrivateHours{{Inside: true, Days: everyDay, From: 17 * 60, To: 22 * 60}}
	if h.on(time.Hour-time.Second) || !h.on(time.Second) {
		t.Fatal("it does not begin at its time")
	}
	h.lift(h.camera.ID, []nvr.Camera{h.camera}, h.now)
	for range 5 * 60 {
		if h.on(time.Minute) {
			t.Fatalf("private again at %v though somebody lifted it", h.now.wall)
		}
	}
	if h.on(19*time.Hour-time.Second) || !h.on(time.Second) {
		t.Error("the next day is not private from its time on")
	}
	if !h.on(5*time.Hour-time.Second) || h.on(time.Second) {
		t.Error("it does not end at its time")
	}
}

func TestR12CameraIsPrivateAsLongAsAnythingSaysSo(t *testing.T) {
	h := newHouse()
	h.switchOn(h.camera.ID, 2*time.Hour)
	h.switchOn(nvr.CameraID{}, time.Hour)
	if got := h.of(h.camera.ID); got.House || !got.Until.Equal(h.now.wall.Add(2*time.Hour)) {
		t.Errorf("%+v: not what ends last", got)
	}
	h.lift(nvr.CameraID{}, []nvr.Camera{h.camera}, h.now)
	if !h.on(0) {
		t.Error("lifting the house lifted what was switched on for the camera")
	}
	h.lift(h.camera.ID, []nvr.Camera{h.camera}, h.now)
	if h.on(0) {
		t.Error("still private")
	}
}
