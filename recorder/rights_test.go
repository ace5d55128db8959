package recorder_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/nvr/db"
	"lares/nvr/vault"
	"lares/recorder"
)

const (
	annaWord = "four quiet herons paint"
	benWord  = "slow brown bears gather"
)

// household is a house whose keys are those of real people: Anna owns it, Ben
// may replay and export its camera.
type household struct {
	*house
	auth    *auth.Service
	machine *vault.MachineKey
	anna    *auth.Session
	ben     nvr.PrincipalID
}

func newHousehold(t *testing.T, streams int) *household {
	t.Helper()
	x := &household{}
	x.house = newHouse(t, t.TempDir(), testCamera(streams), nil, func(h *house) {
		h.vaults = func(h *house, machine *vault.MachineKey) recorder.Vaults {
			x.machine, x.auth = machine, openAuth(t, h.config, machine)
			x.moveIn(h)
			return x.auth
		}
	})
	t.Cleanup(x.auth.Close)
	return x
}

func openAuth(t *testing.T, config *db.Config, machine *vault.MachineKey) *auth.Service {
	t.Helper()
	return must[*auth.Service](t)(auth.New(t.Context(), auth.Config{
		Store: auth.Store{
			PeopleStore: config, RosterStore: config, VaultStore: config, SessionStore: config,
			ThrottleStore: config, LogStore: config, SettingStore: config,
		},
		Machine: machine, Log: quiet(t), KDF: vault.KDFParams{Version: 1, Time: 1, MemoryKiB: 8, Threads: 1},
	}))
}

func (x *household) moveIn(h *house) {
	t := h.t
	t.Helper()
	var err error
	x.anna, _, err = x.auth.Claim(t.Context(), auth.ClaimRequest{
		Console: true, Name: "Anna", Password: annaWord, WaiveSecondFactor: true, Recovery: vault.NewRecoveryKey(),
	})
	if err != nil {
		t.Fatal(err)
	}
	inv := must[auth.Invitation](t)(x.auth.AddPerson(t.Context(), x.anna, mayOn(h.camera.ID, nvr.MayLive|nvr.MayReplay|nvr.MayExport)))
	x.ben = inv.Person
	if _, _, err := x.auth.Join(t.Context(), auth.JoinRequest{Code: inv.Code, Password: benWord}); err != nil {
		t.Fatal(err)
	}
}

// mayOn is Ben with rights on one camera.
func mayOn(camera nvr.CameraID, r nvr.Rights) auth.PersonRequest {
	return auth.PersonRequest{Name: "Ben", Role: nvr.Member, Cameras: []nvr.CameraRights{{Camera: camera, Rights: r}}}
}

func (x *household) login(service *auth.Service, name, word string) *auth.Session {
	x.t.Helper()
	sess, _, err := service.Login(x.t.Context(), auth.LoginRequest{Name: name, Password: word, Addr: "192.168.1.20"})
	if err != nil {
		x.t.Fatal(err)
	}
	return sess
}

// benOfNow is a session of Ben over a copy of config.db as it is now: he opens
// with it whatever becomes of his rights.
func (x *household) benOfNow(t *testing.T) *auth.Session {
	t.Helper()
	dir := t.TempDir()
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(filepath.Join(x.dir, "config.db"+suffix))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "config.db"+suffix), b, 0o600)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	config := must[*db.Config](t)(db.OpenConfig(t.Context(), filepath.Join(dir, "config.db"), x.machine, quiet(t)))
	service := openAuth(t, config, x.machine)
	t.Cleanup(func() {
		service.Close()
		if err := config.Close(); err != nil {
			t.Error(err)
		}
	})
	return x.login(service, "Ben", benWord)
}

// yesterday is an hour before the UTC day began: what follows lies on one day.
func yesterday() time.Time { return time.Now().Truncate(day).Add(-time.Hour) }

// readable waits until so many pictures of a stream come back to somebody.
func (x *household) readable(who nvr.Opener, stream nvr.StreamID, from time.Time, pictures int) {
	x.t.Helper()
	eventually(x.t, "all that came is readable", func() bool {
		return len(x.recordedFor(who, stream, from, time.Now())) >= pictures
	})
}

