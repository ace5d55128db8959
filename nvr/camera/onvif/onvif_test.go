package onvif_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/camera/camsim"
	"lares/nvr/camera/onvif"
)

const secret = "gärten & <tore>"

// simulated is a camera with two streams and the ONVIF side that cfg says.
func simulated(t *testing.T, cfg camsim.ONVIFConfig) *camsim.ONVIF {
	t.Helper()
	load := func(name string) *camsim.Clip {
		clip, err := camsim.Load(filepath.Join("..", "camsim", "testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return clip
	}
	camera, err := camsim.New(camsim.Config{Main: load("h265.mp4"), Sub: load("plain.mp4")})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Camera = camera
	side, err := camsim.NewONVIF(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for _, run := range []func(context.Context) error{camera.Run, side.Run} {
		wg.Go(func() {
			if err := run(ctx); err != nil {
				t.Errorf("simulated camera: %v", err)
			}
		})
	}
	t.Cleanup(func() { cancel(); wg.Wait() })
	return side
}

func client(t *testing.T, service, password string) *onvif.Client {
	t.Helper()
	c, err := onvif.New(onvif.Config{Service: service, User: "admin", Password: nvr.Secret(password), Dial: (&net.Dialer{}).DialContext})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestReadsWhatTheCameraOffers(t *testing.T) {
	for name, cfg := range map[string]camsim.ONVIFConfig{
		"token":            {},
		"digest":           {Digest: true},
		"https":            {TLS: true},
		"old":              {Old: true},
		"old, with digest": {Old: true, Digest: true},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.User, cfg.Password = "admin", secret
			cfg.Maker, cfg.Model, cfg.Serial, cfg.MAC = "Reo & link", "RLC", "SN1", "AA:BB:CC:00:11:22"
			side := simulated(t, cfg)
			side.Misbehave(camsim.ONVIFMisbehaviour{ClockAhead: -40 * time.Hour, WrongHost: true})
			c := client(t, side.Service(), secret)
			ahead, known, err := c.Clock(t.Context())
			if err != nil || !known || (ahead+40*time.Hour).Abs() > 5*time.Second {
				t.Fatalf("clock %v, %v, %v", ahead, known, err)
			}
			info, err := c.Info(t.Context())
			if err != nil || info.Maker != "Reo & link" || info.Serial != "SN1" {
				t.Fatalf("%+v, %v", info, err)
			}
			if mac, err := c.MAC(t.Context()); err != nil || mac != "aa:bb:cc:00:11:22" {
				t.Errorf("MAC %q, %v", mac, err)
			}
			list, err := c.Profiles(t.Context())
			if err != nil || len(list) != 2 {
				t.Fatalf("%+v, %v", list, err)
			}
			main, sub, ok := onvif.Choose(list)
			if !ok || main.Codec() != nvr.H265 && main.Codec() != nvr.H264 || main.GOP == 0 || main.Width == 0 {
				t.Fatalf("main %+v, sub %+v", main, sub)
			}
			at, err := c.StreamURL(t.Context(), main)
			if err != nil || !strings.HasPrefix(at, "rtsp://127.0.0.1:") {
				t.Errorf("stream at %q, %v", at, err)
			}
			if side.WrongPasswords() != 0 {
				t.Errorf("%d wrong passwords", side.WrongPasswords())
			}
		})
	}
}

func TestOffersAWrongPasswordOnce(t *testing.T) {
	for name, digest := range map[string]bool{"token": false, "digest": true} {
		t.Run(name, func(t *testing.T) {
			side := simulated(t, camsim.ONVIFConfig{User: "admin", Password: secret, Digest: digest})
			c := client(t, side.Service(), "wrong")
			for range 3 {
				if _, err := c.Info(t.Context()); !errors.Is(err, onvif.ErrRefused) {
					t.Errorf("%v, want ErrRefused", err)
				}
			}
			if n := side.WrongPasswords(); n != 1 {
				t.Errorf("offered %d times", n)
			}
		})
	}
}

func TestSaysWhyACameraTellsNothing(t *testing.T) {
	side := simulated(t, camsim.ONVIFConfig{User: "admin", Password: secret})
	if _, err := client(t, side.Service(), "wrong").Info(t.Context()); !errors.Is(err, onvif.ErrRefused) {
		t.Errorf("wrong password: %v", err)
	}
	nobody, err := onvif.New(onvif.Config{Service: side.Service(), Dial: (&net.Dialer{}).DialContext})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nobody.Info(t.Context()); !errors.Is(err, onvif.ErrNeedsPassword) {
		t.Errorf("no password: %v", err)
	}
	side.Misbehave(camsim.ONVIFMisbehaviour{Off: true})
	if _, err := client(t, side.Service(), secret).Info(t.Context()); !errors.Is(err, onvif.ErrOff) {
		t.Errorf("ONVIF off: %v", err)
	}
	c := client(t, side.Service(), "wrong")
	side.Misbehave(camsim.ONVIFMisbehaviour{BanAfter: 2})
	_, _ = c.Info(t.Context()) // the second wrong one
	if _, err := c.Info(t.Context()); !errors.Is(err, onvif.ErrLocked) {
		t.Errorf("banned: %v", err)
	}
	gone := "http://127.0.0.1:1/onvif/device_service"
	if _, err := client(t, gone, secret).Info(t.Context()); !errors.Is(err, onvif.ErrOff) {
		t.Errorf("refused connection: %v", err)
	}
}

func TestFaultsAreSorted(t *testing.T) {
	for reason, want := range map[string]error{
		"<s:Subcode><s:Value>ter:NotAuthorized</s:Value></s:Subcode>":      onvif.ErrNeedsPassword,
		"<s:Subcode><s:Value>ter:AccountLocked</s:Value></s:Subcode>":      onvif.ErrLocked,
		"<s:Subcode><s:Value>wsu:MessageExpired</s:Value></s:Subcode>":     onvif.ErrClock,
		"<s:Subcode><s:Value>ter:ActionNotSupported</s:Value></s:Subcode>": onvif.ErrUnsupported,
	} {
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`<s:Envelope><s:Body><s:Fault><s:Code><s:Value>s:Sender</s:Value>` + reason + `</s:Code></s:Fault></s:Body></s:Envelope>`))
		}))
		c, err := onvif.New(onvif.Config{Service: web.URL, Dial: (&net.Dialer{}).DialContext})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Info(t.Context()); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", reason, err, want)
		}
		web.Close()
	}
}

