package main

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lares/cmd/lares/internal/console"
	"lares/nvr"
	"lares/nvr/camera/camsim"
)

// motion returns how the search for motion on a camera does, nil where it is not
// to be looked for.
func (b *box) motion(name string) *console.MotionState {
	s, _ := b.status()
	for _, camera := range s.Cameras {
		if camera.Name == name {
			return camera.Motion
		}
	}
	return nil
}

func (b *box) waitMotion(name string) {
	b.t.Helper()
	b.eventually("motion is looked for on "+name, func() bool { m := b.motion(name); return m != nil && m.Works })
}

// mediaWorkers lists the media workers of the box that serves.
func (b *box) mediaWorkers() (pids []int) {
	b.t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		b.t.Fatal(err)
	}
	for _, dir := range dirs {
		line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil || !strings.HasSuffix(string(line), "\x00"+workerName+"\x00") {
			continue // it ended, or is another program
		}
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err == nil && statusOf(dir, "PPid") == strconv.Itoa(b.process.Process.Pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// statusOf reads a field of /proc/PID/status or of a thread's (proc_pid_status(5)).
func statusOf(dir, field string) string {
	raw, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(raw)) {
		if name, value, ok := strings.Cut(line, ":"); ok && name == field {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// send sends a signal to processes, of which some may have ended.
func send(pids []int, s syscall.Signal) {
	for _, pid := range pids {
		_ = syscall.Kill(pid, s)
	}
}

// replaced reports whether motion is looked for with processes that are none of some.
func (b *box) replaced(name string, old []int) bool {
	m, now := b.motion(name), b.mediaWorkers()
	return m != nil && m.Works && len(now) > 0 && !slices.ContainsFunc(now, func(pid int) bool { return slices.Contains(old, pid) })
}

// waitSent waits until a camera has sent so many pictures more.
func (b *box) waitSent(sim *camsim.Camera, q nvr.Quality, more int) {
	b.t.Helper()
	have := len(sim.Sent(q))
	b.eventually(fmt.Sprintf("%d pictures more are sent", more), func() bool { return len(sim.Sent(q)) >= have+more })
}

func TestEveryThreadOfAMediaWorkerIsFenced(t *testing.T) {
	t.Parallel()
	b := newOwnedBox(t)
	b.addCamera("Gate", simulate(t, camsim.Config{Main: scene(t, "quiet.mp4")}), false)
	b.serve()
	b.waitMotion("Gate")
	workers := b.mediaWorkers()
	if len(workers) != 1 {
		t.Fatalf("there are %d media workers", len(workers))
	}
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", workers[0]))
	if err != nil || len(threads) == 0 {
		t.Fatalf("threads of the worker: %d, %v", len(threads), err)
	}
	for _, thread := range threads {
		const filtered = "2"
		if got := statusOf(thread, "Seccomp"); got != filtered {
			t.Errorf("thread %s: seccomp %q", filepath.Base(thread), got)
		}
		if got := statusOf(thread, "NoNewPrivs"); got != "1" {
			t.Errorf("thread %s: no new privileges %q", filepath.Base(thread), got)
		}
		if got := strings.Trim(statusOf(thread, "CapEff"), "0"); got != "" {
			t.Errorf("thread %s: capabilities %q", filepath.Base(thread), got)
		}
	}
}

func TestWorkersThatAreKilledOrHangCostNoPictureAndComeBack(t *testing.T) {
	t.Parallel()
	b := newOwnedBox(t)
	sim := simulate(t, camsim.Config{Main: scene(t, "walk.mp4")})
	b.addCamera("Gate", sim, false)
	began := time.Now()
	b.serve()
	p := &played{name: "Gate", sim: sim, q: nvr.Main, seen: b.waitRecording("Gate", nvr.Main)}
	b.waitMotion("Gate")

	killed := b.mediaWorkers()
	send(killed, syscall.SIGKILL)
	b.eventually("another worker looks", func() bool { return b.replaced("Gate", killed) })
	hung := b.mediaWorkers()
	send(hung, syscall.SIGSTOP)
	b.eventually("a worker that hangs is replaced", func() bool { return b.replaced("Gate", hung) })
	back := time.Now()
	b.waitSent(sim, nvr.Main, walkLoop+60) // somebody walks through once more, and is gone for long enough
	stopped := time.Now()
	b.mustStop()
	p.compare(t, b, began, stopped)
	b.opened(func(h *house) {
		if found := h.look(t, "Gate", back, time.Now()); len(found.events) == 0 || found.missing != nil {
			t.Errorf("%d events since the worker came back, %v", len(found.events), found.missing)
		}
	})
}

// spoilt makes clips of pictures that a player cannot decode: the headers that a
// receiver looks at stay, what follows is spoilt.
func spoilt(t *testing.T, rng *rand.Rand) map[string]*camsim.Clip {
	t.Helper()
	raw, err := os.ReadFile(clipFile("plain.h264"))
	if err != nil {
		t.Fatal(err)
	}
	const header = 4                                         // NAL unit type, and that it is the first slice of its picture
	byteOf := func() byte { return byte(1 + rng.IntN(255)) } // no start code comes of it
	ways := map[string]func(nalu []byte, slice bool) []byte{
		"random": func(nalu []byte, slice bool) []byte {
			for i := header; slice && i < len(nalu); i++ {
				nalu[i] = byteOf()
			}
			return nalu
		},
		"truncated": func(nalu []byte, slice bool) []byte {
			if slice {
				nalu = append(nalu[:header+rng.IntN(len(nalu)-header)], 0x80)
			}
			return nalu
		},
		"flipped": func(nalu []byte, slice bool) []byte {
			for range len(nalu) / 20 {
				if slice {
					nalu[header+rng.IntN(len(nalu)-header)] = byteOf()
				}
			}
			return nalu
		},
	}
	clips := make(map[string]*camsim.Clip)
	for _, name := range slices.Sorted(maps.Keys(ways)) {
		spoil := ways[name]
		clips[name] = spoiltBy(t, raw, func(nalu []byte) []byte {
			typ := nalu[0] & 0x1f
			return spoil(nalu, (typ == 1 || typ == 5) && len(nalu) > header+1)
		})
	}
	return clips
}

// spoiltBy changes every NAL unit of a byte stream.
func spoiltBy(t *testing.T, raw []byte, spoil func(nalu []byte) []byte) *camsim.Clip {
	t.Helper()
	var out bytes.Buffer
	for nalu := range bytes.SplitSeq(raw, []byte{0, 0, 1}) {
		if nalu = bytes.TrimRight(nalu, "\x00"); len(nalu) == 0 {
			continue
		}
		out.WriteString("\x00\x00\x01")
		out.Write(spoil(bytes.Clone(nalu)))
	}
	c, err := camsim.ReadByteStream(&out, nvr.H264)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPicturesThatCannotBeDecodedHarmNobodyElse(t *testing.T) {
	t.Parallel()
	clips := spoilt(t, rand.New(rand.NewPCG(1, 1)))
	b := newOwnedBox(t)
	good := simulate(t, camsim.Config{Main: scene(t, "walk.mp4")})
	b.addCamera("Good", good, false)
	began := time.Now()
	b.serve()
	p := &played{name: "Good", sim: good, q: nvr.Main, seen: b.waitRecording("Good", nvr.Main)}
	b.waitMotion("Good")
	workers := b.mediaWorkers()

	bad := simulate(t, camsim.Config{Main: clip(t, "plain.h264")})
	b.addCamera("Bad", bad, false)
	b.waitMotion("Bad")
	for _, name := range []string{"flipped", "truncated", "random"} {
		bad.Switch(nvr.Main, clips[name])
		b.waitSent(bad, nvr.Main, 80)
		m := b.motion("Bad")
		t.Logf("%s: %+v, recorded %v", name, *m, b.recording("Bad", nvr.Main))
		if name == "random" {
			b.eventually("it is said that it cannot be decoded", func() bool { m := b.motion("Bad"); return !m.Works && m.Detail != "" })
		}
	}
	b.eventually("the good camera's motion was seen beside it", func() bool { return len(good.Sent(nvr.Main)) > walkLoop })
	// What kills its worker again and again waits alone.
	bad.Switch(nvr.Main, clip(t, "plain.h264"))
	b.waitMotion("Bad")
	for range 3 {
		b.eventually("the bad camera has a worker", func() bool { return len(b.others(workers)) > 0 })
		send(b.others(workers), syscall.SIGKILL)
	}
	b.eventually("the bad camera is said not to be looked at", func() bool { m := b.motion("Bad"); return !m.Works && m.Detail != "" })
	if !b.motion("Good").Works || !slices.Contains(b.mediaWorkers(), workers[0]) {
		t.Error("the good camera's worker was harmed")
	}
	stopped := time.Now()
	b.mustStop()
	p.compare(t, b, began, stopped)
	b.opened(func(h *house) {
		if found := h.look(t, "Good", began, time.Now()); len(found.events) == 0 {
			t.Error("no event of the good camera")
		}
	})
	b.checkClean(b.as("--level", "keys")...)
}

// others lists the media workers that are none of some.
func (b *box) others(known []int) []int {
	return slices.DeleteFunc(b.mediaWorkers(), func(pid int) bool { return slices.Contains(known, pid) })
}
