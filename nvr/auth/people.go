package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"lares/nvr"
	"lares/nvr/vault"
)

// ChangePassword gives the person of the session a new password and new keys:
// with the old password and an old copy of config.db nothing opens that is
// recorded from now on. All other sessions, remembered devices and links of the
// person end. New vaults begin with the next call of CurrentVault. Errors:
// ErrWrong when old is not the password, ErrThrottled, ErrNoSession,
// nvr.ErrInvalid with what is wrong with the new one.
func (s *Service) ChangePassword(ctx context.Context, sess *Session, old, password string) error {
	if err := CheckPassword(password, sess.Name()); err != nil {
		return err
	}
	c, err := s.throttle.charge(ctx, sessionKey(sess))
	if err != nil {
		return err
	}
	p, err := s.proveSession(ctx, sess, old)
	if err != nil {
		return s.refuse(ctx, c, p, sess.Addr(), err)
	}
	c.right(ctx)
	defer p.wipe()
	keys, err := s.renew(ctx, &p, password, renewal{})
	if err != nil {
		return fmt.Errorf("change password: %w", err)
	}
	s.endSessions(ctx, sess.id, sess.hash)
	s.endLinksOf(ctx, sess.id, nil)
	if !sess.unlock(keys, !p.doubt) {
		return ErrNoSession
	}
	sess.prove()
	s.note(ctx, Entry{Action: LogPassword, Session: sess})
	s.grantSoon(ctx, s.all()...)
	return nil
}

// endSessions ends all sessions of a person but one.
func (s *Service) endSessions(ctx context.Context, id nvr.PrincipalID, except [32]byte) {
	for _, row := range s.rowsOf(id) {
		if row.TokenHash == except {
			continue
		}
		if err := s.drop(ctx, row.TokenHash); err != nil {
			s.log.WarnContext(ctx, "cannot remove a session that has ended", slog.Any("error", err))
		}
	}
}

// renewal says what besides the password changes with new keys.
type renewal struct {
	// edit, unless nil, changes the person's secret.
	edit func(*secret)
	// keep lists remembered devices that get the new keys as well.
	keep []nvr.Unlocker
}

// renew gives a person new keys under a new password. The key pairs before stay
// in the person's secret: they open what was sealed until now. An owner signs for
// the new keys at once, others with the keys before, until an owner logs in.
func (s *Service) renew(ctx context.Context, p *proof, password string, r renewal) (*keyring, error) {
	s.people.Lock()
	defer s.people.Unlock()
	if err := s.examineLocked(ctx, p); err != nil {
		return nil, err
	}
	if r.edit != nil {
		r.edit(&p.secret)
	}
	fresh, err := vault.NewKeyPair()
	if err != nil {
		return nil, fmt.Errorf("make key pair: %w", err)
	}
	p.secret.Former = slices.Insert(p.secret.Former, 0, p.pair.Seed())
	p.secret.Former = p.secret.Former[:min(len(p.secret.Former), maxFormer)]
	p.pair.Wipe()
	p.pair, p.person.Public = fresh, fresh.Public()
	unlockers, err := s.newUnlockers(ctx, p, password)
	if err != nil {
		return nil, err
	}
	for _, u := range r.keep {
		if u, err = deviceUnlocker(u, fresh); err != nil {
			return nil, err
		}
		unlockers = append(unlockers, u)
	}
	if err := s.takeKeys(ctx, p, unlockers); err != nil {
		return nil, err
	}
	s.guardAll()
	return p.keyring()
}

// takeKeys puts the proof's new key pair in force, with a new signing key.
func (s *Service) takeKeys(ctx context.Context, p *proof, unlockers []nvr.Unlocker) error {
	_, signed, err := s.trust.owned()
	if err != nil {
		return err
	}
	self, ok := signed.member(p.person.ID)
	if !ok {
		return fmt.Errorf("not in the roster: %w", nvr.ErrForbidden)
	}
	sign := vault.NewSigningKey()
	defer sign.Wipe()
	if !self.signs() {
		return s.succeed(ctx, p, self, nextKeys{sign, unlockers})
	}
	body, err := s.trust.roster()
	if err != nil {
		return err
	}
	next := body.following(p.secret.Roster)
	m, err := next.edit(p.person.ID)
	if err != nil {
		return err
	}
	m.Public, m.Verify = p.person.Public, sign.Public()
	m.Keys++
	return s.publish(ctx, p, change{body: next, sign: sign, own: unlockers, newLog: true})
}

// nextKeys are what a person takes besides the key pair.
type nextKeys struct {
	sign      *vault.SigningKey
	unlockers []nvr.Unlocker
}

// succeed certifies the proof's new key pair with the signing key before it.
func (s *Service) succeed(ctx context.Context, p *proof, self member, next nextKeys) error {
	old, err := vault.SigningKeyFromSeed(p.secret.Sign)
	if err != nil {
		return fmt.Errorf("read signing key: %w", nvr.ErrCorrupt)
	}
	defer old.Wipe()
	if p.person.Succession, err = self.extend(p.person.Succession, p.person.Public, next.sign.Public(), old); err != nil {
		return err
	}
	clear(p.secret.Sign)
	p.secret.Sign = next.sign.Seed()
	if p.person.Secret, err = p.secret.seal(p.pair, p.person.ID); err != nil {
		return err
	}
	if err := s.store.SavePrincipal(ctx, p.person, next.unlockers); err != nil {
		// Some errors come after the change is in force.
		if now, readErr := s.principal(ctx, p.person.ID); readErr != nil || !bytes.Equal(now.Secret, p.person.Secret) {
			return fmt.Errorf("store person: %w", err)
		}
		s.log.WarnContext(ctx, "keys were changed, but the old ones are not erased yet", slog.Any("error", err))
	}
	return s.trust.refresh(ctx)
}

