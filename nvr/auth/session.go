package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"lares/nvr"
	"lares/nvr/vault"
)

const (
	// sessionLife is how long a session lasts after it was last used.
	sessionLife = 30 * 24 * time.Hour
	// seenEvery is how often the time of last use is stored.
	seenEvery = time.Hour
	// idleKeys is how long keys stay in memory after they opened something.
	idleKeys = 15 * time.Minute
	// maxSessions bounds the sessions of one person; the one that was not used
	// for longest goes.
	maxSessions = 64
	tokenSize   = 32
)

// Session is somebody who is logged in. It survives a restart of the box, its
// keys do not: then it is locked until Service.Unlock. It is an nvr.Opener.
type Session struct {
	svc     *Service
	hash    [32]byte
	id      nvr.PrincipalID
	name    string
	role    nvr.Role
	device  string
	created time.Time
	done    chan struct{}

	mu      sync.Mutex // guards what follows
	addr    string
	seen    time.Time // stored
	expires time.Time
	over    bool
	keys    *keyring // nil: locked
	vaults  map[nvr.VaultID]*vault.KeyPair
	used    time.Time // when a key was opened last
	idle    *time.Timer
}

// ID is the hash of the session's token: it names the session in the store and
// to Revoke, and grants nothing.
func (s *Session) ID() [32]byte { return s.hash }

// Principal is who is logged in.
func (s *Session) Principal() nvr.PrincipalID { return s.id }

// Name is the name of who is logged in.
func (s *Session) Name() string { return s.name }

// Role is what this person may do at most.
func (s *Session) Role() nvr.Role { return s.role }

// Device is what the browser or tool said that it is.
func (s *Session) Device() string { return s.device }

// Addr is where the session was used from last.
func (s *Session) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// Locked reports whether the session has no keys in memory.
func (s *Session) Locked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys == nil
}

// Done is closed when the session ends: logged out, revoked, expired, or the
// box stops. Streams that were begun for it end then.
func (s *Session) Done() <-chan struct{} { return s.done }

func (s *Session) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over
}

// OpenKey implements nvr.Opener with the grants of the person who is logged in.
func (s *Session) OpenKey(ctx context.Context, id nvr.VaultID, info, sealed []byte) ([]byte, error) {
	pair, err := s.vault(ctx, id)
	if err != nil {
		return nil, err
	}
	key, err := openKey(pair, info, sealed)
	if err == nil {
		return key, nil
	}
	if s.Locked() { // wiped in between
		return nil, nvr.ErrLocked
	}
	if gone, goneErr := s.svc.store.Destroyed(ctx, id); goneErr == nil && gone {
		return nil, fmt.Errorf("vault %s: %w", id, nvr.ErrDestroyed)
	}
	return nil, err
}

// vault returns the pair of a vault, opening its grant if need be.
func (s *Session) vault(ctx context.Context, id nvr.VaultID) (*vault.KeyPair, error) {
	keys, pair := s.use(id)
	if keys == nil {
		return nil, nvr.ErrLocked
	}
	if pair != nil {
		return pair, nil
	}
	s.svc.vaultMu.RLock()
	defer s.svc.vaultMu.RUnlock()
	pair, err := s.svc.openVault(ctx, keys, id)
	if err != nil {
		if s.Locked() {
			return nil, nvr.ErrLocked
		}
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys != keys {
		pair.Wipe()
		return nil, nvr.ErrLocked
	}
	if other, ok := s.vaults[id]; ok {
		pair.Wipe()
		return other, nil
	}
	keep(s.vaults, id, pair)
	return pair, nil
}

// use notes that keys are being used.
func (s *Session) use(id nvr.VaultID) (*keyring, *vault.KeyPair) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		return nil, nil
	}
	s.used = time.Now()
	return s.keys, s.vaults[id]
}

// unlock takes over the keys. It reports false when the session has ended.
func (s *Session) unlock(keys *keyring) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		keys.wipe()
		return false
	}
	s.lockLocked()
	s.keys = keys
	s.vaults = make(map[nvr.VaultID]*vault.KeyPair)
	s.used = time.Now()
	s.idle = time.AfterFunc(idleKeys, s.wipeIdle)
	return true
}

// wipeIdle locks the session if its keys were not used for long enough, and
// looks again later if they were.
func (s *Session) wipeIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		return
	}
	if left := idleKeys - time.Since(s.used); left > 0 {
		s.idle.Reset(left)
		return
	}
	s.lockLocked()
}

func (s *Session) lockLocked() {
	if s.keys == nil {
		return
	}
	s.idle.Stop()
	s.keys.wipe()
	for _, pair := range s.vaults {
		pair.Wipe()
	}
	s.keys, s.vaults = nil, nil
}

// forget drops the keys of one vault.
func (s *Session) forget(id nvr.VaultID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if pair, ok := s.vaults[id]; ok {
		pair.Wipe()
		delete(s.vaults, id)
	}
}

// end wipes the keys and closes Done.
func (s *Session) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	s.over = true
	s.lockLocked()
	close(s.done)
}

func (s *Session) row() nvr.Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return nvr.Session{
		TokenHash: s.hash, Principal: s.id, Device: s.device,
		Created: s.created, Seen: s.seen, Expires: s.expires,
	}
}

