package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"lares/nvr"
)

const (
	pinSetting = "auth/roster-pin"
	pinContext = "lares/roster-pin/v1"
)

// pin is what the box remembers of the roster that it accepted last, sealed
// with the machine key: whoever changes config.db on another computer cannot
// make a pin that fits.
type pin struct {
	Form   int      `json:"version"`
	Number uint64   `json:"number"`
	Hash   []byte   `json:"hash"`
	Keys   [][]byte `json:"keys"` // of the owners
}

// trust decides which roster the box seals to while nobody is logged in.
type trust struct {
	store   Store
	machine Sealer

	mu      sync.Mutex // guards what follows
	body    *rosterBody
	problem error // why there is no body although there was one
	version uint64
}

// load reads the newest roster and checks it against the pin: it is the pinned
// one, or a later one that a pinned owner signed. No roster and no pin means
// that the box is not claimed. The error is that of the store; a roster that
// is not accepted is remembered as the problem.
func (t *trust) load(ctx context.Context) error {
	p, pinErr := t.readPin(ctx)
	raw, err := t.store.Roster(ctx)
	switch {
	case errors.Is(err, nvr.ErrNotFound):
		if errors.Is(pinErr, nvr.ErrNotFound) {
			t.set(nil, nil)
			return nil
		}
		t.set(nil, fmt.Errorf("%w: it is missing", ErrRoster))
		return nil
	case err != nil:
		return fmt.Errorf("load roster: %w", err)
	}
	if pinErr != nil {
		t.set(nil, fmt.Errorf("%w: %w", ErrRoster, pinErr))
		return nil
	}
	body, err := parseRoster(raw)
	if err != nil {
		t.set(nil, fmt.Errorf("%w: %w", ErrRoster, err))
		return nil
	}
	known := raw.Version == p.Number && bytes.Equal(rosterHash(raw), p.Hash)
	later := raw.Version > p.Number && signedBy(raw, p.Keys)
	if !known && !later || !signedBy(raw, p.Keys) || !body.complete() {
		t.set(nil, fmt.Errorf("%w: it is not the one that was accepted last", ErrRoster))
		return nil
	}
	if later {
		return t.accept(ctx, raw, body)
	}
	t.set(body, nil)
	return nil
}

func (t *trust) readPin(ctx context.Context) (pin, error) {
	sealed, err := t.store.Setting(ctx, pinSetting)
	if err != nil {
		return pin{}, fmt.Errorf("read the pinned roster: %w", err)
	}
	plain, err := t.machine.Open(pinContext, sealed)
	if err != nil {
		return pin{}, fmt.Errorf("open the pinned roster: %w", err)
	}
	var p pin
	if err := json.Unmarshal(plain, &p); err != nil || p.Form != 1 {
		return pin{}, fmt.Errorf("read the pinned roster: %w", nvr.ErrCorrupt)
	}
	return p, nil
}

// accept pins a roster that an owner vouched for and seals to it from now on.
func (t *trust) accept(ctx context.Context, raw nvr.Roster, body *rosterBody) error {
	plain, err := json.Marshal(pin{Form: 1, Number: raw.Version, Hash: rosterHash(raw), Keys: body.verifyKeys()})
	if err != nil {
		return fmt.Errorf("encode the pinned roster: %w", err)
	}
	if err := t.store.SetSetting(ctx, pinSetting, t.machine.Seal(pinContext, plain)); err != nil {
		return fmt.Errorf("pin the roster: %w", err)
	}
	t.set(body, nil)
	return nil
}

func (t *trust) forget(ctx context.Context) error {
	if err := t.store.DeleteSetting(ctx, pinSetting); err != nil && !errors.Is(err, nvr.ErrNotFound) {
		return fmt.Errorf("forget the pinned roster: %w", err)
	}
	t.set(nil, nil)
	return nil
}

func (t *trust) set(body *rosterBody, problem error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.body, t.problem = body, problem
	t.version++
}

// roster returns the accepted roster. Errors: nvr.ErrNoOwner before a claim,
// ErrRoster when the stored one cannot be trusted.
func (t *trust) roster() (*rosterBody, error) {
	body, _, err := t.versioned()
	return body, err
}

// versioned also returns a number that changes whenever the roster does.
func (t *trust) versioned() (*rosterBody, uint64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.problem != nil:
		return nil, t.version, t.problem
	case t.body == nil:
		return nil, t.version, nvr.ErrNoOwner
	}
	return t.body, t.version, nil
}
