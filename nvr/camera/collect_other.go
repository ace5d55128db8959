//go:build !linux

package camera

import "net"

// setReceiveLowWater does nothing where the kernel cannot be relied on to wake
// a reader for less once it is asked to.
func setReceiveLowWater(net.Conn, int) bool { return false }
