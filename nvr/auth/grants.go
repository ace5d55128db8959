package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"lares/nvr"
	"lares/nvr/vault"
)

// grantPage is how many seeds are sealed at a time.
const grantPage = 64

// grantSoon seals to everybody in the roster what they may replay and have no
// grant for yet, as far as the sessions hold it. It goes on in the background,
// and goes on where it was when such a session comes next.
func (s *Service) grantSoon(ctx context.Context, sessions ...*Session) {
	ctx = context.WithoutCancel(ctx)
	for _, sess := range sessions {
		if sess.link != nil || sess.ring() == nil {
			continue
		}
		s.background.Go(func() {
			s.granting.Lock()
			defer s.granting.Unlock()
			if err := s.grant(ctx, sess); err != nil && !errors.Is(err, nvr.ErrLocked) {
				s.log.WarnContext(ctx, "cannot grant recordings", slog.Any("error", err))
			}
		})
	}
}

// grant goes through all cameras and people once. Nothing is granted with the
// keys of somebody whose secret does not vouch for the roster: it might be forged
// to reach older recordings.
func (s *Service) grant(ctx context.Context, sess *Session) error {
	if !sess.vouches() || s.isClosing() {
		return nil
	}
	cameras, err := s.store.VaultCameras(ctx)
	if err != nil {
		return fmt.Errorf("list cameras with recordings: %w", err)
	}
	body, err := s.trust.roster()
	if err != nil {
		return err
	}
	for _, m := range body.Members {
		sealed := 0
		for _, camera := range cameras {
			if m.ID == sess.id || !m.entitled(camera, time.Now()) {
				continue
			}
			n, err := s.grantCamera(ctx, sess, m, camera)
			sealed += n
			if err != nil {
				return err
			}
		}
		if sealed > 0 {
			s.note(ctx, Entry{Action: LogGranted, Principal: m.ID, Detail: strconv.Itoa(sealed) + " days of recordings"})
		}
	}
	return nil
}

// vouches reports whether the session is unlocked with keys whose owner's secret
// vouches for the roster.
func (s *Session) vouches() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys != nil && s.trusted
}

func (s *Service) isClosing() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

// grantCamera returns how many vaults were sealed to the member.
func (s *Service) grantCamera(ctx context.Context, sess *Session, m member, camera nvr.CameraID) (sealed int, err error) {
	var last nvr.VaultID
	for {
		page, err := s.store.VaultsWithout(ctx, m.ID, camera, last, grantPage)
		if err != nil {
			return sealed, fmt.Errorf("list vaults: %w", err)
		}
		var grants []nvr.Grant
		for _, v := range page {
			last = v.ID
			g, err := s.sealGrant(ctx, sess, v, m)
			switch {
			case errors.Is(err, nvr.ErrLocked):
				return sealed, err
			case err != nil:
				continue // not theirs to grant, or gone
			}
			grants = append(grants, g)
		}
		n, err := s.addGrants(ctx, m, camera, grants)
		sealed += n
		if err != nil || len(page) < grantPage || s.isClosing() {
			return sealed, err
		}
	}
}

// addGrants stores grants unless the member lost the right meanwhile.
func (s *Service) addGrants(ctx context.Context, m member, camera nvr.CameraID, grants []nvr.Grant) (int, error) {
	if len(grants) == 0 {
		return 0, nil
	}
	s.people.Lock()
	defer s.people.Unlock()
	now, err := s.self(m.ID)
	if err != nil || !now.entitled(camera, time.Now()) || !bytes.Equal(now.Public, m.Public) {
		return 0, nil //nolint:nilerr // the next change of the roster begins anew
	}
	if err := s.store.AddGrants(ctx, grants); err != nil {
		return 0, fmt.Errorf("store grants: %w", err)
	}
	return len(grants), nil
}

// sealGrant opens a vault's seed with the keys of the session and seals it to the member.
func (s *Service) sealGrant(ctx context.Context, sess *Session, v nvr.Vault, m member) (nvr.Grant, error) {
	keys := sess.ring()
	if keys == nil {
		return nvr.Grant{}, nvr.ErrLocked
	}
	s.vaultMu.RLock()
	defer s.vaultMu.RUnlock()
	pair, err := s.openVault(ctx, keys, v.ID)
	if err != nil {
		if sess.ring() == nil {
			return nvr.Grant{}, nvr.ErrLocked
		}
		return nvr.Grant{}, err
	}
	defer pair.Wipe()
	seed := pair.Seed()
	defer clear(seed)
	g := nvr.Grant{Vault: v.ID, Principal: m.ID}
	if g.Sealed, err = vault.Seal(m.Public, seedInfo(grantDomain, v.ID, m.ID, v.Camera, v.Day), seed); err != nil {
		return nvr.Grant{}, fmt.Errorf("seal grant: %w", err)
	}
	return g, nil
}

// Granting is what somebody may replay and cannot open yet.
type Granting struct {
	Person nvr.PrincipalID
	// Days counts vaults: about one for each camera and day. They open when
	// somebody who can open them logs in or is logged in.
	Days int
}

// Granting lists, for owners, for whom keys of recordings wait to be sealed.
// Errors: nvr.ErrForbidden, ErrNoSession.
func (s *Service) Granting(ctx context.Context, sess *Session) ([]Granting, error) {
	if err := s.Authorize(ctx, sess, ActPeople, nvr.CameraID{}, time.Now()); err != nil {
		return nil, err
	}
	body, err := s.trust.roster()
	if err != nil {
		return nil, err
	}
	cameras, err := s.store.VaultCameras(ctx)
	if err != nil {
		return nil, fmt.Errorf("list cameras with recordings: %w", err)
	}
	var out []Granting
	for _, m := range body.Members {
		left := 0
		for _, camera := range cameras {
			if !m.entitled(camera, time.Now()) {
				continue
			}
			n, err := s.store.CountWithout(ctx, m.ID, camera)
			if err != nil {
				return nil, fmt.Errorf("count what is to be granted: %w", err)
			}
			left += n
		}
		if left > 0 {
			out = append(out, Granting{Person: m.ID, Days: left})
		}
	}
	return out, nil
}
