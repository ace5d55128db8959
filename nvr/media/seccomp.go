package media

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data (seccomp(2)).
const (
	offsetCall = 0
	offsetArch = 4
	offsetArgs = 16
)

// x32 marks system calls of the x32 interface of amd64, which have the same
// architecture and other numbers.
const x32 = 0x4000_0000

// namespaces are the flags of clone(2) that ask for one.
const namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

// freely are the system calls that a worker may make with any arguments: what
// the runtimes of Go and C need to compute, and to read and write descriptors
// that they hold. None of them opens anything.
func freely() []uint32 {
	return []uint32{
		// The hot ones first: the filter is read from the top.
		unix.SYS_READ, unix.SYS_WRITE, unix.SYS_FUTEX, unix.SYS_EPOLL_PWAIT, unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP,
		unix.SYS_RT_SIGRETURN, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGACTION, unix.SYS_SIGALTSTACK, unix.SYS_RESTART_SYSCALL,
		unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY, unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_GETRES, unix.SYS_GETTIMEOFDAY,
		unix.SYS_MUNMAP, unix.SYS_MADVISE, unix.SYS_MREMAP, unix.SYS_BRK,
		unix.SYS_GETPID, unix.SYS_GETTID, unix.SYS_GETRUSAGE, unix.SYS_SYSINFO, unix.SYS_UNAME, unix.SYS_GETRANDOM,
		unix.SYS_SET_ROBUST_LIST, unix.SYS_SET_TID_ADDRESS, unix.SYS_RSEQ, unix.SYS_MEMBARRIER,
		unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_PREAD64, unix.SYS_LSEEK, unix.SYS_FSTAT, unix.SYS_CLOSE,
		unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EVENTFD2,
		unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
	}
}

// test is a condition on an argument of a system call, of which it sees the low
// 32 bits.
type test struct {
	arg  int
	mask uint32 // 0: all bits
	// values are those that the masked argument may have.
	values []uint32
}

// onlyIf are the system calls that are allowed when all tests hold.
func onlyIf(pid uint32) []struct {
	call  uint32
	tests []test
} {
	noExec := []test{{2, unix.PROT_EXEC, []uint32{0}}}
	return []struct {
		call  uint32
		tests []test
	}{
		{unix.SYS_MMAP, noExec},
		{unix.SYS_MPROTECT, noExec},
		// Threads, not processes.
		{unix.SYS_CLONE, []test{{0, unix.CLONE_THREAD | namespaces, []uint32{unix.CLONE_THREAD}}}},
		// Go preempts its own threads by signals, abort(3) ends itself by one.
		{unix.SYS_TGKILL, []test{{0, 0, []uint32{pid}}}},
		{unix.SYS_FCNTL, []test{{1, 0, []uint32{unix.F_GETFL, unix.F_SETFL, unix.F_GETFD}}}},
		{unix.SYS_PRCTL, []test{{0, 0, []uint32{unix.PR_SET_NAME, unix.PR_SET_VMA}}}},
	}
}

// filter builds the program of restrictCalls for the process pid.
func filter(arch, pid uint32) []unix.SockFilter {
	var p []unix.SockFilter
	stmt := func(code uint16, k uint32) { p = append(p, unix.SockFilter{Code: code, K: k}) }
	jump := func(op uint16, k uint32, yes, no int) {
		p = append(p, unix.SockFilter{Code: unix.BPF_JMP | op | unix.BPF_K, Jt: uint8(yes), Jf: uint8(no), K: k})
	}
	const (
		load    = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		answer  = unix.BPF_RET | unix.BPF_K
		refuse  = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
		missing = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	)
	stmt(load, offsetArch)
	jump(unix.BPF_JEQ, arch, 1, 0)
	stmt(answer, unix.SECCOMP_RET_KILL_PROCESS)
	stmt(load, offsetCall)
	if arch == unix.AUDIT_ARCH_X86_64 {
		jump(unix.BPF_JGE, x32, 0, 1)
		stmt(answer, unix.SECCOMP_RET_KILL_PROCESS)
	}
	for _, call := range freely() {
		jump(unix.BPF_JEQ, call, 0, 1)
		stmt(answer, unix.SECCOMP_RET_ALLOW)
	}
	// Its flags lie in memory, where a filter cannot see them; both C libraries
	// and Go fall back to clone.
	jump(unix.BPF_JEQ, unix.SYS_CLONE3, 0, 1)
	stmt(answer, missing)
	for _, rule := range onlyIf(pid) {
		size := 1 // the answer at the end
		for _, t := range rule.tests {
			size += 2 + len(t.values) + 1
		}
		jump(unix.BPF_JEQ, rule.call, 0, size)
		for _, t := range rule.tests {
			mask := t.mask
			if mask == 0 {
				mask = ^uint32(0)
			}
			stmt(load, uint32(offsetArgs+8*t.arg))
			stmt(unix.BPF_ALU|unix.BPF_AND|unix.BPF_K, mask)
			for i, v := range t.values {
				jump(unix.BPF_JEQ, v, len(t.values)-i, 0) // over the other values and the refusal
			}
			stmt(answer, refuse)
		}
		stmt(answer, unix.SECCOMP_RET_ALLOW)
	}
	stmt(answer, refuse)
	return p
}

// restrictCalls sets the filter on all threads of the process.
func restrictCalls() error {
	archs := map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}
	arch, ok := archs[runtime.GOARCH]
	if !ok {
		return fmt.Errorf("seccomp on %s: %w", runtime.GOARCH, unix.ENOSYS)
	}
	p := filter(arch, uint32(os.Getpid()))
	prog := unix.SockFprog{Len: uint16(len(p)), Filter: &p[0]}
	//nolint:gosec // G103: the kernel reads the program
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	runtime.KeepAlive(p)
	if errno != 0 {
		return fmt.Errorf("set the filter of system calls: %w", errno)
	}
	if thread != 0 {
		return fmt.Errorf("thread %d does not take the filter of system calls: %w", thread, unix.EBUSY)
	}
	return nil
}
