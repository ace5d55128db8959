package cert_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lares/nvr"
	"lares/ui/cert"
)

// folder is a Store in real files.
type folder string

func (f folder) Load(_ context.Context, name string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(string(f), name))
	if os.IsNotExist(err) {
		return nil, nvr.ErrNotFound
	}
	return b, err
}

func (f folder) Save(_ context.Context, name string, data []byte) error {
	return os.WriteFile(filepath.Join(string(f), name), data, 0o600)
}

type network struct {
	mu    sync.Mutex // guards what follows
	addrs []netip.Addr
}

func (n *network) list() ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.addrs), nil
}

func (n *network) set(list ...string) *network {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.addrs = n.addrs[:0]
	for _, s := range list {
		n.addrs = append(n.addrs, netip.MustParseAddr(s))
	}
	return n
}

func at(list ...string) *network { return new(network).set(list...) }

func config(dir string, n *network) cert.Config {
	return cert.Config{
		Store: folder(dir), Hostname: "Attic", Names: []string{"cams.example.org"},
		Addresses: n.list, Log: slog.New(slog.DiscardHandler),
	}
}

func open(t *testing.T, dir string, n *network) *cert.Manager {
	t.Helper()
	m, err := cert.New(t.Context(), config(dir, n))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func leaf(t *testing.T, m *cert.Manager) *x509.Certificate {
	t.Helper()
	c, err := m.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	return c.Leaf
}

func TestAuthorityIsConstrained(t *testing.T) {
	ca := open(t, t.TempDir(), &network{}).Certificate()
	if !ca.IsCA || !ca.MaxPathLenZero || ca.MaxPathLen != 0 {
		t.Errorf("path length: IsCA %v, MaxPathLen %d, zero %v", ca.IsCA, ca.MaxPathLen, ca.MaxPathLenZero)
	}
	if !slices.Equal(ca.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}) {
		t.Errorf("uses %v, want TLS servers only", ca.ExtKeyUsage)
	}
	if !ca.PermittedDNSDomainsCritical {
		t.Error("the name constraints are not critical")
	}
	if want := []string{"local", "localhost", "attic", "cams.example.org"}; !slices.Equal(ca.PermittedDNSDomains, want) {
		t.Errorf("permitted domains %v, want %v", ca.PermittedDNSDomains, want)
	}
	if len(ca.PermittedIPRanges) != 8 {
		t.Errorf("permitted ranges %v", ca.PermittedIPRanges)
	}
}

func TestServerCertificateVerifies(t *testing.T) {
	m := open(t, t.TempDir(), at("192.168.1.20", "203.0.113.9", "fd00::5", "fe80::1"))
	c := leaf(t, m)
	roots := x509.NewCertPool()
	roots.AddCert(m.Certificate())
	for _, name := range []string{"attic", "attic.local", "localhost", "192.168.1.20", "fd00::5", "cams.example.org"} {
		if _, err := c.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !m.Serves(name) {
			t.Errorf("Serves(%q) is false", name)
		}
	}
	for _, name := range []string{"203.0.113.9", "example.org", "evil.example", ""} {
		if m.Serves(name) {
			t.Errorf("Serves(%q) is true", name)
		}
	}
	if !m.Serves("[fd00::5]:8443") || !m.Serves("ATTIC.local.:8443") {
		t.Error("a port, brackets, upper case or a final dot confuses Serves")
	}
	if life := c.NotAfter.Sub(c.NotBefore); life > 397*24*time.Hour {
		t.Errorf("certificate lives %v", life)
	}
}

func TestRestartKeepsBothCertificates(t *testing.T) {
	dir, n := t.TempDir(), at("192.168.1.20")
	a := open(t, dir, n)
	b := open(t, dir, n)
	if a.Fingerprint() != b.Fingerprint() || !leaf(t, a).Equal(leaf(t, b)) {
		t.Error("a restart made new certificates")
	}
	if len(a.Fingerprint()) != 32*3-1 {
		t.Errorf("fingerprint %q", a.Fingerprint())
	}
}

func TestDamagedAuthorityIsNotReplaced(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, &network{})
	if err := os.WriteFile(filepath.Join(dir, "tls-authority"), []byte{1, 2, 3}, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := cert.New(t.Context(), config(dir, &network{})); err == nil {
		t.Error("a damaged authority was replaced in silence")
	}
}

