package media

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// What the environment of a worker carries; nothing else of the parent's is in it.
const (
	envMemory   = "LARES_MEDIA_MEMORY"   // bytes that it may use
	envFile     = "LARES_MEDIA_FILE"     // set where fileDescriptor is a video file
	envLandlock = "LARES_MEDIA_LANDLOCK" // set by enterFence: hello.landlock
)

// maxDescriptors is how many files a worker may hold: the three standard ones,
// the socket, a video file, and what the Go runtime waits with.
const maxDescriptors = 16

// Fence says what holds a worker back.
type Fence struct {
	Seccomp  bool
	Landlock int // version of its interface in the kernel; 0: none
	// Reduced says in words what is missing and why, to be read after
	// "reduced, because"; empty where nothing is.
	Reduced string
}

// fence puts a hello into words.
func (h hello) fence() Fence {
	var why []string
	switch errno := unix.Errno(-h.landlock); {
	case h.landlock > 0:
	case errno == unix.ENOSYS:
		why = append(why, "the Linux kernel of this box has no Landlock (it comes with Linux 5.13)")
	case errno == unix.EOPNOTSUPP:
		why = append(why, "Landlock is switched off in the Linux kernel of this box (add landlock to lsm= in its start options)")
	default:
		why = append(why, fmt.Sprintf("Landlock cannot be used here (%v); a container may forbid it", errno))
	}
	if h.seccomp <= 0 {
		why = append(why, fmt.Sprintf("the Linux kernel of this box takes no seccomp filter (%v)", unix.Errno(-h.seccomp)))
	}
	return Fence{Seccomp: h.seccomp > 0, Landlock: int(max(0, h.landlock)), Reduced: strings.Join(why, ", and ")}
}

// errnoOf returns the negative errno in err, or that of "not permitted".
func errnoOf(err error) int32 {
	if errno, ok := errors.AsType[unix.Errno](err); ok {
		return -int32(errno)
	}
	return -int32(unix.EPERM)
}

// fencedBefore reports whether the process went through enterFence, and with
// which result.
func fencedBefore() (landlock int32, ok bool) {
	v, err := strconv.ParseInt(os.Getenv(envLandlock), 10, 32)
	return int32(v), err == nil
}

// enterFence gives up rights that hold for one thread and what that thread
// starts, and executes the program again from there. It comes back only where
// that cannot be done, with the negative errno that says why; then this
// process is as good as another to go on in.
func enterFence() (landlock int32) {
	runtime.LockOSThread()
	// A recorder that comes late loses footage; a detector that comes late is
	// only late. Where it fails the worker competes as an equal.
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, 5)
	// When memory runs out, the kernel shall take the one that can be had again.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("500"), 0)
	// The setting of the parent belongs to the thread that it started, which
	// executing ends.
	_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
	// The monitor of Go's runtime looks every 20 µs whether a thread hangs, and
	// FFmpeg computes for thousands: with this slack, which all threads inherit,
	// it looks once or not at all.
	const slack = 20 * time.Millisecond
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(slack), 0, 0, 0)
	foreign := uint(fileDescriptor)
	if os.Getenv(envFile) != "" {
		foreign++
	}
	_ = unix.CloseRange(foreign, ^uint(0), unix.CLOSE_RANGE_CLOEXEC)
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return errnoOf(err)
	}
	dropCapabilities()
	landlock, err := restrictFiles()
	if err != nil {
		landlock = errnoOf(err)
	}
	env := append(os.Environ(), envLandlock+"="+strconv.Itoa(int(landlock)))
	return errnoOf(syscall.Exec("/proc/self/exe", os.Args, env)) //nolint:gosec // G204: the program itself, with its own arguments
}

// dropCapabilities matters where Lares runs as root, as in a container. With
// no_new_privs they do not come back when the program is executed again.
func dropCapabilities() {
	var none [2]unix.CapUserData
	_ = unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0])
}

// closeFence completes the fence of a process that went through enterFence.
// After it no file, socket or program can be opened by any thread.
func closeFence(landlock int32) (hello, error) {
	// What start-up has left behind, in a program whose larger part a worker
	// never uses.
	debug.FreeOSMemory()
	_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return hello{}, fmt.Errorf("set no new privileges: %w", err)
	}
	// Others of the same user may not look into it.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return hello{}, fmt.Errorf("set not dumpable: %w", err)
	}
	if err := setLimits(); err != nil {
		return hello{}, err
	}
	h := hello{landlock: landlock, seccomp: 1}
	if err := restrictCalls(); err != nil {
		h.seccomp = errnoOf(err)
	}
	return h, nil
}

// setLimits sets resource limits (getrlimit(2)). Addresses are not bounded,
// because Go reserves far more than it uses; private memory that can be written
// is. There is no limit of processes, which would count those of the whole user:
// the filter lets threads begin and nothing else.
func setLimits() error {
	memory, err := strconv.ParseUint(os.Getenv(envMemory), 10, 63)
	if err != nil {
		return fmt.Errorf("limit of memory: %w", err)
	}
	for _, l := range [...]struct {
		name  string
		which int
		most  uint64
	}{
		{"files", unix.RLIMIT_NOFILE, maxDescriptors},
		{"written bytes", unix.RLIMIT_FSIZE, 0},
		{"core dumps", unix.RLIMIT_CORE, 0},
		{"locked memory", unix.RLIMIT_MEMLOCK, 0},
		{"memory", unix.RLIMIT_DATA, memory},
	} {
		if err := unix.Prlimit(0, l.which, &unix.Rlimit{Cur: l.most, Max: l.most}, nil); err != nil {
			return fmt.Errorf("limit %s: %w", l.name, err)
		}
	}
	return nil
}
