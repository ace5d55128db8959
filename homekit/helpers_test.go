package homekit

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"lares/homekit/internal/haptest"
	"lares/nvr"
	"lares/nvr/camera"
	"lares/nvr/camera/camsim"
)

// patience is when a test gives up on something that does not come.
const patience = 10 * time.Second

// shelf keeps cameras in memory.
type shelf struct{}

func (shelf) Cameras(context.Context) ([]nvr.Camera, error)    { return nil, nil }
func (shelf) SaveCamera(context.Context, nvr.Camera) error     { return nil }
func (shelf) RemoveCamera(context.Context, nvr.CameraID) error { return nil }

// settings keeps values in memory, as config.db keeps them on disk.
type settings struct {
	mu     sync.Mutex // guards what follows
	values map[string][]byte
}

func (s *settings) Load(_ context.Context, name string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.values[name]
	if !ok {
		return nil, nvr.ErrNotFound
	}
	return v, nil
}

func (s *settings) Save(_ context.Context, name string, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values[name] = slices.Clone(data)
	return nil
}

func (s *settings) Delete(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.values, name)
	return nil
}

func (s *settings) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.values))
}

// gate lets everybody in and remembers what was entered.
type gate struct {
	mu      sync.Mutex // guards what follows
	err     error
	entries []Entry
}

func (g *gate) May(context.Context, nvr.CameraID) error {
	return nil
}

// refuse makes Record fail from now on.
func (g *gate) refuse(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.err = err
}

func (g *gate) Record(_ context.Context, e Entry) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err == nil {
		g.entries = append(g.entries, e)
	}
	return g.err
}

// count returns how many entries have an action.
func (g *gate) count(action string) (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range g.entries {
		if e.Action == action {
			n++
		}
	}
	return n
}

// painter makes a JPEG of its own in place of the camera's picture, of the size
// that is asked for.
type painter struct {
	mu    sync.Mutex // guards what follows
	calls int
}

func (p *painter) JPEG(_ context.Context, _ nvr.StreamID, frames []*nvr.Frame, o nvr.StillOptions) ([]byte, error) {
	p.mu.Lock()
	p.calls++
	p.mu.Unlock()
	img := image.NewGray(image.Rect(0, 0, o.MaxWidth, o.MaxHeight))
	img.Set(len(frames), 0, color.Gray{Y: 200})
	var b bytes.Buffer
	err := jpeg.Encode(&b, img, nil)
	return b.Bytes(), err
}

// tape is the recorder: it records, unless told otherwise.
type tape struct {
	mu    sync.Mutex // guards what follows
	cause nvr.Cause
}

// fail lets the recorder stop for a reason.
func (r *tape) fail(cause nvr.Cause) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cause = cause
}

func (r *tape) Recording(nvr.StreamID) nvr.RecordingStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	return nvr.RecordingStatus{Recording: r.cause == 0, Cause: r.cause}
}

// house is a house with a camera and HomeKit.
type house struct {
	*Service
	t        *testing.T
	host     string // a loopback address of its own, so that ports do not meet
	bus      *nvr.Bus
	fleet    *camera.Fleet
	camera   nvr.Camera
	settings *settings
	gate     *gate
	painter  *painter
	tape     *tape
	stop     func()
}

// newHouse runs a house until the test ends. The camera shows the clips of the
// demo: 1280 x 720 and 640 x 360, a key frame each two seconds.
func newHouse(t *testing.T) *house {
	t.Helper()
	t.Parallel() // most of the time is mDNS probing for a name
	var n [3]byte
	_, _ = rand.Read(n[:])
	return newHouseAt(t, netip.AddrFrom4([4]byte{127, n[0] | 1, n[1], n[2] | 1}).String())
}

