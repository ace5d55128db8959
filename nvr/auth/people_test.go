package auth_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
)

const (
	ben     = "Ben"
	benWord = "slow brown bears gather"
)

// rights are those of one camera.
func rights(camera nvr.CameraID, r nvr.Rights) []nvr.CameraRights {
	return []nvr.CameraRights{{Camera: camera, Rights: r}}
}

func member(cameras []nvr.CameraRights) auth.PersonRequest {
	return auth.PersonRequest{Name: ben, Role: nvr.Member, Cameras: cameras}
}

// join adds somebody as the owner, and lets them in with benWord.
func (h *house) join(owner *auth.Session, r auth.PersonRequest) *auth.Session {
	h.t.Helper()
	inv, err := h.AddPerson(h.t.Context(), owner, r)
	if err != nil {
		h.t.Fatal(err)
	}
	return h.accept(inv)
}

func (h *house) accept(inv auth.Invitation) *auth.Session {
	h.t.Helper()
	sess, _, err := h.Join(h.t.Context(), auth.JoinRequest{Code: inv.Code, Password: benWord, Addr: lan, Device: "phone"})
	if err != nil {
		h.t.Fatal(err)
	}
	h.Settle()
	return sess
}

func (h *house) loginAs(name, pw string) *auth.Session {
	h.t.Helper()
	sess, _, err := h.Login(h.t.Context(), auth.LoginRequest{Name: name, Password: pw, Addr: lan, Device: "phone"})
	if err != nil {
		h.t.Fatal(err)
	}
	h.Settle()
	return sess
}

func ended(s *auth.Session) bool {
	select {
	case <-s.Done():
		return true
	default:
		return false
	}
}

func TestInvitedPersonOpensWhatTheRightsSay(t *testing.T) {
	h := newHouse(t)
	owner, _, _ := h.claim()
	mine, other := camera(), camera()
	old := h.record(mine, time.Now())
	foreign := h.record(other, time.Now())
	inv, err := h.AddPerson(t.Context(), owner, member(rights(mine, nvr.MayLive|nvr.MayReplay)))
	if err != nil {
		t.Fatal(err)
	}
	if name, err := h.Invited(t.Context(), inv.Code); err != nil || name != ben {
		t.Errorf("invited: %q, %v", name, err)
	}
	waiting := h.record(mine, time.Now())
	if waiting.Vault != old.Vault {
		t.Error("an invitation alone began a new vault")
	}
	sess := h.accept(inv)
	fresh := h.record(mine, time.Now())
	if fresh.Vault == old.Vault {
		t.Error("no new vault for somebody new")
	}
	mustOpen(t, sess, fresh)
	mustOpen(t, sess, old) // granted with the keys of the owner, who is logged in
	mustStayShut(t, sess, foreign, nvr.ErrForbidden)
	mustOpen(t, owner, fresh)
	if _, err := h.Invited(t.Context(), inv.Code); !errors.Is(err, auth.ErrInvitation) {
		t.Errorf("the code works twice: %v", err)
	}
	h.restart()
	sess = h.loginAs(ben, benWord)
	mustOpen(t, sess, fresh)
	mustOpen(t, sess, h.record(mine, time.Now())) // nobody has signed for the new keys yet
	owner = h.login()
	if a := h.Alarms(); len(a) != 0 {
		t.Errorf("alarms: %q", a)
	}
	people, err := h.People(t.Context(), owner)
	if err != nil || len(people) != 2 || people[1].Unconfirmed || people[1].Invited || people[1].Name != ben {
		t.Errorf("people: %+v, %v", people, err)
	}
	mustOpen(t, h.loginAs(ben, benWord), h.record(mine, time.Now()))
	h.restart()
	mustOpen(t, h.loginAs(ben, benWord), h.record(mine, time.Now()))
}

func TestInvitationEndsAfterADayAndOpensNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		owner, _, _ := h.claim()
		inv, err := h.AddPerson(t.Context(), owner, member(nil))
		if err != nil {
			t.Fatal(err)
		}
		for _, code := range []string{"", "AAAA-AAAA-AAAA-AAAA", inv.Code + "A"} {
			if _, _, err := h.Join(t.Context(), auth.JoinRequest{Code: code, Password: benWord}); !errors.Is(err, auth.ErrInvitation) {
				t.Errorf("code %q: %v", code, err)
			}
		}
		time.Sleep(24 * time.Hour)
		if _, _, err := h.Join(t.Context(), auth.JoinRequest{Code: inv.Code, Password: benWord}); !errors.Is(err, auth.ErrInvitation) {
			t.Errorf("after a day: %v", err)
		}
		if err := h.guess(ben, benWord, lan); !errors.Is(err, auth.ErrWrong) {
			t.Errorf("login of somebody who never joined: %v", err)
		}
	})
}

