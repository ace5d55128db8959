package auth_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/nvr/vault"
)

func TestNothingIsSealedBeforeThereIsAnOwner(t *testing.T) {
	h := newHouse(t)
	if _, err := h.CurrentVault(t.Context(), camera(), time.Now()); !errors.Is(err, nvr.ErrNoOwner) {
		t.Errorf("vault before a claim: %v", err)
	}
	if err := h.Record(t.Context(), auth.Entry{Action: auth.LogLive}); !errors.Is(err, nvr.ErrNoOwner) {
		t.Errorf("log entry before a claim: %v", err)
	}
	if err := h.guess(anna, password, lan); !errors.Is(err, auth.ErrWrong) {
		t.Errorf("login before a claim: %v", err)
	}
	if claimed, err := h.Claimed(t.Context()); claimed || err != nil {
		t.Errorf("claimed: %v, %v", claimed, err)
	}
}

func TestWholeLife(t *testing.T) {
	h := newHouse(t)
	sess, token, rec := h.claim()
	cam, today := camera(), time.Now()
	film := h.record(cam, today)
	mustOpen(t, sess, film)
	if again := h.record(cam, today); again.Vault != film.Vault {
		t.Error("a second vault was made for the same day")
	}
	if other := h.record(camera(), today); other.Vault == film.Vault {
		t.Error("two cameras share a vault")
	}

	h.restart()
	sess, err := h.Resume(t.Context(), token, lan)
	if err != nil {
		t.Fatal(err)
	}
	if !sess.Locked() {
		t.Error("keys survived a restart")
	}
	mustStayShut(t, sess, film, nvr.ErrLocked)
	unattended := h.record(cam, today) // nobody is logged in with keys
	if err := h.Unlock(t.Context(), sess, "wrong "+password); !errors.Is(err, auth.ErrWrong) {
		t.Errorf("unlock with a wrong password: %v", err)
	}
	if err := h.Unlock(t.Context(), sess, password); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, sess, film)
	mustOpen(t, sess, unattended)

	older, err := os.ReadFile(h.path) // the owner's copy stays shut as well, see below
	if err != nil || len(older) == 0 {
		t.Fatal(err)
	}
	if err := h.DestroyDay(t.Context(), cam, auth.Day(today)); err != nil {
		t.Fatal(err)
	}
	mustStayShut(t, sess, film, nvr.ErrDestroyed)
	mustStayShut(t, sess, unattended, nvr.ErrDestroyed)
	mustOpen(t, sess, h.record(cam, today)) // recording goes on under a new vault
	h.restart()
	mustStayShut(t, h.login(), film, nvr.ErrDestroyed)

	// The printed key is what still opens older copies.
	files := map[nvr.VaultID][]byte{film.Vault: film.EscrowFile}
	mustOpen(t, auth.RecoveryOpener(rec, func(id nvr.VaultID) ([]byte, error) { return files[id], nil }), film)
}

func TestDestroyedVaultStaysDestroyedAndIsNoErrorTwice(t *testing.T) {
	h := newHouse(t)
	sess, _, _ := h.claim()
	film := h.record(camera(), time.Now())
	for range 2 {
		if err := h.DestroyVault(t.Context(), film.Vault); err != nil {
			t.Fatal(err)
		}
	}
	mustStayShut(t, sess, film, nvr.ErrDestroyed)
	if err := h.DestroyVault(t.Context(), nvr.NewID[nvr.Vault]()); !errors.Is(err, nvr.ErrNotFound) {
		t.Errorf("destroy a vault that never was: %v", err)
	}
}

func TestR17SecondClaimantIsRefused(t *testing.T) {
	h := newHouse(t)
	h.claim()
	_, _, err := h.Claim(t.Context(), auth.ClaimRequest{
		Console: true, Name: "Eve", Password: password, WaiveSecondFactor: true, Recovery: vault.NewRecoveryKey(),
	})
	if !errors.Is(err, auth.ErrClaimed) {
		t.Errorf("second claim: %v", err)
	}
	if _, _, err := h.NewSetupCode(t.Context()); !errors.Is(err, auth.ErrClaimed) {
		t.Errorf("code for a box with an owner: %v", err)
	}
}

