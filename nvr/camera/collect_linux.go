package camera

import (
	"net"
	"syscall"
)

// setReceiveLowWater makes a TCP connection readable from n bytes on (SO_RCVLOWAT,
// socket(7)). It reports whether it does; it is a matter of cost only.
func setReceiveLowWater(conn net.Conn, n int) bool {
	tcp, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return false
	}
	set := false
	err = raw.Control(func(fd uintptr) {
		set = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, n) == nil
	})
	return set && err == nil
}
