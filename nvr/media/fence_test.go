package media

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"lares/nvr"
)

// probed returns what the threads of a worker say of what they tried.
func probed(t *testing.T, w *Worker) (threads []string, landlock string) {
	t.Helper()
	jpeg, err := w.JPEG(t.Context(), nvr.StreamID{}, testFrames(testParams(), "probe"), nvr.StillOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var report map[string][]string
	if err := json.Unmarshal(jpeg[3:], &report); err != nil {
		t.Fatal(err)
	}
	return report["threads"], report["landlock"][0]
}

func TestEveryThreadIsFenced(t *testing.T) {
	w := newTestWorker(t, nil)
	threads, landlock := probed(t, w)
	if len(threads) != 1+threadsBefore+3 {
		t.Fatalf("%d threads answered", len(threads))
	}
	refused := fmt.Sprintf("=%d", unix.EPERM)
	for i, said := range threads {
		for one := range strings.SplitSeq(said, ";") {
			if !strings.HasSuffix(one, refused) {
				t.Errorf("thread %d: %s, want %s", i, one, refused)
			}
		}
	}
	fence := w.Status().Fence
	if fence.Landlock > 0 && !strings.Contains(landlock, "permission denied") {
		t.Errorf("under Landlock alone, opening a file says %q", landlock)
	}
	if !fence.Seccomp || (fence.Landlock == 0) != (fence.Reduced != "") {
		t.Errorf("the worker reports %+v", fence)
	}
	// What the kernel says of all threads, those of the runtime included.
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid(w)))
	if err != nil || len(tasks) < len(threads) {
		t.Fatalf("threads %v, %v", tasks, err)
	}
	for _, task := range tasks {
		status, err := os.ReadFile(task)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"\nSeccomp:\t2\n", "\nNoNewPrivs:\t1\n", "\nCapPrm:\t0000000000000000\n", "\nCapEff:\t0000000000000000\n"} {
			if !strings.Contains(string(status), want) {
				t.Errorf("%s lacks %q", task, want)
			}
		}
	}
}

func TestAWorkerHoldsNothingOfItsParent(t *testing.T) {
	secret, err := os.Create(filepath.Join(t.TempDir(), "secret"))
	if err != nil {
		t.Fatal(err)
	}
	defer secret.Close()
	// Descriptors that somebody forgot to mark: this one, and many behind it, so
	// that whatever number is free, one of them is a low one.
	for fd := int(secret.Fd()); fd < int(secret.Fd())+10; {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
			t.Fatal(err)
		}
		if fd, err = unix.Dup(fd); err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
	}
	t.Setenv("LARES_SECRET", "x")
	w := newTestWorker(t, nil)
	if _, err := w.JPEG(t.Context(), nvr.StreamID{}, testFrames(testParams(), ""), nvr.StillOptions{}); err != nil {
		t.Fatal(err)
	}
	proc := fmt.Sprintf("/proc/%d/", pid(w))
	env, err := os.ReadFile(proc + "environ")
	if errors.Is(err, os.ErrPermission) {
		t.Skip("only root may look into a process that is not dumpable")
	}
	if err != nil || strings.Contains(string(env), "SECRET") {
		t.Errorf("its environment is %q, %v", env, err)
	}
	links, err := filepath.Glob(proc + "fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if to, _ := os.Readlink(link); to == secret.Name() {
			t.Errorf("%s is %s", link, to)
		}
	}
	limits, err := os.ReadFile(proc + "limits")
	if err != nil || !strings.Contains(strings.Join(strings.Fields(string(limits)), " "), "Max core file size 0 0") {
		t.Errorf("its limits are %s, %v", limits, err)
	}
}

func TestWithoutLandlockTheFenceSaysSo(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), exe, asNoLandlock).Output()
	if err != nil {
		t.Fatal(err)
	}
	var fence Fence
	if err := json.Unmarshal(out, &fence); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	if !fence.Seccomp || fence.Landlock != 0 || !strings.Contains(fence.Reduced, "no Landlock") {
		t.Errorf("got %+v", fence)
	}
}

// noLandlockMain runs a worker on a box whose kernel does not know Landlock.
func noLandlockMain() error {
	p := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offsetCall},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_LANDLOCK_CREATE_RULESET, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	prog := unix.SockFprog{Len: uint16(len(p)), Filter: &p[0]}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog))); errno != 0 {
		return errno
	}
	w := NewWorker(testConfig(io.Discard))
	defer w.Close()
	if _, err := w.JPEG(context.Background(), nvr.StreamID{}, testFrames(testParams(), ""), nvr.StillOptions{}); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(w.Status().Fence)
}

