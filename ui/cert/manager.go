package cert

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"lares/nvr"
)

// checkEvery is how often the addresses and the age of the certificate are looked at.
const checkEvery = time.Minute

// The names under which a Store keeps what is here.
const (
	storedCA   = "tls-authority"
	storedLeaf = "tls-server"
)

// Store keeps small secrets by name. What passes through it holds private
// keys: an implementation seals it with the machine key. Load answers
// nvr.ErrNotFound for a name that was never saved.
type Store interface {
	Load(ctx context.Context, name string) ([]byte, error)
	Save(ctx context.Context, name string, data []byte) error
}

// Config of a Manager.
type Config struct {
	Store Store
	// Hostname is the name of the box without a domain. It is served as it is
	// and under .local. May be empty.
	Hostname string
	// Names are further DNS names and IP addresses under which the household
	// reaches the box, for instance that of a container's host. An address must be private.
	Names []string
	// Addresses lists the addresses of the box; those of the network interfaces if nil.
	Addresses func() ([]netip.Addr, error)
	Log       *slog.Logger
}

// Manager holds the authority and the server certificate of the box.
type Manager struct {
	cfg  Config
	ca   atomic.Pointer[pair]
	leaf atomic.Pointer[served]
}

// served is the certificate in use in the forms that are asked for.
type served struct {
	pair  *pair
	tls   tls.Certificate
	names []string
}

// New loads the authority and the server certificate, or makes them.
func New(ctx context.Context, cfg Config) (*Manager, error) {
	if cfg.Addresses == nil {
		cfg.Addresses = interfaceAddresses
	}
	m := &Manager{cfg: cfg}
	if err := m.loadCA(ctx); err != nil {
		return nil, err
	}
	stored, err := m.load(ctx, storedLeaf)
	switch {
	case err == nil:
		m.serve(stored)
	case !errors.Is(err, nvr.ErrNotFound) && !errors.Is(err, nvr.ErrCorrupt):
		return nil, err
	}
	if err := m.Refresh(ctx); err != nil {
		return nil, err
	}
	return m, nil
}

// loadCA makes a new authority only if there is none or if the stored one is
// over: the household would have to install a new one on every device. One
// that cannot be read is an error and is left alone.
func (m *Manager) loadCA(ctx context.Context) error {
	ca, err := m.load(ctx, storedCA)
	if err == nil && time.Now().Before(ca.cert.NotAfter) {
		m.ca.Store(ca)
		return nil
	}
	if err != nil && !errors.Is(err, nvr.ErrNotFound) {
		return err
	}
	if err == nil {
		m.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "certificate authority has ended, making a new one",
			slog.Time("ended", ca.cert.NotAfter))
	}
	ca, err = newAuthority(m.ownNames(), time.Now())
	if err != nil {
		return err
	}
	if err := m.save(ctx, storedCA, ca); err != nil {
		return err
	}
	m.ca.Store(ca)
	return nil
}

// Run keeps the server certificate valid and in step with the addresses of
// the box until ctx ends.
func (m *Manager) Run(ctx context.Context) error {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := m.Refresh(ctx); err != nil {
				m.cfg.Log.LogAttrs(ctx, slog.LevelError, "server certificate was not renewed", slog.Any("err", err))
			}
		}
	}
}

// Refresh replaces the server certificate if it ends soon, is not valid yet,
// or lacks a name or address of the box.
func (m *Manager) Refresh(ctx context.Context) error {
	want, err := m.wanted(ctx)
	if err != nil {
		return err
	}
	ca, now := m.ca.Load(), time.Now()
	if cur := m.leaf.Load(); cur != nil && fits(cur.pair, ca, want, now) {
		return nil
	}
	leaf, err := newLeaf(ca, want, now)
	if err != nil {
		return err
	}
	if err := m.save(ctx, storedLeaf, leaf); err != nil {
		return err
	}
	m.serve(leaf)
	m.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "server certificate issued",
		slog.Any("names", want), slog.Time("until", leaf.cert.NotAfter))
	return nil
}

