package onvif

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"
)

// The namespaces of services, which are also their names.
const (
	deviceService = "http://www.onvif.org/ver10/device/wsdl"
	mediaService  = "http://www.onvif.org/ver10/media/wsdl"
	media2Service = "http://www.onvif.org/ver20/media/wsdl"
	eventService  = "http://www.onvif.org/ver10/events/wsdl"
)

// Clock asks what time the camera thinks it is, which needs no login, and
// returns how far that is ahead of this box. Logins are made with it from then
// on. known is false where the camera does not say.
func (c *Client) Clock(ctx context.Context) (ahead time.Duration, known bool, err error) {
	var r struct {
		T struct {
			Hour, Minute, Second int
		} `xml:"Body>GetSystemDateAndTimeResponse>SystemDateAndTime>UTCDateTime>Time"`
		D struct {
			Year, Month, Day int
		} `xml:"Body>GetSystemDateAndTimeResponse>SystemDateAndTime>UTCDateTime>Date"`
	}
	began := time.Now()
	if err := c.ask(ctx, c.at(c.cfg.Service), `<tds:GetSystemDateAndTime/>`, &r); err != nil {
		return 0, false, err
	}
	const firstCamera = 1970
	if r.D.Year < firstCamera || r.D.Month < 1 || r.D.Day < 1 {
		return 0, false, nil
	}
	now := time.Now()
	at := time.Date(r.D.Year, time.Month(r.D.Month), r.D.Day, r.T.Hour, r.T.Minute, r.T.Second, 0, time.UTC)
	c.offset = at.Sub(began.Add(now.Sub(began) / 2)).Round(time.Second)
	return c.offset, true, nil
}

// Info is what a camera calls itself.
type Info struct {
	Maker, Model, Firmware, Serial string
}

// Info asks for the plate of the device.
func (c *Client) Info(ctx context.Context) (Info, error) {
	var r struct {
		I struct {
			Manufacturer, Model, FirmwareVersion, SerialNumber string
		} `xml:"Body>GetDeviceInformationResponse"`
	}
	err := c.ask(ctx, c.at(c.cfg.Service), `<tds:GetDeviceInformation/>`, &r)
	return Info{
		Maker: plain(r.I.Manufacturer), Model: plain(r.I.Model), Firmware: plain(r.I.FirmwareVersion), Serial: plain(r.I.SerialNumber),
	}, err
}

// MAC asks for the hardware address of the first interface that is on; empty
// where the camera names none.
func (c *Client) MAC(ctx context.Context) (string, error) {
	var r struct {
		Interfaces []struct {
			Enabled bool
			Address string `xml:"Info>HwAddress"`
		} `xml:"Body>GetNetworkInterfacesResponse>NetworkInterfaces"`
	}
	if err := c.ask(ctx, c.at(c.cfg.Service), `<tds:GetNetworkInterfaces/>`, &r); err != nil {
		return "", err
	}
	for _, i := range r.Interfaces {
		if mac, err := net.ParseMAC(strings.TrimSpace(i.Address)); err == nil && i.Enabled {
			return mac.String(), nil
		}
	}
	return "", nil
}

// service returns where a service of the camera is, empty where it has none.
func (c *Client) service(ctx context.Context, namespace string) (string, error) {
	if c.services == nil {
		found, err := c.list(ctx)
		if err != nil {
			return "", err
		}
		c.services = found
	}
	if named, ok := c.services[namespace]; ok {
		return c.at(named), nil
	}
	return "", nil
}

// list asks for all services: the newer question first.
func (c *Client) list(ctx context.Context) (map[string]string, error) {
	var r struct {
		Services []struct{ Namespace, XAddr string } `xml:"Body>GetServicesResponse>Service"`
	}
	err := c.ask(ctx, c.at(c.cfg.Service), `<tds:GetServices><tds:IncludeCapability>false</tds:IncludeCapability></tds:GetServices>`, &r)
	if err != nil && !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrOff) {
		return nil, err
	}
	found := make(map[string]string)
	for _, s := range r.Services {
		found[strings.TrimSpace(s.Namespace)] = s.XAddr
	}
	if len(found) > 0 {
		return found, nil
	}
	var old capabilities
	if err := c.ask(ctx, c.at(c.cfg.Service), `<tds:GetCapabilities><tds:Category>All</tds:Category></tds:GetCapabilities>`, &old); err != nil {
		return nil, err
	}
	return old.services(), nil
}

// capabilities is the older list of services.
type capabilities struct {
	Media  string `xml:"Body>GetCapabilitiesResponse>Capabilities>Media>XAddr"`
	Events string `xml:"Body>GetCapabilitiesResponse>Capabilities>Events>XAddr"`
}

func (r capabilities) services() map[string]string {
	found := make(map[string]string)
	for name, at := range map[string]string{mediaService: r.Media, eventService: r.Events} {
		if at != "" {
			found[name] = at
		}
	}
	return found
}

// plain makes a word that a camera says fit to be shown and stored.
func plain(s string) string {
	const most = 64 // runes
	out := []rune(strings.Join(strings.Fields(strings.ToValidUTF8(s, "")), " "))
	return string(out[:min(len(out), most)])
}
