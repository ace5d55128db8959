package onvif

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"lares/nvr"
)

const (
	// Group is where devices listen (WS-Discovery 1.0 section 2.4).
	Group = "239.255.255.250:3702"
	// maxFound bounds what can answer in one search.
	maxFound = 256
	// sends is how often a question is repeated: datagrams get lost.
	sends     = 3
	sendEach  = 300 * time.Millisecond
	datagram  = 64 << 10
	maxXAddrs = 8
)

// Discover asks a group or a single device (host:port) over UDP who is there, on
// every link that the box is on, and returns what answered until ctx ends, each
// device once. Only devices that answer from an address for which ours is true
// count. Errors: nvr.ErrInvalid for the address; where no link can be asked, why.
func Discover(ctx context.Context, to string, ours func(netip.Addr) bool) ([]nvr.FoundDevice, error) {
	target, err := netip.ParseAddrPort(to)
	if err != nil {
		return nil, fmt.Errorf("search for cameras at %q: %w", to, nvr.ErrInvalid)
	}
	from, err := sources(target.Addr())
	if err != nil {
		return nil, err
	}
	s := search{ours: ours, found: make(map[string]nvr.FoundDevice)}
	var wg sync.WaitGroup
	for _, source := range from {
		wg.Go(func() {
			if err := s.ask(ctx, source, target); err != nil {
				s.failed(err)
			}
		})
	}
	wg.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.found) == 0 && len(s.errs) == len(from) {
		return nil, fmt.Errorf("search for cameras: %w", errors.Join(s.errs...))
	}
	out := make([]nvr.FoundDevice, 0, len(s.found))
	for _, d := range s.found {
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b nvr.FoundDevice) int { return strings.Compare(a.Host+a.Endpoint, b.Host+b.Endpoint) })
	return out, nil
}

// sources lists the own addresses to ask from: a datagram to a group leaves by
// the link of the address that it is sent from.
func sources(target netip.Addr) ([]netip.Addr, error) {
	if !target.IsMulticast() {
		return []netip.Addr{netip.IPv4Unspecified()}, nil
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("list own addresses: %w", err)
	}
	var out []netip.Addr
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
			out = append(out, p.Addr())
		}
	}
	return out, nil
}

// search gathers answers.
type search struct {
	ours func(netip.Addr) bool

	mu    sync.Mutex // guards what follows
	found map[string]nvr.FoundDevice
	errs  []error
}

func (s *search) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = append(s.errs, err)
}

// ask sends the question from one address and reads answers until ctx ends.
func (s *search) ask(ctx context.Context, from netip.Addr, to netip.AddrPort) error {
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)))
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // fails where it is closed
	defer stop()
	defer conn.Close() //nolint:errcheck // nothing is written to it any more
	asked := make(chan error, 1)
	go func() { asked <- send(ctx, conn, to) }()
	buf := make([]byte, datagram)
	for {
		n, peer, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			conn.Close() //nolint:errcheck // ends send; see above
			return <-asked
		}
		if s.ours(peer.Addr().Unmap()) {
			s.add(matches(buf[:n], peer.Addr().Unmap()))
		}
	}
}

// send asks a few times. The first failure is told, because nothing was asked then.
func send(ctx context.Context, conn *net.UDPConn, to netip.AddrPort) error {
	for i := range sends {
		if _, err := conn.WriteToUDPAddrPort([]byte(probe(i == 1)), to); err != nil && i == 0 {
			_ = conn.SetDeadline(time.Unix(1, 0)) // nobody will answer
			return err
		}
		if pause(ctx, sendEach) != nil {
			return nil
		}
	}
	return nil
}

// probe is the question (WS-Discovery 1.0 section 5.2). Some devices answer only
// where their type is named, some only where none is.
func probe(typed bool) string {
	id := make([]byte, 16)
	rand.Read(id) // never fails: crypto/rand, Go 1.24
	types := ""
	if typed {
		types = `<d:Types>dn:NetworkVideoTransmitter</d:Types>`
	}
	h := hex.EncodeToString(id)
	return `<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"` +
		` xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"` +
		` xmlns:dn="http://www.onvif.org/ver10/network/wsdl"><s:Header><a:MessageID>uuid:` +
		h[:8] + `-` + h[8:12] + `-4` + h[13:16] + `-8` + h[17:20] + `-` + h[20:] +
		`</a:MessageID><a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>` +
		`<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action></s:Header>` +
		`<s:Body><d:Probe>` + types + `</d:Probe></s:Body></s:Envelope>`
}

func (s *search) add(devices []nvr.FoundDevice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range devices {
		key := d.Endpoint
		if key == "" {
			key = d.Service
		}
		if _, known := s.found[key]; !known && len(s.found) < maxFound {
			s.found[key] = d
		}
	}
}

// matches reads an answer that came from an address. What is no camera and what
// cannot be read is nothing.
func matches(raw []byte, from netip.Addr) []nvr.FoundDevice {
	var r struct {
		Matches []struct {
			Endpoint string `xml:"EndpointReference>Address"`
			Types    string
			Scopes   string
			XAddrs   string
		} `xml:"Body>ProbeMatches>ProbeMatch"`
	}
	if parse(raw, &r) != nil {
		return nil
	}
	var out []nvr.FoundDevice
	for _, m := range r.Matches[:min(len(r.Matches), maxXAddrs)] {
		if !strings.Contains(m.Scopes, "onvif://") && !strings.Contains(m.Types, "NetworkVideoTransmitter") {
			continue
		}
		d := nvr.FoundDevice{Host: from.String()}
		d.Endpoint = strings.ToLower(plain(m.Endpoint))
		d.Service = serviceOf(m.XAddrs, from)
		scoped(&d, m.Scopes)
		if d.Service != "" {
			out = append(out, d)
		}
	}
	return out
}

// serviceOf picks the address of the device service, https first, and puts it
// where the answer came from.
func serviceOf(xaddrs string, from netip.Addr) string {
	best := ""
	list := strings.Fields(xaddrs)
	for _, x := range list[:min(len(list), maxXAddrs)] {
		u, err := url.Parse(x)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || best != "" && u.Scheme != "https" {
			continue
		}
		host := from.String()
		if from.Is6() {
			host = "[" + host + "]"
		}
		if u.Port() != "" {
			host += ":" + u.Port()
		}
		best = (&url.URL{Scheme: u.Scheme, Host: host, Path: u.Path}).String()
	}
	return best
}

// scoped reads what the device calls itself (ONVIF Core 7.3.2.2).
func scoped(d *nvr.FoundDevice, scopes string) {
	for s := range strings.FieldsSeq(scopes) {
		rest, ok := strings.CutPrefix(s, "onvif://www.onvif.org/")
		kind, value, named := strings.Cut(rest, "/")
		if !ok || !named {
			continue
		}
		if v, err := url.PathUnescape(value); err == nil {
			value = v
		}
		value = plain(value)
		switch strings.ToLower(kind) {
		case "name":
			d.Name = value
		case "hardware":
			d.Model = value
		case "manufacturer":
			d.Maker = value
		case "mac":
			if mac, err := net.ParseMAC(value); err == nil {
				d.MAC = mac.String()
			}
		}
	}
}
