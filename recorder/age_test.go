package recorder

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lares/nvr"
)

// settingMap is what config.db keeps, in memory.
type settingMap struct {
	mu sync.Mutex
	m  map[string][]byte
}

func (s *settingMap) Setting(_ context.Context, key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v, ok := s.m[key]; ok {
		return v, nil
	}
	return nil, nvr.ErrNotFound
}

func (s *settingMap) SetSetting(_ context.Context, key string, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.m[key] = value
	return nil
}

// wallClock is a clock whose wall time can be set while the monotonic one, that
// of the bubble, runs on. time.Time cannot hold such a pair, so it hands out the
// two separately, as age takes them.
type wallClock struct{ set time.Duration }

func (c *wallClock) now() (wall time.Time, mono time.Duration) {
	return time.Now().Round(0).Add(c.set), time.Duration(time.Now().UnixNano())
}

func (c *wallClock) setTo(t time.Time) { c.set += t.Sub(time.Now().Add(c.set)) }

func newAge(t *testing.T, s *settingMap, c *wallClock) *age {
	t.Helper()
	a, err := loadAge(t.Context(), s, c.now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// run lets time pass as the retention loop does.
func run(t *testing.T, a *age, d time.Duration) (steps int) {
	t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(ageTick)
		step, err := a.tick(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if step != 0 {
			steps++
		}
	}
	return steps
}

func TestAgeIsCountedInTimeThatPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		settings, clock := &settingMap{m: map[string][]byte{}}, &wallClock{}
		clock.setTo(time.Date(1970, 1, 1, 0, 0, 7, 0, time.UTC))
		a := newAge(t, settings, clock)
		run(t, a, 50*time.Hour)
		if a.day() != 2 || !a.trusted() {
			t.Fatalf("after 50 h: day %d, trusted %v", a.day(), a.trusted())
		}
		for _, to := range []time.Time{
			time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 11, 1, 1, 0, 0, 0, time.UTC),
		} {
			clock.setTo(to)
			if steps := run(t, a, time.Hour); steps != 1 {
				t.Errorf("set to %v: %d steps noticed", to, steps)
			}
			if a.day() != 2 || a.trusted() {
				t.Errorf("set to %v: day %d, trusted %v", to, a.day(), a.trusted())
			}
		}
		run(t, a, 22*time.Hour)
		if a.trusted() {
			t.Error("trusted before a steady day was over")
		}
		run(t, a, 2*time.Hour)
		if !a.trusted() {
			t.Error("not trusted after a steady day")
		}
	})
}

func TestOwnerMayTrustTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		settings, clock := &settingMap{m: map[string][]byte{}}, &wallClock{}
		a := newAge(t, settings, clock)
		clock.set += 2 * time.Hour
		run(t, a, time.Minute)
		if a.trusted() {
			t.Fatal("trusted after a step")
		}
		a.trust()
		run(t, a, time.Minute)
		if !a.trusted() {
			t.Error("the owner's word is forgotten")
		}
		clock.set += 59 * time.Minute
		run(t, a, time.Minute)
		if !a.trusted() {
			t.Error("a step of less than an hour counts")
		}
	})
}

func TestAgeGoesOnAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		settings, clock := &settingMap{m: map[string][]byte{}}, &wallClock{}
		run(t, newAge(t, settings, clock), 30*time.Hour)
		clock.set += 14 * 365 * day // the box was off, or the clock was set: nobody knows
		a := newAge(t, settings, clock)
		if a.day() != 1 || !a.trusted() {
			t.Errorf("later: day %d, trusted %v", a.day(), a.trusted())
		}
		run(t, a, 20*time.Hour)
		if a.day() != 2 {
			t.Errorf("day %d after 50 h in two runs", a.day())
		}
		clock.set -= 14 * 365 * day // before the last run: the clock is wrong
		a = newAge(t, settings, clock)
		if a.day() != 2 || a.trusted() {
			t.Errorf("earlier: day %d, trusted %v", a.day(), a.trusted())
		}
	})
}

func TestAgeRefusesASettingThatCannotBe(t *testing.T) {
	settings := &settingMap{m: map[string][]byte{ageKey: {1, 2, 3}}}
	if _, err := loadAge(t.Context(), settings, (&wallClock{}).now); err == nil {
		t.Error("a damaged setting was taken")
	}
}
