package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/camera/camsim"
)

// tail is how much of the end may still be on its way from the camera when the
// box is told to stop.
const tail = 700 * time.Millisecond

// played is a camera of a test with when it was seen to be recorded.
type played struct {
	name string
	sim  *camsim.Camera
	q    nvr.Quality
	seen time.Time
}

// cameras plays all clips that there are, each with a camera of its own; one
// has a small picture as well.
func cameras(t *testing.T, b *box) []*played {
	t.Helper()
	clips := []string{
		clipFile("plain.mp4"), clipFile("h265.mp4"), clipFile("bframes_aac.mp4"),
		clipFile("vfr.mp4"), clipFile("longgop.mp4"), clipFile("plain.h265"),
	}
	for _, name := range []string{"motorway_vfr.mp4", "shop_door.mp4", "night_yard_person.mp4"} {
		if file := sharedFootage(name); file != "" {
			clips = append(clips, file)
		} else {
			t.Logf("real footage %s is missing: set LARES_SHARED to the folder that has it", name)
		}
	}
	var all []*played
	for i, file := range clips {
		c, err := camsim.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		cfg, name := camsim.Config{Main: c}, filepath.Base(file)
		if i == 0 {
			cfg.Sub = clip(t, "h265.mp4")
		}
		sim := simulate(t, cfg)
		b.addCamera(name, sim, cfg.Sub != nil)
		all = append(all, &played{name: name, sim: sim, q: nvr.Main})
		if cfg.Sub != nil {
			all = append(all, &played{name: name, sim: sim, q: nvr.Sub})
		}
	}
	return all
}

// compare exports what was recorded and compares it with what was sent: all
// pictures, in order, with their times, from the first key frame after the
// connection to the stop.
func (p *played) compare(t *testing.T, b *box, from, stopped time.Time) {
	t.Helper()
	clip := b.export(p.name, p.q, from, stopped.Add(time.Minute), b.as()...)
	sent := p.sim.Sent(p.q)
	at := clip.align(t, sent, p.seen)
	for _, f := range sent[:at] {
		if f.Key && f.Time.After(p.seen) {
			t.Errorf("%s %v: recording began at a later key frame than the first", p.name, p.q)
		}
	}
	if rest := sent[at+len(clip.packets):]; len(rest) > 0 && rest[0].Time.Before(stopped.Add(-tail)) {
		t.Errorf("%s %v: pictures from %v before the stop on are missing", p.name, p.q, stopped.Sub(rest[0].Time))
	}
}

func TestExportHoldsEveryPictureThatTheCameraSent(t *testing.T) {
	t.Parallel()
	b := newOwnedBox(t)
	began := time.Now()
	all := cameras(t, b)
	b.serve()
	for _, p := range all {
		p.seen = b.waitRecording(p.name, p.q)
	}
	// The first segment of a stream is up to a minute long; by then some streams
	// have gone over a border.
	b.eventually("three streams have gone on in a second segment", func() bool { return b.finished() >= 3 })
	stopped := time.Now()
	b.mustStop()
	if b.open() > 0 {
		t.Errorf("%d segments were left open", b.open())
	}
	for _, p := range all {
		p.compare(t, b, began, stopped)
	}
	b.checkClean(b.as("--level", "keys")...)
}

func TestExportFromTheRunningBoxReachesIntoTheOpenSegment(t *testing.T) {
	t.Parallel()
	b := newOwnedBox(t)
	sim := simulate(t, camsim.Config{Main: clip(t, "vfr.mp4")})
	b.addCamera("Hall", sim, false)
	b.serve()
	from := b.waitRecording("Hall", nvr.Main)
	b.eventually("four seconds are recorded", func() bool { return time.Since(from) > 4*time.Second })
	to := time.Now().Add(-2 * time.Second)
	clip := b.export("Hall", nvr.Main, from, to, b.as()...)
	sent := sim.Sent(nvr.Main)
	at := clip.align(t, sent, to)
	if first, end := sent[at], sent[at+len(clip.packets)]; first.Time.After(from.Add(tail)) || end.Time.Before(to.Add(-tail)) {
		t.Errorf("asked for %v to %v, got %v to %v", from, to, first.Time, end.Time)
	}
	if b.finished() > 0 {
		t.Error("the segment was not open any more: the test shows nothing")
	}
}

func TestStoppingUnderLoadKeepsTheLastPictures(t *testing.T) {
	t.Parallel()
	b := newOwnedBox(t)
	began := time.Now()
	var all []*played
	for _, name := range []string{"One", "Two", "Three", "Four"} {
		sim := simulate(t, camsim.Config{Main: clip(t, "bframes_aac.mp4"), Sub: clip(t, "plain.mp4")})
		b.addCamera(name, sim, true)
		all = append(all, &played{name: name, sim: sim, q: nvr.Main}, &played{name: name, sim: sim, q: nvr.Sub})
	}
	b.serve()
	for _, p := range all {
		p.seen = b.waitRecording(p.name, p.q)
	}
	time.Sleep(3 * time.Second) // of footage
	stopped := time.Now()
	code, took := b.stop()
	if code != exitGood || took > stopWithin {
		t.Errorf("stopped with exit code %d after %v, want 0 within %v", code, took, stopWithin)
	}
	if strings.Contains(b.log(), "not everything ended in time") {
		t.Error("not everything ended in time")
	}
	for _, p := range all {
		p.compare(t, b, began, stopped)
	}
}