func TestAnotherCertificateIsNotTalkedTo(t *testing.T) {
	side := simulated(t, camsim.ONVIFConfig{TLS: true, User: "admin", Password: secret})
	c := client(t, side.Service(), secret)
	if _, err := c.Info(t.Context()); err != nil || len(c.Pin()) != 32 {
		t.Fatalf("%v, pin of %d bytes", err, len(c.Pin()))
	}
	other := simulated(t, camsim.ONVIFConfig{TLS: true, User: "admin", Password: secret})
	pinned, err := onvif.New(onvif.Config{Service: other.Service(), User: "admin", Password: secret, Pin: c.Pin(), Dial: (&net.Dialer{}).DialContext})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pinned.Info(t.Context()); !errors.Is(err, onvif.ErrChanged) {
		t.Errorf("%v, want ErrChanged", err)
	}
	if other.Logins() != 0 {
		t.Error("the login was offered to another device")
	}
}

func TestHostileAnswersAreRefused(t *testing.T) {
	side := simulated(t, camsim.ONVIFConfig{})
	for name, body := range map[string]string{
		"deep":   strings.Repeat("<a>", 5000) + strings.Repeat("</a>", 5000),
		"long":   "<a>" + strings.Repeat("x", 2<<20) + "</a>",
		"bomb":   `<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb">]><a>&b;</a>`,
		"broken": "<a><b></a>",
		"page":   "<html><body>Hello</body>",
	} {
		side.Misbehave(camsim.ONVIFMisbehaviour{Body: body})
		c := client(t, side.Service(), "")
		if _, err := c.Info(t.Context()); err == nil {
			t.Errorf("%s: it was accepted", name)
		}
	}
}

func TestMasksAreThoseOfTheCamera(t *testing.T) {
	side := simulated(t, camsim.ONVIFConfig{User: "admin", Password: secret, MaxMasks: 2})
	c := client(t, side.Service(), secret)
	shape := []nvr.Point{{X: 0.25, Y: 0.25}, {X: 0.75, Y: 0.25}, {X: 0.5, Y: 1}}
	if err := c.SetMask(t.Context(), "vsc", nvr.Mask{Points: shape}); err != nil {
		t.Fatal(err)
	}
	got, err := c.Masks(t.Context(), "vsc")
	if err != nil || !got.Possible || got.Most != 2 || len(got.List) != 1 || !slices.Equal(got.List[0].Points, shape) {
		t.Fatalf("%+v, %v", got, err)
	}
	moved := []nvr.Point{{X: 0, Y: 0}, {X: 1, Y: 0}, {X: 1, Y: 0.5}, {X: 0, Y: 0.5}}
	if err := c.SetMask(t.Context(), "vsc", nvr.Mask{Token: got.List[0].Token, Points: moved}); err != nil {
		t.Fatal(err)
	}
	if list := side.Masks(); len(list) != 1 || !slices.Equal(list[0].Points, moved) {
		t.Errorf("the camera has %+v", list)
	}
	if err := c.DeleteMask(t.Context(), got.List[0].Token); err != nil || len(side.Masks()) != 0 {
		t.Errorf("%v, the camera has %+v", err, side.Masks())
	}
	old := simulated(t, camsim.ONVIFConfig{Old: true, MaxMasks: 2})
	if got, err := client(t, old.Service(), "").Masks(t.Context(), "vsc"); err != nil || got.Possible {
		t.Errorf("a camera without Media2: %+v, %v", got, err)
	}
}

