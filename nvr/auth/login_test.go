package auth_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/nvr/vault"
)

func addr(i int) string { return fmt.Sprintf("10.0.%d.%d:4711", i/250, i%250+1) }

func TestR6UnknownNameCostsAndSaysTheSame(t *testing.T) {
	h := newHouse(t)
	h.claim()
	var answers []string
	for i, name := range []string{anna, "nobody", "ANNA ", ""} {
		before := h.Derivations()
		err := h.guess(name, "a wrong password", addr(i))
		if got := h.Derivations() - before; got != 1 {
			t.Errorf("%q: %d derivations, want 1", name, got)
		}
		answers = append(answers, err.Error())
	}
	for _, a := range answers {
		if a != answers[0] {
			t.Errorf("answers differ: %q", answers)
		}
	}
	before := h.Derivations()
	if err := h.guess(anna, strings.Repeat("long", 1<<20), addr(9)); !errors.Is(err, auth.ErrWrong) || h.Derivations() != before+1 {
		t.Errorf("huge password: %v", err)
	}
}

func TestGuessesAreThrottledPerAccountAcrossAddressesAndRestarts(t *testing.T) {
	for _, addresses := range []int{1, 200} {
		t.Run(fmt.Sprint(addresses, " addresses"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				h.claim()
				before := h.Derivations()
				var throttled auth.ErrThrottled
				for i := range 3600 { // a guess a second for an hour
					time.Sleep(time.Second)
					err := h.guess(anna, "a wrong password", addr(i%addresses))
					if !errors.Is(err, auth.ErrWrong) && !errors.As(err, &throttled) {
						t.Fatal(err)
					}
					if i == 1800 {
						evaluated := h.Derivations() - before
						h.restart()
						before = h.Derivations() - evaluated
					}
				}
				if n := h.Derivations() - before; n > 24 || n < 5 {
					t.Errorf("%d guesses were looked at", n)
				}
				if throttled.RetryAfter <= 0 || throttled.RetryAfter > 15*time.Minute {
					t.Errorf("the wait is %v", throttled.RetryAfter)
				}
				time.Sleep(15 * time.Minute)
				h.login()
			})
		})
	}
}

func TestStrangersCannotKeepASessionFromUnlocking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		_, token, _ := h.claim()
		h.restart()
		for i := range 600 {
			time.Sleep(100 * time.Millisecond)
			_ = h.guess(anna, "a wrong password", addr(i))
		}
		sess, err := h.Resume(t.Context(), token, lan)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Unlock(t.Context(), sess, password); err != nil {
			t.Errorf("unlock during an attack: %v", err)
		}
		before := h.Derivations()
		for range 100 {
			_ = h.Unlock(t.Context(), sess, "a wrong password")
		}
		if n := h.Derivations() - before; n > 6 {
			t.Errorf("%d guesses with a stolen cookie were looked at at once", n)
		}
	})
}

func TestTriesForUnknownNamesDoNotFillTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		sess, _, _ := h.claim()
		for i := range 600 { // ten minutes
			time.Sleep(time.Second)
			_ = h.guess(fmt.Sprint("name", i), "a wrong password", addr(i%200))
		}
		time.Sleep(10 * time.Minute)
		_ = h.guess("nobody", "a wrong password", lan)
		if err := h.Unlock(t.Context(), sess, password); err != nil {
			t.Fatal(err)
		}
		got := details(t, h, sess, auth.LogLoginFailed)
		if len(got) != 2 || got[0] != "unknown names, 1 tries" || got[1] == got[0] {
			t.Errorf("entries: %q", got)
		}
	})
}

func TestRightPasswordForgetsTypingErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.claim()
		for range 6 {
			for range 4 {
				if err := h.guess(anna, "a wrong password", lan); !errors.Is(err, auth.ErrWrong) {
					t.Fatal(err)
				}
			}
			h.login()
			time.Sleep(time.Minute)
		}
	})
}

func TestManyNamesFromOneAddressAreThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.claim()
		before := h.Derivations()
		for i := range 100 {
			_ = h.guess(fmt.Sprint("name", i), "a wrong password", lan)
		}
		if n := h.Derivations() - before; n != 10 {
			t.Errorf("%d guesses from one address at once were looked at, want 10", n)
		}
		v6 := h.Derivations()
		for i := range 100 {
			_ = h.guess(fmt.Sprint("name", i), "a wrong password", fmt.Sprintf("[fd00::1:%x]:80", i))
		}
		if n := h.Derivations() - v6; n > 10 {
			t.Errorf("%d guesses from one IPv6 network at once were looked at", n)
		}
	})
}

func TestClockSetBackDoesNotLockOutForLong(t *testing.T) {
	h := newHouse(t)
	h.claim()
	for range 6 {
		_ = h.guess(anna, "a wrong password", lan)
	}
	h.stop()
	h.tamper(`UPDATE throttle SET until = ?`, time.Now().AddDate(10, 0, 0).UnixNano())
	h.start()
	var throttled auth.ErrThrottled
	if err := h.guess(anna, password, "10.1.1.1"); !errors.As(err, &throttled) || throttled.RetryAfter > 15*time.Minute {
		t.Errorf("after the clock was set back: %v", err)
	}
}