// TestR3ForeignFootageStaysShutWithoutAuthorize asks nobody for permission: the
// keys alone decide.
func TestR3ForeignFootageStaysShutWithoutAuthorize(t *testing.T) {
	h := newHouse(t)
	owner, _, _ := h.claim()
	replay, live, foreign := camera(), camera(), camera()
	for name, r := range map[string]auth.PersonRequest{
		"member": {Name: "Mia", Role: nvr.Member},
		"viewer": {Name: "Vic", Role: nvr.Viewer},
		"guest":  {Name: "Gus", Role: nvr.Guest, From: time.Now().Add(-time.Hour), Until: time.Now().Add(time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			r.Cameras = []nvr.CameraRights{{Camera: live, Rights: nvr.MayLive}}
			if r.Role != nvr.Guest {
				r.Cameras = append(r.Cameras, nvr.CameraRights{Camera: replay, Rights: nvr.MayReplay})
			}
			before := h.record(foreign, time.Now())
			sess := h.join(owner, r)
			for _, cam := range []nvr.CameraID{live, foreign} {
				mustStayShut(t, sess, h.record(cam, time.Now()), nvr.ErrForbidden)
			}
			mustStayShut(t, sess, before, nvr.ErrForbidden)
			own := h.record(replay, time.Now())
			if r.Role == nvr.Guest {
				mustStayShut(t, sess, own, nvr.ErrForbidden)
				return
			}
			mustOpen(t, sess, own)
		})
	}
}

func TestRightsOfMoreThanTheRoleAreRefused(t *testing.T) {
	h := newHouse(t)
	owner, _, _ := h.claim()
	cam, now := camera(), time.Now()
	for name, r := range map[string]auth.PersonRequest{
		"viewer exports":        {Name: ben, Role: nvr.Viewer, Cameras: rights(cam, nvr.MayReplay|nvr.MayExport)},
		"guest replays":         {Name: ben, Role: nvr.Guest, Cameras: rights(cam, nvr.MayReplay), From: now, Until: now.Add(time.Hour)},
		"guest without an end":  {Name: ben, Role: nvr.Guest, Cameras: rights(cam, nvr.MayLive)},
		"export without replay": {Name: ben, Role: nvr.Member, Cameras: rights(cam, nvr.MayExport)},
		"sound alone":           {Name: ben, Role: nvr.Member, Cameras: rights(cam, nvr.MayAudio)},
		"camera twice":          {Name: ben, Role: nvr.Member, Cameras: append(rights(cam, nvr.MayLive), rights(cam, nvr.MayLive)...)},
		"bounded owner":         {Name: ben, Role: nvr.Owner, Until: now.Add(time.Hour)},
		"no role":               {Name: ben},
		"taken name":            {Name: " anna ", Role: nvr.Member},
		"no name":               {Role: nvr.Member},
		"over already":          {Name: ben, Role: nvr.Member, Until: now.Add(-time.Hour)},
	} {
		if _, err := h.AddPerson(t.Context(), owner, r); !errors.Is(err, nvr.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOnlyAnOwnerWhoJustProvedToBeThereChangesPeople(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		owner, token, _ := h.claim()
		sess := h.join(owner, member(nil))
		if _, err := h.AddPerson(t.Context(), sess, auth.PersonRequest{Name: "Eve", Role: nvr.Owner}); !errors.Is(err, nvr.ErrForbidden) {
			t.Errorf("a member adds an owner: %v", err)
		}
		if err := h.ChangePerson(t.Context(), sess, sess.Principal(), auth.PersonRequest{Name: ben, Role: nvr.Owner}); !errors.Is(err, nvr.ErrForbidden) {
			t.Errorf("a member makes themself an owner: %v", err)
		}
		time.Sleep(5 * time.Minute)
		if err := h.RemovePerson(t.Context(), owner, sess.Principal()); !errors.Is(err, auth.ErrStepUp) {
			t.Errorf("five minutes after the password: %v", err)
		}
		h.restart()
		owner, err := h.Resume(t.Context(), token, lan)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.RemovePerson(t.Context(), owner, sess.Principal()); !errors.Is(err, auth.ErrStepUp) {
			t.Errorf("after a restart: %v", err)
		}
		if err := h.StepUp(t.Context(), owner, password, ""); err != nil {
			t.Fatal(err)
		}
		if err := h.RemovePerson(t.Context(), owner, sess.Principal()); err != nil {
			t.Error(err)
		}
		for name, do := range map[string]func() error{
			"remove":  func() error { return h.RemovePerson(t.Context(), owner, owner.Principal()) },
			"suspend": func() error { return h.SuspendPerson(t.Context(), owner, owner.Principal(), true) },
			"demote": func() error {
				return h.ChangePerson(t.Context(), owner, owner.Principal(), auth.PersonRequest{Name: anna, Role: nvr.Member})
			},
			"reset": func() error { _, err := h.ResetPerson(t.Context(), owner, owner.Principal()); return err },
		} {
			if err := do(); !errors.Is(err, auth.ErrSelf) {
				t.Errorf("%s oneself: %v", name, err)
			}
		}
	})
}

// TestR10RemovedPersonIsOutAtOnce holds the old password and an older copy of
// config.db against what is recorded after the removal.
func TestR10RemovedPersonIsOutAtOnce(t *testing.T) {
	h := newHouse(t)
	owner, _, _ := h.claim()
	cam := camera()
	sess := h.join(owner, member(rights(cam, auth.AllRights)))
	seen := h.record(cam, time.Now())
	mustOpen(t, sess, seen)
	copied := copyConfig(t, h)

	if err := h.RemovePerson(t.Context(), owner, sess.Principal()); err != nil {
		t.Fatal(err)
	}
	if !ended(sess) {
		t.Error("the session goes on")
	}
	mustStayShut(t, sess, seen, nvr.ErrLocked)
	if h.VaultInForce(cam, seen.Vault) {
		t.Error("the recorder may go on with the old vault")
	}
	if err := h.guess(ben, benWord, lan); !errors.Is(err, auth.ErrWrong) {
		t.Errorf("login with the old password: %v", err)
	}
	after := h.record(cam, time.Now())
	mustOpen(t, owner, after)
	grants, err := h.cfg.Grants(t.Context(), seen.Vault)
	if err != nil || len(grants) != 1 || grants[0].Principal != owner.Principal() {
		t.Errorf("grants that are left: %d, %v", len(grants), err)
	}
	theirs := h.thief(copied, after)
	mustOpen(t, theirs, seen)
	mustStayShut(t, theirs, after, nvr.ErrForbidden)
}

// copyConfig copies config.db of a running box, as a snapshot of its disk would.
func copyConfig(t *testing.T, h *house) string {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "config.db")
	for _, suffix := range []string{"", "-wal"} {
		raw, err := os.ReadFile(h.path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(copied+suffix, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return copied
}

func TestInvitationIsRenewedForSomebodyWhoDidNotCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		owner, _, _ := h.claim()
		first, err := h.AddPerson(t.Context(), owner, member(nil))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(25 * time.Hour)
		owner = h.login()
		people, err := h.People(t.Context(), owner)
		if err != nil || !people[1].Invited || people[1].InviteEnds.After(time.Now()) {
			t.Errorf("people: %+v, %v", people, err)
		}
		second, err := h.ResetPerson(t.Context(), owner, first.Person)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Invited(t.Context(), first.Code); !errors.Is(err, auth.ErrInvitation) {
			t.Errorf("the first code: %v", err)
		}
		h.accept(second)
	})
}

