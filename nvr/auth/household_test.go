package auth_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
)

func TestTakenRightIsErasedAndGivenBackIsGrantedAgain(t *testing.T) {
	h := newHouse(t)
	owner, _, _ := h.claim()
	a, b := camera(), camera()
	both := member(append(rights(a, auth.AllRights), rights(b, auth.AllRights)...))
	sess := h.join(owner, both)
	id := sess.Principal()
	filmA, filmB := h.record(a, time.Now()), h.record(b, time.Now())
	mustOpen(t, sess, filmA)

	less := member(append(rights(a, nvr.MayLive), rights(b, auth.AllRights)...))
	if err := h.ChangePerson(t.Context(), owner, id, less); err != nil {
		t.Fatal(err)
	}
	if !ended(sess) {
		t.Error("the session goes on")
	}
	if h.VaultInForce(a, filmA.Vault) || !h.VaultInForce(b, filmB.Vault) {
		t.Error("the vault of the camera goes on, or that of the other one does not")
	}
	sess = h.loginAs(ben, benWord)
	mustStayShut(t, sess, filmA, nvr.ErrForbidden)
	mustStayShut(t, sess, h.record(a, time.Now()), nvr.ErrForbidden)
	mustOpen(t, sess, filmB)
	if err := h.Authorize(t.Context(), sess, auth.ActReplay, a, time.Now()); !errors.Is(err, nvr.ErrForbidden) {
		t.Errorf("replay: %v", err)
	}
	if err := h.Authorize(t.Context(), sess, auth.ActLive, a, time.Now()); err != nil {
		t.Errorf("live: %v", err)
	}
	if err := h.ChangePerson(t.Context(), owner, id, both); err != nil {
		t.Fatal(err)
	}
	h.Settle()
	if ended(sess) {
		t.Error("a right more ends the session")
	}
	mustOpen(t, sess, filmA)
	mustOpen(t, sess, h.record(a, time.Now()))
}

func TestSuspendedPersonIsOutAndGetsWhatWasRecordedMeanwhile(t *testing.T) {
	h := newHouse(t)
	owner, token, _ := h.claim()
	cam := camera()
	sess := h.join(owner, member(rights(cam, auth.AllRights)))
	id := sess.Principal()
	if err := h.SuspendPerson(t.Context(), owner, id, true); err != nil {
		t.Fatal(err)
	}
	if !ended(sess) {
		t.Error("the session goes on")
	}
	if err := h.guess(ben, benWord, lan); !errors.Is(err, auth.ErrSuspended) {
		t.Errorf("login: %v", err)
	}
	film := h.record(cam, time.Now())
	if grants, err := h.cfg.Grants(t.Context(), film.Vault); err != nil || len(grants) != 1 {
		t.Errorf("%d grants, %v", len(grants), err)
	}
	h.restart()
	if err := h.guess(ben, benWord, lan); !errors.Is(err, auth.ErrSuspended) {
		t.Errorf("login after a restart: %v", err)
	}
	owner, err := h.Resume(t.Context(), token, lan)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.StepUp(t.Context(), owner, password, ""); err != nil {
		t.Fatal(err)
	}
	if err := h.SuspendPerson(t.Context(), owner, id, false); err != nil {
		t.Fatal(err)
	}
	h.Settle()
	mustOpen(t, h.loginAs(ben, benWord), film)
}

func TestOlderRecordingsAreGrantedWhenSomebodyWithTheKeysLogsIn(t *testing.T) {
	h := newHouse(t)
	owner, _, _ := h.claim()
	cam := camera()
	film := h.record(cam, time.Now())
	inv, err := h.AddPerson(t.Context(), owner, member(rights(cam, auth.AllRights)))
	if err != nil {
		t.Fatal(err)
	}
	h.restart() // nobody is unlocked
	sess := h.accept(inv)
	mustStayShut(t, sess, film, nvr.ErrForbidden)
	mustOpen(t, sess, h.record(cam, time.Now()))
	owner = h.login()
	mustOpen(t, sess, film)
	if left, err := h.Granting(t.Context(), owner); err != nil || len(left) != 0 {
		t.Errorf("left to grant: %+v, %v", left, err)
	}
	if line, ok := logged(t, h, owner, auth.LogGranted); !ok || line.Principal != sess.Principal() {
		t.Errorf("the log says %+v", line)
	}
	for name, who := range map[string]*auth.Session{"owner": owner, "member": sess} {
		if report, err := h.VerifyLog(t.Context(), who); err != nil || report.Problem != auth.NoProblem {
			t.Errorf("the log, verified by the %s: %+v, %v", name, report, err)
		}
	}
}

