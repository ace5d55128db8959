package auth

import (
	"context"
	"encoding/json"
	"time"

	"lares/nvr"
	"lares/nvr/vault"
)

// Calibrate is how the cost of a guess is chosen.
func Calibrate(p vault.KDFParams, measure func(vault.KDFParams) (time.Duration, error)) (vault.KDFParams, error) {
	return calibrate(p, measure)
}

// Deriving returns how many passwords are turned into keys now.
func (s *Service) Deriving() int64 { return s.kdf.running.Load() }

// Derivations returns how many passwords were turned into keys so far.
func (s *Service) Derivations() int64 { return s.kdf.runs.Load() }

// Settle waits for what goes on behind a login.
func (s *Service) Settle() { s.background.Wait() }

// Keys returns how many key pairs the session has in memory.
func (s *Session) Keys() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.vaults)
	if s.keys != nil {
		n += len(s.keys.pairs)
	}
	return n
}

// Waiting returns how many entries of the log wait in memory.
func (s *Service) Waiting() int {
	s.chain.mu.Lock()
	defer s.chain.mu.Unlock()
	return len(s.chain.late)
}

// Counters returns how many throttles are in memory.
func (s *Service) Counters() int {
	s.throttle.mu.Lock()
	defer s.throttle.mu.Unlock()
	return len(s.throttle.known)
}

// LogKeyOfEnd returns the key of the entry to come, as somebody who has the
// machine key could read it.
func (s *Service) LogKeyOfEnd() [32]byte {
	s.chain.mu.Lock()
	defer s.chain.mu.Unlock()
	return s.chain.state.key
}

// MACOf makes the MAC of a row under any key.
func MACOf(key [32]byte, before []byte, e nvr.LogEntry) []byte { return logKey(key).mac(before, e) }

// Member is a principal of the roster.
type Member = member

// May is the rule behind Authorize.
func May(m Member, a Action, camera nvr.CameraID, at time.Time) bool { return m.may(a, camera, at) }

// OpenDeviceKey reads the secrets of a remembered device.
func OpenDeviceKey(k DeviceKey) error {
	d, err := k.open()
	if err == nil {
		d.wipe()
	}
	return err
}

// ForgeSuccession certifies keys of a person with any signing key.
func ForgeSuccession(id nvr.PrincipalID, keys uint64, public []byte, key *vault.SigningKey) ([]byte, error) {
	x := successor{Person: id, Keys: keys, Public: public, Verify: key.Public()}
	var err error
	if x.Sig, err = key.Sign(successionDomain, x.body()); err != nil {
		return nil, err
	}
	return json.Marshal(succession{Form: 1, Chain: []successor{x}})
}

// Succeeds reports whether what a principal holds leads to other keys.
func Succeeds(m Member, raw []byte) bool { return m.succeed(parseSuccession(raw)).Keys != m.Keys }

// ForgetNames signs a roster without names, as one was before they were in it.
func (s *Service) ForgetNames(ctx context.Context, owner *Session) error {
	s.people.Lock()
	defer s.people.Unlock()
	p, err := s.actor(ctx, owner)
	if err != nil {
		return err
	}
	defer p.wipe()
	next, err := s.nextRoster(p)
	if err != nil {
		return err
	}
	for i := range next.Members {
		next.Members[i].Name = nil
	}
	key, err := vault.SigningKeyFromSeed(p.secret.Sign)
	if err != nil {
		return err
	}
	defer key.Wipe()
	raw, err := next.sign(owner.id, key)
	if err != nil {
		return err
	}
	if err := s.store.AddRoster(ctx, raw); err != nil {
		return err
	}
	p.secret.Roster = raw
	if err := s.saveSecret(ctx, p); err != nil {
		return err
	}
	return s.trust.accept(ctx, raw, next)
}
