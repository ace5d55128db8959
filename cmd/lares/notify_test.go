package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestTheServiceManagerIsTold plays the service manager.
func TestTheServiceManagerIsTold(t *testing.T) {
	t.Parallel()
	b := newOwnedBox(t)
	dir, err := os.MkdirTemp("", "lares-notify-") // t.TempDir is too long for the name of a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	name := filepath.Join(dir, "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	b.env = []string{"NOTIFY_SOCKET=" + name, "WATCHDOG_USEC=900000"}
	b.start()
	told := func() string {
		t.Helper()
		if err := manager.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 256)
		n, err := manager.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
	if got := told(); got != notifyReady {
		t.Errorf("first %q, want %q", got, notifyReady)
	}
	b.must("health")
	for range 3 {
		if got := told(); got != notifyAlive {
			t.Errorf("then %q, want %q", got, notifyAlive)
		}
	}
	b.mustStop()
	for got := told(); got != notifyStopping; got = told() {
		if got != notifyAlive {
			t.Fatalf("at the end %q", got)
		}
	}
	if code, said := b.lares("health"); code == exitGood || !strings.Contains(said, "no box answers") {
		t.Errorf("after the end: exit code %d, %s", code, said)
	}
}

func TestTheOneTimeCodeLiesInAFileUntilThereIsAnOwner(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.serve()
	file := filepath.Join(b.data, setupCodeName)
	var code string
	b.eventually("the code lies in a file", func() bool {
		raw, err := os.ReadFile(file)
		code = strings.TrimSpace(string(raw))
		return err == nil && code != ""
	})
	if !strings.Contains(b.log(), "One-time code  "+code) {
		t.Errorf("the file holds %q, the log another code", code)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	b.must("setup", "--owner", ownerName, "--password-file", b.password, "--recovery-out", b.recovery, "--without-second-factor")
	b.eventually("the file is gone", func() bool { _, err := os.Stat(file); return os.IsNotExist(err) })
	b.mustStop()
}
