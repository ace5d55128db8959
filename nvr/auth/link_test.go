package auth_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"iter"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/nvr/vault"
)

// archive holds real segments in memory.
type archive struct {
	t        *testing.T
	segments []stored
}

type stored struct {
	camera nvr.CameraID
	start  time.Time
	file   []byte
}

const minute = time.Minute

// add records a minute of a camera from start on.
func (a *archive) add(h *house, cam nvr.CameraID, start time.Time) *vault.Segment {
	a.t.Helper()
	r, err := h.CurrentVault(a.t.Context(), cam, start)
	if err != nil {
		a.t.Fatal(err)
	}
	o := vault.Options{SlotLog2: vault.MinSlotLog2, Start: start, Seq: uint64(len(a.segments)), Vault: r.Vault, Public: r.Public}
	rand.Read(o.Segment[:])
	var file bytes.Buffer
	w, err := vault.NewWriter(&file, o)
	if err != nil {
		a.t.Fatal(err)
	}
	if err := errors.Join(w.Init([]byte("init")), w.Fragment(vault.FragmentInfo{Time: start.UnixNano() / 11111}, []byte("media")), w.Close(minute)); err != nil {
		a.t.Fatal(err)
	}
	a.segments = append(a.segments, stored{cam, start, file.Bytes()})
	return a.open(len(a.segments) - 1)
}

func (a *archive) open(i int) *vault.Segment {
	a.t.Helper()
	file := a.segments[i].file
	seg, err := vault.Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		a.t.Fatal(err)
	}
	return seg
}

// SegmentKeys implements auth.SegmentKeys.
func (a *archive) SegmentKeys(_ context.Context, cam nvr.CameraID, from, to time.Time) iter.Seq2[nvr.SealedKey, error] {
	return func(yield func(nvr.SealedKey, error) bool) {
		for i, s := range a.segments {
			if s.camera != cam || !s.start.Before(to) || !s.start.Add(minute).After(from) {
				continue
			}
			seg := a.open(i)
			if !yield(nvr.SealedKey{Vault: seg.Vault(), Info: seg.Info(), Sealed: seg.SealedKey()}, nil) {
				return
			}
		}
	}
}

// plays opens a segment with an opener and reads what is in it.
func plays(o nvr.Opener, seg *vault.Segment) error {
	key, err := o.OpenKey(context.Background(), seg.Vault(), seg.Info(), seg.SealedKey())
	if err != nil {
		return err
	}
	r, err := seg.Unlock(key)
	if err != nil {
		return err
	}
	defer r.Wipe()
	_, err = r.Init()
	return err
}

// linked is a box with an hour of footage and a link to ten minutes of it.
type linked struct {
	*house
	owner *auth.Session
	cam   nvr.CameraID
	begin time.Time
	films *archive
	link  nvr.ShareLink
	code  string
}

func newLinked(t *testing.T, by func(*linked) *auth.Session) *linked {
	t.Helper()
	l := &linked{house: newHouse(t), cam: camera(), begin: time.Now().Add(-time.Hour).Truncate(minute), films: &archive{t: t}}
	l.owner, _, _ = l.claim()
	for i := range 60 {
		l.films.add(l.house, l.cam, l.begin.Add(time.Duration(i)*minute))
	}
	l.films.add(l.house, camera(), l.begin.Add(15*minute))
	maker := l.owner
	if by != nil {
		maker = by(l)
	}
	var err error
	l.link, l.code, err = l.MakeLink(t.Context(), maker, l.request(), l.films)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *linked) request() auth.LinkRequest {
	return auth.LinkRequest{
		Label: "for the insurance", Camera: l.cam, From: l.begin.Add(10 * minute), To: l.begin.Add(20 * minute),
		Expires: time.Now().Add(24 * time.Hour),
	}
}

func (l *linked) openLink() *auth.Session {
	l.t.Helper()
	sess, _, err := l.OpenLink(l.t.Context(), l.link.ID, l.code, "10.7.7.7", "their browser")
	if err != nil {
		l.t.Fatal(err)
	}
	return sess
}