// run does what the kernel does with a filter, as far as filter uses it.
func run(t *testing.T, p []unix.SockFilter, call, arch uint32, args ...uint32) uint32 {
	t.Helper()
	var a uint32
	for i := 0; i < len(p); i++ {
		switch in := p[i]; in.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			switch n := (in.K - offsetArgs) / 8; {
			case in.K == offsetCall:
				a = call
			case in.K == offsetArch:
				a = arch
			case int(n) < len(args):
				a = args[n]
			default:
				a = 0
			}
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			a &= in.K
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			if a == in.K || in.Code&unix.BPF_JGE == unix.BPF_JGE && a > in.K {
				i += int(in.Jt)
			} else {
				i += int(in.Jf)
			}
		case unix.BPF_RET | unix.BPF_K:
			return in.K
		default:
			t.Fatalf("instruction %+v", in)
		}
	}
	t.Fatal("the filter does not answer")
	return 0
}

func TestTheFilterOfEachArchitecture(t *testing.T) {
	const (
		pid   = 4711
		allow = unix.SECCOMP_RET_ALLOW
		kill  = unix.SECCOMP_RET_KILL_PROCESS
		no    = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
		none  = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
		x86   = unix.AUDIT_ARCH_X86_64
		arm   = unix.AUDIT_ARCH_AARCH64
	)
	for _, c := range []struct {
		arch, call uint32
		args       []uint32
		want       uint32
	}{
		{x86, unix.SYS_READ, nil, allow},
		{arm, unix.SYS_READ, nil, allow},
		{x86, unix.SYS_READ | x32, nil, kill},
		{arm, unix.SYS_READ | x32, nil, no},
		{x86, unix.SYS_OPENAT, nil, no},
		{x86, unix.SYS_CLONE3, nil, none},
		{x86, unix.SYS_CLONE, []uint32{unix.CLONE_THREAD | unix.CLONE_VM}, allow},
		{x86, unix.SYS_CLONE, []uint32{unix.CLONE_VM}, no},
		{x86, unix.SYS_CLONE, []uint32{unix.CLONE_THREAD | unix.CLONE_NEWNET}, no},
		{x86, unix.SYS_TGKILL, []uint32{pid, 1}, allow},
		{x86, unix.SYS_TGKILL, []uint32{pid + 1, 1}, no},
		{x86, unix.SYS_MMAP, []uint32{0, 1, unix.PROT_READ | unix.PROT_WRITE}, allow},
		{x86, unix.SYS_MMAP, []uint32{0, 1, unix.PROT_READ | unix.PROT_EXEC}, no},
		{x86, unix.SYS_MPROTECT, []uint32{0, 1, unix.PROT_EXEC}, no},
		{x86, unix.SYS_FCNTL, []uint32{3, unix.F_SETFL}, allow},
		{x86, unix.SYS_FCNTL, []uint32{3, unix.F_DUPFD}, no},
		{x86, unix.SYS_PRCTL, []uint32{unix.PR_SET_VMA}, allow},
		{x86, unix.SYS_PRCTL, []uint32{unix.PR_SET_SECCOMP}, no},
	} {
		p := filter(c.arch, pid)
		if got := run(t, p, c.call, c.arch, c.args...); got != c.want {
			t.Errorf("%x: call %d %x: got %x, want %x", c.arch, c.call, c.args, got, c.want)
		}
		if got := run(t, p, c.call, c.arch^1, c.args...); got != kill {
			t.Errorf("another architecture: got %x", got)
		}
	}
}

func TestReasonsOfAReducedFence(t *testing.T) {
	for _, c := range []struct {
		h    hello
		want string
	}{
		{hello{landlock: 7, seccomp: 1}, ""},
		{hello{landlock: -int32(unix.ENOSYS), seccomp: 1}, "comes with Linux 5.13"},
		{hello{landlock: -int32(unix.EOPNOTSUPP), seccomp: 1}, "switched off"},
		{hello{landlock: -int32(unix.EPERM), seccomp: 1}, "a container may forbid it"},
		{hello{landlock: 7, seccomp: -int32(unix.EINVAL)}, "seccomp"},
		{hello{landlock: 0, seccomp: 1}, "cannot be used"},
	} {
		f := c.h.fence()
		if !strings.Contains(f.Reduced, c.want) || (c.want == "") != (f.Reduced == "") {
			t.Errorf("%+v: reduced, because %q", c.h, f.Reduced)
		}
	}
}
