package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"lares/nvr"
	"lares/nvr/vault"
)

func TestStateOfSwapIsReadFromTheKernel(t *testing.T) {
	const head, disk = "Filename Type Size Used Priority\n", "/dev/sda2 partition 999 0 -2\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  nvr.SwapState
	}{
		"nothing can be read": {nil, nvr.SwapOpen},
		"no swap":             {map[string]string{"proc/swaps": head}, nvr.SwapOff},
		"swap on a disk":      {map[string]string{"proc/swaps": head + disk, "proc/self/status": "VmLck:\t       0 kB\n"}, nvr.SwapOpen},
		"swap in a file":      {map[string]string{"proc/swaps": head + "/swapfile file 999 0 -2\n"}, nvr.SwapOpen},
		"compressed memory":   {map[string]string{"proc/swaps": head + "/dev/zram0 partition 999 0 5\n"}, nvr.SwapOff},
		"encrypted swap":      {map[string]string{"proc/swaps": head + "/dev/dm-1 partition 999 0 5\n", "sys/block/dm-1/dm/uuid": "CRYPT-PLAIN-swap\n"}, nvr.SwapOff},
		"a volume, in clear":  {map[string]string{"proc/swaps": head + "/dev/dm-1 partition 999 0 5\n", "sys/block/dm-1/dm/uuid": "LVM-x\n"}, nvr.SwapOpen},
		"locked":              {map[string]string{"proc/swaps": head + disk, "proc/self/status": "Name:\tlares\nVmLck:\t  4096 kB\n"}, nvr.SwapLocked},
		"forbidden to the service": {map[string]string{
			"proc/swaps": head + disk, "proc/self/cgroup": "1:name=x:/y\n0::/system.slice/lares.service\n",
			"sys/fs/cgroup/system.slice/lares.service/memory.swap.max": "0\n",
		}, nvr.SwapForbidden},
		"forbidden to the container": {map[string]string{
			"proc/swaps": head + disk, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.swap.max": "0\n",
		}, nvr.SwapForbidden},
		"bounded, not forbidden": {map[string]string{
			"proc/swaps": head + disk, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/memory.swap.max": "max\n", "sys/fs/cgroup/a/b/memory.swap.max": "4096\n",
		}, nvr.SwapOpen},
	} {
		root := make(fstest.MapFS)
		for file, content := range c.files {
			root[file] = &fstest.MapFile{Data: []byte(content)}
		}
		if got := swapState(root); got != c.want {
			t.Errorf("%s: state %d, want %d", name, got, c.want)
		}
	}
}

