package egress

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// homeLinks are those of a box in a house: an address of the provider's prefix,
// a tunnel and a VPN in the shared range.
func homeLinks() ([]link, error) {
	return []link{
		{name: "eth0", prefix: netip.MustParsePrefix("192.168.1.0/24")},
		{name: "eth0", prefix: netip.MustParsePrefix("2003:e5:1::/64")},
		{name: "wg0", prefix: netip.MustParsePrefix("203.0.113.0/24"), tunnel: true},
		{name: "tailscale0", prefix: netip.MustParsePrefix("100.101.102.103/32")},
	}, nil
}

func TestWhatBelongsToTheHouse(t *testing.T) {
	for _, test := range []struct {
		address string
		rule    Rule
		inside  bool
	}{
		{"127.0.0.1", Rule{}, true},
		{"10.1.2.3", Rule{}, true},
		{"172.31.255.255", Rule{}, true},
		{"172.32.0.1", Rule{}, false},
		{"192.168.7.7", Rule{}, true},
		{"::ffff:192.168.7.7", Rule{}, true},
		{"::ffff:198.51.100.7", Rule{}, false},
		{"169.254.1.1", Rule{}, true},
		{"fe80::1%eth0", Rule{}, true},
		{"fd00::1", Rule{}, true},
		{"224.0.0.251", Rule{}, true},
		{"239.255.255.250", Rule{}, true},
		{"224.0.1.1", Rule{}, false},
		{"ff02::fb", Rule{}, true},
		{"ff0e::1", Rule{}, false},
		{"2003:e5:1::42", Rule{}, true},
		{"2003:e5:2::42", Rule{}, false},
		{"198.51.100.7", Rule{}, false},
		{"2001:db8::1", Rule{}, false},
		{"0.0.0.1", Rule{}, false},
		{"100.64.0.1", Rule{}, false},
		{"100.101.102.103", Rule{}, false},
		{"100.64.0.1", Rule{Shared: true}, true},
		{"100.128.0.1", Rule{Shared: true}, false},
		{"203.0.113.9", Rule{}, false},
		{"203.0.113.9", Rule{Tunnel: "wg0"}, true},
		{"203.0.113.9", Rule{Tunnel: "wg1"}, false},
	} {
		g := New(test.rule)
		g.links = homeLinks
		err := g.Check(netip.MustParseAddr(test.address))
		if inside := err == nil; inside != test.inside {
			t.Errorf("%s with %+v: %v, want inside %t", test.address, test.rule, err, test.inside)
		}
		if err != nil && !errors.Is(err, ErrOutside) {
			t.Errorf("%s: %v is not ErrOutside", test.address, err)
		}
	}
}

func TestAPrefixThatTheHouseLosesIsOutside(t *testing.T) {
	g := New(Rule{})
	now, _ := homeLinks()
	g.links = func() ([]link, error) { return now, nil }
	camera := netip.MustParseAddr("2003:e5:1::42")
	if err := g.Check(camera); err != nil {
		t.Fatal(err)
	}
	now = now[:1]
	if err := g.Check(camera); !errors.Is(err, ErrOutside) {
		t.Errorf("the prefix is gone: %v", err)
	}
}

func TestR20OnlyTheHouseIsDialled(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	g := New(Rule{})
	g.links = homeLinks
	conn, err := g.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	for _, address := range []string{"192.0.2.1:80", "[2001:db8::1]:80"} {
		for _, network := range []string{"tcp", "udp"} {
			if _, err := g.DialContext(t.Context(), network, address); !errors.Is(err, ErrOutside) {
				t.Errorf("%s %s: %v, want ErrOutside", network, address, err)
			}
		}
	}
}

func TestR20NameServerOutsideIsNotAsked(t *testing.T) {
	g := New(Rule{})
	g.links = homeLinks
	if _, err := g.askName(t.Context(), "udp", "192.0.2.53:53"); !errors.Is(err, ErrOutside) {
		t.Errorf("%v, want ErrOutside", err)
	}
}

// TestR20SelfTestSaysWhatTheSystemDoes asks real kernels: this test runs itself
// again in network namespaces of its own.
func TestR20SelfTestSaysWhatTheSystemDoes(t *testing.T) {
	if os.Getenv("LARES_EGRESS_CHILD") != "" {
		lock, err := SelfTest()
		t.Logf("lock=%s err=%v", lock, err)
		return
	}
	const up = "ip link set lo up && ip link add house type veth peer name street && ip addr add 192.168.5.1/24 dev house && ip link set house up && ip link set street up && "
	for _, test := range []struct {
		name, network string
		want          Lock
	}{
		{"no network", "ip link set lo up", NoWay},
		{"a router", up + "ip route add default via 192.168.5.2", LetOut},
		{"a house without a router", strings.TrimSuffix(up, " && "), NoWay},
		{"a system that refuses", up + "ip route add default via 192.168.5.2 && ip route add prohibit 198.51.100.0/24", Refused},
	} {
		t.Run(test.name, func(t *testing.T) {
			exe, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("/bin/sh", "-c", test.network+` && exec "$0" -test.v -test.run '^TestR20SelfTestSaysWhatTheSystemDoes$'`, exe)
			cmd.Env = append(os.Environ(), "LARES_EGRESS_CHILD=1")
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
			out, err := cmd.CombinedOutput()
			if errors.Is(err, syscall.EPERM) {
				t.Skip("needs the right to make a network namespace")
			}
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if want := "lock=" + string(test.want) + " err=<nil>"; !strings.Contains(string(out), want) {
				t.Errorf("want %s, got %s", want, out)
			}
		})
	}
}
