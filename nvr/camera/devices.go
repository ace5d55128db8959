package camera

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"sync"
	"time"

	"lares/nvr"
	"lares/nvr/camera/onvif"
	"lares/nvr/egress"
)

const (
	searchFor = 3 * time.Second        // for the devices of all links
	knockFor  = 700 * time.Millisecond // for one device, which is there or is not
	askFor    = 20 * time.Second       // for all that a device is asked at once
)

// DevicesConfig is what Devices needs.
type DevicesConfig struct {
	Fleet *Fleet
	Log   *slog.Logger
	// Group is where cameras are searched for; onvif.Group if empty.
	Group string
	// House says what is dialled; nil is the narrowest rule.
	House *egress.Guard
	// OnMove is told when a camera was followed to a new address. May be nil.
	OnMove func(ctx context.Context, camera nvr.CameraID, host string)
}

// Devices talks ONVIF to the devices of the house: it searches for them, asks
// them what they offer, keeps their privacy masks, and, while it runs, follows
// cameras whose address has changed. All methods may be called from any
// goroutine. Devices outside the house are never talked to.
type Devices struct{ cfg DevicesConfig }

// NewDevices returns Devices that have asked nothing yet.
func NewDevices(cfg DevicesConfig) *Devices {
	cfg.Group = cmp.Or(cfg.Group, onvif.Group)
	return &Devices{cfg: cfg}
}

func (d *Devices) inside(a netip.Addr) bool { return d.cfg.House.Check(a) == nil }

func (d *Devices) dial(ctx context.Context, network, address string) (net.Conn, error) {
	return dialSoon(ctx, d.cfg.House, network, address)
}

// Search asks all links of the box for cameras; that takes three seconds. None
// is no error: where the box has no link that carries such questions, as in some
// containers, there are none.
func (d *Devices) Search(ctx context.Context) ([]nvr.FoundDevice, error) {
	searching, cancel := context.WithTimeout(ctx, searchFor)
	defer cancel()
	list, err := onvif.Discover(searching, d.cfg.Group, d.inside)
	if err != nil {
		d.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "cameras cannot be searched for", slog.String("error", err.Error()))
	}
	return list, ctx.Err()
}

// Ask asks a device what it is and offers. The password is tried at most once.
// What stands in the way is in the report; the error is that of ctx.
func (d *Devices) Ask(ctx context.Context, login nvr.DeviceLogin) (nvr.DeviceReport, error) {
	asking, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	identity, err := d.reach(asking, login)
	if err != nil {
		return nvr.DeviceReport{Problem: problemOf(err)}, ctx.Err()
	}
	r := nvr.DeviceReport{Identity: identity}
	client, err := d.client(identity, login.User, login.Password)
	if err == nil {
		err = examine(asking, client, &r)
	}
	if err != nil {
		r.Problem, r.Offers = problemOf(err), nil
		if login.Identity.Service != "" && r.Problem == nvr.DeviceNoONVIF && errors.Is(err, onvif.ErrOff) {
			r.Problem = nvr.DeviceLocked // it spoke ONVIF a moment ago
		}
	}
	return r, ctx.Err()
}

func (d *Devices) client(identity nvr.Identity, user string, password nvr.Secret) (*onvif.Client, error) {
	return onvif.New(onvif.Config{
		Service: identity.Service, User: user, Password: password, Pin: identity.Pin, Dial: d.dial,
	})
}

// examine asks a device for everything that is worth knowing.
func examine(ctx context.Context, client *onvif.Client, r *nvr.DeviceReport) (err error) {
	if r.ClockOff, r.ClockKnown, err = client.Clock(ctx); err != nil {
		return err
	}
	info, err := client.Info(ctx)
	if err != nil {
		return err
	}
	r.Identity.Pin = client.Pin()
	r.Identity.Maker, r.Identity.Model, r.Identity.Serial = info.Maker, info.Model, info.Serial
	if seen := macOf(hostOf(r.Identity.Service)); seen != "" {
		r.Identity.MAC = seen
	} else if mac, err := client.MAC(ctx); err == nil && mac != "" { // many users may not ask for it
		r.Identity.MAC = mac
	}
	if r.Identity.Bell, err = client.HasBell(ctx); err != nil {
		r.Identity.Bell = false // many cameras tell of no events
	}
	profiles, err := client.Profiles(ctx)
	if err != nil {
		return err
	}
	main, sub, ok := onvif.Choose(profiles)
	if !ok {
		return onvif.ErrUnsupported
	}
	for i, p := range []*onvif.Profile{&main, sub} {
		if p == nil {
			break
		}
		at, err := client.StreamURL(ctx, *p)
		if err != nil && i == 0 {
			return err
		}
		if err == nil {
			r.Offers = append(r.Offers, nvr.Offer{
				Quality: nvr.Quality(i), URL: at, Video: p.Codec(), Width: p.Width, Height: p.Height,
				Rate: p.Rate, Bits: p.Kbits * 1000, GOP: p.GOP, Sound: p.Sound,
			})
		}
	}
	return nil
}

