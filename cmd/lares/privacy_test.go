package main

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/nvr/camera/camsim"
)

// ask is get for answers that may be refusals. It returns the status and the
// code of the error.
func (v *visitor) ask(path string) (status int, code string) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, v.base+path, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	resp, err := v.http.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return resp.StatusCode, ""
	}
	var failure struct {
		Error struct{ Code string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&failure); err != nil {
		v.t.Fatal(err)
	}
	return resp.StatusCode, failure.Error.Code
}

// watch reads a live picture until it ends, and says then what came.
func (v *visitor) watch(camera string) (begun chan struct{}, ended chan []byte) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, v.base+"/api/v1/live/"+camera, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	begun, ended = make(chan struct{}), make(chan []byte, 1)
	go func() {
		defer close(ended)
		resp, err := v.http.Do(r)
		close(begun)
		if err != nil {
			return
		}
		defer resp.Body.Close()
		all, err := io.ReadAll(resp.Body)
		if err == nil { // an end and no break
			ended <- all
		}
	}()
	return begun, ended
}

func sums(sent []camsim.SentFrame) map[[32]byte]bool {
	all := make(map[[32]byte]bool)
	for _, f := range sent {
		all[f.Sum] = true
	}
	return all
}

// showOther lets a camera show something that it never showed before, and
// returns what that is when it was played to whoever is connected.
func (b *box) showOther(sim *camsim.Camera, other *camsim.Clip, before map[[32]byte]bool) (hidden map[[32]byte]bool) {
	b.t.Helper()
	sim.Switch(nvr.Main, other)
	b.eventually("the camera shows something else", func() bool {
		hidden = sums(sim.Sent(nvr.Main))
		maps.DeleteFunc(hidden, func(sum [32]byte, _ bool) bool { return before[sum] })
		return len(hidden) >= 10
	})
	return hidden
}

// private asks whether a stream is not recorded because its camera is private.
func (b *box) private(name string) bool {
	return b.stream(name, nvr.Main).Cause == nvr.Privacy.String()
}

func TestR12NothingOfThePrivateTimeIsSeenOrKept(t *testing.T) {
	t.Parallel()
	b := newOwnedBox(t)
	public := clip(t, "plain.mp4")
	sim := simulate(t, camsim.Config{Main: public})
	b.addCamera("Hall", sim, false)
	began := time.Now()
	b.serve()
	b.waitRecording("Hall", nvr.Main)
	v := b.visit()
	camera := v.camera("Hall")
	live, still := "/api/v1/live/"+camera, "/api/v1/cameras/"+camera+"/still.jpg"
	b.eventually("all that may be seen was seen", func() bool { return len(sim.Sent(nvr.Main)) > 2*public.Frames() })
	begun, ended := v.watch(camera)
	<-begun
	b.eventually("there is a still", func() bool { status, _ := v.ask(still); return status == http.StatusOK })

	switched := time.Now()
	v.post("/cameras/"+camera+"/privacy", url.Values{"for": {"lifted"}, "next": {"/"}})
	known := sums(sim.Sent(nvr.Main))
	watched, ok := <-ended
	ends := time.Since(switched)
	if !ok {
		t.Error("the live picture broke off instead of ending")
	}
	for _, path := range []string{live, still} {
		if status, code := v.ask(path); status != http.StatusConflict || code != "private" {
			t.Errorf("%s: %d %q", path, status, code)
		}
	}
	b.eventually("the camera is left", func() bool { return sim.Connected() == 0 })
	left := time.Since(switched)
	b.eventually("recording says that it is private", func() bool { return b.private("Hall") })
	t.Logf("after %v the live picture has ended, after %v the camera is left, after %v recording", ends, left, time.Since(switched))
	hidden := b.showOther(sim, clip(t, "longgop.mp4"), known)
	if page := string(v.get("/")); !strings.Contains(page, `"camera":"`+camera+`","on":true`) || !strings.Contains(page, "Private since") {
		t.Error("the tile does not say that the camera is private")
	}
	if code, output := b.lares("status"); code != exitGood || !strings.Contains(output, "privacy") {
		t.Errorf("status: exit code %d\n%s", code, output)
	}

	b.mustStop()
	opened := sim.Connections()
	b.serve()
	b.eventually("recording says that it is private after a restart", func() bool { return b.private("Hall") })
	v = b.visit()
	if status, code := v.ask(live); status != http.StatusConflict || code != "private" {
		t.Errorf("after a restart: %d %q", status, code)
	}
	if got := sim.Connections(); got != opened {
		t.Errorf("the camera was connected to %d times while it was private", got-opened)
	}
	sim.Switch(nvr.Main, public)
	b.eventually("the camera shows what it did before", func() bool {
		sent := sim.Sent(nvr.Main)
		return known[sent[len(sent)-1].Sum]
	})
	v.post("/cameras/"+camera+"/privacy/lift", url.Values{"next": {"/"}})
	lifted := time.Now()
	b.waitRecording("Hall", nvr.Main)
	b.eventually("something is kept again", func() bool { return time.Since(lifted) > 4*time.Second })
	b.mustStop()

	b.noneOf("the clip", b.export("Hall", nvr.Main, began, time.Now(), b.as()...), hidden)
	file := filepath.Join(t.TempDir(), "live.mp4")
	writeFile(t, file, string(watched))
	b.noneOf("the live picture", probe(t, file), hidden)
	b.privateGap("Hall", began, switched, lifted)
	b.entered(began, auth.LogPrivate, auth.LogPrivateLifted)
}

