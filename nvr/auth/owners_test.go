package auth_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
)

const claraWord = "purple kites over hills"

// secondOwner lets Clara in, whom Anna's next login confirms.
func (h *house) secondOwner(owner *auth.Session) *auth.Session {
	h.t.Helper()
	inv, err := h.AddPerson(h.t.Context(), owner, auth.PersonRequest{Name: "Clara", Role: nvr.Owner})
	if err != nil {
		h.t.Fatal(err)
	}
	sess, _, err := h.Join(h.t.Context(), auth.JoinRequest{Code: inv.Code, Password: claraWord, Addr: lan, Device: "tablet"})
	if err != nil {
		h.t.Fatal(err)
	}
	h.Settle()
	return sess
}

func TestSecondOwnerCountsOnceTheFirstHasConfirmedTheKeys(t *testing.T) {
	h := newHouse(t)
	owner, _, _ := h.claim()
	film := h.record(camera(), time.Now())
	clara := h.secondOwner(owner)
	mustOpen(t, clara, film)
	if _, err := h.AddPerson(t.Context(), clara, member(nil)); !errors.Is(err, auth.ErrUnconfirmed) {
		t.Errorf("before the first owner logged in: %v", err)
	}
	h.login()
	clara = h.loginAs("Clara", claraWord)
	if _, err := h.AddPerson(t.Context(), clara, member(nil)); err != nil {
		t.Fatal(err)
	}
	// Each changes the password behind the other's back, twice.
	words := [2]string{password, claraWord}
	names := [2]string{anna, "Clara"}
	for round := range 2 {
		for i := range names {
			for _, next := range []string{"five odd lamps glimmer", "nine green owls juggle"} {
				next += strings.Repeat("!", round+1)
				sess := h.loginAs(names[i], words[i])
				if err := h.ChangePassword(t.Context(), sess, words[i], next); err != nil {
					t.Fatal(err)
				}
				words[i] = next
			}
		}
		h.restart()
	}
	for i := range names {
		sess := h.loginAs(names[i], words[i])
		mustOpen(t, sess, film)
		mustOpen(t, sess, h.record(camera(), time.Now()))
	}
	if a := h.Alarms(); len(a) != 0 {
		t.Errorf("alarms: %q", a)
	}
}

// TestR25SecondOwnerGivesAPasswordBack resets the first owner, who finds all
// recordings again.
func TestR25SecondOwnerGivesAPasswordBack(t *testing.T) {
	h := newHouse(t)
	owner, _, rec := h.claim()
	film := h.record(camera(), time.Now())
	h.secondOwner(owner)
	h.login()
	clara := h.loginAs("Clara", claraWord)
	inv, err := h.ResetPerson(t.Context(), clara, owner.Principal())
	if err != nil {
		t.Fatal(err)
	}
	if !ended(owner) {
		t.Error("the old session goes on")
	}
	if err := h.guess(anna, password, lan); !errors.Is(err, auth.ErrWrong) {
		t.Errorf("the lost password: %v", err)
	}
	again := h.accept(inv)
	mustOpen(t, again, film)
	h.loginAs("Clara", claraWord) // confirms the new keys
	again = h.loginAs(anna, benWord)
	if err := h.RemovePerson(t.Context(), again, clara.Principal()); err != nil {
		t.Error(err)
	}
	mustOpen(t, again, h.record(camera(), time.Now()))
	h.restart()
	if a := h.Alarms(); len(a) != 0 {
		t.Errorf("alarms: %q", a)
	}
	// The printed key opens the new keys as it did the old ones.
	back, _, err := h.RecoverOwner(t.Context(), auth.RecoverRequest{Name: anna, Recovery: rec, Password: "five odd lamps glimmer", Addr: lan})
	if err != nil {
		t.Fatal(err)
	}
	mustOpen(t, back, film)
}

func TestDemotedOwnerLosesWhatTheNewRoleDoesNotAllow(t *testing.T) {
	h := newHouse(t)
	owner, _, _ := h.claim()
	kept, gone := camera(), camera()
	clara := h.secondOwner(owner)
	h.login()
	keep, lose := h.record(kept, time.Now()), h.record(gone, time.Now())
	mustOpen(t, clara, lose)
	r := auth.PersonRequest{Name: "Clara", Role: nvr.Viewer, Cameras: rights(kept, nvr.MayReplay)}
	if err := h.ChangePerson(t.Context(), h.login(), clara.Principal(), r); err != nil {
		t.Fatal(err)
	}
	h.Settle()
	if !ended(clara) {
		t.Error("the owner's session goes on")
	}
	clara = h.loginAs("Clara", claraWord)
	mustOpen(t, clara, keep)
	mustStayShut(t, clara, lose, nvr.ErrForbidden)
	if _, err := h.AddPerson(t.Context(), clara, member(nil)); !errors.Is(err, nvr.ErrForbidden) {
		t.Errorf("adds people: %v", err)
	}
	grants, err := h.cfg.Grants(t.Context(), lose.Vault)
	if err != nil || len(grants) != 1 {
		t.Errorf("%d grants, %v", len(grants), err)
	}
}
