package auth_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	"lares/nvr"
	"lares/nvr/auth"
)

// rename writes a name into config.db of a stopped box, as who has the disk and
// the machine key would.
func (h *house) rename(id nvr.PrincipalID, name string) {
	h.t.Helper()
	people, err := h.cfg.Principals(context.Background())
	if err != nil {
		h.t.Fatal(err)
	}
	for _, p := range people {
		if p.ID == id {
			p.Name = name
			if err := h.cfg.SavePrincipal(context.Background(), p, nil); err != nil {
				h.t.Fatal(err)
			}
		}
	}
}

func (h *house) storedName(id nvr.PrincipalID) string {
	h.t.Helper()
	people, err := h.cfg.Principals(context.Background())
	if err != nil {
		h.t.Fatal(err)
	}
	for _, p := range people {
		if p.ID == id {
			return p.Name
		}
	}
	return ""
}

func TestExchangedNamesDoNotCountAndAreReported(t *testing.T) {
	h := newHouse(t)
	owner, _, _ := h.claim()
	cam := camera()
	sess := h.join(owner, member(rights(cam, auth.AllRights)))
	h.rename(sess.Principal(), "Mallory")
	h.restart()
	if err := h.guess("Mallory", benWord, lan); !errors.Is(err, auth.ErrWrong) {
		t.Errorf("login under the exchanged name: %v", err)
	}
	if len(h.Alarms()) != 0 {
		t.Errorf("alarms before anybody logged in: %q", h.Alarms())
	}
	owner = h.login()
	if !alarmed(h, auth.AlarmName) {
		t.Errorf("alarms: %q", h.Alarms())
	}
	people, err := h.People(t.Context(), owner)
	if err != nil || len(people) != 2 || people[0].Name != anna || people[1].Name != ben {
		t.Errorf("people: %+v, %v", people, err)
	}
	if got := h.storedName(sess.Principal()); got != ben {
		t.Errorf("stored is the name %q", got)
	}
	h.loginAs(ben, benWord)
	if line, ok := logged(t, h, owner, auth.LogAlarm); !ok || line.Detail != auth.AlarmName {
		t.Errorf("the log says %+v", line)
	}
}

// TestRosterOfBeforeGetsItsNamesFromAnOwner: it was signed when names were not in it.
func TestRosterOfBeforeGetsItsNamesFromAnOwner(t *testing.T) {
	h := newHouse(t)
	owner, _, _ := h.claim()
	sess := h.join(owner, member(rights(camera(), auth.AllRights)))
	if err := h.ForgetNames(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	before, err := h.cfg.Roster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h.restart()
	h.loginAs(ben, benWord)
	h.login()
	after, err := h.cfg.Roster(t.Context())
	if err != nil || after.Version != before.Version+1 {
		t.Errorf("roster %d after %d, %v", after.Version, before.Version, err)
	}
	h.rename(sess.Principal(), "Mallory")
	h.restart()
	h.loginAs(ben, benWord)
	if len(h.Alarms()) != 1 {
		t.Errorf("alarms: %q", h.Alarms())
	}
}

func TestEverybodyConfirmsOnceToKnowWhatIsKept(t *testing.T) {
	h := newHouse(t)
	owner, token, _ := h.claim()
	told := func(sess *auth.Session) bool {
		ok, err := h.Told(t.Context(), sess)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	if told(owner) {
		t.Error("the owner was told without a word")
	}
	h.ConfirmTold(t.Context(), owner)
	other := h.join(owner, member(nil))
	if !told(owner) || told(other) {
		t.Errorf("told: owner %v, another %v", told(owner), told(other))
	}
	h.ConfirmTold(t.Context(), other)
	h.restart()
	if owner, err := h.Resume(t.Context(), token, lan); err != nil || !told(owner) {
		t.Errorf("after a restart the owner is asked again: %v", err)
	}
	owner = h.login()
	if line, ok := logged(t, h, owner, auth.LogTold); !ok || line.Principal.IsZero() {
		t.Errorf("the log says %+v", line)
	}
	if err := h.RemovePerson(t.Context(), owner, other.Principal()); err != nil {
		t.Fatal(err)
	}
	h.stop()
	d, err := sql.Open("sqlite", h.path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var left int
	if err := d.QueryRow("SELECT count(*) FROM setting WHERE key LIKE '%" + other.Principal().String() + "%'").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d settings of somebody who was removed, %v", left, err)
	}
}
