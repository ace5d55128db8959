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

// gadgets are devices in the house that may be cameras.
type gadgets struct {
	mu     sync.Mutex // guards what follows
	found  []nvr.FoundDevice
	report nvr.DeviceReport
	asked  []nvr.DeviceLogin
	masks  nvr.Masks
}

func (g *gadgets) Search(context.Context) ([]nvr.FoundDevice, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.found, nil
}

func (g *gadgets) Ask(_ context.Context, login nvr.DeviceLogin) (nvr.DeviceReport, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked = append(g.asked, login)
	return g.report, nil
}

func (g *gadgets) Masks(context.Context, nvr.CameraID) (nvr.Masks, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.masks, nil
}

func (g *gadgets) SetMasks(_ context.Context, _ nvr.CameraID, want [][]nvr.Point) (nvr.Masks, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(want) > g.masks.Most {
		return g.masks, nvr.ErrInvalid
	}
	g.masks.List = nil
	for _, points := range want {
		g.masks.List = append(g.masks.List, nvr.Mask{Points: points})
	}
	return g.masks, nil
}

func (g *gadgets) JPEG(context.Context, nvr.StreamID, []*nvr.Frame, nvr.StillOptions) ([]byte, error) {
	return []byte("test picture"), nil
}

func (f *fleet) Replace(ctx context.Context, c nvr.Camera) (nvr.Camera, error) {
	f.mu.Lock()
	f.replaced++
	f.mu.Unlock()
	return f.Update(ctx, c)
}

// offering is a device with two streams, an old clock and rare key frames.
func offering() nvr.DeviceReport {
	return nvr.DeviceReport{
		Identity: nvr.Identity{Endpoint: "urn:uuid:1", Maker: "Reolink", Model: "RLC-510", Service: "http://192.168.1.30/onvif/device_service"},
		ClockOff: -7 * time.Minute, ClockKnown: true,
		Offers: []nvr.Offer{
			{URL: "rtsp://192.168.1.30:554/main", Video: nvr.H265, Width: 2560, Height: 1440, GOP: 200, Rate: 20, Bits: 4e6, Sound: "G711"},
			{Quality: nvr.Sub, URL: "rtsp://192.168.1.30:554/sub", Video: nvr.H264, Width: 640, Height: 360, GOP: 20, Rate: 10},
		},
	}
}

// linkTo returns where the first link with these words leads.
func linkTo(t *testing.T, root *node, text string) string {
	t.Helper()
	for _, n := range all(root, tag("a")) {
		if words(n) == text {
			return attr(n, "href")
		}
	}
	t.Fatalf("no link %q", text)
	return ""
}

// valueOf returns the value of the first input of a name.
func valueOf(t *testing.T, root *node, name string) string {
	t.Helper()
	for _, n := range all(root, tag("input")) {
		if attr(n, "name") == name {
			return attr(n, "value")
		}
	}
	t.Fatalf("no input %q", name)
	return ""
}

func TestAddingACameraThatWasFound(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	h.fleet.add("Door")
	h.fleet.cameras[0].Identity.Endpoint = "urn:uuid:9"
	h.gadgets.found = []nvr.FoundDevice{
		{Name: "Door", Host: "192.168.1.8", Identity: nvr.Identity{Endpoint: "urn:uuid:9"}},
		{Name: `Gar"den`, Host: "192.168.1.30", Identity: nvr.Identity{Maker: "Reolink", Model: "RLC-510", Service: "http://192.168.1.30/x"}},
	}
	h.gadgets.report = offering()
	root := page(t, b.post("/cameras/new/search"))
	if tags := all(root, class("tag")); len(tags) != 1 || !strings.Contains(words(tags[0]), "Door") {
		t.Errorf("what was added already is not marked: %d", len(tags))
	}
	device := valueOf(t, page(t, b.get(linkTo(t, root, "Choose"))), "device")
	w := b.post("/cameras/new", "device", device, "user", "admin", "password", "pa ss")
	wantStatus(t, w, http.StatusOK)
	if strings.Contains(w.Body.String(), "pa ss") {
		t.Error("the page holds the camera's password")
	}
	if len(h.gadgets.asked) != 1 || h.gadgets.asked[0].Identity.Service != "http://192.168.1.30/x" || h.gadgets.asked[0].Password.Reveal() != "pa ss" {
		t.Errorf("asked %+v", h.gadgets.asked)
	}
	report := page(t, w)
	levels := map[string]string{}
	for _, row := range all(report, tag("tr")) {
		levels[words(all(row, tag("th"))[0])+" "+words(all(row, tag("td"))[0])] = attr(row, "data-level")
	}
	if levels["Key frames every 10 s"] != "poor" || levels["Clock 7 minutes behind"] != "poor" || levels["Sound G711, becomes AAC"] != "good" {
		t.Errorf("advice %v", levels)
	}
	token := draftOf(t, report)
	if got := b.get("/api/v1/drafts/" + token + "/still.jpg"); got.Body.String() != "test picture" || got.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("test picture %q, %v", got.Body, got.Header())
	}
	if got := valueOf(t, report, "name"); got != `Gar"den` {
		t.Errorf("the name %q is proposed", got)
	}
	b.post("/cameras/new/add", "draft", token, "name", "Garden", "place", "outside")
	added := h.fleet.List()[1].Camera
	if added.Identity.Endpoint != "urn:uuid:1" || added.Streams[1].URL != "rtsp://192.168.1.30:554/sub" || added.User != "admin" {
		t.Errorf("added %+v", added)
	}
}

