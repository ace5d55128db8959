package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"lares/nvr"
	"lares/nvr/vault"
)

// Sealer seals what the box needs while nobody is logged in. vault.MachineKey
// is one. Context is bound and not stored.
type Sealer interface {
	Seal(context string, plaintext []byte) []byte
	Open(context string, sealed []byte) ([]byte, error)
}

// Store is everything that auth keeps; db.Config implements each part.
type Store struct {
	PeopleStore
	RosterStore
	VaultStore
	SessionStore
	ThrottleStore
	LogStore
	SettingStore
}

// Config says what a Service works with.
type Config struct {
	Store   Store
	Machine Sealer
	Log     *slog.Logger
	// Spill returns the directories, in order of preference, that may take
	// entries of the log while config.db cannot be written: the footage paths
	// that can be written now. Each must exist. Nil: there are none.
	Spill func() []string
	// KDF is what a new password costs. The zero value takes
	// vault.DefaultKDFParams, raised at set-up until a guess takes about half a
	// second on this box; anything cheaper is for tests only.
	KDF vault.KDFParams
}

// Service is the household. See the package comment.
type Service struct {
	store    Store
	machine  Sealer
	log      *slog.Logger
	kdf      *kdf
	throttle *throttle
	steps    *steps
	trust    *trust
	habits   *habits
	chain    *chain
	decoy    atomic.Pointer[nvr.Unlocker]
	measured bool // what a password costs is measured at set-up

	// people is held while keys, unlockers or the roster of a person change.
	people sync.Mutex
	// strangers counts failed logins with names that nobody has.
	strangers failures

	granting sync.Mutex // held while recordings are granted; never under another lock

	making  sync.Mutex   // held while a vault of the day is made
	vaultMu sync.RWMutex // vaults in the store and the keys of vaults in memory
	// today is never changed: who holds vaultMu puts another map in its place, so
	// that VaultInForce waits for nobody.
	today atomic.Pointer[map[cameraDay]current]
	// unstored are vaults that config.db did not take yet.
	unstored map[nvr.VaultID]unstored

	closing    chan struct{} // closed by Close
	closeOnce  sync.Once
	background sync.WaitGroup // what goes on behind a login

	mu       sync.Mutex // guards what follows
	sessions map[[32]byte]*Session
	alarms   []string
}

// New loads the household. Sessions of an earlier run are there and locked.
// Close it.
func New(ctx context.Context, cfg Config) (*Service, error) {
	measured := cfg.KDF == vault.KDFParams{}
	if measured {
		cfg.KDF = vault.DefaultKDFParams()
	}
	if cfg.Spill == nil {
		cfg.Spill = func() []string { return nil }
	}
	s := &Service{
		store: cfg.Store, machine: cfg.Machine, log: cfg.Log, kdf: newKDF(cfg.KDF),
		throttle: newThrottle(cfg.Store, cfg.Log),
		steps:    &steps{store: cfg.Store, log: cfg.Log, last: make(map[nvr.PrincipalID]uint64)},
		trust:    &trust{store: cfg.Store, machine: cfg.Machine},
		chain:    &chain{store: cfg.Store, machine: cfg.Machine, spill: &spill{dirs: cfg.Spill, machine: cfg.Machine}},
		unstored: make(map[nvr.VaultID]unstored),
		closing:  make(chan struct{}),
		habits:   newHabits(),
		measured: measured,
		sessions: make(map[[32]byte]*Session),
	}
	s.today.Store(&map[cameraDay]current{})
	s.chain.lost = s.lostEntry
	if err := s.loadKDF(ctx); err != nil {
		return nil, err
	}
	if err := s.trust.load(ctx); err != nil {
		return nil, err
	}
	if err := s.loadSessions(ctx); err != nil {
		return nil, err
	}
	if err := s.loadNotices(ctx); err != nil {
		return nil, err
	}
	if _, err := s.trust.roster(); errors.Is(err, ErrRoster) {
		s.alarm(ctx, AlarmList)
	} else if err == nil {
		if err := s.chain.flush(ctx); err != nil {
			s.log.WarnContext(ctx, "cannot enter what waits for the log of who looked", slog.Any("error", err))
		}
	}
	return s, nil
}