// problemOf is what an error means to the owner.
func problemOf(err error) nvr.DeviceProblem {
	for _, k := range []struct {
		is   error
		what nvr.DeviceProblem
	}{
		{nvr.ErrForbidden, nvr.DeviceForeign},
		{onvif.ErrNeedsPassword, nvr.DeviceAsks},
		{onvif.ErrRefused, nvr.DeviceRefused},
		{onvif.ErrLocked, nvr.DeviceLocked},
		{onvif.ErrClock, nvr.DeviceClock},
		{onvif.ErrChanged, nvr.DeviceChanged},
		{onvif.ErrUnsupported, nvr.DeviceBare},
		{onvif.ErrOff, nvr.DeviceNoONVIF},
		{onvif.ErrMalformed, nvr.DeviceNoONVIF},
	} {
		if errors.Is(err, k.is) {
			return k.what
		}
	}
	return nvr.DeviceUnreachable
}

// reach finds the device service of a device, without a login.
func (d *Devices) reach(ctx context.Context, login nvr.DeviceLogin) (nvr.Identity, error) {
	if login.Identity.Service != "" {
		return login.Identity, nil
	}
	host, port, err := net.SplitHostPort(login.Host)
	if err != nil {
		host, port = login.Host, ""
	}
	addresses, err := d.cfg.House.Lookup(ctx, host)
	if err != nil {
		return nvr.Identity{}, fmt.Errorf("find the camera's address: %w", err)
	}
	at := addresses[0]
	said := make(chan []nvr.FoundDevice, 1)
	go func() { said <- d.knock(ctx, at) }()
	service, err := d.speaking(ctx, services(at, port))
	list := <-said
	for _, found := range list {
		if u, bad := url.Parse(found.Service); bad == nil && (port == "" || u.Port() == port) {
			return found.Identity, nil
		}
	}
	return nvr.Identity{Service: service}, err
}

// knock asks one device who it is.
func (d *Devices) knock(ctx context.Context, at netip.Addr) []nvr.FoundDevice {
	ctx, cancel := context.WithTimeout(ctx, knockFor)
	defer cancel()
	_, port, err := net.SplitHostPort(d.cfg.Group)
	if err != nil || !at.Is4() {
		return nil
	}
	list, _ := onvif.Discover(ctx, net.JoinHostPort(at.String(), port), d.inside) // most do not answer this way
	return list
}

// services lists where a device may have its service, the likeliest first: the
// ports are those of the makers.
func services(at netip.Addr, port string) []string {
	var out []string
	add := func(scheme, port string) {
		out = append(out, scheme+"://"+net.JoinHostPort(at.String(), port)+"/onvif/device_service")
	}
	if port != "" {
		add("https", port)
		add("http", port)
		return out
	}
	add("https", "443")
	for _, n := range []int{80, 8000, 2020, 8080, 8899} {
		add("http", strconv.Itoa(n))
	}
	return out
}

// speaking returns the first of the services that speaks ONVIF. The error is the
// one that says most of all that they gave.
func (d *Devices) speaking(ctx context.Context, services []string) (string, error) {
	errs := make([]error, len(services))
	var wg sync.WaitGroup
	for i, service := range services {
		wg.Go(func() {
			client, err := onvif.New(onvif.Config{Service: service, Dial: d.dial})
			if err == nil {
				_, _, err = client.Clock(ctx)
			}
			errs[i] = err
		})
	}
	wg.Wait()
	var most error
	for i, err := range errs {
		if err == nil || errors.Is(err, onvif.ErrNeedsPassword) || errors.Is(err, onvif.ErrUnsupported) {
			return services[i], nil
		}
		if most == nil || errors.Is(most, onvif.ErrUnreachable) {
			most = err
		}
	}
	return "", most
}
