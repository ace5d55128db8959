package vault

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncData makes what was overwritten in place durable, without the journal
// commit that a full sync costs.
func syncData(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var syncErr error
	err = conn.Control(func(fd uintptr) {
		for syncErr = unix.EINTR; errors.Is(syncErr, unix.EINTR); {
			syncErr = unix.Fdatasync(int(fd))
		}
	})
	return errors.Join(err, syncErr)
}