func TestWhoLosesARightOpensNothingFromTheNextKeyFrameOn(t *testing.T) {
	t.Parallel()
	x := newHousehold(t, 2)
	camera := x.camera.ID
	start := yesterday()
	before, after := 275, 175 // the change comes in the middle of a GOP, which is 50 long
	border := 300
	var sent [2][]*nvr.Frame
	var sources [2]*source
	for i, s := range x.camera.Streams {
		sources[i] = newSource(start)
		sent[i] = publish(x.streams[s.Stream], sources[i], 50)
		x.readable(x.anna, s.Stream, start, 50)
	}
	old := x.benOfNow(t)
	for i, s := range x.camera.Streams {
		sent[i] = append(sent[i], publish(x.streams[s.Stream], sources[i], before-50)...)
	}
	for _, s := range x.camera.Streams {
		x.readable(x.anna, s.Stream, start, before)
	}
	if err := x.auth.ChangePerson(t.Context(), x.anna, x.ben, mayOn(camera, nvr.MayLive)); err != nil {
		t.Fatal(err)
	}
	for i, s := range x.camera.Streams {
		sent[i] = append(sent[i], publish(x.streams[s.Stream], sources[i], after)...)
	}
	ben := x.login(x.auth, "Ben", benWord)
	for i, s := range x.camera.Streams {
		x.readable(x.anna, s.Stream, start, before+after)
		compare(t, x.recordedFor(x.anna, s.Stream, start, time.Now()), sent[i])
		compare(t, x.recordedFor(old, s.Stream, start, time.Now()), sent[i][:border])
		var out bytes.Buffer
		req := nvr.MediaRequest{Stream: s.Stream, From: start, To: time.Now()}
		if err := x.lib.Media(t.Context(), ben, req, &out); !errors.Is(err, nvr.ErrForbidden) || out.Len() > 0 {
			t.Errorf("Ben of today reads %d bytes, %v", out.Len(), err)
		}
		line := must[nvr.Timeline](t)(x.lib.Timeline(t.Context(), s.Stream, start, start.Add(18*time.Second)))
		if len(line.Spans) != 1 || len(line.Gaps) != 0 {
			t.Errorf("timeline: %+v", line)
		}
	}
	x.stop()
	vaults := make(map[nvr.VaultID]bool)
	for _, row := range x.oldRows {
		vaults[row.Vault] = true
	}
	if len(vaults) != 2 {
		t.Errorf("footage lies under %d vaults, want one before and one after", len(vaults))
	}
}

func TestRecordingGoesOnWhenTheVaultOfTheDayIsDestroyed(t *testing.T) {
	t.Parallel()
	x := newHousehold(t, 1)
	start := yesterday()
	src := newSource(start)
	publish(x.main(), src, 275)
	x.readable(x.anna, x.id(), start, 275)
	if err := x.auth.DestroyDay(t.Context(), x.camera.ID, auth.Day(start)); err != nil {
		t.Fatal(err)
	}
	sent := publish(x.main(), src, 175)
	x.readable(x.anna, x.id(), start, 150)
	compare(t, x.recordedFor(x.anna, x.id(), start, time.Now()), sent[25:]) // from the next key frame on
}

// filmed is a household with 200 s of two streams, in closed segments and an
// open one.
type filmed struct {
	*household
	start   time.Time
	sources [2]*source
	rows    [2][]nvr.Segment // the closed ones
}

func newFilmed(t *testing.T) *filmed {
	t.Helper()
	x := &filmed{household: newHousehold(t, 2), start: yesterday()}
	for i := range x.sources {
		x.sources[i] = newSource(x.start)
		x.sources[i].size = 300
	}
	x.film(t, 200)
	return x
}

// film sends so many seconds and waits until all segments but the last are closed.
func (x *filmed) film(t *testing.T, seconds int) {
	t.Helper()
	for i, s := range x.camera.Streams {
		publish(x.streams[s.Stream], x.sources[i], 25*seconds)
	}
	for i, s := range x.camera.Streams {
		filmed := x.filmed()
		eventually(t, "all that came is readable", func() bool {
			parts := must[nvr.PlayIndex](t)(x.lib.Index(t.Context(), x.anna, nvr.MediaRequest{Stream: s.Stream, From: x.start, To: filmed})).Parts
			return len(parts) > 0 && parts[len(parts)-1].Time+parts[len(parts)-1].Duration >= nvr.Ticks(filmed)-1
		})
		eventually(t, "segments are closed", func() bool {
			x.rows[i] = must[[]nvr.Segment](t)(x.index.Range(t.Context(), s.Stream, x.start, filmed))
			n := len(x.rows[i])
			return n > 1 && filmed.Sub(x.rows[i][n-1].End()) < time.Minute
		})
	}
}

// filmed is up to when there is footage.
func (x *filmed) filmed() time.Time {
	return x.start.Add(time.Duration(x.sources[0].n) * time.Second / 25)
}

