package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"lares/nvr"
	"lares/nvr/vault"
)

const (
	// atOnce is how many passwords are derived at the same time: each takes 64 MiB.
	atOnce = 2
	// waiting is how many more may wait for their turn.
	waiting = 32
	// busyRetry is what those beyond are told.
	busyRetry = 5 * time.Second
	saltSize  = 16
)

// kdf turns passwords into keys, two at a time behind a bounded queue.
type kdf struct {
	params atomic.Pointer[vault.KDFParams] // of new passwords
	slots  *semaphore.Weighted
	inside atomic.Int64 // running and waiting
	runs   atomic.Int64 // derivations so far
	// running counts those that go on now.
	running atomic.Int64
}

func newKDF(p vault.KDFParams) *kdf {
	k := &kdf{slots: semaphore.NewWeighted(atOnce)}
	k.params.Store(&p)
	return k
}

const (
	// aim is what a guess shall cost on this box, maxPasses what it may cost in
	// passes at most: a box that was idle when it was measured must not be stuck
	// when it is busy. The memory stays as it is.
	aim       = 500 * time.Millisecond
	maxPasses = 16
)

// calibrate raises the passes until a guess costs about what it shall. measure
// returns what one takes with the given settings.
func calibrate(p vault.KDFParams, measure func(vault.KDFParams) (time.Duration, error)) (vault.KDFParams, error) {
	took, err := measure(p)
	if err != nil || took <= 0 {
		return p, err
	}
	passes := int64(p.Time) * int64(aim) / int64(took)
	p.Time = uint16(min(max(passes, int64(p.Time)), maxPasses))
	return p, nil
}

// measure times a derivation: the best of a few, since the box does other things
// meanwhile.
func (k *kdf) measure(ctx context.Context) func(vault.KDFParams) (time.Duration, error) {
	return func(p vault.KDFParams) (best time.Duration, err error) {
		for range 4 {
			start := time.Now()
			if _, err := k.derive(ctx, "how long does it take", make([]byte, saltSize), p); err != nil {
				return 0, err
			}
			if took := time.Since(start); best == 0 || took < best {
				best = took
			}
		}
		return best, nil
	}
}

// derive returns the key of a password. Errors: ErrThrottled when the queue is
// full, that of ctx, vault.ErrFormat.
func (k *kdf) derive(ctx context.Context, password string, salt []byte, p vault.KDFParams) ([32]byte, error) {
	defer k.inside.Add(-1)
	if k.inside.Add(1) > atOnce+waiting {
		return [32]byte{}, ErrThrottled{RetryAfter: busyRetry}
	}
	if err := k.slots.Acquire(ctx, 1); err != nil {
		return [32]byte{}, fmt.Errorf("wait for a turn to check a password: %w", err)
	}
	defer k.slots.Release(1)
	k.runs.Add(1)
	k.running.Add(1)
	defer k.running.Add(-1)
	return vault.DeriveKey(password, salt, p)
}

// wrap makes a password unlocker for a key pair.
func (k *kdf) wrap(ctx context.Context, id nvr.PrincipalID, password string, pair *vault.KeyPair) (nvr.Unlocker, error) {
	u := nvr.Unlocker{ID: nvr.NewID[nvr.Unlocker](), Principal: id, Kind: nvr.Password, Salt: make([]byte, saltSize)}
	rand.Read(u.Salt) // never fails: crypto/rand, Go 1.24
	var err error
	params := *k.params.Load()
	if u.Params, err = params.MarshalBinary(); err != nil {
		return nvr.Unlocker{}, fmt.Errorf("encode password settings: %w", err)
	}
	key, err := k.derive(ctx, password, u.Salt, params)
	if err != nil {
		return nvr.Unlocker{}, err
	}
	defer clear(key[:])
	seed := pair.Seed()
	defer clear(seed)
	if u.Wrapped, err = vault.Wrap(key, unlockerContext(passwordDomain, u), seed); err != nil {
		return nvr.Unlocker{}, fmt.Errorf("wrap the key of a person: %w", err)
	}
	return u, nil
}

// unwrap returns the key pair that the password opens. Errors: ErrWrong, and
// those of derive.
func (k *kdf) unwrap(ctx context.Context, u nvr.Unlocker, password string) (*vault.KeyPair, error) {
	var p vault.KDFParams
	if err := p.UnmarshalBinary(u.Params); err != nil {
		return nil, fmt.Errorf("read password settings: %w", err)
	}
	key, err := k.derive(ctx, password, u.Salt, p)
	if err != nil {
		return nil, err
	}
	defer clear(key[:])
	seed, err := vault.Unwrap(key, unlockerContext(passwordDomain, u), u.Wrapped)
	if err != nil {
		return nil, ErrWrong
	}
	defer clear(seed)
	pair, err := vault.KeyPairFromSeed(seed)
	if err != nil {
		return nil, fmt.Errorf("read the key of a person: %w", nvr.ErrCorrupt)
	}
	return pair, nil
}

