package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"lares/cmd/lares/internal/demo"
	"lares/nvr"
	"lares/nvr/camera/camsim"
)

// life is one run of the box between its start and its kill.
type life struct{ started, recording, killed time.Time }

const (
	kills = 20
	// lossBound is how old footage may be that a killed process loses.
	lossBound = 1500 * time.Millisecond
	// resumeWithin is twice what the box promises: the machine that tests is shared.
	resumeWithin = 6 * time.Second
)

func TestTwentyKillsLoseNothingThatIsOlderThanAMoment(t *testing.T) {
	t.Parallel()
	b := newOwnedBox(t)
	main, err := camsim.ReadMP4(bytes.NewReader(demo.Main()))
	if err != nil {
		t.Fatal(err)
	}
	sub, err := camsim.ReadMP4(bytes.NewReader(demo.Sub()))
	if err != nil {
		t.Fatal(err)
	}
	sim := simulate(t, camsim.Config{Main: main, Sub: sub})
	b.addCamera("Gate", sim, true)
	var lives []life
	for range kills {
		one := life{started: time.Now()}
		b.serve()
		b.waitRecording("Gate", nvr.Main)
		one.recording = b.waitRecording("Gate", nvr.Sub)
		time.Sleep(500*time.Millisecond + rand.N(2500*time.Millisecond)) // the moment is what the test is about
		one.killed = time.Now()
		b.kill()
		lives = append(lives, one)
	}
	b.serve() // takes up what the last kill left
	b.waitRecording("Gate", nvr.Main)
	b.mustStop()
	for _, q := range []nvr.Quality{nvr.Main, nvr.Sub} {
		sent := sim.Sent(q)
		kept := match(t, b.export("Gate", q, lives[0].started, time.Now(), b.as()...), sent)
		for i, l := range lives {
			l.compare(t, i, q, sent, kept)
		}
	}
	b.checkClean("--level", "crc")
	b.checkClean(b.as("--level", "keys")...)
	b.checkClean(b.as("--level", "audit")...)
}

// match finds the pictures of a clip with holes among those that were sent. It
// returns which of them are in the clip, and fails where one is there twice, in
// another order or was never sent.
func match(t *testing.T, clip exported, sent []camsim.SentFrame) []bool {
	t.Helper()
	kept := make([]bool, len(sent))
	at := -1
	for i, p := range clip.packets {
		next := at + 1
		for next < len(sent) && sent[next].Sum != p.Sum {
			next++
		}
		if next == len(sent) {
			t.Fatalf("picture %d of %d of the clip is one that was not sent, or is there twice", i, len(clip.packets))
		}
		at = next
		kept[at] = true
	}
	return kept
}

// compare looks whether all was kept from soon after the start until shortly
// before the kill.
func (l life) compare(t *testing.T, n int, q nvr.Quality, sent []camsim.SentFrame, kept []bool) {
	t.Helper()
	first, oldest := time.Time{}, l.killed // oldest of those that are lost
	for i, f := range sent {
		switch {
		case f.Time.Before(l.started) || f.Time.After(l.killed):
		case kept[i] && first.IsZero():
			first = f.Time
		case !kept[i] && f.Time.Before(oldest) && (!first.IsZero() || f.Time.After(l.recording)):
			oldest = f.Time
		}
	}
	if loss := l.killed.Sub(oldest); loss > lossBound {
		t.Errorf("run %d, %v: lost what was sent %v before the kill", n, q, loss)
	}
	if resumed := first.Sub(l.started); resumed > resumeWithin {
		t.Errorf("run %d, %v: recorded again only %v after the start", n, q, resumed)
	}
}

