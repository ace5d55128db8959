package auth

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"lares/nvr"
	"lares/nvr/vault"
)

// LoginRequest is what somebody types to log in.
type LoginRequest struct {
	Name, Password string
	Code           string // of the second factor, or a recovery code; empty if not asked for yet
	BoxCode        string // of NewLoginCode; usually empty
	Addr, Device   string
}

// proof is a person whose password, or recovery key, was right.
type proof struct {
	person nvr.Principal
	pair   *vault.KeyPair
	secret secret
	// doubt: the stored roster does not follow from the one that the person knows.
	doubt bool
}

// keyring returns the keys for a session; the proof's own go with wipe.
func (p *proof) keyring() (*keyring, error) {
	seeds := append([][]byte{p.pair.Seed()}, p.secret.Former...)
	defer clear(seeds[0])
	return newKeyring(p.person.ID, seeds)
}

func (p *proof) wipe() {
	if p.pair == nil {
		return
	}
	p.pair.Wipe()
	p.secret.wipe()
}

// Login checks name, password and second factor, and opens the person's keys.
// A name that nobody has costs the same time and gets the same answer as a
// wrong password. Errors: ErrWrong, ErrSecondFactor, ErrThrottled, ErrSuspended,
// ErrBoxCode; others are failures.
func (s *Service) Login(ctx context.Context, req LoginRequest) (*Session, string, error) {
	c, err := s.admit(ctx, req)
	if err != nil {
		return nil, "", err
	}
	p, err := s.prove(ctx, req.Name, req.Password)
	if err != nil {
		return nil, "", s.refuse(ctx, c, p, req.Addr, err)
	}
	defer p.wipe()
	if err := s.checkCode(ctx, &p, req.Code); err != nil {
		return nil, "", s.refuse(ctx, c, p, req.Addr, err)
	}
	c.right(ctx)
	if err := s.spendBoxCode(ctx, req); err != nil {
		return nil, "", err
	}
	sess, token, err := s.letIn(ctx, &p, entry{addr: req.Addr, device: req.Device, proved: true})
	if err != nil {
		return nil, "", err
	}
	s.note(ctx, Entry{Action: LogLogin, Session: sess})
	s.noteDevice(ctx, sess)
	s.settleSoon(ctx, sess, p)
	return sess, token, nil
}

// letIn begins a session for a person who proved to be one.
func (s *Service) letIn(ctx context.Context, p *proof, e entry) (*Session, string, error) {
	err := s.admissible(ctx, p)
	if err != nil {
		return nil, "", err
	}
	if e.keys, err = p.keyring(); err != nil {
		return nil, "", err
	}
	e.person, e.trusted = p.person, !p.doubt
	sess, token := s.newSession(ctx, e)
	return sess, token, nil
}

// admissible examines the roster and reports whether the account may be used
// now. Error: ErrSuspended.
func (s *Service) admissible(ctx context.Context, p *proof) error {
	if err := s.examine(ctx, p); err != nil {
		return err
	}
	m, err := s.self(p.person.ID)
	if err != nil {
		return err
	}
	if !m.inForce(time.Now()) {
		return ErrSuspended
	}
	return nil
}

// settleSoon does behind a login what needs the keys of somebody.
func (s *Service) settleSoon(ctx context.Context, sess *Session, p proof) {
	s.countersignSoon(ctx, sess, p)
	s.grantSoon(ctx, sess)
}

// refuse settles a login that failed: only a wrong answer counts as a guess.
func (s *Service) refuse(ctx context.Context, c *charge, p proof, addr string, err error) error {
	if errors.Is(err, ErrWrong) {
		s.noteFailure(ctx, p.person.ID, addr)
		return ErrWrong
	}
	if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		c.undo(ctx)
	}
	return err
}