// decoy returns an unlocker that no password opens and that costs what a real
// one costs.
func (k *kdf) decoy() (nvr.Unlocker, error) {
	pair, err := vault.NewKeyPair()
	if err != nil {
		return nvr.Unlocker{}, fmt.Errorf("make a decoy: %w", err)
	}
	defer pair.Wipe()
	u := nvr.Unlocker{ID: nvr.NewID[nvr.Unlocker](), Kind: nvr.Password, Salt: make([]byte, saltSize)}
	rand.Read(u.Salt)
	if u.Params, err = k.params.Load().MarshalBinary(); err != nil {
		return nvr.Unlocker{}, fmt.Errorf("encode password settings: %w", err)
	}
	var key [32]byte
	rand.Read(key[:])
	seed := pair.Seed()
	defer clear(seed)
	if u.Wrapped, err = vault.Wrap(key, unlockerContext(passwordDomain, u), seed); err != nil {
		return nvr.Unlocker{}, fmt.Errorf("make a decoy: %w", err)
	}
	return u, nil
}

const kdfSetting = "auth/kdf"

// loadKDF takes over what an earlier set-up measured.
func (s *Service) loadKDF(ctx context.Context) error {
	raw, err := s.store.Setting(ctx, kdfSetting)
	var p vault.KDFParams
	switch {
	case err != nil && !errors.Is(err, nvr.ErrNotFound):
		return fmt.Errorf("read password settings: %w", err)
	case err == nil && s.measured && p.UnmarshalBinary(raw) == nil:
		least := vault.DefaultKDFParams() // somebody else may have written less
		p.Time, p.MemoryKiB = min(max(p.Time, least.Time), maxPasses), least.MemoryKiB
		p.Threads = least.Threads
		s.kdf.params.Store(&p)
	}
	return s.makeDecoy()
}

// measureKDF makes a guess cost on this box what it shall, at set-up.
func (s *Service) measureKDF(ctx context.Context) error {
	if !s.measured {
		return nil
	}
	p, err := calibrate(*s.kdf.params.Load(), s.kdf.measure(ctx))
	if err != nil {
		return fmt.Errorf("measure this box: %w", err)
	}
	raw, err := p.MarshalBinary()
	if err != nil {
		return fmt.Errorf("encode password settings: %w", err)
	}
	if err := s.store.SetSetting(ctx, kdfSetting, raw); err != nil {
		return fmt.Errorf("store password settings: %w", err)
	}
	s.kdf.params.Store(&p)
	return s.makeDecoy()
}

// makeDecoy makes a decoy that costs what a new password costs.
func (s *Service) makeDecoy() error {
	u, err := s.kdf.decoy()
	if err == nil {
		s.decoy.Store(&u)
	}
	return err
}

// recoveryUnlocker seals a person's seed to the recovery key, as the way back
// in when the password is lost.
func recoveryUnlocker(id nvr.PrincipalID, pair *vault.KeyPair, recoveryPublic []byte) (nvr.Unlocker, error) {
	u := nvr.Unlocker{ID: nvr.NewID[nvr.Unlocker](), Principal: id, Kind: nvr.RecoveryKey, Salt: []byte{}, Params: []byte{1}}
	seed := pair.Seed()
	defer clear(seed)
	var err error
	if u.Wrapped, err = vault.Seal(recoveryPublic, []byte(unlockerContext(recoveryDomain, u)), seed); err != nil {
		return nvr.Unlocker{}, fmt.Errorf("seal the key of a person to the recovery key: %w", err)
	}
	return u, nil
}

// openRecovery opens what recoveryUnlocker sealed. Errors: ErrRecoveryKey.
func openRecovery(u nvr.Unlocker, recovery *vault.KeyPair) (*vault.KeyPair, error) {
	seed, err := recovery.Open([]byte(unlockerContext(recoveryDomain, u)), u.Wrapped)
	if err != nil {
		return nil, ErrRecoveryKey
	}
	defer clear(seed)
	pair, err := vault.KeyPairFromSeed(seed)
	if err != nil {
		return nil, fmt.Errorf("read the key of a person: %w", nvr.ErrCorrupt)
	}
	return pair, nil
}

// Secretly calls f, and what f allocates is erased when nothing points to it any
// more: for reading what somebody typed. See vault.Secretly.
func Secretly(f func()) { vault.Secretly(f) }
