package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/camera/camsim"
)

// buildShifted builds Lares with a package time whose wall clock can be set
// while it runs, by a number of seconds in a file. All of the process lives by
// it: cameras, recorder, keys, databases, TLS. Nothing else of the program differs.
func buildShifted(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatalf("ask for the source of package time: %v", err)
	}
	origin := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	source, err := os.ReadFile(origin)
	if err != nil {
		t.Skipf("the source of package time is missing: %v", err)
	}
	replace := func(old, with string) {
		if strings.Count(string(source), old) != 1 {
			t.Fatalf("package time of %s has changed: look for %q", runtime.Version(), old)
		}
		source = []byte(strings.Replace(string(source), old, with, 1))
	}
	replace("\tsec, nsec, mono := runtimeNow()\n\tif mono == 0 {", "\tsec, nsec, mono := runtimeNow()\n\tsec += wallShift.Load()\n\tif mono == 0 {")
	replace("import (\n", "import (\n\t\"sync/atomic\"\n")
	source = append(source, "\n//go:linkname wallShift\nvar wallShift atomic.Int64\n"...)
	writeFile(t, filepath.Join(dir, "time.go"), string(source))
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {
		origin:                              filepath.Join(dir, "time.go"),
		filepath.Join(here, "wallclock.go"): filepath.Join(here, "testdata", "wallclock", "wallclock.go"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "overlay.json"), string(overlay))
	program := filepath.Join(dir, "lares")
	build := exec.Command("go", "build", "-buildvcs=false", "-overlay", filepath.Join(dir, "overlay.json"), "-o", program, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build with another clock: %v\n%s", err, out)
	}
	return program
}

// wallClock is the clock on the wall of a box.
type wallClock struct {
	t    *testing.T
	file string
}

// set moves the clock to a time.
func (c wallClock) set(to time.Time) {
	c.t.Helper()
	fresh := c.file + ".new"
	writeFile(c.t, fresh, strconv.FormatInt(int64(time.Until(to).Round(time.Second)/time.Second), 10))
	if err := os.Rename(fresh, c.file); err != nil {
		c.t.Fatal(err)
	}
}

func TestClockStepsLoseAndDeleteNothing(t *testing.T) {
	if os.Getenv("LARES_CLOCK") != "1" {
		t.Skip("builds all of Go's library again and records for two minutes: set LARES_CLOCK=1")
	}
	b := newOwnedBox(t)
	b.program = buildShifted(t)
	wall := wallClock{t, filepath.Join(b.temp, "wall")}
	b.env = append(b.env, "LARES_TEST_WALL_SHIFT="+wall.file)
	sim := simulate(t, camsim.Config{Main: clip(t, "vfr.mp4")})
	b.addCamera("Hall", sim, false)

	epoch, today, far := time.Unix(60, 0), time.Now().Truncate(time.Second), time.Date(2040, 6, 1, 12, 0, 0, 0, time.UTC)
	// The recorder looks each minute for footage that is too old: in 2040 and when
	// the clock is back.
	const stage = 8 * time.Second
	stages := []struct {
		name  string
		wall  time.Time
		lasts time.Duration
	}{
		{"started in 1970", epoch, stage},
		{"set to today", today.Add(time.Hour), stage},
		{"an hour on", today.Add(3 * time.Hour), stage},
		{"back in 1970", epoch.Add(time.Hour), stage},
		{"in 2040", far, 40 * time.Second},
		{"back again", today.Add(6 * time.Hour), 55 * time.Second},
	}
	var clips []exported
	wall.set(stages[0].wall)
	b.serve()
	seen := b.waitRecording("Hall", nvr.Main)
	for i, s := range stages {
		if i > 0 {
			wall.set(s.wall)
		}
		time.Sleep(s.lasts) // of footage
	}
	stopped := time.Now()
	b.mustStop()
	for _, s := range stages {
		clips = append(clips, b.export("Hall", nvr.Main, s.wall.Add(-30*time.Second), s.wall.Add(30*time.Minute), b.as()...))
		t.Logf("%s: %d pictures", s.name, len(clips[len(clips)-1].packets))
	}
	wantOnce(t, sim.Sent(nvr.Main), clips, seen, stopped)
	b.checkClean(b.as("--level", "keys")...)
}

// wantOnce fails the test unless the clips, one after the other, are a stretch
// of what was sent, from before a time on until the end.
func wantOnce(t *testing.T, sent []camsim.SentFrame, clips []exported, seen, stopped time.Time) {
	t.Helper()
	var all exported
	for _, c := range clips {
		all.packets = append(all.packets, c.packets...)
	}
	best := 0
	for at := range sent {
		n := 0
		for at+n < len(sent) && n < len(all.packets) && sent[at+n].Sum == all.packets[n].Sum {
			n++
		}
		best = max(best, n)
		if n < len(all.packets) || sent[at].Time.After(seen) {
			continue
		}
		if rest := sent[at+n:]; len(rest) > 0 && rest[0].Time.Before(stopped.Add(-tail)) {
			continue // the loop of the clip: a later stretch
		}
		return
	}
	t.Errorf("%d pictures were recorded; the longest stretch of them that was sent like that has %d", len(all.packets), best)
}
