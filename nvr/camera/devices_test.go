package camera

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/camera/camsim"
)

const gateSecret = "sesam"

// onvifSide gives a simulated camera an ONVIF side.
func onvifSide(t *testing.T, sim *camsim.Camera, cfg camsim.ONVIFConfig) (side *camsim.ONVIF, stop func()) {
	t.Helper()
	cfg.Camera, cfg.User, cfg.Password = sim, "admin", gateSecret
	side, err := camsim.NewONVIF(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := side.Run(ctx); err != nil {
			t.Errorf("simulated ONVIF: %v", err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(stop)
	return side, stop
}

// devices are those of a fleet, searched for where nobody answers unless a test
// says otherwise.
func devices(f *Fleet, group string) *Devices {
	if group == "" {
		group = "127.0.0.1:9" // discard
	}
	return NewDevices(DevicesConfig{Fleet: f, Log: slog.New(slog.DiscardHandler), Group: group})
}

func hostPort(t *testing.T, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

func TestAskedDeviceOffersItsStreams(t *testing.T) {
	t.Parallel()
	sim := simulate(t, camsim.Config{Main: clip(t, "plain.mp4"), Sub: clip(t, "plain.mp4")})
	side, _ := onvifSide(t, sim, camsim.ONVIFConfig{
		Group: "127.0.0.1:0", Maker: "Reolink", Model: "RLC-510", Serial: "7", MAC: "02:00:00:00:00:01",
	})
	side.Misbehave(camsim.ONVIFMisbehaviour{ClockAhead: 7 * time.Minute})
	f, _, _ := newFleet(t)
	r, err := devices(f, side.GroupAddr()).Ask(t.Context(), nvr.DeviceLogin{
		Host: hostPort(t, side.Service()), User: "admin", Password: gateSecret,
	})
	if err != nil || r.Problem != nvr.DeviceFine || len(r.Offers) == 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	want := nvr.Identity{
		Endpoint: side.Endpoint(), Maker: "Reolink", Model: "RLC-510", Serial: "7",
		MAC: "02:00:00:00:00:01", Service: side.Service(),
	}
	if r.Identity.Endpoint != want.Endpoint || r.Identity.MAC != want.MAC || r.Identity.Service != want.Service || r.Identity.Serial != want.Serial {
		t.Errorf("identity %+v", r.Identity)
	}
	if r.Offers[0].URL != sim.URL(nvr.Main) || r.Offers[0].Video != nvr.H264 || r.Offers[0].GOP == 0 {
		t.Errorf("offer %+v", r.Offers[0])
	}
	if !r.ClockKnown || r.ClockOff.Round(time.Minute) != 7*time.Minute {
		t.Errorf("clock %v, %v", r.ClockOff, r.ClockKnown)
	}
}

func TestAskedDeviceIsExplained(t *testing.T) {
	t.Parallel()
	sim := simulate(t, camsim.Config{Main: clip(t, "plain.mp4")})
	side, _ := onvifSide(t, sim, camsim.ONVIFConfig{})
	f, _, _ := newFleet(t)
	d := devices(f, "")
	ask := func(login nvr.DeviceLogin) nvr.DeviceProblem {
		r, err := d.Ask(t.Context(), login)
		if err != nil {
			t.Fatal(err)
		}
		return r.Problem
	}
	at := hostPort(t, side.Service())
	known := nvr.Identity{Service: side.Service()}
	if got := ask(nvr.DeviceLogin{Host: at}); got != nvr.DeviceAsks {
		t.Errorf("without a password: %v", got)
	}
	if got := ask(nvr.DeviceLogin{Host: at, User: "admin", Password: "wrong"}); got != nvr.DeviceRefused || side.WrongPasswords() != 1 {
		t.Errorf("with a wrong password: %v, offered %d times", got, side.WrongPasswords())
	}
	side.Misbehave(camsim.ONVIFMisbehaviour{BanAfter: 1})
	if got := ask(nvr.DeviceLogin{Identity: known, User: "admin", Password: gateSecret}); got != nvr.DeviceLocked {
		t.Errorf("locked: %v", got)
	}
	side.Misbehave(camsim.ONVIFMisbehaviour{Off: true})
	if got := ask(nvr.DeviceLogin{Host: at, User: "admin", Password: gateSecret}); got != nvr.DeviceNoONVIF {
		t.Errorf("ONVIF off: %v", got)
	}
	if got := ask(nvr.DeviceLogin{Host: "203.0.113.7:80", User: "admin", Password: gateSecret}); got != nvr.DeviceForeign {
		t.Errorf("outside the house: %v", got)
	}
}

// TestLostCameraIsFollowed lets a camera come back at another address of this box.
func TestLostCameraIsFollowed(t *testing.T) {
	t.Parallel()
	const elsewhere = "127.0.0.2"
	sim := simulate(t, camsim.Config{Main: clip(t, "plain.mp4"), Speed: 4, Address: elsewhere + ":0"})
	side, _ := onvifSide(t, sim, camsim.ONVIFConfig{Address: elsewhere + ":0", Group: elsewhere + ":0", TLS: true})
	c := describe(sim, nvr.Main)
	c.Streams[0].URL = atHost(c.Streams[0].URL, "127.0.0.3") // nobody is there
	c.Identity = nvr.Identity{Endpoint: side.Endpoint(), Service: atHost(side.Service(), "127.0.0.3")}
	stream := c.Streams[0].Stream

	f, store, _ := newFleet(t, c)
	if err := f.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := follow(t, f, stream)
	runFleet(t, f)
	d := devices(f, side.GroupAddr())
	var moved []string
	d.cfg.OnMove = func(_ context.Context, _ nvr.CameraID, host string) { moved = append(moved, host) }
	wait(t, "the camera is down", func() bool { return f.List()[0].Streams[0].State.Down.Cause == nvr.CameraOffline })

	if d.follow(t.Context(), time.Now().Add(lostAfter/2)); len(moved) != 0 {
		t.Error("searched for before it was away for long")
	}
	later := time.Now().Add(2 * lostAfter)
	imposter := c
	imposter.Identity.Pin = slices.Repeat([]byte{1}, 32) // of another device
	if _, err := f.Replace(t.Context(), imposter); err != nil {
		t.Fatal(err)
	}
	wait(t, "the camera is down", func() bool { return f.List()[0].Streams[0].State.Down.Cause == nvr.CameraOffline })
	if d.follow(t.Context(), later); len(moved) != 0 || side.Logins() != 0 {
		t.Fatalf("followed to a device with another certificate: %v", moved)
	}
	if _, err := f.Replace(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	wait(t, "the camera is down", func() bool { return f.List()[0].Streams[0].State.Down.Cause == nvr.CameraOffline })
	d.follow(t.Context(), later)
	if !slices.Equal(moved, []string{elsewhere}) {
		t.Fatalf("moved to %v", moved)
	}
	pictures(t, r, 2)
	kept := store.get(c.ID)
	if kept.Streams[0].URL != sim.URL(nvr.Main) || kept.Identity.Service != side.Service() || kept.Streams[0].Stream != stream {
		t.Errorf("stored %+v", kept)
	}
}

func TestReplacedCameraKeepsItsHistory(t *testing.T) {
	t.Parallel()
	old := simulate(t, camsim.Config{Main: clip(t, "plain.mp4"), Speed: 4})
	c := describe(old, nvr.Main)
	c.Motion.Zones = []nvr.Zone{{Points: []nvr.Point{{X: 0, Y: 0}, {X: 1, Y: 0}, {X: 0, Y: 1}}}}
	c.Streams[0].Pin = []byte("old")
	f, store, _ := newFleet(t, c)
	runFleet(t, f)
	if err := f.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := follow(t, f, c.Streams[0].Stream)
	pictures(t, r, 2)
	fresh := simulate(t, camsim.Config{Main: clip(t, "plain.mp4"), Sub: clip(t, "plain.mp4"), Speed: 4})
	swapped := c
	swapped.Streams = []nvr.Source{
		{Stream: c.Streams[0].Stream, URL: fresh.URL(nvr.Main)},
		{Quality: nvr.Sub, URL: fresh.URL(nvr.Sub)},
	}
	swapped.Identity.Serial = "new"
	if _, err := f.Replace(t.Context(), swapped); err != nil {
		t.Fatal(err)
	}
	wait(t, "the new camera is pulled", func() bool { return fresh.Connections() > 1 })
	pictures(t, r, 2)
	kept := store.get(c.ID)
	if kept.Name != c.Name || len(kept.Motion.Zones) != 1 || kept.Streams[0].Pin != nil || kept.Streams[1].Stream.IsZero() {
		t.Errorf("stored %+v", kept)
	}
	swapped.Streams[0].Stream = nvr.NewID[nvr.Stream]()
	if _, err := f.Replace(t.Context(), swapped); !errors.Is(err, nvr.ErrNotFound) {
		t.Errorf("a foreign stream: %v", err)
	}
}

func TestMasksAreKeptInTheCamera(t *testing.T) {
	t.Parallel()
	sim := simulate(t, camsim.Config{Main: clip(t, "plain.mp4")})
	side, _ := onvifSide(t, sim, camsim.ONVIFConfig{MaxMasks: 2})
	c := describe(sim, nvr.Main)
	c.User, c.Password, c.Identity.Service = "admin", gateSecret, side.Service()
	bare := describe(sim, nvr.Main)
	f, _, _ := newFleet(t, c, bare)
	if err := f.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	d := devices(f, "")
	street := []nvr.Point{{X: 0, Y: 0}, {X: 0.5, Y: 0}, {X: 0, Y: 0.5}}
	window := []nvr.Point{{X: 0.5, Y: 0.5}, {X: 1, Y: 0.5}, {X: 1, Y: 1}}
	set := func(want ...[]nvr.Point) nvr.Masks {
		t.Helper()
		got, err := d.SetMasks(t.Context(), c.ID, want)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	got := set(street)
	first := got.List[0].Token
	if got = set(window, street); len(got.List) != 2 || got.List[0].Token != first || len(side.Masks()) != 2 {
		t.Errorf("a mask that stays was touched: %+v", got)
	}
	if _, err := d.SetMasks(t.Context(), c.ID, [][]nvr.Point{street, street, street}); !errors.Is(err, nvr.ErrInvalid) {
		t.Errorf("more masks than the camera keeps: %v", err)
	}
	if got = set(window); len(got.List) != 1 || !samePlace(got.List[0].Points, window) {
		t.Errorf("%+v", got)
	}
	if got, err := d.Masks(t.Context(), bare.ID); err != nil || got.Possible {
		t.Errorf("a camera without ONVIF: %+v, %v", got, err)
	}
}

func TestNeighbours(t *testing.T) {
	t.Parallel()
	table := strings.Join([]string{
		"IP address       HW type     Flags       HW address            Mask     Device",
		"192.168.1.20     0x1         0x2         EC:71:DB:00:11:22     *        eth0",
		"192.168.1.21     0x1         0x0         00:00:00:00:00:00     *        eth0",
	}, "\n")
	for host, want := range map[string]string{"192.168.1.20": "ec:71:db:00:11:22", "192.168.1.21": "", "192.168.1.2": ""} {
		if got := neighbour(table, host); got != want {
			t.Errorf("%s: %q, want %q", host, got, want)
		}
	}
}

func TestDoorbellIsOnTheBusWhileThePicturesCome(t *testing.T) {
	t.Parallel()
	sim := simulate(t, camsim.Config{Main: clip(t, "plain.mp4"), Speed: 4})
	side, _ := onvifSide(t, sim, camsim.ONVIFConfig{Bell: true, Group: "127.0.0.1:0"})
	f, _, bus := newFleet(t)
	d := devices(f, side.GroupAddr())
	r, err := d.Ask(t.Context(), nvr.DeviceLogin{Host: hostPort(t, side.Service()), User: "admin", Password: gateSecret})
	if err != nil || !r.Identity.Bell {
		t.Fatalf("%+v, %v", r, err)
	}
	c := describe(sim, nvr.Main)
	c.User, c.Password, c.Identity = "admin", gateSecret, r.Identity
	if c, err = f.Add(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	bells := make(map[nvr.CameraID]*bell)
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	defer wg.Wait()
	defer cancel()
	if d.tend(ctx, bells, &wg); len(bells) != 0 {
		t.Error("a camera that sends nothing is listened to")
	}
	runFleet(t, f)
	wait(t, "pictures", func() bool { return f.List()[0].Streams[0].State.Up })
	news := bus.Subscribe()
	defer news.Close()
	d.tend(ctx, bells, &wg)
	side.Press()
	for {
		e, _, err := news.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == nvr.Doorbell && e.Camera == c.ID {
			break
		}
	}
	c.Disabled = true
	if _, err := f.Update(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if d.tend(ctx, bells, &wg); len(bells) != 0 {
		t.Error("a camera that is switched off is listened to")
	}
}
