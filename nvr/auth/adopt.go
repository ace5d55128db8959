package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strconv"
	"time"

	"lares/nvr"
	"lares/nvr/vault"
)

// AdoptVaults takes in the vaults whose recovery copies lie beside the footage
// and that the box does not know: after a restore from a backup, which holds no
// keys of footage, or with footage of a household from before. files are escrow
// files. Each vault is sealed to those whom the roster entitles now.
//
// It takes an owner whose own secret vouches for that roster, not the recovery
// key alone: a backup can be forged by whoever knows the public half of that key.
// It returns how many were taken in; files that cannot be read, and those of
// another recovery key, are passed over and logged. It may be repeated. Errors:
// nvr.ErrForbidden, nvr.ErrLocked, ErrStepUp, ErrRoster; ErrRecoveryKey when the
// key opened none of them.
func (s *Service) AdoptVaults(ctx context.Context, sess *Session, rec vault.RecoveryKey, files iter.Seq2[[]byte, error]) (int, error) {
	if err := s.mayAdopt(ctx, sess); err != nil {
		return 0, err
	}
	adopted, foreign := 0, 0
	for raw, err := range files {
		if err == nil {
			var taken bool
			taken, err = s.adoptVault(ctx, rec, raw)
			if taken {
				adopted++
			}
		}
		switch {
		case errors.Is(err, ErrRecoveryKey):
			foreign++
		case errors.Is(err, nvr.ErrCorrupt):
			s.log.WarnContext(ctx, "pass over a recovery copy of keys", slog.Any("error", err))
		case err != nil:
			return adopted, err
		}
	}
	if adopted > 0 {
		s.note(ctx, Entry{Action: LogAdopted, Session: sess, Detail: strconv.Itoa(adopted) + " keys of recordings"})
	}
	if foreign > 0 {
		s.log.WarnContext(ctx, "keys of recordings are sealed to another recovery key", slog.Int("keys", foreign))
		if adopted == 0 {
			return 0, ErrRecoveryKey
		}
	}
	return adopted, nil
}

func (s *Service) mayAdopt(ctx context.Context, sess *Session) error {
	if err := s.Authorize(ctx, sess, ActPeople, nvr.CameraID{}, time.Now()); err != nil {
		return err
	}
	if err := s.CheckProof(sess, ActPeople); err != nil {
		return err
	}
	if sess.ring() == nil {
		return nvr.ErrLocked
	}
	if !sess.vouches() {
		return ErrRoster
	}
	return nil
}

// adoptVault reports whether the vault of an escrow file was taken in. One that
// is there, or was destroyed, is not.
func (s *Service) adoptVault(ctx context.Context, rec vault.RecoveryKey, raw []byte) (bool, error) {
	f, err := ParseEscrowFile(raw)
	if err != nil || f.Camera.IsZero() {
		return false, err
	}
	known, err := s.knowsVault(ctx, f.Vault)
	if known || err != nil {
		return false, err
	}
	pair, err := openEscrow(rec, f)
	if err != nil {
		return false, err
	}
	defer pair.Wipe()
	seed := pair.Seed()
	defer clear(seed)
	s.people.Lock() // the roster stays while it is sealed to it
	defer s.people.Unlock()
	body, err := s.trust.roster()
	if err != nil {
		return false, err
	}
	v := nvr.Vault{ID: f.Vault, Camera: f.Camera, Day: f.Day, Public: f.Public, Roster: body.Number, Escrow: f.Escrow, Created: time.Now().UTC()}
	if own, ok := body.recovery(); ok && own.ID != f.Principal {
		if v.Escrow, err = vault.Seal(own.Public, seedInfo(escrowDomain, v.ID, own.ID, v.Camera, v.Day), seed); err != nil {
			return false, fmt.Errorf("seal escrow: %w", err)
		}
	}
	grants, err := sealGrants(body.entitled(v.Camera, v.Created), v, seed)
	if err != nil {
		return false, err
	}
	if err := s.store.AddVault(ctx, v, grants); err != nil {
		return false, fmt.Errorf("store vault: %w", err)
	}
	return true, nil
}

func (s *Service) knowsVault(ctx context.Context, id nvr.VaultID) (bool, error) {
	if gone, err := s.store.Destroyed(ctx, id); gone || err != nil {
		return gone, err
	}
	_, err := s.store.Vault(ctx, id)
	if errors.Is(err, nvr.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// RecoveryRecipient returns to whom a backup is sealed. Error: nvr.ErrNoOwner.
func (s *Service) RecoveryRecipient() (nvr.PrincipalID, []byte, error) {
	body, err := s.trust.roster()
	if err != nil {
		return nvr.PrincipalID{}, nil, err
	}
	rec, ok := body.recovery()
	if !ok {
		return nvr.PrincipalID{}, nil, nvr.ErrNoOwner
	}
	return rec.ID, bytes.Clone(rec.Public), nil
}