func TestParallelLoginsAreBounded(t *testing.T) {
	h := newHouse(t)
	h.claim()
	before := h.Derivations()
	var wg sync.WaitGroup
	var wrong, refused sync.Map
	for i := range 200 {
		wg.Go(func() {
			err := h.guess(fmt.Sprint("name", i), "a wrong password", addr(i))
			var throttled auth.ErrThrottled
			switch {
			case errors.Is(err, auth.ErrWrong):
				wrong.Store(i, true)
			case errors.As(err, &throttled):
				refused.Store(i, true)
			default:
				t.Errorf("answer: %v", err)
			}
		})
	}
	wg.Wait()
	if n := h.Derivations() - before; n > 60+34 {
		t.Errorf("%d of 200 guesses at once were looked at", n)
	}
	if n := h.Counters(); n > 4096 {
		t.Errorf("%d counters in memory", n)
	}
}

func TestCancelledLoginStillCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.claim()
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		for range 20 {
			_, _, _ = h.Login(gone, auth.LoginRequest{Name: anna, Password: "a wrong password", Addr: lan})
		}
		var throttled auth.ErrThrottled
		if err := h.guess(anna, "a wrong password", lan); !errors.As(err, &throttled) {
			t.Errorf("hanging up made guesses free: %v", err)
		}
	})
}

func TestR8SecondFactorIsAskedForAndWorksOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		secret, e := enrol(t)
		_, _, err := h.Claim(t.Context(), auth.ClaimRequest{
			Console: true, Name: anna, Password: password, TOTP: e, Recovery: vault.NewRecoveryKey(), Addr: lan,
		})
		if err != nil {
			t.Fatal(err)
		}
		try := func(code string) error {
			_, _, err := h.Login(t.Context(), auth.LoginRequest{Name: anna, Password: password, Code: code, Addr: lan})
			return err
		}
		if err := try(""); !errors.Is(err, auth.ErrSecondFactor) {
			t.Errorf("without a code: %v", err)
		}
		if err := h.guess(anna, "a wrong password", lan); !errors.Is(err, auth.ErrWrong) {
			t.Errorf("a wrong password must not be told from a wrong code: %v", err)
		}
		if err := try(e.Code); !errors.Is(err, auth.ErrWrong) {
			t.Errorf("the code of the enrolment: %v", err)
		}
		time.Sleep(2 * time.Minute)
		now := code(t, secret, time.Now())
		if err := try(now[:3] + " " + now[3:]); err != nil {
			t.Errorf("right code: %v", err)
		}
		h.restart()
		if err := try(now); !errors.Is(err, auth.ErrWrong) {
			t.Errorf("a replayed code: %v", err)
		}
		if err := try(code(t, secret, time.Now().Add(-30*time.Second))); !errors.Is(err, auth.ErrWrong) {
			t.Errorf("an older code than the last one: %v", err)
		}
		if err := try(code(t, secret, time.Now().Add(30*time.Second))); err != nil {
			t.Errorf("a phone that is half a minute ahead: %v", err)
		}
		time.Sleep(5 * time.Minute)
		if err := try(code(t, secret, time.Now().Add(-90*time.Second))); !errors.Is(err, auth.ErrWrong) {
			t.Errorf("an old code: %v", err)
		}
	})
}

func TestRecoveryCanReplaceTheSecondFactor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		_, first := enrol(t)
		rec := vault.NewRecoveryKey()
		if _, _, err := h.Claim(t.Context(), auth.ClaimRequest{
			Console: true, Name: anna, Password: password, TOTP: first, Recovery: rec, Addr: lan,
		}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		_, second := enrol(t)
		const next = "seven loud geese whistle"
		if _, _, err := h.RecoverOwner(t.Context(), auth.RecoverRequest{
			Name: anna, Recovery: rec, Password: next, TOTP: second, Addr: lan,
		}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		_, _, err := h.Login(t.Context(), auth.LoginRequest{
			Name: anna, Password: next, Code: code(t, second.Secret, time.Now()), Addr: lan,
		})
		if err != nil {
			t.Errorf("the new factor: %v", err)
		}
	})
}

func TestR7PasswordsThatAreGuessedFirstAreRefused(t *testing.T) {
	for _, bad := range []string{
		"", "short", "elevenchars", "password1234", "P4ssw0rd!2024", "passwordpassword", "Sunshine2024!", "iloveyou1234",
		"qwertyuiop12", "123456789012", "aaaaaaaaaaaa", "abcabcabcabc", "1q2w3e4r5t6y", "1qaz2wsx3edc", "01.02.1984/03.04",
		"Anna12345678", "annaannaanna", "laresLARES1!", "lovemom12345", "Fußball 2024!!"[:9] + "12", "qwer1234asdf",
		strings.Repeat("langes Passwort ", 17), "trustno1trustno1", "correcthorsebatterystaple", "h3ll0w0rld12",
		"valid words \xff\xfe", "iloveyouforever", "monkey-monkey-monkey",
	} {
		err := auth.CheckPassword(bad, anna)
		if !errors.Is(err, nvr.ErrInvalid) {
			t.Errorf("%q was taken: %v", bad, err)
		}
	}
	for _, good := range []string{
		password, "kj3h4kj5h6lk", "correct horse battery clip", "Vier blaue Fahrräder am See", "Tr0ub4dor&3xyz",
		"我家門口有三棵大樹和兩隻小貓", "paper lantern", "93847 51029 38471 5602 7781",
	} {
		if err := auth.CheckPassword(good, anna); err != nil {
			t.Errorf("%q was refused: %v", good, err)
		}
	}
}

func FuzzCheckPassword(f *testing.F) {
	f.Add("P4ssw0rd!2024", anna)
	f.Fuzz(func(_ *testing.T, password, name string) { _ = auth.CheckPassword(password, name) })
}