// link makes a link to a span and opens it.
func (x *household) link(t *testing.T, from, to time.Time) (nvr.ShareLink, *auth.Session) {
	t.Helper()
	link, secret, err := x.auth.MakeLink(t.Context(), x.anna, auth.LinkRequest{
		Label: "for the insurance", Camera: x.camera.ID, From: from, To: to, Expires: time.Now().Add(time.Hour),
	}, x.lib)
	if err != nil {
		t.Fatal(err)
	}
	sess, _, err := x.auth.OpenLink(t.Context(), link.ID, secret, "10.7.7.7", "their browser")
	if err != nil {
		t.Fatal(err)
	}
	return link, sess
}

func TestLinkPlaysTheSegmentsOfItsSpanAndNoOther(t *testing.T) {
	t.Parallel()
	x := newFilmed(t)
	// From the second segment of a stream into the last one, which is being written
	// unless the machine is so slow that the stream counts as quiet.
	from := later(x.rows[0][1].Start, x.rows[1][1].Start).Add(2 * time.Second)
	to := x.filmed().Add(-time.Second)
	link, sess := x.link(t, from, to)
	x.film(t, 70) // what was open then is closed now, and another one is open
	for i, s := range x.camera.Streams {
		all := x.recordedFor(x.anna, s.Stream, from, to)
		got := x.recordedFor(sess, s.Stream, from, to)
		if len(got) != len(all) || len(got) < int(to.Sub(from).Seconds())*25 {
			t.Errorf("stream %d: %d pictures through the link, %d of the owner", i, len(got), len(all))
		}
		first := slices.IndexFunc(x.rows[i], func(s nvr.Segment) bool { return s.End().After(from) })
		beyond := slices.IndexFunc(x.rows[i], func(s nvr.Segment) bool { return s.End().After(to) })
		for name, span := range map[string]nvr.Span{
			"before": {From: x.start, To: x.rows[i][first].Start},
			"after":  {From: x.rows[i][beyond].End(), To: time.Now()},
		} {
			var out bytes.Buffer
			req := nvr.MediaRequest{Stream: s.Stream, From: span.From, To: span.To}
			if err := x.lib.Media(t.Context(), sess, req, &out); !errors.Is(err, nvr.ErrForbidden) || out.Len() > 0 {
				t.Errorf("stream %d, %s the span: %d bytes, %v", i, name, out.Len(), err)
			}
		}
	}
	if err := x.auth.Authorize(t.Context(), sess, auth.ActReplay, link.Camera, from.Add(-time.Second)); !errors.Is(err, nvr.ErrForbidden) {
		t.Errorf("a second before the span: %v", err)
	}
}

// ending calls end with the first bytes that it is given and counts them all.
type ending struct {
	end   func()
	bytes int
}

func (e *ending) Write(p []byte) (int, error) {
	if e.bytes == 0 {
		e.end()
	}
	e.bytes += len(p)
	return len(p), nil
}

func TestLinkThatEndsWhileItPlaysPlaysNoFurther(t *testing.T) {
	t.Parallel()
	x := newFilmed(t)
	stream := x.camera.Streams[0].Stream
	from, to := x.start, x.rows[0][len(x.rows[0])-1].End()
	whole := must[nvr.PlayIndex](t)(x.lib.Index(t.Context(), x.anna, nvr.MediaRequest{Stream: stream, From: from, To: to}))
	firstSegment := 0
	for _, p := range whole.Parts {
		if p.Time < nvr.Ticks(x.rows[0][0].End()) {
			firstSegment += p.Bytes
		}
	}
	req := nvr.MediaRequest{Stream: stream, From: from, To: to}
	end := func(link nvr.ShareLink) func() {
		return func() {
			if err := x.auth.EndLink(t.Context(), x.anna, link.ID); err != nil {
				t.Error(err)
			}
		}
	}
	t.Run("by its keys", func(t *testing.T) {
		link, sess := x.link(t, from, to)
		out := &ending{end: end(link)}
		if err := x.lib.Media(t.Context(), sess, req, out); !errors.Is(err, nvr.ErrLocked) || out.bytes > firstSegment {
			t.Errorf("%d bytes, want at most the first segment with %d; %v", out.bytes, firstSegment, err)
		}
	})
	t.Run("with its session", func(t *testing.T) {
		link, sess := x.link(t, from, to)
		ctx, cancel := context.WithCancel(t.Context())
		out := &ending{end: func() {
			end(link)()
			<-sess.Done()
			cancel()
		}}
		if err := x.lib.Media(ctx, sess, req, out); !errors.Is(err, context.Canceled) || out.bytes != whole.Parts[0].Bytes {
			t.Errorf("%d bytes, want the first fragment with %d; %v", out.bytes, whole.Parts[0].Bytes, err)
		}
	})
}

