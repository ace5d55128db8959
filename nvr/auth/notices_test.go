package auth_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
)

// kinds counts the notices that a session reads.
func kinds(t *testing.T, h *house, sess *auth.Session) map[string]int {
	t.Helper()
	all, err := h.Notices(t.Context(), sess, 1000)
	if err != nil {
		t.Fatal(err)
	}
	n := make(map[string]int)
	for _, one := range all {
		n[one.Kind]++
	}
	return n
}

func (h *house) looks(sess *auth.Session, action string, cam nvr.CameraID) {
	h.t.Helper()
	if err := h.Record(h.t.Context(), auth.Entry{Action: action, Session: sess, Camera: cam}); err != nil {
		h.t.Fatal(err)
	}
}

// noon makes it noon in the bubble, so that it is no night.
func noon() {
	now := time.Now().Local()
	time.Sleep(time.Date(now.Year(), now.Month(), now.Day()+1, 12, 0, 0, 0, time.Local).Sub(now))
}

// TestR5ManyViewsGiveTheOwnerOneNotice lets somebody watch 200 clips, with a
// restart in the middle.
func TestR5ManyViewsGiveTheOwnerOneNotice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		owner, _, _ := h.claim()
		noon()
		if err := h.StepUp(t.Context(), owner, password, ""); err != nil {
			t.Fatal(err)
		}
		cam := camera()
		sess := h.join(owner, member(rights(cam, auth.AllRights)))
		for i := range 400 {
			if i == 200 {
				if n := kinds(t, h, owner); n[auth.NoticeMany] != 1 {
					t.Fatalf("after 200 clips: %v", n)
				}
				h.restart()
				owner, sess = h.login(), h.loginAs(ben, benWord)
			}
			h.looks(sess, auth.LogPlayback, cam)
			time.Sleep(time.Second / 4)
		}
		all, err := h.Notices(t.Context(), owner, 1000)
		if err != nil {
			t.Fatal(err)
		}
		many := 0
		for _, n := range all {
			if n.Kind == auth.NoticeMany {
				many++
				if n.Principal != sess.Principal() || n.Camera != cam || n.Count < 100 {
					t.Errorf("notice: %+v", n)
				}
			}
		}
		if many != 1 {
			t.Errorf("%d notices after 400 clips", many)
		}
	})
}

func TestUsualViewingGivesNoNotice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		owner, _, _ := h.claim()
		noon()
		for range 300 {
			h.looks(owner, auth.LogPlayback, camera())
			time.Sleep(time.Minute)
			if h := time.Now().Local().Hour(); h >= 22 || h < 12 {
				noon()
			}
		}
		if n := kinds(t, h, h.login()); len(n) != 0 {
			t.Errorf("notices: %v", n)
		}
	})
}

func TestR5FirstTimeAtNightAndManyFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		owner, _, _ := h.claim()
		noon()
		cam := camera()
		for range 10 {
			h.looks(owner, auth.LogExport, cam)
		}
		time.Sleep(14 * time.Hour) // two in the night
		for range 3 {
			h.looks(owner, auth.LogLive, cam)
			time.Sleep(24 * time.Hour)
		}
		if n := kinds(t, h, h.login()); n[auth.NoticeNight] != 1 || n[auth.NoticeExports] != 1 {
			t.Errorf("notices: %v", n)
		}
		time.Sleep(30 * 24 * time.Hour) // after a month without, it is news again
		owner = h.login()
		h.looks(owner, auth.LogLive, cam)
		if n := kinds(t, h, owner); n[auth.NoticeNight] != 2 {
			t.Errorf("a month later: %v", n)
		}
	})
}

func TestR9NewDeviceIsNoticed(t *testing.T) {
	h := newHouse(t)
	owner, _, _ := h.claim()
	sess := h.join(owner, member(nil))
	h.login() // the device of the set-up
	if n := kinds(t, h, owner); n[auth.NoticeNewDevice] != 0 || n[auth.NoticeJoined] != 1 {
		t.Errorf("notices at first: %v", n)
	}
	for range 2 {
		if _, _, err := h.Login(t.Context(), auth.LoginRequest{Name: ben, Password: benWord, Addr: lan, Device: "a new tablet"}); err != nil {
			t.Fatal(err)
		}
	}
	if n := kinds(t, h, owner); n[auth.NoticeNewDevice] != 1 {
		t.Errorf("what the owner reads: %v", n)
	}
	if n := kinds(t, h, sess); n[auth.NoticeNewDevice] != 1 {
		t.Errorf("what the person reads: %v", n)
	}
	if _, _, err := h.Login(t.Context(), auth.LoginRequest{Name: anna, Password: password, Addr: "10.9.9.9", Device: browser}); err != nil {
		t.Fatal(err)
	}
	if n := kinds(t, h, sess); n[auth.NoticeNewDevice] != 1 {
		t.Errorf("the person reads about the owner: %v", n)
	}
	h.Settle()
}

func TestLastWatchedIsToldToThoseWhoMaySeeTheCamera(t *testing.T) {
	h := newHouse(t)
	owner, _, _ := h.claim()
	cam := camera()
	sess := h.join(owner, member(rights(cam, nvr.MayLive)))
	if _, ok, err := h.LastWatched(t.Context(), sess, cam); ok || err != nil {
		t.Errorf("before anybody looked: %v, %v", ok, err)
	}
	h.looks(owner, auth.LogPlayback, cam)
	h.looks(owner, auth.LogPlayback, camera())
	h.looks(owner, auth.LogLogout, cam)
	w, ok, err := h.LastWatched(t.Context(), sess, cam)
	if err != nil || !ok || w.Name != anna || w.Action != auth.LogPlayback || w.Principal != owner.Principal() {
		t.Errorf("%+v, %v, %v", w, ok, err)
	}
	if _, _, err := h.LastWatched(t.Context(), sess, camera()); !errors.Is(err, nvr.ErrForbidden) {
		t.Errorf("a foreign camera: %v", err)
	}
}

func TestLogIsReadFromItsEndWithoutForeignCameras(t *testing.T) {
	h := newHouse(t)
	owner, _, _ := h.claim()
	own, foreign := camera(), camera()
	sess := h.join(owner, member(rights(own, nvr.MayLive|nvr.MayReplay)))
	for range 5 {
		h.looks(owner, auth.LogLive, own)
		h.looks(owner, auth.LogLive, foreign)
	}
	seen, before := 0, uint64(0)
	for last := uint64(1 << 62); ; {
		lines, next, err := h.Log(t.Context(), sess, auth.LogPage{Before: before, Limit: 4})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			if l.Camera == foreign {
				t.Error("a foreign camera")
			}
			if l.Seq >= last {
				t.Error("out of order")
			}
			last = l.Seq
			if l.Camera == own && l.Shut {
				t.Error("the details of an own camera stay shut")
			}
			seen++
		}
		if next == 0 {
			break
		}
		before = next
	}
	if seen < 5 {
		t.Errorf("%d entries", seen)
	}
	lines, _, err := h.Log(t.Context(), sess, auth.LogPage{Camera: own, Limit: 1000})
	if err != nil || len(lines) != 5 {
		t.Errorf("%d entries about the camera, %v", len(lines), err)
	}
	if _, _, err := h.Log(t.Context(), sess, auth.LogPage{Camera: foreign, Limit: 1000}); !errors.Is(err, nvr.ErrForbidden) {
		t.Errorf("a foreign camera: %v", err)
	}
}