func TestRunningBoxKeepsItsMemoryToItself(t *testing.T) {
	t.Parallel()
	b := newOwnedBox(t)
	b.serve()
	s, _ := b.status()
	if !s.Protection.Private {
		t.Error("the memory of the process can be looked at, or ends in a core file")
	}
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", b.process.Process.Pid))
	if err != nil || !strings.Contains(strings.Join(strings.Fields(string(limits)), " "), "Max core file size 0 0") {
		t.Errorf("limits: %s, %v", limits, err)
	}
	if !mayLock() {
		t.Skip("memory may not be locked without a limit here")
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", b.process.Process.Pid))
	if err != nil || strings.Contains(string(status), "VmLck:\t       0 kB") {
		t.Errorf("the memory is not locked: %v", err)
	}
}

// credential hands a box its machine key as systemd does.
func (b *box) credential(content string) {
	b.t.Helper()
	dir := b.t.TempDir()
	writeFile(b.t, filepath.Join(dir, credentialName), content)
	b.env = []string{"CREDENTIALS_DIRECTORY=" + dir}
}

func TestKeyOfTheServiceIsNotReplaced(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	key := strings.Repeat("4d", vault.MachineKeySize)
	b.credential(key + " tpm2\n")
	b.serve()
	if s, _ := b.status(); s.Protection.MachineKey != nvr.KeyInTPM {
		t.Errorf("the machine key is said to be at place %d", s.Protection.MachineKey)
	}
	b.mustStop()
	// Without the service there is no credential: nothing may be made in its place.
	code, output := b.lares("status")
	if code != exitWrong || !strings.Contains(output, "systemctl start lares") || !strings.Contains(output, credentialName) {
		t.Errorf("status without the credential: exit code %d\n%s", code, output)
	}
	if exists(filepath.Join(b.data, machineName)) {
		t.Error("a new machine key was made")
	}
	for name, content := range files(t, b.data) {
		raw, _ := hex.DecodeString(key)
		if bytes.Contains(content, raw) || bytes.Contains(content, []byte(key)) {
			t.Errorf("%s holds the machine key", name)
		}
	}
	b.credential(strings.Repeat("ab", vault.MachineKeySize))
	b.start()
	<-b.ended
	if code := b.process.ProcessState.ExitCode(); code != exitWrong || !strings.Contains(b.log(), "the machine key does not belong to") {
		t.Errorf("with the key of another box: exit code %d", code)
	}
	b.credential(key)
	b.serve()
	b.mustStop()
}

func TestMachineKeyThatIsLostIsNotMadeAnew(t *testing.T) {
	t.Parallel()
	b := newOwnedBox(t)
	file := filepath.Join(b.data, machineName)
	if err := os.Rename(file, file+".away"); err != nil {
		t.Fatal(err)
	}
	if code, output := b.lares("status"); code != exitWrong || !strings.Contains(output, file) || exists(file) {
		t.Errorf("status without the key: exit code %d\n%s", code, output)
	}
	writeFile(t, file, strings.Repeat("x", vault.MachineKeySize))
	if code, output := b.lares("status"); code != exitWrong || !strings.Contains(output, "the machine key does not belong to") {
		t.Errorf("status with another key: exit code %d\n%s", code, output)
	}
	if err := os.Rename(file+".away", file); err != nil {
		t.Fatal(err)
	}
	if _, output := b.lares("status"); !strings.Contains(output, "not running") {
		t.Errorf("status with the key: %s", output)
	}
}

// stranger is the user that a test gives folders to.
const stranger = 48211

// give gives all that the box has to a user, as a package does.
func (b *box) give(uid int, dirs ...string) {
	b.t.Helper()
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Lchown(name, uid, uid)
		})
		if err != nil {
			b.t.Fatal(err)
		}
	}
	// The folders of tests are closed to others.
	for dir := b.home; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			b.t.Fatal(err)
		}
	}
}

// asRoot runs the program by itself: it may become somebody else.
func (b *box) asRoot(args ...string) (code int, output string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience) // what serves does not end by itself
	defer cancel()
	cmd := exec.CommandContext(ctx, "lares", append([]string{args[0], "--data", b.data}, args[1:]...)...)
	out, err := cmd.CombinedOutput()
	_, _ = b.Write(out)
	if cmd.ProcessState == nil {
		b.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

func TestRootLeavesNoFileThatTheServiceCannotOpen(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give folders to another user")
	}
	b := newBox(t)
	b.give(stranger, b.data)
	if _, output := b.asRoot("setup-code"); !strings.Contains(output, "One-time code") {
		t.Errorf("setup-code: %s", output)
	}
	if _, output := b.asRoot("status"); !strings.Contains(output, "not running") {
		t.Errorf("status: %s", output)
	}
	for name := range files(t, b.data) {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t); owner.Uid != stranger || owner.Gid != stranger {
			t.Errorf("%s belongs to %d:%d", name, owner.Uid, owner.Gid)
		}
	}
	code, output := b.asRoot("serve", "--footage", b.footage, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0")
	if code != exitWrong || !strings.Contains(output, b.footage) || !strings.Contains(output, fmt.Sprintf("user %d", stranger)) {
		t.Errorf("serve with a folder of root's: exit code %d\n%s", code, output)
	}
}

func TestBoxThatIsStartingIsNamedSo(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	lock, err := lockDir(b.data)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if code, output := b.lares("status"); code != exitWrong || !strings.Contains(output, "starting or stopping") || strings.Contains(output, "dial") {
		t.Errorf("exit code %d\n%s", code, output)
	}
}

func TestSecondDemoInAFolderSaysWhatToDo(t *testing.T) {
	t.Parallel()
	b := newOwnedBox(t)
	if code, output := b.lares("demo"); code != exitWrong || !strings.Contains(output, "lares serve --data "+b.data) {
		t.Errorf("exit code %d\n%s", code, output)
	}
}
