package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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
	// Taken says how far the keys of people had come that no owner signed for.
	Taken map[nvr.PrincipalID]uint64 `json:"taken,omitempty"`
}

// trust decides which roster the box seals to while nobody is logged in.
type trust struct {
	store   Store
	machine Sealer

	mu      sync.Mutex  // guards what follows
	raw     nvr.Roster  // as an owner signed it
	signed  *rosterBody // the same, read
	body    *rosterBody // with the keys that people took since
	problem error       // why there is no body although there was one
	stale   bool        // somebody's keys are older than those that were pinned
}

// load reads the newest roster and checks it against the pin: it is the pinned
// one, or descends from it. No roster and no pin means that the box is not
// claimed. The error is that of the store; a roster that is not accepted is
// remembered as the problem.
func (t *trust) load(ctx context.Context) error {
	p, pinErr := t.readPin(ctx)
	raw, err := t.store.Roster(ctx)
	switch {
	case errors.Is(err, nvr.ErrNotFound):
		if errors.Is(pinErr, nvr.ErrNotFound) {
			t.refuse(nil)
			return nil
		}
		t.refuse(fmt.Errorf("%w: it is missing", ErrRoster))
		return nil
	case err != nil:
		return fmt.Errorf("load roster: %w", err)
	}
	if pinErr != nil {
		t.refuse(fmt.Errorf("%w: %w", ErrRoster, pinErr))
		return nil
	}
	body, err := parseRoster(raw)
	if err != nil {
		t.refuse(fmt.Errorf("%w: %w", ErrRoster, err))
		return nil
	}
	known := raw.Version == p.Number && bytes.Equal(rosterHash(raw), p.Hash)
	if !known {
		if known, err = t.descends(ctx, raw, ancestor{p.Number, p.Hash, p.Keys}); err != nil {
			return err
		}
	}
	if !known || !body.complete() {
		t.refuse(fmt.Errorf("%w: it is not the one that was accepted last", ErrRoster))
		return nil
	}
	return t.accept(ctx, raw, body)
}

// ancestor is a roster that is trusted, with the keys of its owners.
type ancestor struct {
	number uint64
	hash   []byte
	keys   [][]byte
}

func ancestorOf(raw nvr.Roster, body *rosterBody) ancestor {
	return ancestor{raw.Version, rosterHash(raw), body.verifyKeys()}
}

// maxDescent bounds the rosters between two that are compared.
const maxDescent = 4096

// descends reports whether a roster follows from an ancestor: each in between
// names the one before it and is signed by one of that one's owners.
func (t *trust) descends(ctx context.Context, raw nvr.Roster, from ancestor) (bool, error) {
	if raw.Version <= from.number {
		return false, nil
	}
	later, err := t.store.Rosters(ctx, from.number, maxDescent)
	if err != nil {
		return false, fmt.Errorf("read rosters: %w", err)
	}
	byHash := make(map[string]nvr.Roster, len(later))
	for _, r := range later {
		byHash[string(rosterHash(r))] = r
	}
	var line []nvr.Roster // from the newest back
	for next := raw; ; {
		body, err := parseRoster(next)
		if err != nil || len(line) > len(later) {
			return false, nil //nolint:nilerr // it is none of ours
		}
		line = append(line, next)
		if bytes.Equal(body.Previous, from.hash) {
			break
		}
		before, ok := byHash[string(body.Previous)]
		if !ok {
			return false, nil
		}
		next = before
	}
	keys := from.keys
	for _, r := range slices.Backward(line) {
		body, err := parseRoster(r)
		if err != nil || !signedBy(r, keys) {
			return false, nil //nolint:nilerr // it is none of ours
		}
		keys = body.verifyKeys()
	}
	return true, nil
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

// accept pins a roster that an owner vouched for and seals to it from now on,
// and to the keys that people took since.
func (t *trust) accept(ctx context.Context, raw nvr.Roster, signed *rosterBody) error {
	before, err := t.readPin(ctx)
	if err != nil && !errors.Is(err, nvr.ErrNotFound) {
		before = pin{} // it is replaced
	}
	people, err := t.store.Principals(ctx)
	if err != nil {
		return fmt.Errorf("load people: %w", err)
	}
	body := *signed
	body.Members = slices.Clone(signed.Members)
	next := pin{Form: 1, Number: raw.Version, Hash: rosterHash(raw), Keys: signed.verifyKeys(), Taken: make(map[nvr.PrincipalID]uint64)}
	stale := false
	for i, m := range body.Members {
		j := slices.IndexFunc(people, func(p nvr.Principal) bool { return p.ID == m.ID })
		if j >= 0 {
			m = m.succeed(parseSuccession(people[j].Succession))
		}
		if pinned := before.Taken[m.ID]; pinned > m.Keys {
			// Older keys were put back: nothing is sealed to them.
			m.Public, m.Verify, m.Keys, m.fresh = nil, nil, pinned, true
			stale = true
		}
		if m.fresh {
			next.Taken[m.ID] = m.Keys
		}
		body.Members[i] = m
	}
	if err := t.pin(ctx, next); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.raw, t.signed, t.body, t.problem, t.stale = raw, signed, &body, nil, stale
	return nil
}

// refresh takes over the keys that a person took.
func (t *trust) refresh(ctx context.Context) error {
	raw, signed, err := t.owned()
	if err != nil {
		return err
	}
	return t.accept(ctx, raw, signed)
}

func (t *trust) pin(ctx context.Context, p pin) error {
	plain, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode the pinned roster: %w", err)
	}
	if old, err := t.store.Setting(ctx, pinSetting); err == nil {
		if was, err := t.machine.Open(pinContext, old); err == nil && bytes.Equal(was, plain) {
			return nil
		}
	}
	if err := t.store.SetSetting(ctx, pinSetting, t.machine.Seal(pinContext, plain)); err != nil {
		return fmt.Errorf("pin the roster: %w", err)
	}
	return nil
}

func (t *trust) forget(ctx context.Context) error {
	if err := t.store.DeleteSetting(ctx, pinSetting); err != nil && !errors.Is(err, nvr.ErrNotFound) {
		return fmt.Errorf("forget the pinned roster: %w", err)
	}
	t.refuse(nil)
	return nil
}

// refuse leaves the box without a roster; nil: there is none.
func (t *trust) refuse(problem error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.raw, t.signed, t.body, t.problem, t.stale = nvr.Roster{}, nil, nil, problem, false
}

// roster returns the accepted roster with the keys of today. Errors:
// nvr.ErrNoOwner before a claim, ErrRoster when the stored one cannot be trusted.
func (t *trust) roster() (*rosterBody, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.problem != nil:
		return nil, t.problem
	case t.body == nil:
		return nil, nvr.ErrNoOwner
	}
	return t.body, nil
}

// owned returns the accepted roster as an owner signed it.
func (t *trust) owned() (nvr.Roster, *rosterBody, error) {
	if _, err := t.roster(); err != nil {
		return nvr.Roster{}, nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.raw, t.signed, nil
}

// rolledBack reports whether somebody's keys are older than they were.
func (t *trust) rolledBack() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stale
}
