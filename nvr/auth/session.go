package auth

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
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
	device  string
	created time.Time
	done    chan struct{}
	// link is what a session that came through a link shows, linkKey opens its
	// keys. Of a person both are nil.
	link    *nvr.ShareLink
	linkKey []byte

	mu      sync.Mutex // guards what follows
	name    string
	addr    string
	places  []string  // see KnownAt
	proved  time.Time // when the person proved to be there
	told    bool      // the person confirmed to know what is kept
	trusted bool      // the roster is one that this person's own secret vouches for
	limit   *time.Timer
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

// Name is the name of who is logged in, or of the link.
func (s *Session) Name() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.name
}

func (s *Session) rename(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.name = name
}

// Role is what this person may do at most; 0 for nobody in the roster.
func (s *Session) Role() nvr.Role {
	m, err := s.svc.self(s.id)
	if err != nil {
		return 0
	}
	return m.Role
}

// Link returns what a session that came through a link shows; nil for people.
func (s *Session) Link() *nvr.ShareLink {
	if s.link == nil {
		return nil
	}
	l := *s.link
	return &l
}

// Locked reports whether the session has no keys in memory.
func (s *Session) Locked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys == nil && (s.link == nil || s.over)
}

// Done is closed when the session ends: logged out, revoked, expired, or the
// box stops. Streams that were begun for it end then.
func (s *Session) Done() <-chan struct{} { return s.done }

func (s *Session) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over
}

// OpenKey implements nvr.Opener with the grants of the person who is logged in,
// or with the keys that the link carries.
func (s *Session) OpenKey(ctx context.Context, id nvr.VaultID, info, sealed []byte) ([]byte, error) {
	if s.link != nil {
		return s.openShared(ctx, id, info)
	}
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

// ring returns the keys without noting that they are used.
func (s *Session) ring() *keyring {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys
}

// unlock takes over the keys. It reports false when the session has ended.
func (s *Session) unlock(keys *keyring, trusted bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		keys.wipe()
		return false
	}
	s.lockLocked()
	s.keys, s.trusted = keys, trusted
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
	if vault.Erases {
		go runtime.GC() // now, and not when memory is short
	}
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
	if s.limit != nil {
		s.limit.Stop()
	}
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

// entry is somebody who is let in.
type entry struct {
	person       nvr.Principal
	keys         *keyring
	trusted      bool // see Session.trusted
	proved       bool // with the password
	addr, device string
	link         *nvr.ShareLink
	linkKey      []byte
}

// newSession stores and returns a session for a person who proved to be one, or
// for a link: that one ends with the next restart.
func (s *Service) newSession(ctx context.Context, e entry) (*Session, string) {
	raw := make([]byte, tokenSize)
	rand.Read(raw) // never fails: crypto/rand, Go 1.24
	token := base64.RawURLEncoding.EncodeToString(raw)
	now := time.Now().UTC().Truncate(time.Second)
	sess := s.session(e.person, nvr.Session{
		TokenHash: sha256.Sum256([]byte(token)), Principal: e.person.ID, Device: clip(e.device, maxDetail),
		Created: now, Seen: now, Expires: now.Add(sessionLife),
	})
	sess.addr, sess.link, sess.linkKey = clip(e.addr, maxWord), e.link, e.linkKey
	if e.addr != "" {
		sess.places = []string{addressKey(e.addr)}
	}
	if e.keys != nil {
		sess.unlock(e.keys, e.trusted)
	}
	if e.proved {
		sess.prove()
	}
	s.endOldest(ctx, e.person.ID)
	s.mu.Lock()
	s.sessions[sess.hash] = sess
	s.mu.Unlock()
	s.guard(sess)
	if m, err := s.self(sess.id); err == nil && e.keys != nil && !bytes.Equal(m.Public, e.keys.pairs[0].Public()) {
		sess.end() // the password was changed since it was checked
	}
	if e.link == nil {
		s.saveSession(ctx, sess)
	}
	return sess, token
}

func (s *Service) session(p nvr.Principal, row nvr.Session) *Session {
	return &Session{
		svc: s, hash: row.TokenHash, id: p.ID, name: p.Name, device: row.Device,
		created: row.Created, seen: row.Seen, expires: row.Expires, done: make(chan struct{}),
	}
}

// self returns a person's entry in the roster of today.
func (s *Service) self(id nvr.PrincipalID) (member, error) {
	body, err := s.trust.roster()
	if err != nil {
		return member{}, err
	}
	m, ok := body.member(id)
	if !ok {
		return member{}, fmt.Errorf("not in the roster: %w", nvr.ErrForbidden)
	}
	return m, nil
}

// guard ends a session when the person's time, or that of the link, is over.
func (s *Service) guard(sess *Session) {
	var until time.Time
	if sess.link != nil {
		until = sess.link.Expires
	} else if m, err := s.self(sess.id); errors.Is(err, nvr.ErrForbidden) || err == nil && !m.inForce(time.Now()) {
		until = time.Now()
	} else {
		until = m.Until // none while the roster cannot be trusted: then nobody may do anything
	}
	sess.mu.Lock()
	defer sess.mu.Unlock()
	if sess.limit != nil {
		sess.limit.Stop()
		sess.limit = nil
	}
	if until.IsZero() || sess.over {
		return
	}
	sess.limit = time.AfterFunc(time.Until(until), sess.end)
}

// guardAll is guard for all sessions, after the roster changed.
func (s *Service) guardAll() {
	for _, sess := range s.all() {
		s.guard(sess)
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
	if save && sess.link == nil {
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