// loadSessions takes over the sessions of an earlier run whose people are still there.
func (s *Service) loadSessions(ctx context.Context) error {
	people, err := s.principals(ctx)
	if err != nil {
		return err
	}
	rows, err := s.store.Sessions(ctx)
	if err != nil {
		return fmt.Errorf("load sessions: %w", err)
	}
	now := time.Now()
	for _, row := range rows {
		i := slices.IndexFunc(people, func(p nvr.Principal) bool {
			return p.ID == row.Principal && p.Kind == nvr.Person && p.Revoked.IsZero()
		})
		if i >= 0 && now.Before(row.Expires) {
			sess := s.session(people[i], row)
			s.sessions[row.TokenHash] = sess
			s.guard(sess)
			continue
		}
		if err := s.store.DeleteSession(ctx, row.TokenHash); err != nil && !errors.Is(err, nvr.ErrNotFound) {
			s.log.WarnContext(ctx, "cannot remove an old session", slog.Any("error", err))
		}
	}
	return nil
}

// Close ends the streams of all sessions and wipes all keys. The sessions
// themselves are there again after the next start.
func (s *Service) Close() {
	s.closeOnce.Do(func() { close(s.closing) })
	for _, sess := range s.all() {
		sess.end()
	}
	s.background.Wait()
	s.chain.wipe()
}

// Claimed reports whether the box has an owner. A list of people that was
// tampered with counts: the box cannot be claimed again by damaging it.
func (s *Service) Claimed(context.Context) (bool, error) {
	_, err := s.trust.roster()
	return !errors.Is(err, nvr.ErrNoOwner), nil
}

// Alarms lists what was found to be changed from outside since the start, as
// stable words: AlarmList and those beside it.
func (s *Service) Alarms() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.alarms)
}

// alarm remembers and logs that something was changed from outside.
func (s *Service) alarm(ctx context.Context, word string) {
	s.mu.Lock()
	known := slices.Contains(s.alarms, word)
	if !known {
		s.alarms = append(s.alarms, word)
	}
	s.mu.Unlock()
	if known {
		return
	}
	s.log.ErrorContext(ctx, "something was changed from outside", slog.String("what", word))
	s.note(ctx, Entry{Action: LogAlarm, Detail: word})
}

// person finds a principal by the name that somebody typed. What an interrupted
// claim left behind is nobody.
func (s *Service) person(ctx context.Context, name string) (nvr.Principal, error) {
	if claimed, err := s.Claimed(ctx); err != nil || !claimed {
		return nvr.Principal{}, fmt.Errorf("find person: %w", errors.Join(err, nvr.ErrNotFound))
	}
	people, err := s.principals(ctx)
	if err != nil {
		return nvr.Principal{}, err
	}
	for _, p := range people {
		if p.Kind == nvr.Person && p.Revoked.IsZero() && foldName(p.Name) == foldName(name) {
			return p, nil
		}
	}
	return nvr.Principal{}, fmt.Errorf("find person: %w", nvr.ErrNotFound)
}

func (s *Service) principal(ctx context.Context, id nvr.PrincipalID) (nvr.Principal, error) {
	people, err := s.principals(ctx)
	if err != nil {
		return nvr.Principal{}, err
	}
	i := slices.IndexFunc(people, func(p nvr.Principal) bool { return p.ID == id })
	if i < 0 {
		return nvr.Principal{}, fmt.Errorf("find person: %w", nvr.ErrNotFound)
	}
	return people[i], nil
}

// unlocker returns a person's unlocker of a kind that is in force.
func (s *Service) unlocker(ctx context.Context, id nvr.PrincipalID, kind nvr.UnlockerKind) (nvr.Unlocker, error) {
	all, err := s.store.Unlockers(ctx, id)
	if err != nil && !errors.Is(err, nvr.ErrNotFound) {
		return nvr.Unlocker{}, fmt.Errorf("read what unlocks a person: %w", err)
	}
	for _, u := range all {
		if u.Kind == kind && (u.Expires.IsZero() || time.Now().Before(u.Expires)) {
			return u, nil
		}
	}
	return nvr.Unlocker{}, fmt.Errorf("find what unlocks a person: %w", nvr.ErrNotFound)
}