func TestTimelineIsCompleteAfterTheIndexWasDeleted(t *testing.T) {
	t.Parallel()
	b := newOwnedBox(t)
	began := time.Now()
	footage := b.liveThrice()
	until := time.Now()
	// Takes up what the kill left open, so that both time lines are of files.
	before := b.timelines(began, until)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.RemoveAll(filepath.Join(b.data, indexName+suffix)); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(visible)
	b.serve()
	footage()
	b.mustStop()
	after, all := b.timelines(began, until), b.timelines(began, time.Now())
	for q, want := range before {
		if len(want.Spans) != 3 || len(all[q].Spans) != 4 {
			t.Fatalf("%v: want 3 and 4 spans, got\n%s\nand\n%s", q, showTimeline(want), showTimeline(all[q]))
		}
		end := want.Spans[2].To
		if got, want := showTimeline(known(after[q], end)), showTimeline(known(want, end)); got != want {
			t.Errorf("%v: time line was\n%s\nand is\n%s", q, want, got)
		}
		for _, gap := range known(all[q], all[q].Spans[3].From).Gaps {
			if gap.Cause == nvr.CauseUnknown || !gap.From.Before(end) && gap.Cause != nvr.BoxOff {
				t.Errorf("%v: gap from %v to %v has the cause %v", q, gap.From, gap.To, gap.Cause)
			}
		}
	}
}

// visible is longer than a hole in the footage that is passed over.
const visible = 3 * time.Second

// liveThrice records a camera that is away for a while, stops, and after a new
// start is killed. It returns how to wait for footage.
func (b *box) liveThrice() (footage func()) {
	b.t.Helper()
	sim := simulate(b.t, camsim.Config{Main: clip(b.t, "plain.mp4"), Sub: clip(b.t, "h265.mp4")})
	b.addCamera("Gate", sim, true)
	footage = func() {
		b.waitRecording("Gate", nvr.Main)
		b.waitRecording("Gate", nvr.Sub)
		time.Sleep(2 * time.Second) // of footage
	}
	b.serve()
	footage()
	sim.Misbehave(camsim.Misbehaviour{Refuse: true})
	sim.Drop()
	b.eventually("the outage is noticed", func() bool { return !b.recording("Gate", nvr.Main) && !b.recording("Gate", nvr.Sub) })
	time.Sleep(visible)
	sim.Misbehave(camsim.Misbehaviour{})
	footage()
	b.mustStop()
	time.Sleep(visible)
	b.serve()
	footage()
	b.kill()
	return footage
}

// known is a time line without the gaps from a time on: why nothing is recorded
// since the last stop only the next run knows.
func known(l nvr.Timeline, end time.Time) nvr.Timeline {
	l.Gaps = slices.DeleteFunc(l.Gaps, func(g nvr.Gap) bool { return !g.From.Before(end) })
	return l
}

// timelines reads the time lines of the first camera of a box that is stopped.
func (b *box) timelines(from, to time.Time) map[nvr.Quality]nvr.Timeline {
	b.t.Helper()
	all := make(map[nvr.Quality]nvr.Timeline)
	b.opened(func(h *house) {
		for _, s := range h.fleet.List()[0].Camera.Streams {
			line, err := h.rec.Library().Timeline(b.t.Context(), s.Stream, from, to)
			if err != nil {
				b.t.Fatal(err)
			}
			all[s.Quality] = line
		}
	})
	return all
}

// opened calls f with the house of a box that is stopped, as a command does.
func (b *box) opened(f func(*house)) {
	b.t.Helper()
	p := &program{stdout: b, stderr: b}
	h, err := openHouse(b.t.Context(), b.data, p.logger())
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() {
		if err := h.close(); err != nil {
			b.t.Error(err)
		}
	}()
	if err := h.rec.Prepare(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	f(h)
}

func showTimeline(l nvr.Timeline) string {
	var out bytes.Buffer
	const clock = "15:04:05.000"
	for _, s := range l.Spans {
		out.WriteString("span " + s.From.Format(clock) + " " + s.To.Format(clock) + "\n")
	}
	for _, g := range l.Gaps {
		out.WriteString("gap  " + g.From.Format(clock) + " " + g.To.Format(clock) + " " + g.Cause.String() + " " + g.Detail + "\n")
	}
	return out.String()
}