func TestDamagedServerCertificateIsReplaced(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, &network{})
	if err := os.WriteFile(filepath.Join(dir, "tls-server"), []byte{1, 2, 3}, 0o600); err != nil {
		t.Fatal(err)
	}
	if m := open(t, dir, &network{}); !m.Serves("localhost") {
		t.Error("no server certificate")
	}
}

func TestNewAddressIsFollowedWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := at("192.168.1.20")
		m := open(t, t.TempDir(), n)
		first := leaf(t, m)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- m.Run(ctx) }()
		time.Sleep(2 * time.Minute)
		if !leaf(t, m).Equal(first) {
			t.Error("reissued without a reason")
		}
		synctest.Wait()
		n.set("192.168.7.9")
		time.Sleep(2 * time.Minute)
		if !m.Serves("192.168.7.9") {
			t.Error("the new address is not served")
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestCertificateIsRenewedBeforeItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Inside the bubble the clock starts in 2000: a box without a clock.
		m := open(t, t.TempDir(), &network{})
		first := leaf(t, m)
		time.Sleep(time.Until(first.NotAfter.AddDate(0, 0, -31)))
		if err := m.Refresh(t.Context()); err != nil || !leaf(t, m).Equal(first) {
			t.Errorf("renewed too early (%v)", err)
		}
		time.Sleep(2 * 24 * time.Hour)
		if err := m.Refresh(t.Context()); err != nil || leaf(t, m).Equal(first) {
			t.Errorf("not renewed (%v)", err)
		}
	})
}

func TestClockInThePastStillGivesValidCertificates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t, t.TempDir(), &network{})
		roots := x509.NewCertPool()
		roots.AddCert(m.Certificate())
		day := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
		if _, err := leaf(t, m).Verify(x509.VerifyOptions{Roots: roots, CurrentTime: day, DNSName: "attic.local"}); err != nil {
			t.Error(err)
		}
	})
}

func TestPlainPort(t *testing.T) {
	h := open(t, t.TempDir(), at("192.168.1.20"))
	for _, tc := range []struct{ host, path, want string }{
		{"attic.local:8080", "/cameras?x=1", "https://attic.local:8443/cameras"},
		{"192.168.1.20:8080", "/", "https://192.168.1.20:8443/"},
		{"[::1]:8080", "/", "https://[::1]:8443/"},
	} {
		r := httptest.NewRequest("GET", "http://x"+tc.path, nil)
		r.Host = tc.host
		w := httptest.NewRecorder()
		h.Plain(8443).ServeHTTP(w, r)
		if got := w.Header().Get("Location"); w.Code/100 != 3 || got != tc.want {
			t.Errorf("%s%s: %d to %q, want %q", tc.host, tc.path, w.Code, w.Header().Get("Location"), tc.want)
		}
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Host = "evil.example"
	w := httptest.NewRecorder()
	h.Plain(8443).ServeHTTP(w, r)
	if w.Code != http.StatusMisdirectedRequest || strings.Contains(w.Body.String()+w.Header().Get("Location"), "evil") {
		t.Errorf("foreign host: %d %q %q", w.Code, w.Header().Get("Location"), w.Body)
	}
}

func TestPlainPortServesTheAuthority(t *testing.T) {
	m := open(t, t.TempDir(), &network{})
	w := httptest.NewRecorder()
	m.Plain(8443).ServeHTTP(w, httptest.NewRequest("GET", "/ca.crt", nil))
	block, rest := pem.Decode(w.Body.Bytes())
	if block == nil || len(rest) > 0 {
		t.Fatalf("not one PEM block: %q", w.Body)
	}
	got, err := x509.ParseCertificate(block.Bytes)
	if err != nil || !got.Equal(m.Certificate()) {
		t.Errorf("not the authority (%v)", err)
	}
}

func TestAuthorityCannotVouchForOthers(t *testing.T) {
	dir := t.TempDir()
	m := open(t, dir, &network{})
	if err := cert.Forge(t, filepath.Join(dir, "tls-authority"), m.Certificate(), "www.example.com"); err == nil {
		t.Error("a certificate for a foreign name verifies")
	}
	if err := cert.Forge(t, filepath.Join(dir, "tls-authority"), m.Certificate(), "8.8.8.8"); err == nil {
		t.Error("a certificate for a public address verifies")
	}
}
