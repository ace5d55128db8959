package auth_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
)

func (h *house) loginWith(code string) error {
	_, _, err := h.Login(h.t.Context(), auth.LoginRequest{Name: anna, Password: password, Code: code, Addr: lan})
	return err
}

func TestR8RecoveryCodesWorkOnce(t *testing.T) {
	h := newHouse(t)
	owner, _, _ := h.claim()
	if _, err := h.NewRecoveryCodes(t.Context(), owner); !errors.Is(err, nvr.ErrInvalid) {
		t.Errorf("codes without a second factor: %v", err)
	}
	_, e := enrol(t)
	codes, err := h.SetSecondFactor(t.Context(), owner, e)
	if err != nil || len(codes) != 10 {
		t.Fatal(codes, err)
	}
	if err := h.loginWith(""); !errors.Is(err, auth.ErrSecondFactor) {
		t.Errorf("without a code: %v", err)
	}
	if err := h.loginWith(e.Code); !errors.Is(err, auth.ErrWrong) {
		t.Errorf("the code of the enrolment again: %v", err)
	}
	if err := h.loginWith(strings.ToLower(codes[3])); err != nil {
		t.Errorf("a recovery code: %v", err)
	}
	h.restart()
	if err := h.loginWith(codes[3]); !errors.Is(err, auth.ErrWrong) {
		t.Errorf("a used code after a restart: %v", err)
	}
	if err := h.loginWith("AAAAA-AAAAA"); !errors.Is(err, auth.ErrWrong) {
		t.Errorf("no code at all: %v", err)
	}
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wg.Go(func() { errs[i] = h.loginWith(codes[5]) })
	}
	wg.Wait()
	right := 0
	for _, err := range errs {
		if err == nil {
			right++
		}
	}
	if right != 1 {
		t.Errorf("one code was right %d times: %v", right, errs)
	}
	var owner2 *auth.Session
	if owner2, _, err = h.Login(t.Context(), auth.LoginRequest{Name: anna, Password: password, Code: codes[6], Addr: lan}); err != nil {
		t.Fatal(err)
	}
	if left, second, err := h.RecoveryCodes(t.Context(), owner2); err != nil || left != 7 || !second {
		t.Errorf("%d left, %v, %v", left, second, err)
	}
	fresh, err := h.NewRecoveryCodes(t.Context(), owner2)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.loginWith(codes[0]); !errors.Is(err, auth.ErrWrong) {
		t.Errorf("a code of the list before: %v", err)
	}
	if err := h.loginWith(fresh[0]); err != nil {
		t.Errorf("a code of the new list: %v", err)
	}
	h.Settle()
}

func TestR8StepUpTakesPasswordOrCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		owner, _, _ := h.claim()
		secret, e := enrol(t)
		if _, err := h.SetSecondFactor(t.Context(), owner, e); err != nil {
			t.Fatal(err)
		}
		for _, a := range []auth.Action{auth.ActExport, auth.ActDelete, auth.ActPeople} {
			if err := h.CheckProof(owner, a); err != nil {
				t.Errorf("%s right after the login: %v", a, err)
			}
		}
		time.Sleep(5 * time.Minute)
		for _, a := range []auth.Action{auth.ActExport, auth.ActDelete, auth.ActPeople} {
			if err := h.CheckProof(owner, a); !errors.Is(err, auth.ErrStepUp) {
				t.Errorf("%s after five minutes: %v", a, err)
			}
		}
		if err := h.CheckProof(owner, auth.ActReplay); err != nil {
			t.Errorf("replay: %v", err)
		}
		if err := h.StepUp(t.Context(), owner, "", "000000"); !errors.Is(err, auth.ErrWrong) {
			t.Errorf("a wrong code: %v", err)
		}
		if err := h.StepUp(t.Context(), owner, "a wrong password", ""); !errors.Is(err, auth.ErrWrong) {
			t.Errorf("a wrong password: %v", err)
		}
		if err := h.StepUp(t.Context(), owner, "", code(t, secret, time.Now())); err != nil {
			t.Errorf("a code: %v", err)
		}
		if !owner.Proved(time.Minute) {
			t.Error("the code proves nothing")
		}
		time.Sleep(16 * time.Minute) // the keys are wiped
		if err := h.StepUp(t.Context(), owner, "", code(t, secret, time.Now())); !errors.Is(err, nvr.ErrLocked) {
			t.Errorf("a code in a locked session: %v", err)
		}
		if err := h.StepUp(t.Context(), owner, password, ""); err != nil || owner.Locked() {
			t.Errorf("the password: %v, locked %v", err, owner.Locked())
		}
		h.Settle()
	})
}

func TestSecondFactorIsTakenAwayOnlyWithProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		owner, _, _ := h.claim()
		_, e := enrol(t)
		if _, err := h.SetSecondFactor(t.Context(), owner, &auth.TOTPEnrolment{Secret: e.Secret, Code: "000000"}); !errors.Is(err, auth.ErrTOTP) {
			t.Errorf("a wrong code: %v", err)
		}
		if _, err := h.SetSecondFactor(t.Context(), owner, e); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		if _, err := h.SetSecondFactor(t.Context(), owner, nil); !errors.Is(err, auth.ErrStepUp) {
			t.Errorf("without proof: %v", err)
		}
		if err := h.StepUp(t.Context(), owner, password, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := h.SetSecondFactor(t.Context(), owner, nil); err != nil {
			t.Fatal(err)
		}
		h.login()
		if _, ok := logged(t, h, owner, auth.LogWaived); !ok {
			t.Error("the log does not say so")
		}
	})
}
