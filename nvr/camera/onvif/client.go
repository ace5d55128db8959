package onvif

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"lares/nvr"
)

// callTimeout bounds one question with its answer.
const callTimeout = 5 * time.Second

// Config says which camera to talk to.
type Config struct {
	// Service is the URL of the device service, http:// or https://.
	Service string
	// User and Password may be empty: then only what cameras tell everybody is told.
	User     string
	Password nvr.Secret
	// Pin is the SHA-256 of the certificate that https must show; empty: the
	// first one that is shown is pinned.
	Pin []byte
	// Dial opens all connections, and refuses addresses that are not of the house.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Client talks to one camera. It belongs to one goroutine at a time.
type Client struct {
	cfg  Config
	base *url.URL // scheme and host of all that is asked
	http http.Client

	offset   time.Duration // the camera's clock, ahead of ours
	services map[string]string
	way      way
	digest   *challenge
	count    int   // requests with the nonce of digest
	refused  error // the login was rejected: it is never offered again
	accepted bool  // the login was taken
	answered bool
	pin      []byte
}

// way is how the camera wants to be logged in to.
type way uint8

const (
	unknown way = iota // nothing has asked for a login yet
	byToken
	byDigest
)

// New returns a client that has asked nothing yet. Errors: nvr.ErrInvalid.
func New(cfg Config) (*Client, error) {
	base, err := url.Parse(cfg.Service)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Hostname() == "" || base.User != nil {
		return nil, fmt.Errorf("address of the ONVIF service: %w", nvr.ErrInvalid)
	}
	c := &Client{cfg: cfg, base: base, pin: cfg.Pin}
	c.http = http.Client{
		// A camera that sends its visitor elsewhere is not followed.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: cfg.Dial, DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 32 << 10,
			TLSClientConfig: &tls.Config{
				InsecureSkipVerify: true, //nolint:gosec // VerifyConnection pins the certificate instead
				MinVersion:         tls.VersionTLS12, VerifyConnection: c.pinned,
			},
		},
	}
	return c, nil
}

// Pin returns the SHA-256 of the certificate that the camera showed; nil over
// plain http.
func (c *Client) Pin() []byte { return c.pin }

// pinned checks the certificate against the one that was shown first.
func (c *Client) pinned(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return ErrChanged
	}
	sum := sha256.Sum256(state.PeerCertificates[0].Raw)
	if len(c.pin) == 0 {
		c.pin = sum[:]
	}
	if subtle.ConstantTimeCompare(c.pin, sum[:]) != 1 {
		return ErrChanged
	}
	return nil
}

// at is a URL that the camera named, at the address that is talked to: cameras
// name hosts that nobody can reach, such as 0.0.0.0 or one behind a router.
func (c *Client) at(named string) string {
	u, err := url.Parse(strings.TrimSpace(named))
	if err != nil || u.Path == "" {
		u = c.base
	}
	return (&url.URL{Scheme: c.base.Scheme, Host: c.base.Host, Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}).String()
}

// reply is the answer to one request.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// err says what is wrong with the answer, nil if it can be read.
func (r reply) err() error {
	var f fault
	if parse(r.body, &f) == nil {
		if err := f.err(); err != nil {
			return err
		}
	} else if r.status == http.StatusOK {
		return fmt.Errorf("%w: no SOAP", ErrOff)
	}
	return refusal(r.status)
}

// ask sends the content of a SOAP body to a service and reads the answer into
// out. The first request goes without a login, and the camera's refusal says how
// it wants one; so a wrong password is offered once and no more.
func (c *Client) ask(ctx context.Context, service, body string, out any) error {
	r, err := c.send(ctx, service, body)
	if err != nil {
		return err
	}
	err = r.err()
	if errors.Is(err, ErrRefused) {
		if r, err = c.login(ctx, service, body, r); err != nil {
			return err
		}
		err = r.err()
	}
	if err != nil {
		return err
	}
	c.accepted = c.accepted || c.way != unknown
	if out == nil {
		return nil
	}
	return parse(r.body, out)
}

// login answers a refusal with the password, if it has not been offered yet.
func (c *Client) login(ctx context.Context, service, body string, r reply) (reply, error) {
	fresh := challengeOf(r.header)
	switch {
	case c.cfg.User == "":
		return r, ErrNeedsPassword
	case c.accepted && c.way == byDigest && fresh != nil && (fresh.stale || fresh.nonce != c.digest.nonce):
		c.digest, c.count = fresh, 0 // only the nonce is old
	case c.accepted:
		return r, ErrRefused // this question is not for this user
	case c.way != unknown:
		c.refused = cmp.Or(c.refused, ErrRefused)
		return r, c.refused
	case fresh != nil:
		c.way, c.digest = byDigest, fresh
	default:
		c.way = byToken
	}
	r, err := c.send(ctx, service, body)
	if err == nil {
		err = r.err()
	}
	if errors.Is(err, ErrRefused) || errors.Is(err, ErrLocked) || errors.Is(err, ErrClock) {
		if !c.accepted {
			c.refused = err
		}
	}
	return r, err
}

// send makes one request.
func (c *Client) send(ctx context.Context, service, body string) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	head := ""
	if c.way == byToken && c.refused == nil {
		head = token(c.cfg.User, c.cfg.Password, time.Now().Add(c.offset))
	}
	return c.post(ctx, service, envelope(head, body))
}

func (c *Client) post(ctx context.Context, service, message string) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, service, strings.NewReader(message))
	if err != nil {
		return reply{}, fmt.Errorf("ask the camera: %w", nvr.ErrInvalid)
	}
	req.Header.Set("Content-Type", "application/soap+xml; charset=utf-8")
	req.Header.Set("User-Agent", "Lares")
	if c.way == byDigest && c.refused == nil {
		c.count++
		req.Header.Set("Authorization", c.digest.answer(c.cfg.User, c.cfg.Password, req.URL.RequestURI(), c.count))
	}
	res, err := c.http.Do(req)
	if err != nil {
		return reply{}, c.lost(err)
	}
	defer res.Body.Close() //nolint:errcheck // read-only
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return reply{}, c.lost(err)
	}
	c.answered = true
	return reply{status: res.StatusCode, header: res.Header, body: raw}, nil
}

// lost sorts an error of the network.
func (c *Client) lost(err error) error {
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, ErrChanged):
		return ErrChanged
	case errors.Is(err, nvr.ErrForbidden), errors.Is(err, context.Canceled):
		return fmt.Errorf("ask the camera: %w", err)
	case c.answered && c.way != unknown && !errors.Is(err, context.DeadlineExceeded):
		return ErrLocked // it talked until it was offered a password
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF),
		errors.As(err, &record), strings.Contains(err.Error(), "malformed HTTP"):
		return fmt.Errorf("%w: %w", ErrOff, err)
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, err)
}

// envelope is a SOAP 1.2 message.
func envelope(head, body string) string {
	return `<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"` +
		` xmlns:a="http://www.w3.org/2005/08/addressing" xmlns:tt="http://www.onvif.org/ver10/schema"` +
		` xmlns:tds="` + deviceService + `" xmlns:trt="` + mediaService + `" xmlns:tr2="` + media2Service + `"` +
		` xmlns:tev="` + eventService + `" xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2">` +
		`<s:Header>` + head + `</s:Header><s:Body>` + body + `</s:Body></s:Envelope>`
}
