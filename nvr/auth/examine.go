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

// What alarms tell. The words are entered in the log.
const (
	AlarmList     = "list-changed"  // the list of people is not the one that was accepted; an owner has to log in
	AlarmRoster   = "list-put-back" // the list was not the owner's, who logged in
	AlarmDoubt    = "list-doubted"  // the list is not the one that somebody knows who is no owner
	AlarmPublic   = "key-exchanged" // a person's key is not the one on the list
	AlarmKeys     = "keys-rolled-back"
	AlarmPerson   = "person-unknown"
	AlarmName     = "name-changed"
	AlarmVaultKey = "vault-key"        // footage was sealed to a key that an owner does not have
	AlarmVaultWho = "vault-recipients" // footage was sealed to others than those on the list
)

const maxCountersign = 4096

// examine compares the stored roster and people with what the person's own
// secret knows. An owner puts right what was changed from outside; for others it
// is reported, and nothing is granted to anybody with their keys. It may change
// the person's secret.
func (s *Service) examine(ctx context.Context, p *proof) error {
	s.people.Lock()
	defer s.people.Unlock()
	return s.examineLocked(ctx, p)
}

func (s *Service) examineLocked(ctx context.Context, p *proof) error {
	if err := s.examineNames(ctx); err != nil { // first: who logs in is stored again
		return err
	}
	now, err := s.principal(ctx, p.person.ID)
	if err != nil {
		return err
	}
	if !bytes.Equal(now.Secret, p.person.Secret) { // it was replaced since the proof
		x, err := openSecret(p.pair, now)
		if err != nil {
			return ErrWrong // with a new password
		}
		p.secret = x
	}
	p.person = now
	if err := s.examineRoster(ctx, p); err != nil {
		return err
	}
	if s.trust.rolledBack() {
		s.alarm(ctx, AlarmKeys)
	}
	if err := s.confirmKeys(ctx, p); err != nil {
		return err
	}
	return s.examinePeople(ctx)
}

func (s *Service) examineRoster(ctx context.Context, p *proof) error {
	own := p.secret.Roster
	stored, err := s.store.Roster(ctx)
	missing := errors.Is(err, nvr.ErrNotFound)
	if err != nil && !missing {
		return fmt.Errorf("read roster: %w", err)
	}
	ownBody, err := parseRoster(own)
	if err != nil {
		return fmt.Errorf("read the roster of a person: %w", err)
	}
	self, _ := ownBody.member(p.person.ID)
	if !missing && sameRoster(own, stored) {
		if _, err := s.trust.roster(); err == nil {
			return nil
		}
		if self.signs() {
			return s.trust.accept(ctx, stored, ownBody) // the pin was lost or exchanged
		}
	}
	if !missing && stored.Version > own.Version {
		follows, err := s.trust.descends(ctx, stored, ancestorOf(own, ownBody))
		if err != nil {
			return err
		}
		if follows {
			return s.adopt(ctx, p, stored, self.signs()) // another owner changed it
		}
	}
	if !self.signs() {
		p.doubt = true
		s.alarm(ctx, AlarmDoubt)
		return nil
	}
	if missing || stored.Version < own.Version {
		err = s.restore(ctx, own, ownBody)
	} else {
		err = s.reissue(ctx, p, ownBody, stored.Version)
	}
	if err != nil {
		return fmt.Errorf("put the roster back: %w", err)
	}
	s.alarm(ctx, AlarmRoster)
	return nil
}

// adopt makes a roster that another owner signed the one that this person knows.
// An owner vouches for it as well, in case that the box does not trust it.
func (s *Service) adopt(ctx context.Context, p *proof, raw nvr.Roster, vouch bool) error {
	body, err := parseRoster(raw)
	if err != nil {
		return err
	}
	p.secret.Roster = raw
	if err := s.saveSecret(ctx, p); err != nil || !vouch {
		return err
	}
	return s.trust.accept(ctx, raw, body)
}