func TestR8R17ClaimNeedsCodeFactorAndRecoveryKey(t *testing.T) {
	h := newHouse(t)
	good := auth.ClaimRequest{
		Console: true, Name: anna, Password: password, WaiveSecondFactor: true, Recovery: vault.NewRecoveryKey(), Addr: lan,
	}
	for name, tc := range map[string]struct {
		change func(*auth.ClaimRequest)
		want   error
	}{
		"no code":       {func(r *auth.ClaimRequest) { r.Console = false }, auth.ErrSetupCode},
		"no name":       {func(r *auth.ClaimRequest) { r.Name = " " }, nvr.ErrInvalid},
		"weak password": {func(r *auth.ClaimRequest) { r.Password = "password1234" }, nvr.ErrInvalid},
		"no factor":     {func(r *auth.ClaimRequest) { r.WaiveSecondFactor = false }, nvr.ErrInvalid},
		"wrong factor": {func(r *auth.ClaimRequest) {
			r.WaiveSecondFactor = false
			r.TOTP = &auth.TOTPEnrolment{Secret: "JBSWY3DPEHPK3PXP", Code: "no"}
		}, auth.ErrTOTP},
		"no recovery key": {func(r *auth.ClaimRequest) { r.Recovery = vault.RecoveryKey{} }, nvr.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			req := good
			tc.change(&req)
			if _, _, err := h.Claim(t.Context(), req); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
	if claimed, _ := h.Claimed(t.Context()); claimed {
		t.Error("a refused claim left an owner behind")
	}
}

func TestSetupCodeWorksOnceAndForHalfAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		late, _, err := h.NewSetupCode(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Minute)
		if err := h.CheckSetupCode(t.Context(), late, lan); !errors.Is(err, auth.ErrSetupCode) {
			t.Errorf("old code: %v", err)
		}
		fresh, expires, err := h.NewSetupCode(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if left := time.Until(expires); left <= 29*time.Minute || left > 30*time.Minute {
			t.Errorf("the code lasts %v", left)
		}
		h.restart()
		typed := strings.ToLower(strings.ReplaceAll(fresh, "-", " "))
		if err := h.CheckSetupCode(t.Context(), typed, lan); err != nil {
			t.Errorf("code as people type it: %v", err)
		}
		if _, _, err := h.Claim(t.Context(), auth.ClaimRequest{
			Code: typed, Name: anna, Password: password, WaiveSecondFactor: true, Recovery: vault.NewRecoveryKey(), Addr: lan,
		}); err != nil {
			t.Fatal(err)
		}
		if err := h.ResetOwner(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := h.CheckSetupCode(t.Context(), fresh, lan); !errors.Is(err, auth.ErrSetupCode) {
			t.Errorf("a used code: %v", err)
		}
	})
}

func TestSetupCodeCannotBeGuessed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		if _, _, err := h.NewSetupCode(t.Context()); err != nil {
			t.Fatal(err)
		}
		tried := 0
		for i := range 1800 { // a guess a second for half an hour, from many addresses
			time.Sleep(time.Second)
			err := h.CheckSetupCode(t.Context(), "0000-0000", addr(i%200))
			if errors.Is(err, auth.ErrSetupCode) {
				tried++
			}
		}
		if tried > 20 {
			t.Errorf("%d guesses were looked at", tried)
		}
	})
}

func TestKeysAreWipedAfterAQuarterOfAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		sess, _, _ := h.claim()
		film := h.record(camera(), time.Now())
		for range 4 {
			time.Sleep(14 * time.Minute)
			mustOpen(t, sess, film)
		}
		time.Sleep(15*time.Minute + time.Second)
		if sess.Keys() != 0 || !sess.Locked() {
			t.Errorf("%d keys are still in memory", sess.Keys())
		}
		mustStayShut(t, sess, film, nvr.ErrLocked)
		select {
		case <-sess.Done():
			t.Error("the session ended with its keys")
		default:
		}
		if err := h.Unlock(t.Context(), sess, password); err != nil {
			t.Fatal(err)
		}
		mustOpen(t, sess, film)
	})
}