// TestR3LinkOpensItsSpanOnly asks the keys alone, and then Authorize.
func TestR3LinkOpensItsSpanOnly(t *testing.T) {
	l := newLinked(t, nil)
	sess := l.openLink()
	for i, s := range l.films.segments {
		err := plays(sess, l.films.open(i))
		inside := s.camera == l.cam && i >= 10 && i < 20
		if inside && err != nil || !inside && !errors.Is(err, nvr.ErrForbidden) {
			t.Errorf("segment %d, camera own=%v: %v", i, s.camera == l.cam, err)
		}
	}
	for _, tc := range []struct {
		a    auth.Action
		cam  nvr.CameraID
		at   time.Time
		want bool
	}{
		{auth.ActReplay, l.cam, l.link.From, true},
		{auth.ActReplay, l.cam, l.link.To, true},
		{auth.ActReplay, l.cam, l.link.From.Add(-1), false},
		{auth.ActReplay, l.cam, l.link.To.Add(1), false},
		{auth.ActReplay, camera(), l.link.From, false},
		{auth.ActReplay, nvr.CameraID{}, l.link.From, false},
		{auth.ActAudio, l.cam, l.link.From, false},
		{auth.ActLive, l.cam, l.link.From, false},
		{auth.ActExport, l.cam, l.link.From, false},
		{auth.ActDelete, l.cam, l.link.From, false},
		{auth.ActLog, nvr.CameraID{}, time.Now(), false},
		{auth.ActAccount, nvr.CameraID{}, time.Now(), false},
		{auth.ActPeople, nvr.CameraID{}, time.Now(), false},
	} {
		if err := l.Authorize(t.Context(), sess, tc.a, tc.cam, tc.at); (err == nil) != tc.want {
			t.Errorf("%s at %v: %v", tc.a, tc.at, err)
		}
	}
	for name, do := range map[string]func() error{
		"unlock":   func() error { return l.Unlock(t.Context(), sess, password) },
		"remember": func() error { _, err := l.Remember(t.Context(), sess); return err },
		"password": func() error { return l.ChangePassword(t.Context(), sess, password, benWord) },
		"step up":  func() error { return l.StepUp(t.Context(), sess, "", "000000") },
		"link":     func() error { _, _, err := l.MakeLink(t.Context(), sess, l.request(), l.films); return err },
		"end":      func() error { return l.EndLink(t.Context(), sess, l.link.ID) },
	} {
		if do() == nil {
			t.Errorf("a link may %s", name)
		}
	}
	if _, ok := logged(t, l.house, l.owner, auth.LogLinkOpened); !ok {
		t.Error("the log does not say that the link was opened")
	}
	w, ok, err := l.LastWatched(t.Context(), l.owner, l.cam)
	if err != nil || ok {
		t.Errorf("opening the page is not watching: %+v, %v", w, err)
	}
	l.looks(sess, auth.LogPlayback, l.cam)
	if w, ok, err = l.LastWatched(t.Context(), l.owner, l.cam); err != nil || !ok || w.Name != l.link.Label {
		t.Errorf("last watched: %+v, %v", w, err)
	}
}

