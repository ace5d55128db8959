package egress

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// Lock is what the system itself does with what Lares would send out of the
// house. The words are stable; the pages have their own texts.
type Lock string

// What the test can find.
const (
	Refused  Lock = "refused"  // the system refused to send: the lock holds
	NoWay    Lock = "no-way"   // no route leads out of the house
	LetOut   Lock = "let-out"  // the system would have sent it
	Untested Lock = "untested" // the test itself could not be made
)

// Enforced reports whether nothing gets out.
func (l Lock) Enforced() bool { return l == Refused || l == NoWay }

// outside are addresses that are nobody's (RFC 5737, RFC 3849).
func outside() [2]netip.AddrPort {
	return [2]netip.AddrPort{netip.MustParseAddrPort("198.51.100.1:9"), netip.MustParseAddrPort("[2001:db8::1]:9")}
}

// SelfTest tries, past the guard, to send a datagram to an address outside. It
// is sent over the loopback interface, where the lock of the service unit
// (systemd.resource-control(5), IPAddressDeny) sees it like any other and from
// where it reaches nobody: there is no packet on the wire even without a lock.
// A firewall that looks at the outgoing interface alone is not noticed. The
// error says why there was no test.
func SelfTest() (Lock, error) {
	if ways, err := waysOut(); err != nil || ways == 0 {
		return settle(NoWay, err)
	}
	return settle(LetOut, send(outside()[0]))
}

// settle makes an answer of what the system said: without an error it is l.
func settle(l Lock, err error) (Lock, error) {
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		return Refused, nil
	}
	return Untested, err
}

// waysOut counts the address families with a route that leads outside. Connecting
// a datagram socket asks the routes and sends nothing.
func waysOut() (ways int, err error) {
	for _, to := range outside() {
		conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
		switch {
		case err == nil:
			ways++
			if err := conn.Close(); err != nil {
				return 0, err
			}
		case !noRoute(err):
			return 0, fmt.Errorf("look for a way to %v: %w", to.Addr(), err)
		}
	}
	return ways, nil
}

func noRoute(err error) bool {
	for _, e := range []error{syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.EADDRNOTAVAIL, syscall.EAFNOSUPPORT} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// send writes a datagram to the loopback interface, whoever it is for.
func send(to netip.AddrPort) error {
	conn, err := (&net.Dialer{Control: overLoopback}).Dial("udp", to.String())
	if err != nil {
		return fmt.Errorf("address a datagram to %v: %w", to.Addr(), err)
	}
	_, err = conn.Write([]byte("lares"))
	return errors.Join(err, conn.Close())
}

// overLoopback sets the outgoing interface (ip(7), IP_UNICAST_IF), which needs no
// privilege and no route.
func overLoopback(_, _ string, c syscall.RawConn) error {
	const loopback = 1 // the kernel gives it this index in each network namespace
	var index [4]byte
	binary.BigEndian.PutUint32(index[:], loopback)
	var err error
	if outer := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_UNICAST_IF, int(binary.NativeEndian.Uint32(index[:])))
	}); outer != nil {
		return outer
	}
	return err
}