// restore puts back a roster that was removed.
func (s *Service) restore(ctx context.Context, raw nvr.Roster, body *rosterBody) error {
	if err := s.store.AddRoster(ctx, raw); err != nil {
		return fmt.Errorf("store roster: %w", err)
	}
	return s.trust.accept(ctx, raw, body)
}

// reissue signs the owner's own roster again, above the stored one.
func (s *Service) reissue(ctx context.Context, p *proof, body *rosterBody, above uint64) error {
	next := body.following(p.secret.Roster)
	next.Number = above + 1
	return s.publish(ctx, p, change{body: next})
}

// confirmKeys signs for the keys that people took since an owner was here, and
// for names that an older roster has without.
func (s *Service) confirmKeys(ctx context.Context, p *proof) error {
	body, err := s.trust.roster()
	if err != nil {
		return err
	}
	self, ok := body.member(p.person.ID)
	fresh := slices.ContainsFunc(body.Members, func(m member) bool { return m.fresh })
	if !ok || !self.signs() || !fresh && body.named() {
		return nil
	}
	if err := s.publish(ctx, p, change{body: body.following(p.secret.Roster), newLog: fresh}); err != nil {
		return fmt.Errorf("sign for new keys: %w", err)
	}
	return nil
}

// change is what publish puts in force.
type change struct {
	body *rosterBody // made by following
	// sign, unless nil, takes the place of the owner's signing key.
	sign *vault.SigningKey
	// own replaces the owner's unlockers unless it is nil.
	own    []nvr.Unlocker
	people []nvr.PersonChange
	drop   []nvr.GrantDrop
	newLog bool // the household's log gets a vault of its own from now on
}

// publish signs a roster as the person, who is an owner, and puts it in force
// with all that changes with it.
func (s *Service) publish(ctx context.Context, p *proof, c change) error {
	key, err := vault.SigningKeyFromSeed(p.secret.Sign)
	if err != nil {
		return fmt.Errorf("read signing key: %w", nvr.ErrCorrupt)
	}
	defer key.Wipe()
	if err := s.nameAll(ctx, c.body); err != nil {
		return err
	}
	e := nvr.Enactment{Drop: c.drop}
	if c.newLog {
		if e.Vault, e.Grants, err = sealVault(c.body, nvr.CameraID{}, Day(c.body.Created)); err != nil {
			return err
		}
		c.body.Log.Vault, c.body.Log.Public = e.Vault.ID, e.Vault.Public
	}
	if e.Roster, err = c.body.sign(p.person.ID, key); err != nil {
		return err
	}
	p.secret.Roster = e.Roster
	if c.sign != nil {
		clear(p.secret.Sign)
		p.secret.Sign = c.sign.Seed()
	}
	if p.person.Secret, err = p.secret.seal(p.pair, p.person.ID); err != nil {
		return err
	}
	e.People = append([]nvr.PersonChange{{Principal: p.person, Unlockers: c.own}}, c.people...)
	if err := s.store.Enact(ctx, e); err != nil {
		// Some errors come after the change is in force.
		if now, readErr := s.store.Roster(ctx); readErr != nil || !sameRoster(now, e.Roster) {
			return fmt.Errorf("store roster: %w", err)
		}
		s.log.WarnContext(ctx, "the people were changed, but not all of it is settled", slog.Any("error", err))
	}
	return s.trust.accept(ctx, e.Roster, c.body)
}

func (s *Service) saveSecret(ctx context.Context, p *proof) error {
	sealed, err := p.secret.seal(p.pair, p.person.ID)
	if err != nil {
		return err
	}
	p.person.Secret = sealed
	if err := s.store.SavePrincipal(ctx, p.person, nil); err != nil {
		return fmt.Errorf("store person: %w", err)
	}
	return nil
}