// newUnlockers makes the unlockers of the proof's key pair: the password, and for
// an owner the recovery key.
func (s *Service) newUnlockers(ctx context.Context, p *proof, password string) ([]nvr.Unlocker, error) {
	body, err := s.trust.roster()
	if err != nil {
		return nil, err
	}
	byPassword, err := s.kdf.wrap(ctx, p.person.ID, password, p.pair)
	if err != nil {
		return nil, err
	}
	unlockers := []nvr.Unlocker{byPassword}
	if m, ok := body.member(p.person.ID); !ok || m.Role != nvr.Owner {
		return unlockers, nil
	}
	rec, ok := body.recovery()
	if !ok {
		return nil, fmt.Errorf("no recovery key in the roster: %w", nvr.ErrCorrupt)
	}
	byRecovery, err := recoveryUnlocker(p.person.ID, p.pair, rec.Public)
	if err != nil {
		return nil, err
	}
	return append(unlockers, byRecovery), nil
}

// RecoverRequest is the way back in with the printed recovery key.
type RecoverRequest struct {
	Name     string // the owner's
	Recovery vault.RecoveryKey
	Password string // the new one
	// TOTP replaces the second factor, WaiveSecondFactor removes it; with
	// neither it stays as it was.
	TOTP              *TOTPEnrolment
	WaiveSecondFactor bool
	Addr, Device      string
}

// RecoverOwner gives an owner who lost the password a new one. All sessions of
// the owner end; what was recorded opens as before. Errors: ErrRecoveryKey (also
// for a name that nobody has), ErrThrottled, ErrTOTP, nvr.ErrInvalid.
func (s *Service) RecoverOwner(ctx context.Context, req RecoverRequest) (*Session, string, error) {
	if err := CheckPassword(req.Password, req.Name); err != nil {
		return nil, "", err
	}
	c, err := s.throttle.stranger(ctx, accountKey(req.Name), req.Addr)
	if err != nil {
		return nil, "", err
	}
	p, err := s.proveRecovery(ctx, req)
	if err != nil {
		return nil, "", err
	}
	c.right(ctx)
	defer p.wipe()
	edit, err := s.secondFactor(ctx, p.person.ID, req)
	if err != nil {
		return nil, "", err
	}
	keys, err := s.renew(ctx, &p, req.Password, renewal{edit: edit})
	if err != nil {
		return nil, "", fmt.Errorf("recover: %w", err)
	}
	s.endSessions(ctx, p.person.ID, [32]byte{})
	s.endLinksOf(ctx, p.person.ID, nil)
	sess, token := s.newSession(ctx, entry{person: p.person, keys: keys, trusted: !p.doubt, proved: true, addr: req.Addr, device: req.Device})
	s.note(ctx, Entry{Action: LogRecovered, Session: sess})
	if req.WaiveSecondFactor {
		s.note(ctx, Entry{Action: LogWaived, Session: sess})
	}
	s.settleSoon(ctx, sess, p)
	return sess, token, nil
}

// proveRecovery opens an owner's key with the recovery key. What was put in the
// place of the owner's own is refused: its secret does not open.
func (s *Service) proveRecovery(ctx context.Context, req RecoverRequest) (proof, error) {
	rec, err := req.Recovery.KeyPair()
	if err != nil {
		return proof{}, fmt.Errorf("read recovery key: %w", err)
	}
	defer rec.Wipe()
	p, err := s.person(ctx, req.Name)
	if err == nil && p.Role != nvr.Owner {
		err = nvr.ErrNotFound
	}
	var u nvr.Unlocker
	if err == nil {
		u, err = s.unlocker(ctx, p.ID, nvr.RecoveryKey)
	}
	if errors.Is(err, nvr.ErrNotFound) {
		return proof{}, ErrRecoveryKey
	}
	if err != nil {
		return proof{}, err
	}
	pair, err := openRecovery(u, rec)
	if err != nil {
		return proof{}, err
	}
	return openProof(p, pair)
}

// secondFactor returns what changes in the secret of the person.
func (s *Service) secondFactor(ctx context.Context, id nvr.PrincipalID, req RecoverRequest) (func(*secret), error) {
	if req.TOTP == nil && !req.WaiveSecondFactor {
		return nil, nil //nolint:nilnil // nothing changes
	}
	step, err := checkSecondFactor(req.TOTP, req.WaiveSecondFactor)
	if err != nil {
		return nil, err
	}
	if req.TOTP == nil {
		return func(x *secret) { x.TOTP, x.Codes = "", nil }, nil
	}
	s.steps.mark(ctx, id, step)
	return func(x *secret) { x.TOTP, x.Codes = req.TOTP.Secret, nil }, nil
}

// ResetOwner starts a new household on the same box, for whoever stands at its
// console: cameras and settings stay, people and keys are forgotten. Footage
// recorded so far stays sealed; the old recovery key still opens it through the
// escrow files beside it. The box then waits to be claimed: see NewSetupCode.
func (s *Service) ResetOwner(ctx context.Context) error {
	s.people.Lock()
	defer s.people.Unlock()
	s.note(ctx, Entry{Action: LogReset, Detail: "console"})
	for _, sess := range s.all() {
		if err := s.drop(ctx, sess.hash); err != nil {
			return fmt.Errorf("reset: %w", err)
		}
	}
	if err := s.store.ForgetPeople(ctx); err != nil {
		return fmt.Errorf("reset: %w", err)
	}
	s.mu.Lock()
	s.alarms = nil
	s.mu.Unlock()
	s.vaultMu.Lock()
	s.today.Store(&map[cameraDay]current{})
	clear(s.unstored)
	s.vaultMu.Unlock()
	return s.trust.forget(ctx)
}