// noteFailure records a wrong answer. Those for names that nobody has are not
// bounded by an account, so they are counted and told every ten minutes.
func (s *Service) noteFailure(ctx context.Context, id nvr.PrincipalID, addr string) {
	e := Entry{Action: LogLoginFailed, Principal: id, Addr: addr}
	if id.IsZero() {
		n, tell := s.strangers.count(time.Now())
		if !tell {
			return
		}
		e.Detail = fmt.Sprintf("unknown names, %d tries", n)
	}
	s.note(ctx, e)
}

// tellEvery is how often tries for unknown names are told.
const tellEvery = 10 * time.Minute

// failures counts what is told now and then.
type failures struct {
	mu   sync.Mutex // guards what follows
	n    int
	told time.Time
}

// count adds one and returns, now and then, how many there were since.
func (f *failures) count(now time.Time) (n int, tell bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	if since := now.Sub(f.told); since >= 0 && since < tellEvery {
		return 0, false
	}
	n, f.n, f.told = f.n, 0, now
	return n, true
}

// prove opens a person's key with the password. With ErrWrong the proof still
// says whose name it was, if anybody's.
func (s *Service) prove(ctx context.Context, name, password string) (proof, error) {
	p, err := s.person(ctx, name)
	if err != nil && !errors.Is(err, nvr.ErrNotFound) {
		return proof{}, err
	}
	return s.proveAs(ctx, p, password)
}

// proveAs is prove for a principal that is known; a zero one is nobody.
func (s *Service) proveAs(ctx context.Context, p nvr.Principal, password string) (proof, error) {
	unknown := p.ID.IsZero()
	u, err := s.unlocker(ctx, p.ID, nvr.Password)
	switch {
	case unknown || errors.Is(err, nvr.ErrNotFound):
		u = *s.decoy.Load()
	case err != nil:
		return proof{}, err
	}
	if len(password) > maxPasswordBytes { // longer than any that was accepted
		u, password = *s.decoy.Load(), ""
	}
	pair, err := s.kdf.unwrap(ctx, u, password)
	if err != nil {
		return proof{person: p}, err
	}
	return openProof(p, pair)
}

// openProof takes over the pair.
func openProof(p nvr.Principal, pair *vault.KeyPair) (proof, error) {
	x, err := openSecret(pair, p)
	if err != nil {
		pair.Wipe()
		return proof{}, fmt.Errorf("open the keys of a person: %w", err)
	}
	return proof{person: p, pair: pair, secret: x}, nil
}

// Unlock opens the keys of a session again: after a restart of the box, and
// after 15 minutes without playback. Errors: ErrWrong, ErrThrottled, ErrNoSession.
func (s *Service) Unlock(ctx context.Context, sess *Session, password string) error {
	c, err := s.throttle.charge(ctx, sessionKey(sess))
	if err != nil {
		return err
	}
	p, err := s.proveSession(ctx, sess, password)
	if err != nil {
		return s.refuse(ctx, c, p, sess.Addr(), err)
	}
	defer p.wipe()
	c.right(ctx)
	if err := s.reopen(ctx, sess, &p); err != nil {
		return err
	}
	sess.prove()
	s.note(ctx, Entry{Action: LogUnlock, Session: sess})
	s.settleSoon(ctx, sess, p)
	return nil
}

// proveSession is prove for the person of a session.
func (s *Service) proveSession(ctx context.Context, sess *Session, password string) (proof, error) {
	if sess.link != nil || sess.ended() {
		return proof{}, ErrNoSession
	}
	p, err := s.principal(ctx, sess.id)
	if err != nil || !p.Revoked.IsZero() {
		return proof{}, ErrNoSession
	}
	return s.proveAs(ctx, p, password)
}

// reopen gives a session the keys of its person again.
func (s *Service) reopen(ctx context.Context, sess *Session, p *proof) error {
	if err := s.admissible(ctx, p); err != nil {
		return err
	}
	keys, err := p.keyring()
	if err != nil {
		return err
	}
	if !sess.unlock(keys, !p.doubt) {
		return ErrNoSession
	}
	return nil
}
