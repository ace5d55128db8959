package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lares/cmd/lares/internal/console"
	"lares/nvr"
	"lares/nvr/auth"
	"lares/nvr/camera/camsim"
	"lares/nvr/vault"
)

func TestDestroyedDayStaysShutWithAnOldCopyOfTheFootage(t *testing.T) {
	t.Parallel()
	b := newOwnedBox(t)
	sim := simulate(t, camsim.Config{Main: clip(t, "plain.mp4")})
	b.addCamera("Gate", sim, false)
	began := time.Now()
	b.serve()
	b.waitRecording("Gate", nvr.Main)
	time.Sleep(2 * time.Second) // of footage
	b.mustStop()
	ended := time.Now()
	b.checkClean(b.as("--level", "keys")...)
	// The thief's copy: the footage, from before the day was destroyed.
	copied := filepath.Join(t.TempDir(), "footage")
	if err := os.CopyFS(copied, os.DirFS(b.footage)); err != nil {
		t.Fatal(err)
	}
	b.opened(func(h *house) {
		camera := h.fleet.List()[0].Camera.ID
		for _, at := range []time.Time{began, ended} { // midnight may lie between them
			if err := h.auth.DestroyDay(t.Context(), camera, auth.Day(at)); err != nil {
				t.Fatal(err)
			}
		}
	})
	if err := os.RemoveAll(b.footage); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(b.footage, os.DirFS(copied)); err != nil {
		t.Fatal(err)
	}
	b.mustStayShut()
	_, output := b.lares(append([]string{"check", "--json"}, b.as("--level", "keys")...)...)
	var report console.CheckAnswer
	if err := json.Unmarshal([]byte(jsonLine.FindString(output)), &report); err != nil {
		t.Fatalf("check: %v\n%s", err, output)
	}
	if report.Segments == 0 || len(report.Findings) != report.Segments || !strings.Contains(output, nvr.ErrDestroyed.Error()) {
		t.Errorf("check opens %d of %d segments\n%s", report.Segments-len(report.Findings), report.Segments, output)
	}
	out := filepath.Join(t.TempDir(), "clip.mp4")
	code, _ := b.lares(b.as("export", "--camera", "Gate", "--from", rfc3339(began), "--to", rfc3339(ended), "-o", out)...)
	if _, err := os.Stat(out); code != exitWrong || err == nil {
		t.Errorf("export of the destroyed day: exit code %d, %v", code, err)
	}
	clip := b.export("Gate", nvr.Main, began, ended, "--recovery-file", b.recovery)
	if len(clip.packets) < 25 {
		t.Errorf("the recovery key opens only %d pictures of the old copy", len(clip.packets))
	}
}

// mustStayShut logs in as the owner and tries each segment.
func (b *box) mustStayShut() {
	b.t.Helper()
	b.opened(func(h *house) {
		session, _, err := h.auth.Login(b.t.Context(), auth.LoginRequest{Name: ownerName, Password: ownerPassword, Addr: "test", Device: "test"})
		if err != nil {
			b.t.Fatal(err)
		}
		tried := 0
		for name := range files(b.t, b.footage) {
			if !strings.HasSuffix(name, ".seg") {
				continue
			}
			tried++
			if err := openWith(b.t, session, name); !errors.Is(err, nvr.ErrDestroyed) {
				b.t.Errorf("%s: %v, want %v", filepath.Base(name), err, nvr.ErrDestroyed)
			}
		}
		if tried == 0 {
			b.t.Error("there is no segment")
		}
	})
}

// openWith opens the key of a segment file.
func openWith(t *testing.T, opener nvr.Opener, name string) error {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	segment, err := vault.Open(f, stat.Size())
	if err != nil {
		t.Fatal(err)
	}
	_, err = opener.OpenKey(t.Context(), segment.Vault(), segment.Info(), segment.SealedKey())
	return err
}
