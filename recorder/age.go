package recorder

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"lares/nvr"
)

// Settings keeps the little that the recorder must know after a restart.
// nvr/db implements it on config.db; a missing value is nvr.ErrNotFound.
type Settings interface {
	Setting(ctx context.Context, key string) ([]byte, error)
	SetSetting(ctx context.Context, key string, value []byte) error
}

const (
	day = 24 * time.Hour
	// bigStep is a change of the wall clock after which its sense is doubted.
	bigStep = time.Hour
	// steadyTime is how long the clock must run without one before age counts again.
	steadyTime = 24 * time.Hour
	ageKey     = "recorder.age"
	ageSize    = 1 + 3*8
)

// age counts the time that the box saw pass on its monotonic clock, over
// restarts. Footage grows old by this clock, so that a wall clock that is set
// forward to 2040 deletes nothing. After a step of more than an hour deletion
// by age waits, until the clock ran steadily for a day or an owner says so.
type age struct {
	settings Settings
	now      clock

	mu       sync.Mutex    // guards what follows
	before   time.Duration // the count when the clock began
	lastWall time.Time     // at the last tick
	lastMono time.Duration
	steady   time.Duration // count from which deletion by age is allowed
}

// clock returns the wall time, and the time that has passed since the clock was
// made, which nobody can set.
type clock func() (wall time.Time, mono time.Duration)

func systemClock() clock {
	began := time.Now()
	return func() (time.Time, time.Duration) {
		t := time.Now()
		return t.Round(0), t.Sub(began) // the monotonic reading
	}
}

// loadAge continues the count of the last run. It notices a wall clock that
// lies more than an hour before the one of the last run.
func loadAge(ctx context.Context, settings Settings, now clock) (*age, error) {
	a := &age{settings: settings, now: now}
	a.lastWall, a.lastMono = now()
	a.before = -a.lastMono
	raw, err := settings.Setting(ctx, ageKey)
	if errors.Is(err, nvr.ErrNotFound) {
		return a, nil
	}
	if err != nil {
		return nil, fmt.Errorf("load the age of the box: %w", err)
	}
	if len(raw) != ageSize || raw[0] != 1 {
		return nil, fmt.Errorf("load the age of the box: %w", nvr.ErrCorrupt)
	}
	a.before += time.Duration(binary.BigEndian.Uint64(raw[1:]))
	a.steady = time.Duration(binary.BigEndian.Uint64(raw[9:]))
	last := time.UnixMicro(int64(binary.BigEndian.Uint64(raw[17:])))
	if last.Sub(a.lastWall) > bigStep {
		a.steady = a.countLocked() + steadyTime
	}
	return a, nil
}

func (a *age) countLocked() time.Duration {
	_, mono := a.now()
	return a.before + mono
}

// day returns the number of whole days that the box saw pass.
func (a *age) day() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return int(a.countLocked() / day)
}

// trusted reports whether footage may be deleted for its age.
func (a *age) trusted() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.countLocked() >= a.steady
}

// trust lets an owner say that the clock is right.
func (a *age) trust() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.steady = 0
}

// tick looks for a step of the wall clock and saves the count. It returns the
// step where there was one of more than an hour.
func (a *age) tick(ctx context.Context) (step time.Duration, err error) {
	a.mu.Lock()
	wall, mono := a.now()
	count := a.before + mono
	if d := wall.Sub(a.lastWall) - (mono - a.lastMono); d.Abs() > bigStep {
		step = d
		a.steady = count + steadyTime
	}
	a.lastWall, a.lastMono = wall, mono
	raw := make([]byte, ageSize)
	raw[0] = 1
	binary.BigEndian.PutUint64(raw[1:], uint64(count))
	binary.BigEndian.PutUint64(raw[9:], uint64(a.steady))
	binary.BigEndian.PutUint64(raw[17:], uint64(wall.UnixMicro()))
	a.mu.Unlock()
	if err := a.settings.SetSetting(ctx, ageKey, raw); err != nil {
		return step, fmt.Errorf("save the age of the box: %w", err)
	}
	return step, nil
}