func TestKeysOfSegmentsAreThoseOfAllStreamsOfTheCamera(t *testing.T) {
	t.Parallel()
	x := newFilmed(t)
	now := x.filmed()
	collect := func(camera nvr.CameraID, from, to time.Time) (n int) {
		for key, err := range x.lib.SegmentKeys(t.Context(), camera, from, to) {
			if err != nil {
				t.Fatal(err)
			}
			if _, err := x.anna.OpenKey(t.Context(), key.Vault, key.Info, key.Sealed); err != nil {
				t.Errorf("a key does not open: %v", err)
			}
			n++
		}
		return n
	}
	all := 2 // the last ones, which are open
	for _, rows := range x.rows {
		for _, s := range rows {
			if s.End().Before(now.Add(-time.Second)) {
				all++
			}
		}
	}
	if n := collect(x.camera.ID, x.start, now); n != all {
		t.Errorf("%d keys of %d segments", n, all)
	}
	if n := collect(x.camera.ID, x.start, x.start.Add(time.Second)); n != 2 {
		t.Errorf("%d keys of the first second, want one for each stream", n)
	}
	if n := collect(nvr.NewID[nvr.Camera](), x.start, now); n != 0 {
		t.Errorf("%d keys of a camera that there is not", n)
	}
	// One that is gone and one that is damaged are passed over.
	gone, torn := x.rows[0][0], x.rows[1][0]
	if err := os.Remove(filepath.Join(x.footage(), recorder.SegmentName(gone))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(x.footage(), recorder.SegmentName(torn)), make([]byte, 8192), 0o600); err != nil {
		t.Fatal(err)
	}
	if n := collect(x.camera.ID, x.start, now); n != all-2 {
		t.Errorf("%d keys of %d segments, two of which are lost", n, all)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range x.lib.SegmentKeys(ctx, x.camera.ID, x.start, now) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("after the end of the context: %v", err)
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func TestR16WhatWasDeletedStaysShutInAnOlderImageOfTheDisks(t *testing.T) {
	t.Parallel()
	x := newFilmed(t)
	image := copyTree(t, x.footage())
	from, to := x.start.Add(70*time.Second), x.start.Add(80*time.Second)
	ben := x.login(x.auth, "Ben", benWord)
	link, shared := x.link(t, from, to)
	playable := func(lib *recorder.Library, opener nvr.Opener, from, to time.Time) (n int) {
		for _, s := range x.camera.Streams {
			var out bytes.Buffer
			if err := lib.Media(t.Context(), opener, nvr.MediaRequest{Stream: s.Stream, From: from, To: to}, &out); err == nil {
				n += out.Len()
			}
		}
		return n
	}
	for _, opener := range []nvr.Opener{x.anna, ben, shared} {
		if playable(x.lib, opener, from, to) == 0 {
			t.Fatal("the span does not play before it is deleted")
		}
	}
	plan := must[nvr.DeletionPlan](t)(x.rec.Delete(t.Context(), x.anna, nvr.DeletionRequest{Camera: x.camera.ID, From: from, To: to, By: x.anna.Principal()}))
	if plan.From.Equal(x.start) && !plan.To.Before(x.filmed()) {
		t.Fatalf("all of it went: %+v", plan)
	}
	end := x.filmed()
	for _, opener := range []nvr.Opener{x.anna, ben} {
		if playable(x.lib, opener, x.start, plan.From)+playable(x.lib, opener, plan.To, end) == 0 {
			t.Error("what was not deleted does not play any more")
		}
		if playable(x.lib, opener, from, to) > 0 {
			t.Error("what was deleted plays")
		}
	}
	x.stop()
	x.auth.Close()

	// Today's config.db, the older disks, every password.
	old := &household{}
	old.house = newHouse(t, copyTree(t, x.dir), x.camera, nil, withPaths(image), func(h *house) {
		h.vaults = func(h *house, machine *vault.MachineKey) recorder.Vaults {
			old.machine, old.auth = machine, openAuth(t, h.config, machine)
			return old.auth
		}
	})
	t.Cleanup(old.auth.Close)
	if err := old.rec.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, who := range [][2]string{{"Anna", annaWord}, {"Ben", benWord}} {
		if n := playable(old.lib, old.login(old.auth, who[0], who[1]), x.start, end); n > 0 {
			t.Errorf("%s plays %d bytes of the older disks", who[0], n)
		}
	}
	if _, _, err := old.auth.OpenLink(t.Context(), link.ID, "", "10.7.7.7", "their browser"); err == nil {
		t.Error("the link opens without its secret")
	}
}