// newSession stores and returns a session for a person who proved to be one.
func (s *Service) newSession(ctx context.Context, p nvr.Principal, keys *keyring, addr, device string) (*Session, string) {
	raw := make([]byte, tokenSize)
	rand.Read(raw) // never fails: crypto/rand, Go 1.24
	token := base64.RawURLEncoding.EncodeToString(raw)
	now := time.Now().UTC().Truncate(time.Second)
	sess := s.session(p, nvr.Session{
		TokenHash: sha256.Sum256([]byte(token)), Principal: p.ID, Device: clip(device, maxDetail),
		Created: now, Seen: now, Expires: now.Add(sessionLife),
	})
	sess.addr = addr
	sess.unlock(keys)
	s.endOldest(ctx, p.ID)
	s.mu.Lock()
	s.sessions[sess.hash] = sess
	s.mu.Unlock()
	s.saveSession(ctx, sess)
	return sess, token
}

func (s *Service) session(p nvr.Principal, row nvr.Session) *Session {
	return &Session{
		svc: s, hash: row.TokenHash, id: p.ID, name: p.Name, role: p.Role, device: row.Device,
		created: row.Created, seen: row.Seen, expires: row.Expires, done: make(chan struct{}),
	}
}

// saveSession stores the row. A full disk must not keep the owner out who comes
// to make room, so a failure only means that a restart ends the session.
func (s *Service) saveSession(ctx context.Context, sess *Session) {
	if err := s.store.SaveSession(context.WithoutCancel(ctx), sess.row()); err != nil {
		s.log.WarnContext(ctx, "cannot store a session; it ends with the next restart", slog.Any("error", err))
	}
}

// endOldest makes room for one more session of a person.
func (s *Service) endOldest(ctx context.Context, id nvr.PrincipalID) {
	rows := s.rowsOf(id)
	for len(rows) >= maxSessions {
		if err := s.drop(ctx, rows[len(rows)-1].TokenHash); err != nil {
			s.log.WarnContext(ctx, "cannot end an old session", slog.Any("error", err))
		}
		rows = rows[:len(rows)-1]
	}
}

// Resume returns the session of a token. After a restart of the box it is
// locked. Error: ErrNoSession.
func (s *Service) Resume(ctx context.Context, token, addr string) (*Session, error) {
	hash := sha256.Sum256([]byte(token))
	s.mu.Lock()
	sess, ok := s.sessions[hash]
	s.mu.Unlock()
	if !ok {
		return nil, ErrNoSession
	}
	now := time.Now()
	save, expired := sess.touch(now, addr)
	if expired {
		if err := s.drop(ctx, hash); err != nil {
			s.log.WarnContext(ctx, "cannot remove an expired session", slog.Any("error", err))
		}
		return nil, ErrNoSession
	}
	if save {
		s.saveSession(ctx, sess)
	}
	return sess, nil
}

// touch notes that the session is used.
func (s *Session) touch(now time.Time, addr string) (save, expired bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over || !now.Before(s.expires) {
		return false, true
	}
	if addr != "" {
		s.addr = clip(addr, maxWord)
	}
	if since := now.Sub(s.seen); since >= 0 && since < seenEvery {
		return false, false
	}
	s.seen = now.UTC().Truncate(time.Second)
	s.expires = s.seen.Add(sessionLife)
	return true, false
}

// Sessions lists the sessions of a person, the one used last first.
func (s *Service) Sessions(_ context.Context, id nvr.PrincipalID) ([]nvr.Session, error) {
	return s.rowsOf(id), nil
}

func (s *Service) rowsOf(id nvr.PrincipalID) []nvr.Session {
	var rows []nvr.Session
	for _, sess := range s.all() {
		if sess.id == id {
			rows = append(rows, sess.row())
		}
	}
	slices.SortFunc(rows, func(a, b nvr.Session) int { return b.Seen.Compare(a.Seen) })
	return rows
}

// all returns the sessions that are in force.
func (s *Service) all() []*Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*Session, 0, len(s.sessions))
	for _, sess := range s.sessions {
		out = append(out, sess)
	}
	return out
}

// Revoke ends a session by the hash of its token and with it the streams that
// run for it. Whether the caller may do so is the caller's question: one's own
// sessions, or ActPeople. Error: nvr.ErrNotFound.
func (s *Service) Revoke(ctx context.Context, hash [32]byte) error {
	s.mu.Lock()
	sess, ok := s.sessions[hash]
	s.mu.Unlock()
	if !ok {
		return fmt.Errorf("end session: %w", nvr.ErrNotFound)
	}
	err := s.drop(ctx, hash)
	s.note(ctx, Entry{Action: LogRevoked, Principal: sess.id, Detail: sess.device})
	return err
}

// Logout ends the session.
func (s *Service) Logout(ctx context.Context, sess *Session) error {
	err := s.drop(ctx, sess.hash)
	s.note(ctx, Entry{Action: LogLogout, Session: sess})
	return err
}

// drop ends a session at once and then removes its row.
func (s *Service) drop(ctx context.Context, hash [32]byte) error {
	s.mu.Lock()
	sess, ok := s.sessions[hash]
	delete(s.sessions, hash)
	s.mu.Unlock()
	if ok {
		sess.end()
	}
	err := s.store.DeleteSession(context.WithoutCancel(ctx), hash)
	if err != nil && !errors.Is(err, nvr.ErrNotFound) {
		return fmt.Errorf("remove session: %w", err)
	}
	return nil
}