func TestADeviceThatRefusesIsAskedNothingElse(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	for problem, want := range map[nvr.DeviceProblem]string{
		nvr.DeviceUnreachable: "Nothing answers", nvr.DeviceNoONVIF: "Switch ONVIF on", nvr.DeviceAsks: "asks for a user name",
		nvr.DeviceRefused: "It was tried once", nvr.DeviceLocked: "locked", nvr.DeviceClock: "clock", nvr.DeviceForeign: "not one of this house",
		nvr.DeviceChanged: "another certificate", nvr.DeviceBare: "H.264",
	} {
		h.gadgets.report = nvr.DeviceReport{Problem: problem}
		w := b.post("/cameras/new", "address", "192.168.1.30", "user", "admin", "password", "pa ss", "maker", "other")
		wantStatus(t, w, http.StatusUnprocessableEntity)
		if _, message := complaint(t, page(t, w)); !strings.Contains(message, want) {
			t.Errorf("%v: %q", problem, message)
		}
		if strings.Contains(w.Body.String(), "pa ss") {
			t.Errorf("%v: the page holds the password", problem)
		}
	}
	h.gadgets.report = nvr.DeviceReport{Problem: nvr.DeviceRefused}
	w := b.post("/cameras/new", "address", "192.168.1.30", "user", "admin", "password", "x", "maker", "hikvision")
	if _, message := complaint(t, page(t, w)); !strings.Contains(message, "Integration Protocol") {
		t.Errorf("Hikvision: %q", message)
	}
	if len(h.fleet.probed) != 0 {
		t.Error("a rejected password was offered to the stream too")
	}
}

func TestReplacedCameraKeepsWhatIsItsOwn(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	old := h.fleet.add("Front door")
	h.gadgets.report = offering()
	hidden := 0
	for _, n := range all(page(t, b.get("/cameras/new?replace="+old.ID.String())), tag("input")) {
		if attr(n, "name") == "replace" && attr(n, "value") == old.ID.String() {
			hidden++
		}
	}
	if hidden != 2 { // of search and of address
		t.Errorf("%d forms know what is replaced", hidden)
	}
	w := b.post("/cameras/new", "replace", old.ID.String(), "address", "192.168.1.30", "user", "root", "password", "new")
	token := draftOf(t, page(t, w))
	wantRedirect(t, b.post("/cameras/new/add", "draft", token), "/cameras/"+old.ID.String()+"?done=replaced")
	got, err := h.fleet.Camera(old.ID)
	if err != nil || h.fleet.replaced != 1 {
		t.Fatalf("%v, replaced %d times", err, h.fleet.replaced)
	}
	if got.Name != "Front door" || got.Streams[0].Stream != old.Streams[0].Stream || got.Streams[1].Stream != old.Streams[1].Stream ||
		got.Streams[0].URL != "rtsp://192.168.1.30:554/main" || got.User != "root" || got.Identity.Endpoint != "urn:uuid:1" {
		t.Errorf("%+v", got)
	}
	if n := h.entries(b.cookies["__Host-lares"], "camera-replaced"); n != 1 {
		t.Errorf("%d entries", n)
	}
	wantStatus(t, b.get("/cameras/new?replace=00000000000000000000000000000000"), http.StatusNotFound)
}

func TestMasksOfTheCamera(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	path := "/cameras/" + h.fleet.add("Front door").ID.String() + "/masks"
	if root := page(t, b.get(path)); linkTo(t, root, "Privacy mode") != "/privacy" {
		t.Error("privacy mode is not offered where the camera keeps no masks")
	}
	h.gadgets.masks = nvr.Masks{Possible: true, Most: 1, Corners: 4}
	const square = `[{"ignore":false,"points":[[0,0],[0.5,0],[0.5,0.5],[0,0.5]]}]`
	wantRedirect(t, b.post(path, "zones", square), path+"?done=masks")
	if got := h.gadgets.masks.List; len(got) != 1 || got[0].Points[1] != (nvr.Point{X: 0.5}) {
		t.Errorf("%+v", got)
	}
	if got := valueOf(t, page(t, b.get(path)), "zones"); got != square {
		t.Errorf("read back as %s", got)
	}
	for _, bad := range []string{"nonsense", `[{"points":[[0,0],[1,0],[1,1]]},{"points":[[0,0],[1,0],[1,1]]}]`} {
		w := b.post(path, "zones", bad)
		wantStatus(t, w, http.StatusUnprocessableEntity)
		if _, message := complaint(t, page(t, w)); message == "" || len(h.gadgets.masks.List) != 1 {
			t.Errorf("%s: %q, %d masks", bad, message, len(h.gadgets.masks.List))
		}
	}
	if n := h.entries(b.cookies["__Host-lares"], "masks-changed"); n != 1 {
		t.Errorf("%d entries", n)
	}
}
