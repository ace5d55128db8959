package ui_test

import (
	"net/http"
	"strings"
	"testing"

	"lares/nvr"
)

func TestMotionSettingsAreSaved(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	camera := h.fleet.add("Front door")
	path := "/cameras/" + camera.ID.String() + "/settings"
	w := b.post(path, "name", "Front door", "place", "outside", "motion", "on", "sensitivity", "high", "side", "10",
		"zones", `[{"ignore":false,"points":[[0,0],[1,0],[0.5,1]]},{"ignore":true,"points":[[0.1,0.1],[0.2,0.1],[0.2,0.2],[0.1,0.2]]}]`,
		"record", "quiet", "quiet", "3")
	wantRedirect(t, w, "/cameras/"+camera.ID.String()+"?done=saved")
	got, err := h.fleet.Camera(camera.ID)
	want := nvr.MotionSettings{Sensitivity: nvr.HighSensitivity, MinSize: 0.01, Zones: []nvr.Zone{
		{Points: []nvr.Point{{}, {X: 1}, {X: 0.5, Y: 1}}},
		{Ignore: true, Points: []nvr.Point{{X: 0.1, Y: 0.1}, {X: 0.2, Y: 0.1}, {X: 0.2, Y: 0.2}, {X: 0.1, Y: 0.2}}},
	}}
	if err != nil || !got.Motion.Equal(want) || got.Record != nvr.RecordQuietShorter || got.QuietDays != 3 {
		t.Fatalf("%+v %v %v, %v", got.Motion, got.Record, got.QuietDays, err)
	}
	root := page(t, b.get(path))
	values := map[string]string{}
	for _, n := range all(root, tag("input")) {
		if kind := attr(n, "type"); kind != "radio" && kind != "checkbox" {
			values[attr(n, "name")] = attr(n, "value")
		} else if checked(n) {
			values[attr(n, "name")] = attr(n, "value")
		}
	}
	for name, want := range map[string]string{"motion": "on", "sensitivity": "high", "side": "10", "record": "quiet", "quiet": "3"} {
		if values[name] != want {
			t.Errorf("the form shows %s %q, want %q", name, values[name], want)
		}
	}
	// A form without these fields changes none of them.
	b.post(path, "name", "Door", "place", "outside")
	if again, err := h.fleet.Camera(camera.ID); err != nil || !again.Motion.Equal(want) || again.Record != nvr.RecordQuietShorter || again.QuietDays != 3 {
		t.Errorf("%+v, %v", again, err)
	}
}

func checked(n *node) bool {
	for _, a := range n.Attr {
		if a.Key == "checked" {
			return true
		}
	}
	return false
}

func TestWrongMotionSettingsAreRefused(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	camera := h.fleet.add("Front door")
	path := "/cameras/" + camera.ID.String() + "/settings"
	corner, triangle := "[0.5,0.5]", `{"ignore":false,"points":[[0,0],[1,0],[0.5,1]]}`
	zone := func(n int) string {
		return `[{"ignore":false,"points":[` + strings.TrimSuffix(strings.Repeat(corner+",", n), ",") + `]}]`
	}
	for _, tc := range [][]string{
		{"zones", ""},
		{"zones", "nonsense"},
		{"zones", `[{"ignore":false,"points":[[0,0],[1,0],[0.5,NaN]]}]`},
		{"zones", `[{"ignore":false,"points":[[0,0],[1,0],[0.5,1e999]]}]`},
		{"zones", `[{"ignore":false,"points":[[0,0],[1,0],[0.5,1.01]]}]`},
		{"zones", `[{"ignore":false,"points":[[0,0],[1,0],[-0.1,1]]}]`},
		{"zones", `[{"ignore":false,"points":[[0,0],[1,0],[0.5]]}]`},
		{"zones", `[{"ignore":false,"points":[[0,0],[1,0],[0.5,1,1]]}]`},
		{"zones", `[{"ignore":false,"points":[[0,0],[1,0],null]}]`},
		{"zones", `[{"ignore":false,"points":[[0,0],[1,0],[0.5,1]],"more":1}]`},
		{"zones", "[" + triangle + "]" + triangle},
		{"zones", zone(2)},
		{"zones", zone(33)},
		{"zones", "[" + strings.TrimSuffix(strings.Repeat(triangle+",", 17), ",") + "]"},
		{"sensitivity", "extreme"},
		{"side", "51"},
		{"side", "-1"},
		{"side", "NaN"},
		{"record", "never"},
		{"record", "quiet", "quiet", "0"},
		{"record", "quiet", "quiet", "14"}, // no shorter than the rest
		{"record", "quiet", "quiet", "x"},
		{"record", "motion", "motion", "off"}, // nothing would be recorded
		{"record", "quiet", "quiet", "3", "motion", "off"},
	} {
		w := b.post(path, append([]string{"name", "Front door", "place", "outside"}, tc...)...)
		wantStatus(t, w, http.StatusUnprocessableEntity)
		if _, message := complaint(t, page(t, w)); message == "" {
			t.Errorf("%v: nothing is said", tc)
		}
	}
	for _, good := range []string{zone(3), zone(32), "[]", "[" + strings.TrimSuffix(strings.Repeat(triangle+",", 16), ",") + "]"} {
		wantStatus(t, b.post(path, "name", "Front door", "place", "outside", "zones", good), http.StatusSeeOther)
	}
	got, err := h.fleet.Camera(camera.ID)
	if err != nil || len(got.Motion.Zones) != 16 || got.Record != nvr.RecordAlways || got.Motion.Off {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestSettingsSayWhetherMotionIsLookedFor(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	path := "/cameras/" + h.fleet.add("Front door").ID.String() + "/settings"
	for _, tc := range []struct {
		status nvr.DetectionStatus
		want   string
	}{
		{nvr.DetectionStatus{Works: true}, "Motion is looked for."},
		{nvr.DetectionStatus{Detail: "the camera sends no picture"}, "Motion is not looked for: the camera sends no picture"},
		{nvr.DetectionStatus{}, "Motion is not looked for at the moment."},
		{nvr.DetectionStatus{Works: true, Fence: "reduced, because of the kernel"}, "reduced, because of the kernel"},
	} {
		h.moved.status = tc.status
		if said := words(page(t, b.get(path))); !strings.Contains(said, tc.want) || !strings.Contains(said, "hides nothing from the recording") {
			t.Errorf("%+v: the page does not say %q", tc.status, tc.want)
		}
	}
}
