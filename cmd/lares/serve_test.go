package main

import (
	"context"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"lares/nvr"
	"lares/nvr/camera/camsim"
)

func TestRestartedBoxRecordsAtOnceWithNobodyLoggedIn(t *testing.T) {
	t.Parallel()
	b := newOwnedBox(t)
	sim := simulate(t, camsim.Config{Main: clip(t, "plain.mp4")})
	b.addCamera("Gate", sim, false)
	for range 2 {
		b.serve()
		b.waitRecording("Gate", nvr.Main)
		b.mustStop()
	}
	if strings.Contains(b.log(), "One-time code") {
		t.Error("a box with an owner printed a one-time code")
	}
}

func TestBoxWithoutOwnerRecordsNothingAndSaysSo(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	sim := simulate(t, camsim.Config{Main: clip(t, "plain.mp4")})
	b.addCamera("Gate", sim, false)
	b.serve()
	b.eventually("the camera waits for an owner", func() bool { return b.stream("Gate", nvr.Main).Cause == nvr.NoOwner.String() })
	code, output := b.lares("status")
	if code != exitWrong || !strings.Contains(output, "waits for an owner") || !strings.Contains(b.log(), "One-time code") {
		t.Errorf("status: exit code %d\n%s", code, output)
	}
	if b.open()+b.finished() > 0 {
		t.Error("something was recorded that nobody can open")
	}
	b.must("setup", "--owner", ownerName, "--password-file", b.password, "--recovery-out", b.recovery, "--without-second-factor")
	b.waitRecording("Gate", nvr.Main)
	b.mustStop()
}

func TestSecondServeOnTheSameDataIsRefused(t *testing.T) {
	t.Parallel()
	b := newOwnedBox(t)
	b.serve()
	code, output := b.lares("serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0")
	if code != exitWrong || !strings.Contains(output, "Lares is running with this folder") {
		t.Errorf("exit code %d\n%s", code, output)
	}
	b.must("camera", "list")
	b.mustStop()
}

func TestServeOnAMissingFootagePathSaysWhatToDo(t *testing.T) {
	t.Parallel()
	b := newOwnedBox(t)
	code, output := b.lares("serve", "--footage", "/nowhere/at/all", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0")
	if code != exitWrong || !strings.Contains(output, "make it, or mount the disk that belongs there") {
		t.Errorf("exit code %d\n%s", code, output)
	}
}

func TestTakenPortMovesToTheNextOneAndIsKept(t *testing.T) {
	t.Parallel()
	b := newOwnedBox(t)
	taken, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	listen := func(preferred int) (got int) {
		b.opened(func(h *house) {
			l, err := h.listen(t.Context(), "web.test", "", preferred)
			if err != nil {
				t.Fatal(err)
			}
			got = l.Addr().(*net.TCPAddr).Port
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		})
		return got
	}
	moved := listen(port)
	if moved <= port {
		t.Fatalf("port %d is taken, got %d", port, moved)
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	if kept := listen(port); kept != moved {
		t.Errorf("port %d was not kept: got %d", moved, kept)
	}
	b.opened(func(h *house) {
		again, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		address := "127.0.0.1:" + strconv.Itoa(again.Addr().(*net.TCPAddr).Port)
		if l, err := h.listen(t.Context(), "web.test", address, 0); err == nil {
			t.Errorf("a port that the user chose and that is taken was replaced by %v", l.Addr())
		}
	})
}

func TestDemoRecordsItsOwnCamera(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"demo", "--data", b.data, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"}, b, b)
	}()
	b.eventually("the demo records", func() bool {
		return b.recording("Front door", nvr.Main) && b.recording("Front door", nvr.Sub)
	})
	if said := b.log(); !strings.Contains(said, "Password  ") || !strings.Contains(said, "https://127.0.0.1:") {
		t.Errorf("the demo does not say how to get in:\n%s", said)
	}
	cancel()
	if code := <-ended; code != exitGood {
		t.Errorf("the demo ended with exit code %d", code)
	}
}

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{Dir: "testdata", RequireExplicitExec: true})
}
