package onvif

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"lares/nvr"
)

// maxProfiles bounds what a camera may offer.
const maxProfiles = 32

// Profile is a stream that a camera offers, as its own settings describe it.
type Profile struct {
	Token  string
	Source string // the lens or input that it shows
	// SourceConfig names the settings of the source; masks belong to them.
	SourceConfig string
	Video        string // "H264", "H265", "JPEG"
	Width        int
	Height       int
	Rate         float64 // pictures a second
	Kbits        int     // kbit/s
	GOP          int     // pictures
	Sound        string  // "AAC", "G711"; empty: none

	newer bool // of Media2
}

// profile2 is a profile of Media2 (ver20/media/wsdl/media.wsdl).
type profile2 struct {
	Token  string `xml:"token,attr"`
	Source struct {
		Token  string `xml:"token,attr"`
		Source string `xml:"SourceToken"`
	} `xml:"Configurations>VideoSource"`
	Video encoder `xml:"Configurations>VideoEncoder"`
	Sound string  `xml:"Configurations>AudioEncoder>Encoding"`
}

// profile1 is a profile of Media1 (ver10/media/wsdl/media.wsdl).
type profile1 struct {
	Token  string `xml:"token,attr"`
	Source struct {
		Token  string `xml:"token,attr"`
		Source string `xml:"SourceToken"`
	} `xml:"VideoSourceConfiguration"`
	Video encoder `xml:"VideoEncoderConfiguration"`
	Sound string  `xml:"AudioEncoderConfiguration>Encoding"`
}

// encoder is what both versions say of the pictures.
type encoder struct {
	Encoding string
	Width    int     `xml:"Resolution>Width"`
	Height   int     `xml:"Resolution>Height"`
	Rate     float64 `xml:"RateControl>FrameRateLimit"`
	Kbits    int     `xml:"RateControl>BitrateLimit"`
	GOP      int     `xml:"GovLength,attr"`
	GOP264   int     `xml:"H264>GovLength"`
}

func (e encoder) profile(token, source, config, sound string, newer bool) Profile {
	return Profile{
		Token: token, Source: source, SourceConfig: config, newer: newer,
		Video: plain(strings.ToUpper(e.Encoding)), Width: e.Width, Height: e.Height, Rate: e.Rate, Kbits: e.Kbits,
		GOP: max(e.GOP, e.GOP264), Sound: plain(sound),
	}
}

// Profiles asks for what the camera offers: Media2 first, because the older
// service does not know H.265.
func (c *Client) Profiles(ctx context.Context) ([]Profile, error) {
	list, err := c.profiles2(ctx)
	if err == nil && len(list) > 0 || err != nil && !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrOff) {
		return list, err
	}
	service, err := c.service(ctx, mediaService)
	if err != nil || service == "" {
		return nil, err
	}
	var r struct {
		Profiles []profile1 `xml:"Body>GetProfilesResponse>Profiles"`
	}
	if err := c.ask(ctx, service, `<trt:GetProfiles/>`, &r); err != nil {
		return nil, err
	}
	for _, p := range r.Profiles[:min(len(r.Profiles), maxProfiles)] {
		list = append(list, p.Video.profile(p.Token, p.Source.Source, p.Source.Token, p.Sound, false))
	}
	return list, nil
}

func (c *Client) profiles2(ctx context.Context) ([]Profile, error) {
	service, err := c.service(ctx, media2Service)
	if err != nil || service == "" {
		return nil, err
	}
	var r struct {
		Profiles []profile2 `xml:"Body>GetProfilesResponse>Profiles"`
	}
	if err := c.ask(ctx, service, `<tr2:GetProfiles><tr2:Type>All</tr2:Type></tr2:GetProfiles>`, &r); err != nil {
		return nil, err
	}
	var list []Profile
	for _, p := range r.Profiles[:min(len(r.Profiles), maxProfiles)] {
		list = append(list, p.Video.profile(p.Token, p.Source.Source, p.Source.Token, p.Sound, true))
	}
	return list, nil
}

// streamURI is the answer of both versions.
type streamURI struct {
	New string `xml:"Body>GetStreamUriResponse>Uri"`
	Old string `xml:"Body>GetStreamUriResponse>MediaUri>Uri"`
}

// StreamURL asks where a profile can be pulled, at the address that the client
// talks to and without user info. Errors also: ErrUnsupported where the camera
// names no RTSP address.
func (c *Client) StreamURL(ctx context.Context, p Profile) (string, error) {
	namespace, body := mediaService, `<trt:GetStreamUri><trt:StreamSetup><tt:Stream>RTP-Unicast</tt:Stream><tt:Transport>`+
		`<tt:Protocol>RTSP</tt:Protocol></tt:Transport></trt:StreamSetup><trt:ProfileToken>`+escape(p.Token)+
		`</trt:ProfileToken></trt:GetStreamUri>`
	if p.newer {
		namespace, body = media2Service, `<tr2:GetStreamUri><tr2:Protocol>RTSP</tr2:Protocol><tr2:ProfileToken>`+escape(p.Token)+
			`</tr2:ProfileToken></tr2:GetStreamUri>`
	}
	service, err := c.service(ctx, namespace)
	if err != nil {
		return "", err
	}
	var r streamURI
	if err := c.ask(ctx, service, body, &r); err != nil {
		return "", err
	}
	return c.stream(r.New + r.Old)
}

// stream puts the address of a stream where the camera really is.
func (c *Client) stream(named string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(named))
	if err != nil || u.Scheme != "rtsp" && u.Scheme != "rtsps" || u.Opaque != "" {
		return "", fmt.Errorf("%w: no RTSP address", ErrUnsupported)
	}
	host := c.base.Hostname()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if u.Port() != "" {
		host += ":" + u.Port()
	}
	u.Host, u.User, u.Fragment = host, nil, ""
	return u.String(), nil
}

// Codec is the coding of the pictures as Lares knows it; nvr.NoCodec for one
// that is not recorded.
func (p Profile) Codec() nvr.Codec {
	switch p.Video {
	case "H264":
		return nvr.H264
	case "H265", "HEVC":
		return nvr.H265
	}
	return nvr.NoCodec
}

// Choose picks what to record: the largest picture of the first lens, and a
// smaller one for the wall. sub is nil where there is none. ok is false where
// nothing can be recorded.
func Choose(list []Profile) (main Profile, sub *Profile, ok bool) {
	const small = 1280 * 720 // what several tiles at a time can take
	size := func(p Profile) int { return p.Width * p.Height }
	for _, p := range list {
		if p.Codec() != nvr.NoCodec && (!ok || p.Source == main.Source && size(p) > size(main)) {
			main, ok = p, true
		}
	}
	better := func(a, b Profile) bool { // for the wall
		if fitsA, fitsB := size(a) <= small, size(b) <= small; fitsA != fitsB {
			return fitsA
		}
		if a.Video != b.Video {
			return a.Codec() == nvr.H264 // every browser shows it
		}
		return (size(a) > size(b)) == (size(a) <= small)
	}
	for _, p := range list {
		if p.Codec() == nvr.NoCodec || p.Source != main.Source || size(p) >= size(main) {
			continue
		}
		if sub == nil || better(p, *sub) {
			sub = &p
		}
	}
	return main, sub, ok
}
