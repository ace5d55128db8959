package camsim

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/auth"

	"lares/nvr"
)

// Auth is how the camera asks for its password.
type Auth int

// The ways of asking (RFC 7616, RFC 7617).
const (
	NoAuth Auth = iota
	Basic
	DigestMD5
	DigestSHA256
)

// writeQueue is how many packets a slow client may be behind: a key frame of
// 4K video fits several times.
const writeQueue = 8192

// Config says what the camera plays and how it is reached.
type Config struct {
	// Main is what the camera plays. Required.
	Main *Clip
	// Sub is the small picture; nil for a camera with a single stream.
	Sub *Clip
	// Address is where the camera listens; an unused port of 127.0.0.1 if empty.
	Address string
	// Speed plays faster (above 1) or slower. Times are scaled with it, so that
	// the camera stays plausible; above and below 1 it is silent. 1 if 0.
	Speed float64
	// Auth, User and Password: what the camera asks for.
	Auth     Auth
	User     string
	Password nvr.Secret
	// TLS serves rtsps with a certificate that the camera signs itself.
	TLS bool
	// PayloadType is the RTP payload type of the pictures, 96 if 0.
	PayloadType uint8
	// Record keeps a list of all that is sent, for Sent. It grows without end:
	// for tests only.
	Record bool
}

// SentFrame is one picture that was handed to the clients.
type SentFrame struct {
	Time time.Time // when it was sent
	PTS  int64     // presentation time on the 90 kHz clock of the camera; it goes on over the rounds of the loop
	Key  bool
	// Size and Sum are the length and the SHA-256 of the picture in the form of
	// [nvr.Frame] Data: without delimiters and parameter sets.
	Size int
	Sum  [32]byte
}

// Camera is a simulated camera.
type Camera struct {
	cfg    Config
	server *gortsplib.Server
	ln     *listener
	udp    [2]net.PacketConn
	cert   *certificate // nil without TLS
	paths  map[nvr.Quality]*path

	mu     sync.Mutex
	bad    Misbehaviour
	conns  map[*gortsplib.ServerConn]struct{}
	opened int            // connections that were accepted
	wrong  map[string]int // rejected passwords, by address
}

// New reserves the camera's ports, so that URL is known before Run.
func New(cfg Config) (*Camera, error) {
	if cfg.Main == nil {
		return nil, fmt.Errorf("simulated camera without a clip: %w", nvr.ErrInvalid)
	}
	if cfg.Speed == 0 {
		cfg.Speed = 1
	}
	if cfg.Speed < 0 || cfg.Auth != NoAuth && cfg.User == "" {
		return nil, fmt.Errorf("simulated camera: speed or user: %w", nvr.ErrInvalid)
	}
	if cfg.PayloadType == 0 {
		cfg.PayloadType = 96
	}
	if cfg.Address == "" {
		cfg.Address = "127.0.0.1:0"
	}
	c := &Camera{
		cfg:   cfg,
		conns: make(map[*gortsplib.ServerConn]struct{}), wrong: make(map[string]int),
	}
	if err := c.listen(); err != nil {
		return nil, err
	}
	c.paths = map[nvr.Quality]*path{nvr.Main: newPath(c, nvr.Main, cfg.Main)}
	if cfg.Sub != nil {
		c.paths[nvr.Sub] = newPath(c, nvr.Sub, cfg.Sub)
	}
	return c, nil
}

func (c *Camera) listen() error {
	if c.cfg.TLS {
		cert, err := newCertificate()
		if err != nil {
			return err
		}
		c.cert = cert
	}
	ln, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", c.cfg.Address) // waits for nothing
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	c.ln = &listener{Listener: ln, camera: c}
	if c.udp, err = listenPair(ln.Addr()); err != nil {
		return errors.Join(err, ln.Close())
	}
	c.server = &gortsplib.Server{
		Handler:        handler{c},
		RTSPAddress:    ln.Addr().String(),
		UDPRTPAddress:  c.udp[0].LocalAddr().String(),
		UDPRTCPAddress: c.udp[1].LocalAddr().String(),
		WriteQueueSize: writeQueue,
		AuthMethods:    c.cfg.Auth.methods(),
		// The camera writes its own, so that it can lie in them.
		DisableRTCPSenderReports: true,
		Listen:                   func(string, string) (net.Listener, error) { return c.ln, nil },
		ListenPacket: func(_, address string) (net.PacketConn, error) {
			if address == c.udp[0].LocalAddr().String() {
				return c.udp[0], nil
			}
			return c.udp[1], nil
		},
	}
	if c.cert != nil {
		c.server.TLSConfig = &tls.Config{GetCertificate: c.cert.get, MinVersion: tls.VersionTLS12}
	}
	return nil
}

func (a Auth) methods() []auth.VerifyMethod {
	switch a {
	case Basic:
		return []auth.VerifyMethod{auth.VerifyMethodBasic}
	case DigestSHA256:
		return []auth.VerifyMethod{auth.VerifyMethodDigestSHA256}
	default:
		return []auth.VerifyMethod{auth.VerifyMethodDigestMD5}
	}
}

// Run serves until ctx ends and then returns nil, or the error that stopped the
// camera. It can be called once.
func (c *Camera) Run(ctx context.Context) error {
	if err := c.server.Start(); err != nil {
		return fmt.Errorf("start simulated camera: %w", err)
	}
	for _, p := range c.paths {
		if err := p.open(); err != nil {
			c.server.Close()
			return err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	for _, p := range c.paths {
		wg.Go(func() { p.play(ctx) })
	}
	ended := make(chan error, 1)
	wg.Go(func() { ended <- c.server.Wait() })
	var err error
	select {
	case <-ctx.Done():
	case err = <-ended:
		err = fmt.Errorf("simulated camera: %w", err)
	}
	cancel()
	c.server.Close()
	wg.Wait()
	for _, p := range c.paths {
		p.close()
	}
	return err
}

// URL returns the address of a stream, without user and password.
func (c *Camera) URL(q nvr.Quality) string {
	scheme := "rtsp"
	if c.cfg.TLS {
		scheme = "rtsps"
	}
	return scheme + "://" + c.ln.Addr().String() + "/" + q.String()
}

// Sent returns all pictures of a stream so far, in decoding order. It is empty
// unless Config.Record is set.
func (c *Camera) Sent(q nvr.Quality) []SentFrame {
	p, ok := c.paths[q]
	if !ok {
		return nil
	}
	return p.log()
}

// Connections returns how many connections the camera has accepted so far.
func (c *Camera) Connections() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.opened
}

// Connected returns how many connections are open.
func (c *Camera) Connected() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.conns)
}

// WrongPasswords returns how many wrong passwords the camera was offered.
func (c *Camera) WrongPasswords() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, count := range c.wrong {
		n += count
	}
	return n
}
