package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lares/nvr"
	"lares/nvr/vault"
)

// proofLife is how long a typed password counts for what needs proof.
const proofLife = 5 * time.Minute

// prove notes that the person proved to be there.
func (s *Session) prove() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.proved = time.Now()
}

// Proved reports whether the person typed a password or a code of the second
// factor within the time before now.
func (s *Session) Proved(within time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	since := time.Since(s.proved)
	return !s.over && !s.proved.IsZero() && since >= 0 && since < within
}

// CheckProof returns ErrStepUp when the action needs a password that was typed
// within five minutes: export, deletion, and people with their keys. It is asked
// beside Authorize.
func (s *Service) CheckProof(sess *Session, a Action) error {
	if a.needsProof() && !sess.Proved(proofLife) {
		return fmt.Errorf("%s: %w", a, ErrStepUp)
	}
	return nil
}

// StepUp proves once more that the person of the session is there: with the
// password, or, while the session is unlocked, with a code of the second factor
// alone. The password also unlocks the session. Errors: ErrWrong, ErrThrottled,
// ErrNoSession, nvr.ErrLocked for a code in a locked session.
func (s *Service) StepUp(ctx context.Context, sess *Session, password, code string) error {
	if password != "" {
		return s.Unlock(ctx, sess, password)
	}
	p, err := s.ownProof(ctx, sess)
	if err != nil {
		return err
	}
	defer p.wipe()
	c, err := s.throttle.charge(ctx, sessionKey(sess))
	if err != nil {
		return err
	}
	if code == "" || p.secret.TOTP == "" {
		err = ErrWrong
	} else {
		err = s.checkCode(ctx, p, code)
	}
	if err != nil {
		return s.refuse(ctx, c, *p, sess.Addr(), err)
	}
	c.right(ctx)
	sess.prove()
	return nil
}

// ownProof opens the secret of a session's person with the keys that the session
// has in memory. The caller wipes it. Errors: nvr.ErrLocked, ErrNoSession.
func (s *Service) ownProof(ctx context.Context, sess *Session) (*proof, error) {
	if sess.ended() || sess.link != nil {
		return nil, ErrNoSession
	}
	keys := sess.ring()
	if keys == nil {
		return nil, nvr.ErrLocked
	}
	seed := keys.pairs[0].Seed()
	defer clear(seed)
	if seed == nil { // wiped in between
		return nil, nvr.ErrLocked
	}
	pair, err := vault.KeyPairFromSeed(seed)
	if err != nil {
		return nil, fmt.Errorf("read the key of a person: %w", nvr.ErrCorrupt)
	}
	person, err := s.principal(ctx, sess.id)
	if err != nil {
		pair.Wipe()
		if errors.Is(err, nvr.ErrNotFound) {
			err = ErrNoSession
		}
		return nil, err
	}
	p, err := openProof(person, pair)
	if err != nil {
		return nil, err
	}
	return &p, nil
}
