package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"lares/nvr"
	"lares/nvr/vault"
)

// harden keeps what is in the memory of this process out of core files, out of
// swap where that is allowed, and away from other programs of the same user.
// What the kernel granted of it says [house.protection].
func harden() error {
	if mayLock() {
		// All of it, because keys are wherever the runtime and its crypto put them; as
		// it is touched, because the runtime reserves more than it uses. Where the
		// kernel refuses there is nothing to be done but to say so.
		_ = unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT)
	}
	if err := errors.Join(unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0), unix.Prlimit(0, unix.RLIMIT_CORE, &unix.Rlimit{}, nil)); err != nil {
		return fmt.Errorf("keep the memory of this program to itself: %w", err)
	}
	return nil
}

// mayLock reports whether memory may be locked without a limit: under one the
// kernel would refuse memory that is needed later.
func mayLock() bool {
	unlimited := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if unix.Prlimit(0, unix.RLIMIT_MEMLOCK, &unlimited, nil) == nil {
		return true
	}
	var sets [2]unix.CapUserData
	err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &sets[0])
	return err == nil && sets[0].Effective&(1<<unix.CAP_IPC_LOCK) != 0
}

// protection asks the kernel what protects this process now.
func (h *house) protection() nvr.Protection {
	return nvr.Protection{
		Suite: vault.AutoSuite.String(), MachineKey: h.keyPlace, Swap: swapState(os.DirFS("/")), Private: private(), Egress: h.egressLock(), Erases: vault.Erases,
	}
}

func private() bool {
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	var core unix.Rlimit
	return err == nil && dumpable == 0 && unix.Getrlimit(unix.RLIMIT_CORE, &core) == nil && core.Cur == 0
}

// swapState reads what the kernel tells below /proc and /sys.
func swapState(root fs.FS) nvr.SwapState {
	switch {
	case swapForbidden(root):
		return nvr.SwapForbidden
	case !swapOnDisk(root):
		return nvr.SwapOff
	case memoryLocked(root):
		return nvr.SwapLocked
	}
	return nvr.SwapOpen
}

// swapForbidden reports whether a control group of this process gets no swap
// (cgroups(7), memory.swap.max).
func swapForbidden(root fs.FS) bool {
	raw, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(raw)) {
		group, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok {
			continue
		}
		for ; ; group = path.Dir(group) {
			most, err := fs.ReadFile(root, path.Join("sys/fs/cgroup", group, "memory.swap.max"))
			if err == nil && strings.TrimSpace(string(most)) == "0" {
				return true
			}
			if group == "/" || group == "." {
				break
			}
		}
	}
	return false
}

// swapOnDisk reports whether there is swap that a thief could read. Where nothing
// can be learned there may be.
func swapOnDisk(root fs.FS) bool {
	raw, err := fs.ReadFile(root, "proc/swaps")
	if err != nil {
		return true
	}
	for i, line := range strings.Split(string(raw), "\n") {
		fields := strings.Fields(line)
		if i == 0 || len(fields) == 0 {
			continue
		}
		name := path.Base(fields[0])
		if strings.HasPrefix(name, "zram") {
			continue // compressed memory
		}
		mapped, err := fs.ReadFile(root, path.Join("sys/block", name, "dm/uuid"))
		if err == nil && strings.HasPrefix(string(mapped), "CRYPT-") {
			continue
		}
		return true
	}
	return false
}

// memoryLocked reports whether memory of this process is locked (VmLck, proc(5)).
func memoryLocked(root fs.FS) bool {
	raw, err := fs.ReadFile(root, "proc/self/status")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(raw)) {
		if size, ok := strings.CutPrefix(line, "VmLck:"); ok {
			return strings.TrimSpace(size) != "0 kB"
		}
	}
	return false
}

// becomeOwner lets root go on as the user whose data folder it is, so that no
// file of root's is left there that the service could not open.
func becomeOwner(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 || owner.Uid == 0 {
		return nil
	}
	uid, gid := int(owner.Uid), int(owner.Gid)
	for _, err := range []error{syscall.Setgroups([]int{gid}), syscall.Setresgid(gid, gid, gid), syscall.Setresuid(uid, uid, uid)} {
		if err != nil {
			return fmt.Errorf("%s belongs to the user %d: run this as that user: %w", dir, uid, err)
		}
	}
	if !mayLock() {
		return unix.Munlockall() // or the limit of that user would hold for all memory to come
	}
	return nil
}

// cannotWrite says what to do about a folder that this user may not write.
func cannotWrite(dir string) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		abs = dir
	}
	return fmt.Errorf("the folder %s cannot be written by Lares, which runs as user %d: give it the folder with 'chown -R %d:%d %s'",
		abs, os.Geteuid(), os.Geteuid(), os.Getegid(), abs)
}