func TestLinkNeedsItsSecret(t *testing.T) {
	l := newLinked(t, nil)
	for name, code := range map[string]string{"none": "", "another": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "no base64": "%%%"} {
		if _, _, err := l.OpenLink(t.Context(), l.link.ID, code, lan, ""); !errors.Is(err, auth.ErrLink) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := l.OpenLink(t.Context(), nvr.NewID[nvr.Principal](), l.code, lan, ""); !errors.Is(err, auth.ErrLink) {
		t.Errorf("another link: %v", err)
	}
	l.stop()
	raw, err := os.ReadFile(l.path)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{l.code, l.link.Label} {
		if bytes.Contains(raw, []byte(word)) {
			t.Errorf("config.db holds %q", word)
		}
	}
}

func TestR10EndedLinkIsShutWhileItPlays(t *testing.T) {
	for name, end := range map[string]func(*linked) error{
		"by its maker": func(l *linked) error { return l.EndLink(l.t.Context(), l.owner, l.link.ID) },
		"maker removed": func(l *linked) error {
			return l.RemovePerson(l.t.Context(), l.owner, l.link.By)
		},
		"maker loses the right": func(l *linked) error {
			return l.ChangePerson(l.t.Context(), l.owner, l.link.By, member(rights(l.cam, nvr.MayReplay)))
		},
		"footage destroyed": func(l *linked) error { return l.DestroyDay(l.t.Context(), l.cam, auth.Day(l.begin.Add(10*minute))) },
	} {
		t.Run(name, func(t *testing.T) {
			var by func(*linked) *auth.Session
			if name != "by its maker" {
				by = func(l *linked) *auth.Session { return l.join(l.owner, member(rights(l.cam, auth.AllRights))) }
			}
			l := newLinked(t, by)
			sess := l.openLink()
			seg := l.films.open(12)
			if err := plays(sess, seg); err != nil {
				t.Fatal(err)
			}
			if err := end(l); err != nil {
				t.Fatal(err)
			}
			if name == "footage destroyed" {
				if err := plays(sess, l.films.open(10)); !errors.Is(err, nvr.ErrDestroyed) {
					t.Errorf("a deleted segment: %v", err)
				}
				return
			}
			if !ended(sess) {
				t.Error("the session goes on")
			}
			if err := plays(sess, seg); !errors.Is(err, nvr.ErrLocked) {
				t.Errorf("a segment: %v", err)
			}
			if _, _, err := l.OpenLink(t.Context(), l.link.ID, l.code, lan, ""); !errors.Is(err, auth.ErrLink) {
				t.Errorf("the link again: %v", err)
			}
			var keys int
			l.query(`SELECT count(*) FROM share_key`, &keys)
			if keys != 0 {
				t.Errorf("%d keys are left", keys)
			}
		})
	}
}

func TestLinkExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLinked(t, nil)
		sess := l.openLink()
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if !ended(sess) {
			t.Error("the session goes on")
		}
		if err := plays(sess, l.films.open(12)); !errors.Is(err, nvr.ErrLocked) {
			t.Errorf("a segment: %v", err)
		}
		if _, _, err := l.OpenLink(t.Context(), l.link.ID, l.code, lan, ""); !errors.Is(err, auth.ErrLink) {
			t.Errorf("the link again: %v", err)
		}
		if list, err := l.Links(t.Context(), l.login()); err != nil || len(list) != 0 {
			t.Errorf("links: %+v, %v", list, err)
		}
	})
}

func TestLinkOutlivesARestartOfTheBox(t *testing.T) {
	l := newLinked(t, nil)
	l.restart()
	if err := plays(l.openLink(), l.films.open(12)); err != nil {
		t.Error(err)
	}
}

func TestR22LinkIsMadeByWhoMayExportOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLinked(t, nil)
		viewer := l.join(l.owner, member(rights(l.cam, nvr.MayLive|nvr.MayReplay|nvr.MayAudio)))
		if _, _, err := l.MakeLink(t.Context(), viewer, l.request(), l.films); !errors.Is(err, nvr.ErrForbidden) {
			t.Errorf("without the right to export: %v", err)
		}
		if list, err := l.Links(t.Context(), viewer); err != nil || len(list) != 0 {
			t.Errorf("somebody else's links: %+v, %v", list, err)
		}
		if err := l.EndLink(t.Context(), viewer, l.link.ID); !errors.Is(err, nvr.ErrNotFound) {
			t.Errorf("ends somebody else's: %v", err)
		}
		for name, change := range map[string]func(*auth.LinkRequest){
			"no camera":   func(r *auth.LinkRequest) { r.Camera = nvr.CameraID{} },
			"backwards":   func(r *auth.LinkRequest) { r.From, r.To = r.To, r.From },
			"future":      func(r *auth.LinkRequest) { r.To = time.Now().Add(time.Hour) },
			"two days":    func(r *auth.LinkRequest) { r.From = r.To.Add(-48 * time.Hour) },
			"never ends":  func(r *auth.LinkRequest) { r.Expires = time.Time{} },
			"a year":      func(r *auth.LinkRequest) { r.Expires = time.Now().AddDate(1, 0, 0) },
			"ended early": func(r *auth.LinkRequest) { r.Expires = time.Now() },
		} {
			r := l.request()
			change(&r)
			if _, _, err := l.MakeLink(t.Context(), l.owner, r, l.films); !errors.Is(err, nvr.ErrInvalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
		r := l.request()
		r.From, r.To = l.begin.Add(-time.Hour), l.begin
		if _, _, err := l.MakeLink(t.Context(), l.owner, r, l.films); !errors.Is(err, nvr.ErrNotFound) {
			t.Errorf("a span without footage: %v", err)
		}
		time.Sleep(5 * time.Minute)
		if _, _, err := l.MakeLink(t.Context(), l.owner, l.request(), l.films); !errors.Is(err, auth.ErrStepUp) {
			t.Errorf("without proof: %v", err)
		}
	})
}