// newHouseAt is newHouse at an address, for one test at a time.
func newHouseAt(t *testing.T, host string) *house {
	t.Helper()
	h := &house{
		t: t, host: host, bus: nvr.NewBus(), settings: &settings{values: make(map[string][]byte)},
		gate: &gate{}, painter: &painter{}, tape: &tape{},
	}
	clip := func(name string) *camsim.Clip {
		c, err := camsim.Load("../cmd/lares/internal/demo/" + name + ".mp4")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	sim, err := camsim.New(camsim.Config{Main: clip("main"), Sub: clip("sub")})
	if err != nil {
		t.Fatal(err)
	}
	h.fleet = camera.NewFleet(camera.FleetConfig{Store: shelf{}, Bus: h.bus, Log: logger(t)})
	h.background(sim.Run)
	h.background(h.fleet.Run)
	h.camera, err = h.fleet.Add(t.Context(), nvr.Camera{Name: "Front door", Streams: []nvr.Source{
		{Quality: nvr.Main, URL: sim.URL(nvr.Main)}, {Quality: nvr.Sub, URL: sim.URL(nvr.Sub)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	h.start()
	for _, src := range h.camera.Streams {
		h.until("the camera's pictures", func() bool { return h.fleet.Stream(src.Stream).LastKey() != nil })
	}
	return h
}

func logger(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// background runs a part until the test ends.
func (h *house) background(run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(h.t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := run(ctx); err != nil && ctx.Err() == nil {
			h.t.Error(err)
		}
	}()
	stop = func() {
		cancel()
		<-done
	}
	h.t.Cleanup(stop)
	return stop
}

// start begins HomeKit, with what was kept before.
func (h *house) start() {
	h.t.Helper()
	var err error
	h.Service, err = New(h.t.Context(), Config{
		Cameras: h.fleet, Privacy: h.fleet, Stills: h.painter, Settings: h.settings, Recording: h.tape, Gate: h.gate, Bus: h.bus,
		Log: logger(h.t), Version: "1.0.0", Host: h.host, Ifaces: []string{"lo"},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.stop = h.background(h.Run)
}

// until waits until something is so.
func (h *house) until(what string, so func() bool) {
	h.t.Helper()
	for end := time.Now().Add(patience); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("never came: %s", what)
		}
	}
}

// offer switches HomeKit on, opens the camera for pairing and returns how it is.
func (h *house) offer(reach nvr.Reach) nvr.HomeAccessory {
	h.t.Helper()
	if err := h.Switch(h.t.Context(), true); err != nil {
		h.t.Fatal(err)
	}
	if err := h.Offer(h.t.Context(), nvr.HomeOffer{Camera: h.camera.ID, Reach: reach, Name: "Anna's iPhone"}); err != nil {
		h.t.Fatal(err)
	}
	return h.about(h.camera.ID)
}

func (h *house) about(id nvr.CameraID) nvr.HomeAccessory {
	for _, a := range h.Status().Accessories {
		if a.Camera == id {
			return a
		}
	}
	h.t.Fatalf("no accessory %s", id)
	return nvr.HomeAccessory{}
}

// phone is a controller with a verified connection.
type phone struct {
	*haptest.Wire
	*haptest.Controller
	t  *testing.T
	at string
}

// pair pairs a phone with an accessory that is open for it.
func (h *house) pair(a nvr.HomeAccessory, id string) *phone {
	h.t.Helper()
	p := &phone{Controller: haptest.NewController(h.t, id), t: h.t, at: net.JoinHostPort(h.host, strconv.Itoa(a.Port))}
	dashed := a.Code[:3] + "-" + a.Code[3:5] + "-" + a.Code[5:]
	w := haptest.Dial(h.t, p.at)
	if err := w.Pair(p.Controller, dashed); err != nil {
		h.t.Fatalf("pair: %v", err)
	}
	return p.again()
}

// again opens another connection of a phone.
func (p *phone) again() *phone {
	p.t.Helper()
	w := haptest.Dial(p.t, p.at)
	if err := w.Verify(p.Controller); err != nil {
		p.t.Fatalf("verify: %v", err)
	}
	return &phone{Wire: w, Controller: p.Controller, t: p.t, at: p.at}
}

// characteristics lists those of a type, in order, as "aid.iid".
func (p *phone) characteristics(typ string) (all []string) {
	p.t.Helper()
	var list struct {
		Accessories []struct {
			Aid      uint64
			Services []struct {
				Type            string
				Characteristics []struct {
					Iid  uint64
					Type string
				}
			}
		}
	}
	if err := json.Unmarshal(p.Must(p.t, http.StatusOK, "GET", "/accessories", ""), &list); err != nil {
		p.t.Fatal(err)
	}
	for _, a := range list.Accessories {
		for _, s := range a.Services {
			for _, c := range s.Characteristics {
				if c.Type == typ {
					all = append(all, fmt.Sprintf("%d.%d", a.Aid, c.Iid))
				}
			}
		}
	}
	return all
}

// write sets a characteristic; a TLV8 value is given as bytes.
func (p *phone) write(status int, id string, value any) {
	p.t.Helper()
	aid, iid, _ := strings.Cut(id, ".")
	b, err := json.Marshal(value) // bytes become base64
	if err != nil {
		p.t.Fatal(err)
	}
	p.Must(p.t, status, "PUT", "/characteristics", fmt.Sprintf(`{"characteristics":[{"aid":%s,"iid":%s,"value":%s}]}`, aid, iid, b))
}

func (p *phone) subscribe(id string) {
	p.t.Helper()
	aid, iid, _ := strings.Cut(id, ".")
	p.Must(p.t, http.StatusNoContent, "PUT", "/characteristics", fmt.Sprintf(`{"characteristics":[{"aid":%s,"iid":%s,"ev":true}]}`, aid, iid))
}

func (p *phone) read(id string) any {
	p.t.Helper()
	return haptest.Values(p.t, p.Must(p.t, http.StatusOK, "GET", "/characteristics?id="+id, ""))[id]
}

func (p *phone) readTLV(id string) map[byte][]byte {
	p.t.Helper()
	text, ok := p.read(id).(string)
	if !ok {
		p.t.Fatalf("%s is no TLV8", id)
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		p.t.Fatal(err)
	}
	return haptest.Unpack(b)
}

// picture asks for a snapshot.
func (p *phone) picture(width, height int) image.Image {
	p.t.Helper()
	body := p.Must(p.t, http.StatusOK, "POST", "/resource", fmt.Sprintf(`{"resource-type":"image","image-width":%d,"image-height":%d}`, width, height))
	img, err := jpeg.Decode(bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	return img
}