func TestRevokingEndsASessionAndItsStreams(t *testing.T) {
	h := newHouse(t)
	first, _, _ := h.claim()
	second := h.login()
	rows, err := h.Sessions(t.Context(), first.Principal())
	if err != nil || len(rows) != 2 {
		t.Fatalf("%d sessions, %v", len(rows), err)
	}
	film := h.record(camera(), time.Now())
	mustOpen(t, second, film)
	if err := h.Revoke(t.Context(), second.ID()); err != nil {
		t.Fatal(err)
	}
	<-second.Done()
	mustStayShut(t, second, film, nvr.ErrLocked)
	if second.Keys() != 0 {
		t.Error("keys of a revoked session are still in memory")
	}
	if err := h.Unlock(t.Context(), second, password); !errors.Is(err, auth.ErrNoSession) {
		t.Errorf("unlock a revoked session: %v", err)
	}
	if err := h.Revoke(t.Context(), second.ID()); !errors.Is(err, nvr.ErrNotFound) {
		t.Errorf("revoke twice: %v", err)
	}
	mustOpen(t, first, film)
	if err := h.Logout(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	<-first.Done()
	h.restart()
	if rows, _ := h.Sessions(t.Context(), first.Principal()); len(rows) != 0 {
		t.Errorf("%d sessions came back", len(rows))
	}
}

func TestSessionsEndAfterThirtyDaysWithoutUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		_, token, _ := h.claim()
		for range 3 {
			time.Sleep(29 * 24 * time.Hour)
			if _, err := h.Resume(t.Context(), token, lan); err != nil {
				t.Fatal(err)
			}
			h.restart()
		}
		time.Sleep(30*24*time.Hour + time.Hour)
		if _, err := h.Resume(t.Context(), token, lan); !errors.Is(err, auth.ErrNoSession) {
			t.Errorf("after 30 days: %v", err)
		}
		if _, err := h.Resume(t.Context(), "no such token", lan); !errors.Is(err, auth.ErrNoSession) {
			t.Errorf("unknown token: %v", err)
		}
	})
}

func TestNewPasswordShutsOutTheOldOne(t *testing.T) {
	const next = "seven loud geese whistle"
	h := newHouse(t)
	h.claim()
	cam := camera()
	before := h.record(cam, time.Now())
	h.stop()
	copied, err := os.ReadFile(h.path)
	if err != nil {
		t.Fatal(err)
	}
	h.start()
	sess, other := h.login(), h.login()
	if err := h.ChangePassword(t.Context(), sess, "not "+password, next); !errors.Is(err, auth.ErrWrong) {
		t.Errorf("change with a wrong password: %v", err)
	}
	if err := h.ChangePassword(t.Context(), sess, password, "short"); !errors.Is(err, nvr.ErrInvalid) {
		t.Errorf("change to a short password: %v", err)
	}
	if err := h.ChangePassword(t.Context(), sess, password, next); err != nil {
		t.Fatal(err)
	}
	select {
	case <-other.Done():
	default:
		t.Error("another session goes on with the old keys")
	}
	after := h.record(cam, time.Now())
	mustOpen(t, sess, before)
	mustOpen(t, sess, after)
	if err := h.guess(anna, password, lan); !errors.Is(err, auth.ErrWrong) {
		t.Errorf("login with the old password: %v", err)
	}
	if report, err := h.VerifyLog(t.Context(), sess); err != nil || report.Problem != auth.NoProblem {
		t.Errorf("log after a new password: %+v, %v", report, err)
	}
	h.restart()
	again, _, err := h.Login(t.Context(), auth.LoginRequest{Name: anna, Password: next, Addr: lan})
	if err != nil {
		t.Fatal(err)
	}
	mustOpen(t, again, before)
	mustOpen(t, again, after)
	if a := h.Alarms(); len(a) != 0 {
		t.Errorf("alarms: %q", a)
	}

	// An older copy of config.db and the old password open what was there then,
	// and nothing that was recorded since.
	h.stop()
	if err := os.WriteFile(h.path, copied, 0o600); err != nil {
		t.Fatal(err)
	}
	h.start()
	thief := h.login()
	mustOpen(t, thief, before)
	if err := after.open(thief); err == nil {
		t.Error("the old password opens new footage")
	}
}