func TestGrantingIsCountedAndLeavesOutWhatIsDestroyed(t *testing.T) {
	h := newHouse(t)
	owner, _, _ := h.claim()
	cam := camera()
	const days = 150 // more than two pages
	var films []footage
	for day := range days {
		films = append(films, h.record(cam, time.Now().AddDate(0, 0, -day)))
	}
	inv, err := h.AddPerson(t.Context(), owner, auth.PersonRequest{Name: ben, Role: nvr.Viewer, Cameras: rights(cam, nvr.MayReplay)})
	if err != nil {
		t.Fatal(err)
	}
	token := h.relock()
	sess := h.accept(inv)
	if owner, err = h.Resume(t.Context(), token, lan); err != nil {
		t.Fatal(err)
	}
	if left, err := h.Granting(t.Context(), owner); err != nil || len(left) != 1 || left[0].Days != days {
		t.Errorf("left to grant: %+v, %v", left, err)
	}
	if err := h.DestroyVault(t.Context(), films[7].Vault); err != nil {
		t.Fatal(err)
	}
	if err := h.Unlock(t.Context(), owner, password); err != nil {
		t.Fatal(err)
	}
	h.Settle()
	for i, f := range films {
		if i == 7 {
			mustStayShut(t, sess, f, nvr.ErrDestroyed)
			continue
		}
		mustOpen(t, sess, f)
	}
}

// relock restarts the box and returns the token of a session that is there again.
func (h *house) relock() string {
	h.t.Helper()
	_, token, err := h.Login(h.t.Context(), auth.LoginRequest{Name: anna, Password: password, Addr: lan})
	if err != nil {
		h.t.Fatal(err)
	}
	h.restart()
	return token
}

func TestMemberChangesThePasswordWithoutAnOwner(t *testing.T) {
	h := newHouse(t)
	owner, _, _ := h.claim()
	cam := camera()
	sess := h.join(owner, member(rights(cam, auth.AllRights)))
	film := h.record(cam, time.Now())
	word, words := benWord, []string{"five odd lamps glimmer", "nine green owls juggle"}
	changes := 0
	for ; ; changes++ {
		next := words[changes%2]
		err := h.ChangePassword(t.Context(), sess, word, next)
		if errors.Is(err, nvr.ErrInvalid) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		word = next
		if changes%5 == 0 {
			h.restart()
			sess = h.loginAs(ben, word)
		}
		mustOpen(t, sess, film)
		mustOpen(t, sess, h.record(cam, time.Now()))
	}
	if changes != 15 { // joining is the first of sixteen
		t.Errorf("%d changes without an owner", changes)
	}
	h.login()
	if err := h.ChangePassword(t.Context(), sess, word, benWord); err != nil {
		t.Errorf("after an owner logged in: %v", err)
	}
	mustOpen(t, sess, film)
	if a := h.Alarms(); len(a) != 0 {
		t.Errorf("alarms: %q", a)
	}
}

func TestOldPasswordOfAMemberOpensNothingRecordedAfterTheChange(t *testing.T) {
	h := newHouse(t)
	owner, _, _ := h.claim()
	cam := camera()
	sess := h.join(owner, member(rights(cam, auth.AllRights)))
	before := h.record(cam, time.Now())
	copied := copyConfig(t, h)
	if err := h.ChangePassword(t.Context(), sess, benWord, "five odd lamps glimmer"); err != nil {
		t.Fatal(err)
	}
	after := h.record(cam, time.Now())
	mustOpen(t, sess, after)
	theirs := h.thief(copied, after)
	mustOpen(t, theirs, before)
	mustStayShut(t, theirs, after, nvr.ErrCorrupt)
}

