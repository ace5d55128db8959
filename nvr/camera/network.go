package camera

import (
	"context"
	"net"
	"os"
	"strings"
	"time"

	"lares/nvr/egress"
)

// dialSoon connects to a device of the house that is expected to answer at once.
// Errors also: egress.ErrOutside.
func dialSoon(ctx context.Context, house *egress.Guard, network, address string) (net.Conn, error) {
	const soon = 3 * time.Second
	ctx, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	return house.DialContext(ctx, network, address)
}

// macOf returns the hardware address that this box last saw at an address on
// one of its own links; empty if it saw none.
func macOf(host string) string {
	table, err := os.ReadFile("/proc/self/net/arp") // Linux keeps its neighbours here; /proc/net may be hidden from a service
	if err != nil {
		return ""
	}
	return neighbour(string(table), host)
}

// neighbour reads the table of proc_net(5): IP address, HW type, flags, HW
// address, mask, device.
func neighbour(table, host string) string {
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 4 || f[0] != host {
			continue
		}
		if mac, err := net.ParseMAC(f[3]); err == nil && f[3] != "00:00:00:00:00:00" {
			return mac.String()
		}
	}
	return ""
}