func TestR25RecoveryKeyGivesANewPassword(t *testing.T) {
	h := newHouse(t)
	_, _, rec := h.claim()
	cam := camera()
	before := h.record(cam, time.Now())
	h.restart()
	req := auth.RecoverRequest{Name: anna, Recovery: vault.NewRecoveryKey(), Password: "seven loud geese whistle", Addr: lan}
	if _, _, err := h.RecoverOwner(t.Context(), req); !errors.Is(err, auth.ErrRecoveryKey) {
		t.Errorf("foreign recovery key: %v", err)
	}
	req.Recovery = rec
	sess, _, err := h.RecoverOwner(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	mustOpen(t, sess, before)
	mustOpen(t, sess, h.record(cam, time.Now()))
	if err := h.guess(anna, password, lan); !errors.Is(err, auth.ErrWrong) {
		t.Errorf("the lost password: %v", err)
	}
	// It works again after that, for the new key pair.
	req.Password = "nine green owls juggle"
	if sess, _, err = h.RecoverOwner(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, sess, before)
}

func TestResetKeepsOldFootageShut(t *testing.T) {
	h := newHouse(t)
	old, token, rec := h.claim()
	cam := camera()
	film := h.record(cam, time.Now())
	if err := h.ResetOwner(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-old.Done()
	if _, err := h.Resume(t.Context(), token, lan); !errors.Is(err, auth.ErrNoSession) {
		t.Errorf("session of the old household: %v", err)
	}
	if err := h.guess(anna, password, lan); !errors.Is(err, auth.ErrWrong) {
		t.Errorf("old owner: %v", err)
	}
	if _, err := h.CurrentVault(t.Context(), cam, time.Now()); !errors.Is(err, nvr.ErrNoOwner) {
		t.Errorf("vault without an owner: %v", err)
	}
	h.restart()
	sess, _, _ := h.claim()
	mustStayShut(t, sess, film, nvr.ErrForbidden)
	mustOpen(t, sess, h.record(cam, time.Now()))
	if report, err := h.VerifyLog(t.Context(), sess); err != nil || report.Problem != auth.NoProblem || report.First < 2 {
		t.Errorf("log of the second household: %+v, %v", report, err)
	}
	mustOpen(t, auth.RecoveryOpener(rec, func(nvr.VaultID) ([]byte, error) { return film.EscrowFile, nil }), film)
}

func TestRecoveryOpenerNeedsItsOwnKeyAndTheRightFile(t *testing.T) {
	h := newHouse(t)
	_, _, rec := h.claim()
	film, other := h.record(camera(), time.Now()), h.record(camera(), time.Now())
	load := func(file []byte) func(nvr.VaultID) ([]byte, error) {
		return func(nvr.VaultID) ([]byte, error) { return file, nil }
	}
	mustOpen(t, auth.RecoveryOpener(rec, load(film.EscrowFile)), film)
	mustStayShut(t, auth.RecoveryOpener(vault.NewRecoveryKey(), load(film.EscrowFile)), film, auth.ErrRecoveryKey)
	mustStayShut(t, auth.RecoveryOpener(rec, load(other.EscrowFile)), film, nvr.ErrCorrupt)
	f, err := auth.ParseEscrowFile(film.EscrowFile)
	if err != nil {
		t.Fatal(err)
	}
	f.Day++
	mustStayShut(t, auth.RecoveryOpener(rec, load(f.Marshal())), film, auth.ErrRecoveryKey)
}

func FuzzParseEscrowFile(f *testing.F) {
	f.Add(auth.EscrowFile{Day: -3, Public: []byte("public"), Escrow: []byte("sealed")}.Marshal())
	f.Add([]byte("LARESESC1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := auth.ParseEscrowFile(b)
		if err != nil {
			if !errors.Is(err, nvr.ErrCorrupt) {
				t.Errorf("error: %v", err)
			}
			return
		}
		if string(e.Marshal()) != string(b) {
			t.Error("reading and writing changes the file")
		}
	})
}

func TestDayCountsInUTCAndBackwards(t *testing.T) {
	for at, want := range map[time.Time]int{
		time.Unix(0, 0): 0, time.Unix(86399, 0): 0, time.Unix(86400, 0): 1, time.Unix(-1, 0): -1, time.Unix(-86400, 0): -1, time.Unix(-86401, 0): -2,
	} {
		if got := auth.Day(at); got != want {
			t.Errorf("day of %v is %d, want %d", at, got, want)
		}
	}
}