func fits(leaf, ca *pair, want []string, now time.Time) bool {
	now = later(now, earliest())
	if now.Before(leaf.cert.NotBefore) || now.After(leaf.cert.NotAfter.Add(-leafRenew)) {
		return false
	}
	if leaf.cert.CheckSignatureFrom(ca.cert) != nil {
		return false
	}
	have := leaf.names()
	return !slices.ContainsFunc(want, func(n string) bool { return !slices.Contains(have, n) })
}

func (m *Manager) serve(leaf *pair) {
	m.leaf.Store(&served{
		pair:  leaf,
		names: leaf.names(),
		tls: tls.Certificate{
			Certificate: [][]byte{leaf.cert.Raw, m.ca.Load().cert.Raw},
			PrivateKey:  leaf.key,
			Leaf:        leaf.cert,
		},
	})
}

// ownNames are the names that the owner or the system gave the box.
func (m *Manager) ownNames() []string {
	var names []string
	if h := canonical(m.cfg.Hostname); h != "" && h != "localhost" {
		names = append(names, h)
		if !strings.Contains(h, ".") {
			names = append(names, h+".local")
		}
	}
	for _, n := range m.cfg.Names {
		if n = canonical(n); n != "" && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}

// wanted is what the certificate must vouch for now, in a stable order, at
// most maxNames. Names that the authority may not vouch for are left out.
func (m *Manager) wanted(ctx context.Context) ([]string, error) {
	addrs, err := m.cfg.Addresses()
	if err != nil {
		return nil, fmt.Errorf("list own addresses: %w", err)
	}
	ca := m.ca.Load().cert
	want := []string{"localhost", "127.0.0.1", "::1"}
	for _, n := range m.ownNames() {
		if !permits(ca, n) {
			m.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "name is outside what the certificate authority may vouch for",
				slog.String("name", n))
			continue
		}
		want = append(want, n)
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	for _, a := range addrs {
		a = a.Unmap().WithZone("")
		if s := a.String(); !a.IsLinkLocalUnicast() && permits(ca, s) && !slices.Contains(want, s) {
			want = append(want, s)
		}
	}
	return want[:min(len(want), maxNames)], nil
}

// GetCertificate is for tls.Config.
func (m *Manager) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return &m.leaf.Load().tls, nil
}

// TLS returns the configuration of the HTTPS listener: TLS 1.3 and HTTP/2. A
// wall of cameras needs HTTP/2, HTTP/1.1 stops at six streams.
func (m *Manager) TLS() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS13,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: m.GetCertificate,
	}
}

// Serves reports whether host, with or without a port, is a name or address of
// the server certificate.
func (m *Manager) Serves(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return slices.Contains(m.leaf.Load().names, canonical(host))
}

// Names lists what the server certificate vouches for.
func (m *Manager) Names() []string { return slices.Clone(m.leaf.Load().names) }

// PEM returns the authority's certificate for installation.
func (m *Manager) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.ca.Load().cert.Raw})
}

// Certificate returns the authority's certificate. It must not be changed.
func (m *Manager) Certificate() *x509.Certificate { return m.ca.Load().cert }

// Fingerprint returns the SHA-256 of the authority's certificate the way
// devices show it: pairs of upper-case hex digits with colons.
func (m *Manager) Fingerprint() string {
	sum := sha256.Sum256(m.ca.Load().cert.Raw)
	return strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":")
}

func (m *Manager) load(ctx context.Context, name string) (*pair, error) {
	b, err := m.cfg.Store.Load(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", name, err)
	}
	return decode(b)
}

func (m *Manager) save(ctx context.Context, name string, p *pair) error {
	b, err := p.encode()
	if err != nil {
		return err
	}
	if err := m.cfg.Store.Save(ctx, name, b); err != nil {
		return fmt.Errorf("save %s: %w", name, err)
	}
	return nil
}

// canonical returns a host name in lower case without the final dot, or an
// address in its usual spelling.
func canonical(host string) string {
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap().WithZone("").String()
	}
	return host
}

func interfaceAddresses() ([]netip.Addr, error) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var addrs []netip.Addr
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			addrs = append(addrs, p.Addr())
		}
	}
	return addrs, nil
}