// examinePeople compares the stored principals with the roster. Vaults are
// sealed to the roster's keys only, so this is about reporting.
func (s *Service) examinePeople(ctx context.Context) error {
	body, err := s.trust.roster()
	if err != nil {
		return err
	}
	people, err := s.store.Principals(ctx)
	if err != nil {
		return fmt.Errorf("load people: %w", err)
	}
	for _, p := range people {
		m, ok := body.member(p.ID)
		switch {
		case !ok && p.Revoked.IsZero():
			s.alarm(ctx, AlarmPerson)
		case ok && (!bytes.Equal(m.Public, p.Public) || m.Kind != p.Kind || m.Role != p.Role):
			s.alarm(ctx, AlarmPublic)
		}
	}
	return nil
}

// countersignSoon checks and signs the vaults that were made while no owner was
// there. It goes on behind the login: each signature is a durable write.
func (s *Service) countersignSoon(ctx context.Context, sess *Session, p proof) {
	if body, err := s.trust.roster(); err != nil {
		return
	} else if m, ok := body.member(sess.id); !ok || !m.signs() {
		return
	}
	ctx = context.WithoutCancel(ctx)
	key, err := vault.SigningKeyFromSeed(p.secret.Sign)
	if err != nil {
		s.log.WarnContext(ctx, "cannot countersign vaults", slog.Any("error", err))
		return
	}
	s.background.Go(func() {
		defer key.Wipe()
		if err := s.countersign(ctx, sess, key); err != nil && !errors.Is(err, nvr.ErrLocked) {
			s.log.WarnContext(ctx, "cannot countersign vaults", slog.Any("error", err))
		}
	})
}

func (s *Service) countersign(ctx context.Context, sess *Session, key *vault.SigningKey) error {
	vaults, err := s.store.UnsignedVaults(ctx, maxCountersign)
	if err != nil {
		return fmt.Errorf("list unsigned vaults: %w", err)
	}
	for _, v := range vaults {
		select {
		case <-s.closing:
			return nil // the rest comes after the next login
		default:
		}
		problem, err := s.checkVault(ctx, sess, v)
		if errors.Is(err, nvr.ErrDestroyed) || errors.Is(err, nvr.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if problem != "" {
			s.alarm(ctx, problem)
			continue
		}
		sig, err := key.Sign(vaultDomain, vaultBody(v))
		if err != nil {
			return fmt.Errorf("sign vault: %w", err)
		}
		if err := s.store.SignVault(ctx, v.ID, sig); err != nil && !errors.Is(err, nvr.ErrNotFound) {
			return fmt.Errorf("store signature: %w", err)
		}
	}
	return nil
}

// checkVault opens the owner's own grant, which must give the key to which the
// box sealed, and compares those who hold grants with the roster that the
// vault names, as far as that is the one in force.
func (s *Service) checkVault(ctx context.Context, sess *Session, v nvr.Vault) (problem string, err error) {
	keys, _ := sess.use(v.ID)
	if keys == nil {
		return "", nvr.ErrLocked
	}
	s.vaultMu.RLock()
	pair, err := s.openVault(ctx, keys, v.ID)
	s.vaultMu.RUnlock()
	switch {
	case errors.Is(err, nvr.ErrCorrupt) || errors.Is(err, nvr.ErrForbidden):
		if sess.Locked() {
			return "", nvr.ErrLocked
		}
		return AlarmVaultKey, nil
	case err != nil:
		return "", err
	}
	pair.Wipe()
	body, err := s.trust.roster()
	if err != nil {
		return "", err
	}
	if v.Roster != body.Number {
		return "", nil
	}
	grants, err := s.store.Grants(ctx, v.ID)
	if err != nil {
		return "", fmt.Errorf("read grants: %w", err)
	}
	entitled := body.entitled(v.Camera, v.Created)
	if len(grants) != len(entitled) {
		return AlarmVaultWho, nil
	}
	for _, g := range grants {
		if !slices.ContainsFunc(entitled, func(m member) bool { return m.ID == g.Principal }) {
			return AlarmVaultWho, nil
		}
	}
	return "", nil
}
