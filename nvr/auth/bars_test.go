package auth_test

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/nvr/vault"
)

// TestR7TenThousandGuessesInAnHour lets strangers guess from one and from 200
// addresses, against one account and against many names, with a restart in the
// middle; the owner gets in on a remembered device throughout.
func TestR7TenThousandGuessesInAnHour(t *testing.T) {
	for _, addresses := range []int{1, 200} {
		for name, whose := range map[string]func(int) string{
			"one account": func(int) string { return anna },
			"many names":  func(i int) string { return fmt.Sprint("name", i%50) },
		} {
			t.Run(fmt.Sprint(name, ", ", addresses, " addresses"), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { tenThousand(t, addresses, whose) })
			})
		}
	}
}

func tenThousand(t *testing.T, addresses int, whose func(int) string) {
	const guesses = 10000
	h := newHouse(t)
	owner, _, _ := h.claim()
	device, err := h.Remember(t.Context(), owner)
	if err != nil {
		t.Fatal(err)
	}
	film := h.record(camera(), time.Now())
	evaluated, before := int64(0), h.Derivations()
	for i := range guesses {
		time.Sleep(time.Hour / guesses)
		var throttled auth.ErrThrottled
		if err := h.guess(whose(i), "a wrong password", addr(i%addresses)); !errors.Is(err, auth.ErrWrong) && !errors.As(err, &throttled) {
			t.Fatal(err)
		}
		if i == guesses/2 {
			evaluated = h.Derivations() - before
			h.restart()
			before = h.Derivations()
		}
		if i%1000 == 999 {
			sess, _, err := h.LoginDevice(t.Context(), device, addr(i%addresses), browser)
			if err != nil {
				t.Fatalf("the owner on a remembered device after %d guesses: %v", i, err)
			}
			mustOpen(t, sess, film)
			h.Settle()
		}
	}
	evaluated += h.Derivations() - before
	t.Logf("%d of %d guesses were looked at; %d counters in memory", evaluated, guesses, h.Counters())
	if evaluated > 100 {
		t.Errorf("%d guesses were looked at", evaluated)
	}
	code, _, err := h.NewLoginCode(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	req := auth.LoginRequest{Name: anna, Password: password, BoxCode: code, Addr: addr(addresses)}
	sess, _, err := h.Login(t.Context(), req)
	if err != nil {
		t.Fatalf("the owner with the code of the box: %v", err)
	}
	mustOpen(t, sess, film)
	if _, _, err := h.Login(t.Context(), req); !errors.Is(err, auth.ErrBoxCode) {
		t.Errorf("the code of the box works twice: %v", err)
	}
	h.Settle()
}

func TestCodeOfTheBoxStillNeedsThePassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		if _, _, err := h.NewLoginCode(t.Context()); !errors.Is(err, nvr.ErrNoOwner) {
			t.Errorf("before there is an owner: %v", err)
		}
		h.claim()
		code, _, err := h.NewLoginCode(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		login := func(pw, code string) error {
			_, _, err := h.Login(t.Context(), auth.LoginRequest{Name: anna, Password: pw, BoxCode: code, Addr: lan})
			return err
		}
		before := h.Derivations()
		for range 100 {
			_ = login("a wrong password", code)
		}
		if n := h.Derivations() - before; n < 1 || n > 6 {
			t.Errorf("%d guesses with the code were looked at at once", n)
		}
		if err := login(password, "AAAA-AAAA-AAAA-AAAA"); !errors.Is(err, auth.ErrBoxCode) {
			t.Errorf("a wrong code: %v", err)
		}
		time.Sleep(30 * time.Minute)
		if err := login(password, code); !errors.Is(err, auth.ErrBoxCode) {
			t.Errorf("after half an hour: %v", err)
		}
	})
}

// TestR7TwoHundredParallelLoginsStayInBounds counts how many passwords are derived
// at the same time, which is what takes the memory.
func TestR7TwoHundredParallelLoginsStayInBounds(t *testing.T) {
	h := newHouse(t)
	h.stop()
	h.kdf.MemoryKiB, h.kdf.Time = 16<<10, 3 // long enough for others to come meanwhile
	h.start()
	h.claim()
	var most atomic.Int64
	stop := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				most.Store(max(most.Load(), h.Deriving()))
				runtime.Gosched()
			}
		}
	})
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			err := h.guess(fmt.Sprint("name", i), "a wrong password", addr(i))
			var throttled auth.ErrThrottled
			if !errors.Is(err, auth.ErrWrong) && !errors.As(err, &throttled) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	close(stop)
	watching.Wait()
	if n := most.Load(); n < 1 || n > 2 {
		t.Errorf("%d passwords were derived at once", n)
	}
	h.Settle()
}

func TestGuessIsMadeToCostHalfASecond(t *testing.T) {
	least := vault.DefaultKDFParams()
	for took, want := range map[time.Duration]uint16{
		time.Millisecond: 16, 100 * time.Millisecond: 15, 250 * time.Millisecond: 6, time.Second: 3, 0: 3,
	} {
		got, err := auth.Calibrate(least, func(vault.KDFParams) (time.Duration, error) { return took, nil })
		if err != nil || got.Time != want || got.MemoryKiB != least.MemoryKiB {
			t.Errorf("three passes in %v: %+v, %v, want %d passes", took, got, err, want)
		}
	}
}