// thief is a box that runs an older copy of config.db with a later vault put in,
// and Ben's session with his password of then.
func (h *house) thief(copied string, later footage) *auth.Session {
	h.t.Helper()
	v, err := h.cfg.Vault(h.t.Context(), later.Vault)
	if err != nil {
		h.t.Fatal(err)
	}
	grants, err := h.cfg.Grants(h.t.Context(), later.Vault)
	if err != nil {
		h.t.Fatal(err)
	}
	box := &house{t: h.t, path: copied, machine: h.machine}
	box.start()
	h.t.Cleanup(box.stop)
	sess := box.loginAs(ben, benWord)
	if err := box.cfg.AddVault(h.t.Context(), v, grants); err != nil {
		h.t.Fatal(err)
	}
	return sess
}

func TestOlderKeysThatWerePutBackAreReportedAndNotSealedTo(t *testing.T) {
	h := newHouse(t)
	owner, _, _ := h.claim()
	cam := camera()
	sess := h.join(owner, member(rights(cam, auth.AllRights)))
	var public, secret, succession, wrapped []byte
	h.query(`SELECT public, secret, succession FROM principal WHERE role = 2`, &public, &secret, &succession)
	h.query(`SELECT wrapped FROM unlocker ORDER BY num DESC LIMIT 1`, &wrapped)
	if err := h.ChangePassword(t.Context(), sess, benWord, "five odd lamps glimmer"); err != nil {
		t.Fatal(err)
	}
	h.stop()
	h.tamper(`UPDATE principal SET public = ?, secret = ?, succession = ? WHERE role = 2`, public, secret, succession)
	h.start()
	film := h.record(cam, time.Now())
	if grants, err := h.cfg.Grants(t.Context(), film.Vault); err != nil || len(grants) != 1 {
		t.Errorf("sealed to %d people, %v", len(grants), err)
	}
	owner = h.login()
	if !alarmed(h, auth.AlarmKeys) {
		t.Errorf("alarms: %q", h.Alarms())
	}
	inv, err := h.ResetPerson(t.Context(), owner, sess.Principal())
	if err != nil {
		t.Fatal(err)
	}
	mustOpen(t, h.accept(inv), film)
}

// TestForgedRosterGetsNoOlderRecordings lets somebody who has the machine key and
// the disk enter himself as an owner: the login of a member seals nothing to him.
func TestForgedRosterGetsNoOlderRecordings(t *testing.T) {
	h := newHouse(t)
	owner, _, _ := h.claim()
	cam := camera()
	film := h.record(cam, time.Now())
	h.join(owner, member(rights(cam, auth.AllRights)))
	h.login() // confirms Ben's keys
	h.loginAs(ben, benWord)
	h.stop()
	var version uint64
	h.query(`SELECT max(version) FROM roster`, &version)
	body, sigs, _ := forgedRoster(t, h, version+1)
	h.tamper(`INSERT INTO roster (version, body, sigs) VALUES (?, ?, ?)`, version+1, body, sigs)
	h.tamper(`UPDATE setting SET value = ? WHERE key = 'auth/roster-pin'`, forgedPin(t, h, version+1, body))
	h.start()
	if _, err := h.CurrentVault(t.Context(), cam, time.Now()); err != nil {
		t.Fatalf("the forged pin is not good: %v", err)
	}
	h.loginAs(ben, benWord)
	if !alarmed(h, auth.AlarmDoubt) {
		t.Errorf("alarms: %q", h.Alarms())
	}
	grants, err := h.cfg.Grants(t.Context(), film.Vault)
	if err != nil || len(grants) != 2 {
		t.Errorf("the older recording is sealed to %d people, %v", len(grants), err)
	}
	h.login()
	if !alarmed(h, auth.AlarmRoster) {
		t.Errorf("alarms: %q", h.Alarms())
	}
	if grants, err = h.cfg.Grants(t.Context(), film.Vault); err != nil || len(grants) != 2 {
		t.Errorf("after the owner's login it is sealed to %d people, %v", len(grants), err)
	}
}

// forgedPin is what somebody with the machine key would make of a roster.
func forgedPin(t *testing.T, h *house, number uint64, body []byte) []byte {
	t.Helper()
	hash := sha256.Sum256(body)
	plain, err := json.Marshal(map[string]any{"version": 1, "number": number, "hash": hash[:], "keys": [][]byte{make([]byte, 32)}})
	if err != nil {
		t.Fatal(err)
	}
	return h.machine.Seal("lares/roster-pin/v1", plain)
}

func TestGuestIsThereFromUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		owner, _, _ := h.claim()
		cam, now := camera(), time.Now()
		inv, err := h.AddPerson(t.Context(), owner, auth.PersonRequest{
			Name: "Gus", Role: nvr.Guest, Cameras: rights(cam, nvr.MayLive), From: now.Add(time.Hour), Until: now.Add(3 * time.Hour),
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := h.Join(t.Context(), auth.JoinRequest{Code: inv.Code, Password: benWord}); !errors.Is(err, auth.ErrSuspended) {
			t.Errorf("an hour too early: %v", err)
		}
		time.Sleep(time.Hour)
		sess := h.accept(inv)
		if err := h.Authorize(t.Context(), sess, auth.ActLive, cam, time.Now()); err != nil {
			t.Errorf("in time: %v", err)
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if !ended(sess) {
			t.Error("the session outlives the guest")
		}
		if err := h.guess("Gus", benWord, lan); !errors.Is(err, auth.ErrSuspended) {
			t.Errorf("login afterwards: %v", err)
		}
	})
}

// TestR3MatrixOfRightsThroughSessions asks every action of every role at an own,
// a foreign and no camera, within the time of the account and outside.
func TestR3MatrixOfRightsThroughSessions(t *testing.T) {
	h := newHouse(t)
	owner, _, _ := h.claim()
	own, foreign := camera(), camera()
	from, until := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	need := map[auth.Action]nvr.Rights{
		auth.ActLive: nvr.MayLive, auth.ActReplay: nvr.MayReplay, auth.ActAudio: nvr.MayAudio,
		auth.ActExport: nvr.MayExport, auth.ActDelete: nvr.MayDelete,
	}
	house := map[auth.Action][]nvr.Role{
		auth.ActStatus: {nvr.Member, nvr.Viewer}, auth.ActAccount: {nvr.Member, nvr.Viewer, nvr.Guest}, auth.ActLog: {nvr.Member},
		auth.ActCameras: nil, auth.ActSettings: nil, auth.ActPeople: nil,
	}
	for _, role := range []nvr.Role{nvr.Member, nvr.Viewer, nvr.Guest} {
		for _, given := range []nvr.Rights{
			nvr.MayLive, nvr.MayReplay, nvr.MayLive | nvr.MayAudio, nvr.MayReplay | nvr.MayExport, nvr.MayReplay | nvr.MayDelete, auth.AllRights,
		} {
			if given&^auth.Bound(role) != 0 {
				continue
			}
			name := fmt.Sprintf("%d-%05b", role, given)
			sess := h.join(owner, auth.PersonRequest{Name: name, Role: role, Cameras: rights(own, given), From: from, Until: until})
			for action, right := range need {
				for cam, may := range map[nvr.CameraID]bool{own: given&right != 0, foreign: false, {}: false} {
					for at, within := range map[time.Time]bool{time.Now(): true, from.Add(-1): false, until: false} {
						err := h.Authorize(t.Context(), sess, action, cam, at)
						if (err == nil) != (may && within) {
							t.Errorf("role %d with %05b: %s of own=%v within=%v: %v", role, given, action, cam == own, within, err)
						}
					}
				}
			}
			for action, roles := range house {
				may := false
				for _, r := range roles {
					may = may || r == role
				}
				if err := h.Authorize(t.Context(), sess, action, nvr.CameraID{}, time.Now()); (err == nil) != may {
					t.Errorf("role %d: %s: %v", role, action, err)
				}
			}
			if err := h.RemovePerson(t.Context(), owner, sess.Principal()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestRenamedPersonKeepsTheSession(t *testing.T) {
	h := newHouse(t)
	owner, _, _ := h.claim()
	cam := camera()
	sess := h.join(owner, member(rights(cam, auth.AllRights)))
	r := member(rights(cam, auth.AllRights))
	r.Name = "Benjamin"
	if err := h.ChangePerson(t.Context(), owner, sess.Principal(), r); err != nil {
		t.Fatal(err)
	}
	if sess.Name() != "Benjamin" || ended(sess) {
		t.Errorf("name %q, ended %v", sess.Name(), ended(sess))
	}
	h.loginAs("benjamin", benWord)
	if err := h.ChangePerson(t.Context(), owner, owner.Principal(), auth.PersonRequest{Name: "Annabel", Role: nvr.Owner}); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, h.loginAs("Annabel", password), h.record(cam, time.Now()))
	if a := h.Alarms(); len(a) != 0 {
		t.Errorf("alarms: %q", a)
	}
}