// TestR10OldCopyAndOldPasswordOpenNothingRecordedAfterwards: a copy of config.db
// from before, with the password of then, gets all that the box stored since.
func TestR10OldCopyAndOldPasswordOpenNothingRecordedAfterwards(t *testing.T) {
	cam := camera()
	for name, take := range map[string]func(*house, *auth.Session, nvr.PrincipalID) error{
		"removed": func(h *house, owner *auth.Session, id nvr.PrincipalID) error {
			return h.RemovePerson(t.Context(), owner, id)
		},
		"suspended": func(h *house, owner *auth.Session, id nvr.PrincipalID) error {
			return h.SuspendPerson(t.Context(), owner, id, true)
		},
		"without the right": func(h *house, owner *auth.Session, id nvr.PrincipalID) error {
			return h.ChangePerson(t.Context(), owner, id, member(rights(cam, nvr.MayLive)))
		},
		"with a new password": func(h *house, owner *auth.Session, id nvr.PrincipalID) error {
			_, err := h.ResetPerson(t.Context(), owner, id)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			owner, _, _ := h.claim()
			sess := h.join(owner, member(rights(cam, auth.AllRights)))
			before := h.record(cam, time.Now())
			mustOpen(t, sess, before)
			h.stop()
			copied, err := os.ReadFile(h.path)
			if err != nil {
				t.Fatal(err)
			}
			h.start()
			owner = h.login()
			if err := take(h, owner, sess.Principal()); err != nil {
				t.Fatal(err)
			}
			h.Settle()
			after := h.record(cam, time.Now())
			later, err := h.cfg.Vault(t.Context(), after.Vault)
			if err != nil {
				t.Fatal(err)
			}
			grants, err := h.cfg.Grants(t.Context(), after.Vault)
			if err != nil || len(grants) == 0 {
				t.Fatalf("%d grants, %v", len(grants), err)
			}
			h.fromBackup(copied)
			if err := h.cfg.AddVault(t.Context(), later, grants); err != nil {
				t.Fatal(err)
			}
			thief := h.loginAs(ben, benWord)
			mustOpen(t, thief, before) // the threat table says so
			mustStayShut(t, thief, after, nvr.ErrForbidden)
			mustOpen(t, h.login(), after)
		})
	}
}
