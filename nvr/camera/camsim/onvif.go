package camsim

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"

	"lares/nvr"
)

// ONVIFConfig says what the ONVIF side of a camera is like.
type ONVIFConfig struct {
	// Camera plays the streams that are offered. Required.
	Camera *Camera
	// Address is where the services listen; an unused port of 127.0.0.1 if empty.
	Address string
	// Group is where it hears questions of WS-Discovery: a multicast group, heard
	// on all links, or an own address. Empty: nowhere.
	Group string
	// What it says of itself. A random Endpoint is made if there is none.
	Name, Maker, Model, Serial, MAC, Endpoint string
	// User and Password of ONVIF; it asks for none if User is empty.
	User     string
	Password nvr.Secret
	// Digest asks for HTTP Digest instead of a WS-UsernameToken.
	Digest bool
	// TLS serves https with a certificate that the camera signs itself.
	TLS bool
	// MaxMasks is how many privacy masks it keeps; 0: it cannot.
	MaxMasks int
	// Bell says that it has a button at the door.
	Bell bool
	// Old has neither GetServices nor Media2.
	Old bool
}

// ONVIFMisbehaviour lists what the ONVIF side does wrong at the moment.
type ONVIFMisbehaviour struct {
	// ClockAhead is how wrong its clock is. It rejects logins that are more than
	// half a minute away from it.
	ClockAhead time.Duration
	// Off answers 404 to everything and hears no discovery.
	Off bool
	// BanAfter closes all connections from an address that has offered so many
	// wrong passwords; 0 never does.
	BanAfter int
	// WrongHost names 0.0.0.0 in all URLs.
	WrongHost bool
	// Body is the answer to everything.
	Body string
}

// ONVIF is the ONVIF side of a simulated camera.
type ONVIF struct {
	cfg    ONVIFConfig
	ln     net.Listener
	cert   *certificate // nil without TLS
	group  []net.PacketConn
	server *http.Server

	mu     sync.Mutex // guards what follows
	bad    ONVIFMisbehaviour
	wrong  map[string]int // rejected passwords, by address
	masks  []nvr.Mask
	made   int // masks so far
	events []string
	nonce  string // of HTTP Digest
	asked  int
}

// NewONVIF reserves the ports, so that Service is known before Run.
func NewONVIF(cfg ONVIFConfig) (*ONVIF, error) {
	if cfg.Camera == nil {
		return nil, fmt.Errorf("simulated ONVIF without a camera: %w", nvr.ErrInvalid)
	}
	if cfg.Address == "" {
		cfg.Address = "127.0.0.1:0"
	}
	if cfg.Endpoint == "" {
		id := make([]byte, 6)
		rand.Read(id) // never fails: crypto/rand, Go 1.24
		cfg.Endpoint = "urn:uuid:5f5a69c2-e0ae-504f-829b-" + hex.EncodeToString(id)
	}
	o := &ONVIF{cfg: cfg, wrong: make(map[string]int), nonce: rand.Text()}
	var err error
	if o.ln, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", cfg.Address); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if cfg.TLS {
		if o.cert, err = newCertificate(); err != nil {
			return nil, errors.Join(err, o.ln.Close())
		}
		o.ln = tls.NewListener(o.ln, &tls.Config{GetCertificate: o.cert.get, MinVersion: tls.VersionTLS12})
	}
	if err := o.listenGroup(); err != nil {
		return nil, errors.Join(err, o.ln.Close())
	}
	o.server = &http.Server{Handler: o, ReadHeaderTimeout: 10 * time.Second}
	return o, nil
}

// Service is the URL of the device service.
func (o *ONVIF) Service() string {
	return o.scheme() + "://" + o.ln.Addr().String() + "/onvif/device_service"
}

func (o *ONVIF) scheme() string {
	if o.cfg.TLS {
		return "https"
	}
	return "http"
}

// Endpoint is the name that it answers to in WS-Discovery.
func (o *ONVIF) Endpoint() string { return o.cfg.Endpoint }

// Misbehave changes what it does wrong from now on.
func (o *ONVIF) Misbehave(m ONVIFMisbehaviour) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bad = m
}

func (o *ONVIF) misbehaviour() ONVIFMisbehaviour {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bad
}

// WrongPasswords returns how many wrong passwords it was offered.
func (o *ONVIF) WrongPasswords() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := 0
	for _, count := range o.wrong {
		n += count
	}
	return n
}

// Logins returns how many requests came with a login.
func (o *ONVIF) Logins() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.asked
}

