package cert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"lares/nvr"
)

const (
	// caYears is long because a household that installed the authority on its
	// devices should not have to do it again.
	caYears = 25
	// leafLife stays under the 398 days that browsers accept at most.
	leafLife = 397 * 24 * time.Hour
	// leafRenew is how long before its end a leaf is replaced.
	leafRenew = 30 * 24 * time.Hour
	// maxNames bounds the names of a leaf: a container host can have hundreds of bridges.
	maxNames = 64
)

// privateNets are the address ranges that the authority may vouch for: RFC 1918,
// RFC 4193, link-local and loopback.
func privateNets() []netip.Prefix {
	var nets []netip.Prefix
	for _, s := range []string{
		"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8",
		"fc00::/7", "fe80::/10", "::1/128",
	} {
		nets = append(nets, netip.MustParsePrefix(s))
	}
	return nets
}

// earliest is a time that lies before every use of this program. A box whose
// clock starts in 1970 dates its certificates from here.
func earliest() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// pair is a certificate with its private key.
type pair struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// newAuthority makes a root that may vouch for the DNS names, for .local and
// for private addresses.
func newAuthority(names []string, now time.Time) (*pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make authority key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("write authority key: %w", err)
	}
	id := sha256.Sum256(public)
	now = later(now, earliest())
	template := &x509.Certificate{
		Subject: pkix.Name{
			Organization: []string{"Lares"},
			CommonName:   "Lares home " + hex.EncodeToString(id[:3]),
		},
		NotBefore:                   now.Add(-24 * time.Hour),
		NotAfter:                    now.AddDate(caYears, 0, 0),
		KeyUsage:                    x509.KeyUsageCertSign,
		ExtKeyUsage:                 []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid:       true,
		IsCA:                        true,
		MaxPathLenZero:              true,
		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         permittedDomains(names),
	}
	for _, p := range privateNets() {
		template.PermittedIPRanges = append(template.PermittedIPRanges, ipNet(p))
	}
	return sign(template, nil, key)
}

func permittedDomains(names []string) []string {
	domains := []string{"local", "localhost"}
	for _, n := range names {
		if _, err := netip.ParseAddr(n); err != nil && !strings.HasSuffix(n, ".local") && !slices.Contains(domains, n) {
			domains = append(domains, n)
		}
	}
	return domains
}

// newLeaf makes a server certificate for names, DNS names and IP addresses
// alike, and verifies it the way a browser would.
func newLeaf(ca *pair, names []string, now time.Time) (*pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make server key: %w", err)
	}
	now = later(now, earliest())
	template := &x509.Certificate{
		Subject:     pkix.Name{Organization: []string{"Lares"}, CommonName: names[0]},
		NotBefore:   now.Add(-time.Hour),
		NotAfter:    now.Add(leafLife - 2*time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, n := range names {
		if a, err := netip.ParseAddr(n); err == nil {
			template.IPAddresses = append(template.IPAddresses, net.IP(a.AsSlice()))
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	leaf, err := sign(template, ca, key)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	if _, err := leaf.cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now}); err != nil {
		return nil, fmt.Errorf("verify server certificate: %w", err)
	}
	return leaf, nil
}

// sign makes the certificate of template; without a parent it signs itself.
func sign(template *x509.Certificate, parent *pair, key *ecdsa.PrivateKey) (*pair, error) {
	by := &pair{cert: template, key: key}
	if parent != nil {
		by = parent
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, &key.PublicKey, by.key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read own certificate: %w", err)
	}
	return &pair{cert: parsed, key: key}, nil
}

// permits reports whether the authority may vouch for a DNS name or address.
func permits(ca *x509.Certificate, name string) bool {
	if a, err := netip.ParseAddr(name); err == nil {
		ip := net.IP(a.Unmap().AsSlice())
		return slices.ContainsFunc(ca.PermittedIPRanges, func(n *net.IPNet) bool { return n.Contains(ip) })
	}
	return slices.ContainsFunc(ca.PermittedDNSDomains, func(d string) bool {
		return name == d || strings.HasSuffix(name, "."+d)
	})
}

// names returns the DNS names and addresses of a certificate.
func (p *pair) names() []string {
	names := slices.Clone(p.cert.DNSNames)
	for _, ip := range p.cert.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); ok {
			names = append(names, a.Unmap().String())
		}
	}
	return names
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// encode writes the pair for storage: a version byte, the certificate and the
// private key, each behind a 32-bit length.
func (p *pair) encode() ([]byte, error) {
	key, err := x509.MarshalPKCS8PrivateKey(p.key)
	if err != nil {
		return nil, fmt.Errorf("write private key: %w", err)
	}
	return appendBlock(appendBlock([]byte{storeVersion}, p.cert.Raw), key), nil
}

// decode reads what encode wrote. Errors: nvr.ErrCorrupt.
func decode(b []byte) (*pair, error) {
	if len(b) == 0 || b[0] != storeVersion {
		return nil, fmt.Errorf("read stored certificate: %w", nvr.ErrCorrupt)
	}
	der, rest, ok := takeBlock(b[1:])
	if !ok {
		return nil, fmt.Errorf("read stored certificate: %w", nvr.ErrCorrupt)
	}
	raw, rest, ok := takeBlock(rest)
	if !ok || len(rest) > 0 {
		return nil, fmt.Errorf("read stored certificate: %w", nvr.ErrCorrupt)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read stored certificate: %w", nvr.ErrCorrupt)
	}
	anyKey, err := x509.ParsePKCS8PrivateKey(raw)
	if err != nil {
		return nil, fmt.Errorf("read stored key: %w", nvr.ErrCorrupt)
	}
	key, ok := anyKey.(*ecdsa.PrivateKey)
	if !ok || !key.PublicKey.Equal(parsed.PublicKey) {
		return nil, fmt.Errorf("stored key is not that of the certificate: %w", nvr.ErrCorrupt)
	}
	return &pair{cert: parsed, key: key}, nil
}