func TestTheBellIsHeard(t *testing.T) {
	side := simulated(t, camsim.ONVIFConfig{User: "admin", Password: secret, Bell: true})
	if has, err := client(t, side.Service(), secret).HasBell(t.Context()); err != nil || !has {
		t.Errorf("no bell: %v", err)
	}
	mute := simulated(t, camsim.ONVIFConfig{})
	if has, err := client(t, mute.Service(), "").HasBell(t.Context()); err != nil || has {
		t.Errorf("a bell where there is none: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var pressed onvif.Event
	side.Press()
	err := client(t, side.Service(), secret).Events(ctx, func(e onvif.Event) { pressed = e; cancel() })
	if !errors.Is(err, context.Canceled) || !pressed.Pressed() {
		t.Errorf("%+v, %v", pressed, err)
	}
	pressed.Operation = "Initialized"
	if pressed.Pressed() {
		t.Error("a state from before counts as a press")
	}
}

func TestDiscoveryFindsEachCameraOnce(t *testing.T) {
	side := simulated(t, camsim.ONVIFConfig{Group: "127.0.0.1:0", Name: "Front Door", Model: "RLC-510", Maker: "Reolink"})
	side.Misbehave(camsim.ONVIFMisbehaviour{WrongHost: true})
	ctx, cancel := context.WithTimeout(t.Context(), 1200*time.Millisecond)
	defer cancel()
	list, err := onvif.Discover(ctx, side.GroupAddr(), netip.Addr.IsLoopback)
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	d := list[0]
	if d.Endpoint != side.Endpoint() || d.Name != "Front Door" || d.Model != "RLC-510" || d.Maker != "Reolink" || d.Service != side.Service() || d.Host != "127.0.0.1" {
		t.Errorf("%+v", d)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 400*time.Millisecond)
	defer cancel()
	if list, err := onvif.Discover(ctx, side.GroupAddr(), netip.Addr.IsPrivate); err != nil || len(list) != 0 {
		t.Errorf("an answer from outside counted: %+v, %v", list, err)
	}
}

// TestDiscoveryReachesTheGroup asks all links of the machine, so it runs itself
// again in a network of its own that has nothing but the loopback.
func TestDiscoveryReachesTheGroup(t *testing.T) {
	if os.Getenv("LARES_ALONE") == "" {
		runAlone(t)
		return
	}
	side := simulated(t, camsim.ONVIFConfig{Group: onvif.Group, Name: "Yard"})
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	list, err := onvif.Discover(ctx, onvif.Group, func(netip.Addr) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(list, func(d nvr.FoundDevice) bool { return d.Endpoint == side.Endpoint() }) {
		t.Errorf("not among %+v", list)
	}
}

func runAlone(t *testing.T) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const network = `ip link set lo up multicast on && ip route add 224.0.0.0/4 dev lo && exec "$0" -test.run "^$1$"`
	cmd := exec.Command("/bin/sh", "-c", network, exe, t.Name())
	cmd.Env = append(os.Environ(), "LARES_ALONE=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) {
		t.Skip("needs the right to make a network namespace")
	}
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestChoosesMainAndSub(t *testing.T) {
	p := func(token, source, video string, width, height int) onvif.Profile {
		return onvif.Profile{Token: token, Source: source, Video: video, Width: width, Height: height}
	}
	for name, tc := range map[string]struct {
		list      []onvif.Profile
		main, sub string
	}{
		"large first":      {[]onvif.Profile{p("a", "1", "H264", 2560, 1440), p("b", "1", "H264", 640, 360)}, "a", "b"},
		"small first":      {[]onvif.Profile{p("b", "1", "H264", 640, 360), p("a", "1", "H265", 3840, 2160)}, "a", "b"},
		"best for tiles":   {[]onvif.Profile{p("a", "1", "H265", 3840, 2160), p("b", "1", "H264", 1920, 1080), p("c", "1", "H264", 1280, 720), p("d", "1", "H264", 320, 240)}, "a", "c"},
		"browser's coding": {[]onvif.Profile{p("a", "1", "H265", 3840, 2160), p("b", "1", "H265", 1280, 720), p("c", "1", "H264", 640, 360)}, "a", "c"},
		"another lens":     {[]onvif.Profile{p("a", "1", "H264", 1280, 720), p("b", "2", "H264", 2560, 1440), p("c", "2", "H264", 640, 360)}, "a", ""},
		"only stills":      {[]onvif.Profile{p("a", "1", "JPEG", 1280, 720)}, "", ""},
	} {
		main, sub, ok := onvif.Choose(tc.list)
		got := ""
		if sub != nil {
			got = sub.Token
		}
		if ok != (tc.main != "") || main.Token != tc.main || got != tc.sub {
			t.Errorf("%s: %q and %q, want %q and %q", name, main.Token, got, tc.main, tc.sub)
		}
	}
}