// Masks returns the privacy masks that it keeps.
func (o *ONVIF) Masks() []nvr.Mask {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]nvr.Mask(nil), o.masks...)
}

// Press rings the doorbell.
func (o *ONVIF) Press() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events = append(o.events, `<wsnt:NotificationMessage><wsnt:Topic>tns1:RuleEngine/MyRuleDetector/Visitor</wsnt:Topic><wsnt:Message>`+
		`<tt:Message PropertyOperation="Changed"><tt:Source><tt:SimpleItem Name="Source" Value="000"/></tt:Source>`+
		`<tt:Data><tt:SimpleItem Name="State" Value="true"/></tt:Data></tt:Message></wsnt:Message></wsnt:NotificationMessage>`)
}

// Run serves until ctx ends and then returns nil, or the error that stopped it.
// It can be called once.
func (o *ONVIF) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, conn := range o.group {
		wg.Go(func() { o.hear(conn) })
	}
	stop := context.AfterFunc(ctx, func() { _ = o.server.Close() }) // Serve says what happened
	defer stop()
	err := o.server.Serve(o.ln)
	for _, conn := range o.group {
		err = errors.Join(err, conn.Close())
	}
	wg.Wait()
	if ctx.Err() != nil || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("simulated ONVIF: %w", err)
}

// host is what it puts into URLs.
func (o *ONVIF) host() string {
	if _, port, err := net.SplitHostPort(o.ln.Addr().String()); err == nil && o.misbehaviour().WrongHost {
		return "0.0.0.0:" + port
	}
	return o.ln.Addr().String()
}

// streamURL is the address of a stream as it names it.
func (o *ONVIF) streamURL(q nvr.Quality) string {
	raw := o.cfg.Camera.URL(q)
	if u, err := url.Parse(raw); err == nil && o.misbehaviour().WrongHost {
		u.Host = "0.0.0.0:" + u.Port()
		return u.String()
	}
	return raw
}

// size reads the size of the pictures and their number a second.
func (c *Clip) size() (width, height int, rate float64) {
	var sps264 h264.SPS
	var sps265 h265.SPS
	switch {
	case c.codec == nvr.H264 && sps264.Unmarshal(c.sps) == nil:
		width, height = sps264.Width(), sps264.Height()
	case c.codec == nvr.H265 && sps265.Unmarshal(c.sps) == nil:
		width, height = sps265.Width(), sps265.Height()
	}
	return width, height, float64(len(c.frames)) * nvr.ClockRate / float64(c.length)
}

// gop is the distance of the first two key frames, in pictures.
func (c *Clip) gop() int {
	for i := 1; i < len(c.frames); i++ {
		if c.frames[i].key {
			return i
		}
	}
	return len(c.frames)
}

// profile describes a stream, in the words of Media2 or of Media1.
func (o *ONVIF) profile(q nvr.Quality) string {
	clip := o.cfg.Camera.cfg.Main
	if q == nvr.Sub {
		clip = o.cfg.Camera.cfg.Sub
	}
	if clip == nil {
		return ""
	}
	width, height, rate := clip.size()
	coding := strings.ReplaceAll(clip.codec.String(), ".", "")
	gop := strconv.Itoa(clip.gop())
	facts := fmt.Sprintf(`<tt:Encoding>%s</tt:Encoding><tt:Resolution><tt:Width>%d</tt:Width><tt:Height>%d</tt:Height></tt:Resolution>`+
		`<tt:RateControl><tt:FrameRateLimit>%.0f</tt:FrameRateLimit><tt:BitrateLimit>2048</tt:BitrateLimit></tt:RateControl>`, coding, width, height, rate)
	if o.cfg.Old {
		return `<trt:Profiles token="p_` + q.String() + `"><tt:Name>` + q.String() + `</tt:Name><tt:VideoSourceConfiguration token="vsc"><tt:SourceToken>` +
			`vs</tt:SourceToken></tt:VideoSourceConfiguration><tt:VideoEncoderConfiguration token="ve">` + facts + `<tt:H264><tt:GovLength>` + gop +
			`</tt:GovLength></tt:H264></tt:VideoEncoderConfiguration></trt:Profiles>`
	}
	return `<tr2:Profiles token="p_` + q.String() + `"><tr2:Name>` + q.String() + `</tr2:Name><tr2:Configurations><tr2:VideoSource token="vsc"><tt:SourceToken>` +
		`vs</tt:SourceToken></tr2:VideoSource><tr2:VideoEncoder token="ve" GovLength="` + gop + `">` + facts + `</tr2:VideoEncoder></tr2:Configurations></tr2:Profiles>`
}
