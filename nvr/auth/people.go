package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"lares/nvr"
	"lares/nvr/vault"
)

// ChangePassword gives the person of the session a new password and a new key
// pair: with the old password and an old copy of config.db nothing opens that
// is recorded from now on. All other sessions of the person end. New vaults
// begin with the next call of CurrentVault. Errors: ErrWrong when old is not
// the password, ErrThrottled, ErrNoSession, nvr.ErrInvalid with what is wrong
// with the new one.
func (s *Service) ChangePassword(ctx context.Context, sess *Session, old, password string) error {
	if err := CheckPassword(password, sess.name); err != nil {
		return err
	}
	c, err := s.throttle.charge(ctx, sessionKey(sess))
	if err != nil {
		return err
	}
	p, err := s.prove(ctx, sess.name, old)
	if err == nil && (p.person.ID != sess.id || sess.ended()) {
		p.pair.Wipe()
		err = ErrNoSession
	}
	if err != nil {
		return s.refuse(ctx, c, p, sess.Addr(), err)
	}
	c.right(ctx)
	defer p.wipe()
	keys, err := s.renew(ctx, &p, password)
	if err != nil {
		return fmt.Errorf("change password: %w", err)
	}
	s.endSessions(ctx, sess.id, sess.hash)
	if !sess.unlock(keys) {
		return ErrNoSession
	}
	s.note(ctx, Entry{Action: LogPassword, Session: sess})
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

// renew gives an owner a new key pair under a new password, and the household a
// new vault for its log. The pairs before stay in the owner's secret: they open
// what was sealed until now.
func (s *Service) renew(ctx context.Context, p *proof, password string) (*keyring, error) {
	s.people.Lock()
	defer s.people.Unlock()
	if err := s.examineLocked(ctx, p); err != nil {
		return nil, err
	}
	body, err := s.trust.roster()
	if err != nil {
		return nil, err
	}
	fresh, err := vault.NewKeyPair()
	if err != nil {
		return nil, fmt.Errorf("make key pair: %w", err)
	}
	p.secret.Former = slices.Insert(p.secret.Former, 0, p.pair.Seed())
	p.secret.Former = p.secret.Former[:min(len(p.secret.Former), maxFormer)]
	p.pair.Wipe()
	p.pair, p.person.Public = fresh, fresh.Public()
	unlockers, err := s.newUnlockers(ctx, p, body, password)
	if err != nil {
		return nil, err
	}
	next, err := s.withPublic(ctx, body, p)
	if err != nil {
		return nil, err
	}
	if err := s.publish(ctx, p, next, unlockers); err != nil {
		return nil, err
	}
	return p.keyring()
}

func (s *Service) newUnlockers(ctx context.Context, p *proof, body *rosterBody, password string) ([]nvr.Unlocker, error) {
	rec, ok := body.recovery()
	if !ok {
		return nil, fmt.Errorf("no recovery key in the roster: %w", nvr.ErrCorrupt)
	}
	byPassword, err := s.kdf.wrap(ctx, p.person.ID, password, p.pair)
	if err != nil {
		return nil, err
	}
	byRecovery, err := recoveryUnlocker(p.person.ID, p.pair, rec.Public)
	if err != nil {
		return nil, err
	}
	return []nvr.Unlocker{byPassword, byRecovery}, nil
}

// withPublic is the next roster, with the person's new public key and a vault
// of its own for the log from now on.
func (s *Service) withPublic(ctx context.Context, body *rosterBody, p *proof) (*rosterBody, error) {
	next := *body
	next.Members = slices.Clone(body.Members)
	i := slices.IndexFunc(next.Members, func(m member) bool { return m.ID == p.person.ID })
	if i < 0 {
		return nil, fmt.Errorf("not in the roster: %w", nvr.ErrForbidden)
	}
	next.Members[i].Public = p.person.Public
	next.Number++
	next.Previous = rosterHash(p.secret.Roster)
	next.Created = time.Now().UTC().Truncate(time.Second)
	v, grants, err := sealVault(&next, nvr.CameraID{}, Day(next.Created))
	if err != nil {
		return nil, err
	}
	if err := s.store.AddVault(ctx, v, grants); err != nil {
		return nil, fmt.Errorf("store the household's vault: %w", err)
	}
	next.Log.Vault, next.Log.Public = v.ID, v.Public
	return &next, nil
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
	if err := s.replaceSecondFactor(ctx, &p, req); err != nil {
		return nil, "", err
	}
	keys, err := s.renew(ctx, &p, req.Password)
	if err != nil {
		return nil, "", fmt.Errorf("recover: %w", err)
	}
	s.endSessions(ctx, p.person.ID, [32]byte{})
	sess, token := s.newSession(ctx, p.person, keys, req.Addr, req.Device)
	s.note(ctx, Entry{Action: LogRecovered, Session: sess})
	if req.WaiveSecondFactor {
		s.note(ctx, Entry{Action: LogWaived, Session: sess})
	}
	s.countersignSoon(ctx, sess, p)
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

func (s *Service) replaceSecondFactor(ctx context.Context, p *proof, req RecoverRequest) error {
	if req.TOTP == nil && !req.WaiveSecondFactor {
		return nil
	}
	step, err := checkSecondFactor(req.TOTP, req.WaiveSecondFactor)
	if err != nil {
		return err
	}
	p.secret.TOTP = ""
	if req.TOTP != nil {
		p.secret.TOTP = req.TOTP.Secret
		s.steps.mark(ctx, p.person.ID, step)
	}
	return nil
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
	clear(s.today)
	clear(s.unstored)
	s.vaultMu.Unlock()
	return s.trust.forget(ctx)
}
