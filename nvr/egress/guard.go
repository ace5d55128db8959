package egress

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"

	"lares/nvr"
)

// ErrOutside: the address does not belong to the house. It is an nvr.ErrForbidden.
var ErrOutside = fmt.Errorf("outside of the house: %w", nvr.ErrForbidden)

// Guard dials inside the house only. A nil Guard keeps the narrowest rule.
type Guard struct {
	rule  atomic.Pointer[Rule]
	links func() ([]link, error)
}

// New returns a guard that keeps a rule.
func New(r Rule) *Guard {
	g := &Guard{links: links}
	g.rule.Store(&r)
	return g
}

// Rule returns the rule in force.
func (g *Guard) Rule() Rule {
	if g == nil {
		return Rule{}
	}
	return *g.rule.Load()
}

// SetRule changes the rule for what is dialled from now on.
func (g *Guard) SetRule(r Rule) { g.rule.Store(&r) }

// Check returns ErrOutside for an address that does not belong to the house.
func (g *Guard) Check(a netip.Addr) error {
	if g.Rule().allows(a, nil) {
		return nil
	}
	ask := links
	if g != nil {
		ask = g.links
	}
	near, err := ask()
	if err != nil {
		return err
	}
	if !g.Rule().allows(a, near) {
		return fmt.Errorf("%v: %w", a, ErrOutside)
	}
	return nil
}

// DialContext dials as net.Dialer does. Errors: ErrOutside.
func (g *Guard) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Control: g.control}
	if host, _, err := net.SplitHostPort(address); err == nil {
		d.Resolver = g.resolver(host)
	}
	return d.DialContext(ctx, network, address)
}

// Lookup returns the addresses of the house that a name leads to. Errors:
// ErrOutside where it leads elsewhere.
func (g *Guard) Lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	all, err := g.resolver(host).LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	var inside []netip.Addr
	for _, a := range all {
		if checkErr := g.Check(a); checkErr != nil {
			err = checkErr
			continue
		}
		inside = append(inside, a.Unmap())
	}
	if len(inside) > 0 {
		return inside, nil
	}
	return nil, err
}

// resolver looks up a host at the name server of the house; nil is the system's own.
func (g *Guard) resolver(host string) *net.Resolver {
	if multicastName(host) {
		return nil
	}
	return &net.Resolver{PreferGo: true, Dial: g.askName}
}

// control is called with the address that a connection is about to go to, after
// names were looked up: a name that leads outside is stopped here.
func (g *Guard) control(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address to dial: %w", err)
	}
	return g.Check(to.Addr())
}

// askName reaches the name server of the house. One outside would learn what
// the house looks for.
func (g *Guard) askName(ctx context.Context, network, address string) (net.Conn, error) {
	return (&net.Dialer{Control: g.control}).DialContext(ctx, network, address)
}

// multicastName reports whether a name is looked up on the link (RFC 6762),
// which the system can and Go's own resolver cannot.
func multicastName(host string) bool {
	return strings.HasSuffix(strings.ToLower(strings.TrimSuffix(host, ".")), ".local")
}
