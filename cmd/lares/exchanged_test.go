package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/camera/camsim"
)

// TestSegmentsThatWereExchangedAreNotShown: whoever writes the disk puts the files
// of two cameras in each other's place. Both open with the owner's keys.
func TestSegmentsThatWereExchangedAreNotShown(t *testing.T) {
	t.Parallel()
	b := newOwnedBox(t)
	gate, shed := simulate(t, camsim.Config{Main: clip(t, "plain.mp4")}), simulate(t, camsim.Config{Main: clip(t, "bframes_aac.mp4")})
	b.addCamera("Gate", gate, false)
	b.addCamera("Shed", shed, false)
	began := time.Now()
	b.serve()
	b.waitRecording("Gate", nvr.Main)
	b.waitRecording("Shed", nvr.Main)
	time.Sleep(2 * time.Second) // of footage
	b.mustStop()
	ended := time.Now()
	b.checkClean(b.as("--level", "keys")...)
	segments, err := filepath.Glob(filepath.Join(b.footage, "s*", "*", "*.seg"))
	if err != nil || len(segments) != 2 {
		t.Fatalf("segments %v, %v", segments, err)
	}
	for _, move := range [][2]string{{segments[0], segments[0] + ".x"}, {segments[1], segments[0]}, {segments[0] + ".x", segments[1]}} {
		if err := os.Rename(move[0], move[1]); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"Gate", "Shed"} {
		out := filepath.Join(t.TempDir(), "clip.mp4")
		code, output := b.lares(b.as("export", "--camera", name, "--from", rfc3339(began), "--to", rfc3339(ended), "-o", out)...)
		if code != exitWrong || exists(out) {
			t.Errorf("%s: the pictures of the other camera are saved: exit code %d\n%s", name, code, output)
		}
	}
	if code, output := b.lares(b.as("check", "--level", "keys")...); code != exitWrong || strings.Count(output, "carries the header of another segment") != 2 {
		t.Errorf("check: exit code %d\n%s", code, output)
	}
}
