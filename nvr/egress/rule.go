package egress

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// Rule is what the household allows beyond the private ranges.
type Rule struct {
	// Shared allows 100.64.0.0/10 (RFC 6598), which VPNs such as Tailscale use.
	Shared bool `json:"shared"`
	// Tunnel names an interface of a VPN whose prefixes belong to the house as
	// well; empty: none.
	Tunnel string `json:"tunnel"`
}

// house are the ranges that no router of a provider passes on: loopback, private
// (RFC 1918), link-local (RFC 3927, RFC 4291), unique local (RFC 4193), and
// multicast that stays in a link, an organisation or a site (RFC 2365, RFC 4291).
func house() []netip.Prefix {
	var prefixes []netip.Prefix
	for _, s := range []string{
		"127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
		"224.0.0.0/24", "239.0.0.0/8", "255.255.255.255/32",
		"::1/128", "fe80::/10", "fc00::/7", "ff01::/16", "ff02::/16", "ff05::/16",
	} {
		prefixes = append(prefixes, netip.MustParsePrefix(s))
	}
	return prefixes
}

// shared is the range of RFC 6598.
func shared() netip.Prefix { return netip.MustParsePrefix("100.64.0.0/10") }

// allows reports whether an address belongs to the house. links are the prefixes
// that the box is connected to.
func (r Rule) allows(a netip.Addr, links []link) bool {
	a = a.Unmap().WithZone("")
	if contains(house(), a) || r.Shared && shared().Contains(a) {
		return true
	}
	return slices.ContainsFunc(links, func(l link) bool { return r.trusts(l) && l.prefix.Contains(a) })
}

// trusts reports whether all of a link is the house. The far end of a tunnel or
// of a line to the provider is not.
func (r Rule) trusts(l link) bool {
	if shared().Contains(l.prefix.Addr()) && !r.Shared {
		return false
	}
	return !l.tunnel || l.name == r.Tunnel
}

func contains(prefixes []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
}

// link is a prefix that an interface is connected to.
type link struct {
	name   string
	prefix netip.Prefix
	tunnel bool // point to point
}

// links asks the system anew, because a provider changes the prefix of a house.
func links() ([]link, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list the network interfaces: %w", err)
	}
	var found []link
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue // it went away meanwhile
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				found = append(found, link{name: i.Name, prefix: p.Masked(), tunnel: i.Flags&net.FlagPointToPoint != 0})
			}
		}
	}
	return found, nil
}
