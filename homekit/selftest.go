package homekit

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/brutella/dnssd"

	"lares/nvr"
)

// lookFor bounds a look at an accessory from outside.
const lookFor = 3 * time.Second

// Test looks at an accessory as a phone would: is its name answered in the
// network, and does its port answer at the addresses of this box? Error:
// nvr.ErrClosed where it does not serve.
func (s *Service) Test(ctx context.Context, camera nvr.CameraID) (nvr.HomeTest, error) {
	a := s.serving(camera)
	if a == nil {
		return nvr.HomeTest{}, fmt.Errorf("test HomeKit while it is off: %w", nvr.ErrClosed)
	}
	ctx, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	port := a.store.about().Port
	t := nvr.HomeTest{HostNetwork: hostNetwork("/sys/class/net")}
	answered := make(chan bool, 1)
	go func() { answered <- a.answered(ctx, port) }()
	for _, ip := range addresses() {
		if reached(ctx, net.JoinHostPort(ip.String(), strconv.Itoa(port))) {
			t.Reached = append(t.Reached, ip.String())
		} else {
			t.Missed = append(t.Missed, ip.String())
		}
	}
	t.Answered = <-answered
	return t, nil
}

// answered reports whether the accessory is found by mDNS.
func (a *accessory) answered(ctx context.Context, port int) bool {
	uuid, err := a.store.Get("uuid")
	if err != nil {
		return false
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	found := false
	see := func(e dnssd.BrowseEntry) {
		if e.Text["id"] == string(uuid) && e.Port == port {
			found = true
			cancel()
		}
	}
	if err := dnssd.LookupType(ctx, "_hap._tcp.local.", see, func(dnssd.BrowseEntry) {}); err != nil && ctx.Err() == nil {
		return false
	}
	return found
}

// reached reports whether HomeKit answers at an address: with the refusal of who
// is not paired.
func reached(ctx context.Context, addr string) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/accessories", nil)
	if err != nil {
		return false
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		return false
	}
	return answer.Body.Close() == nil && answer.StatusCode == 470
}

// addresses lists the IPv4 addresses of this box in its networks.
func addresses() (list []net.IP) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			list = append(list, n.IP)
		}
	}
	return list
}

// hostNetwork reports whether one of the interfaces, which Linux describes under
// dir, is in a network by itself. In a container that has a network of its own
// all are ends of a pair whose other end the host has (veth): multicast does not
// get through. Where dir cannot be read it says yes.
func hostNetwork(dir string) bool {
	list, err := os.ReadDir(dir)
	if err != nil {
		return true
	}
	outer := false
	for _, one := range list {
		if one.Name() == "lo" {
			continue
		}
		own, peer := number(dir, one.Name(), "ifindex"), number(dir, one.Name(), "iflink")
		kind, err := os.ReadFile(filepath.Join(dir, one.Name(), "uevent")) //nolint:gosec // of the kernel
		outer = outer || own == peer || err == nil && strings.Contains(string(kind), "DEVTYPE=")
	}
	return outer
}

func number(parts ...string) string {
	b, err := os.ReadFile(filepath.Join(parts...)) //nolint:gosec // of the kernel
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