// noneOf fails the test if there is nothing in a film or something that nobody
// was to see.
func (b *box) noneOf(what string, film exported, hidden map[[32]byte]bool) {
	b.t.Helper()
	if len(film.packets) == 0 {
		b.t.Errorf("%s is empty", what)
	}
	for i, p := range film.packets {
		if hidden[p.Sum] {
			b.t.Fatalf("picture %d of %d in %s is of the private time", i, len(film.packets), what)
		}
	}
}

// privateGap fails the test unless the time between two moments is missing for
// privacy, whatever else happened in it.
func (b *box) privateGap(name string, began, from, to time.Time) {
	b.t.Helper()
	const late = 2 * time.Second // on the way to the disk
	line := b.timelinesOf(name, began)
	for _, span := range line.Spans {
		if span.From.Before(to) && span.To.After(from.Add(late)) {
			b.t.Errorf("footage of the private time:\n%s", showTimeline(line))
		}
	}
	var private time.Duration
	for _, g := range line.Gaps {
		if g.Cause == nvr.Privacy {
			private += g.To.Sub(g.From)
		}
		if g.Cause == nvr.Privacy && g.Detail != "" {
			b.t.Errorf("the gap tells more than it should: %q", g.Detail)
		}
	}
	if private < to.Sub(from)-late {
		b.t.Errorf("%v are missing for privacy, want %v:\n%s", private, to.Sub(from), showTimeline(line))
	}
}

// entered fails the test unless the record has these entries of the owner.
func (b *box) entered(since time.Time, want ...string) {
	b.t.Helper()
	b.opened(func(h *house) {
		session := h.login(b.t)
		lines, _, err := h.auth.Log(b.t.Context(), session, auth.LogPage{Limit: 500})
		if err != nil {
			b.t.Fatal(err)
		}
		var got []string
		for _, l := range slices.Backward(lines) {
			if slices.Contains(want, l.Action) && l.Time.After(since) {
				got = append(got, l.Action)
				if l.Principal != session.Principal() || l.Shut || l.Addr == "" {
					b.t.Errorf("entry %s: %+v", l.Action, l)
				}
			}
		}
		if !slices.Equal(got, want) {
			b.t.Errorf("the record says %v, want %v", got, want)
		}
	})
}

func TestR12PrivacyEndsWhatMoves(t *testing.T) {
	t.Parallel()
	b := newOwnedBox(t)
	b.addCamera("Hall", simulate(t, camsim.Config{Main: scene(t, "walk.mp4")}), false)
	began := time.Now()
	h, stop := b.inside()
	news := h.bus.Subscribe()
	defer news.Close()
	hear(t, news, nvr.Motion)
	camera, _ := h.source(t, "Hall")
	switched := time.Now()
	if err := h.fleet.SetPrivate(t.Context(), nvr.PrivacyRequest{Camera: camera.ID, On: true}); err != nil {
		t.Fatal(err)
	}
	// The time that a picture bears may be a little ahead of its arrival.
	const ahead = 200 * time.Millisecond
	if e := hear(t, news, nvr.MotionEnded); e.End.After(switched.Add(ahead)) {
		t.Errorf("motion was seen until %v after the switch", e.End.Sub(switched))
	}
	t.Logf("motion ended after %v", time.Since(switched))
	if _, moving := h.watch.Moving(camera.ID); moving || h.watch.Detection(camera.ID).Works {
		t.Errorf("something moves: %v, detection %+v", moving, h.watch.Detection(camera.ID))
	}
	if err := h.fleet.SetPrivate(t.Context(), nvr.PrivacyRequest{Camera: camera.ID}); err != nil {
		t.Fatal(err)
	}
	b.eventually("the event is kept", func() bool { return len(h.look(t, "Hall", began, time.Now()).events) > 0 })
	stop()
}
