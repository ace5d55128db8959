package auth

import (
	"time"

	"lares/nvr"
)

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
