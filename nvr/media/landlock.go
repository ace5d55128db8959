package media

import (
	"fmt"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// landlockFS returns the file rights that a kernel of that Landlock version
// knows (landlock(7), "Compatibility"): all that are denied unless a rule
// allows them.
func landlockFS(version int) uint64 {
	rights := uint64(unix.LANDLOCK_ACCESS_FS_MAKE_SYM)<<1 - 1
	if version >= 2 {
		rights |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if version >= 3 {
		rights |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if version >= 5 {
		rights |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	return rights
}

// restrictFiles puts this thread, and what it executes, under Landlock: nothing
// may be opened but the program and the libraries that it has loaded, which it
// needs to be executed again; where the kernel can, no TCP either and no signal
// to anybody outside. It returns the kernel's version of Landlock.
func restrictFiles() (version int32, err error) {
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0, fmt.Errorf("ask for Landlock: %w", errno)
	}
	attr := unix.LandlockRulesetAttr{Handled_access_fs: landlockFS(int(v))}
	if v >= 4 {
		attr.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if v >= 6 {
		attr.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	}
	//nolint:gosec // G103: the kernel reads the struct
	rules, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return 0, fmt.Errorf("make Landlock rules: %w", errno)
	}
	defer unix.Close(int(rules)) //nolint:errcheck // nothing was written
	for _, path := range loaded() {
		if err := allowLoading(int(rules), path); err != nil {
			return 0, err
		}
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, rules, 0, 0); errno != 0 {
		return 0, fmt.Errorf("enter Landlock: %w", errno)
	}
	return int32(v), nil
}

// loaded lists the files that the program is made of, as the kernel has mapped
// them, and the table by which the loader finds libraries.
func loaded() []string {
	paths := []string{"/proc/self/exe", "/etc/ld.so.cache"}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return paths
	}
	for line := range strings.Lines(string(maps)) {
		// proc_pid_maps(5): range, rights, offset, device, inode, path.
		if _, path, ok := strings.Cut(line, "/"); ok {
			paths = append(paths, "/"+strings.TrimSuffix(path, "\n"))
		}
	}
	return paths
}

// allowLoading lets a file be read and executed. One that is gone is left out.
func allowLoading(rules int, path string) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil //nolint:nilerr // what is not there needs no rule
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	rule := unix.LandlockPathBeneathAttr{
		Allowed_access: unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE,
		Parent_fd:      int32(fd),
	}
	//nolint:gosec // G103: the kernel reads the struct
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(rules), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("allow to load %s: %w", path, errno)
	}
	return nil
}
