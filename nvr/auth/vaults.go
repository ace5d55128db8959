package auth

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"lares/nvr"
	"lares/nvr/vault"
)

// maxCurrent bounds the vaults of the day in memory; a house has 16 cameras.
const maxCurrent = 256

const secondsADay = 24 * 60 * 60

// Day returns the UTC day of an instant, in days since the Unix epoch, negative
// before it.
func Day(t time.Time) int {
	s := t.Unix()
	day := s / secondsADay
	if s%secondsADay < 0 {
		day--
	}
	return int(day)
}

// current is a vault of the day that this run of the box made itself.
type current struct {
	recipient nvr.Recipient
	sealedTo  [32]byte // digest of the keys that it is sealed to
}

type cameraDay struct {
	camera nvr.CameraID
	day    int
}

// CurrentVault returns the vault of a camera for the UTC day of now. It is made
// without anybody's help: its seed is sealed to those whom the roster entitles
// and to the recovery key, and forgotten.
//
// Only vaults that this run of the box made are used: one that lies in the
// database may have been put there by somebody who knows its seed. So each start
// of the box, each destruction and each change of who may replay the camera, or
// of one of their keys, begins a new one. Ask again for each segment, and see
// VaultInForce. While config.db cannot be written the vault is kept
// in memory and stored with a later call, so that recording goes on; should the
// box stop before, footage of it opens with the recovery key only.
// Errors: nvr.ErrNoOwner before a claim, ErrRoster.
func (s *Service) CurrentVault(ctx context.Context, camera nvr.CameraID, now time.Time) (nvr.Recipient, error) {
	if camera.IsZero() {
		return nvr.Recipient{}, fmt.Errorf("vault of no camera: %w", nvr.ErrInvalid)
	}
	key := cameraDay{camera, Day(now)}
	s.making.Lock()
	defer s.making.Unlock()
	body, err := s.trust.roster()
	if err != nil {
		return nvr.Recipient{}, err
	}
	sealedTo := body.recipients(camera, time.Now())
	if c, ok := (*s.today.Load())[key]; ok && c.sealedTo == sealedTo {
		s.storeVaults(ctx)
		return c.recipient, nil
	}
	v, grants, err := sealVault(body, camera, key.day)
	if err != nil {
		return nvr.Recipient{}, err
	}
	if err := s.addVault(ctx, v, grants); err != nil {
		return nvr.Recipient{}, err
	}
	r := recipient(body, v)
	s.vaultMu.Lock()
	defer s.vaultMu.Unlock()
	s.changeTodayLocked(func(today map[cameraDay]current) {
		for old := range today {
			if len(today) >= maxCurrent || old.camera == camera && old.day < key.day-1 {
				delete(today, old)
			}
		}
		today[key] = current{recipient: r, sealedTo: sealedTo}
	})
	return r, nil
}

// recipient is what the recorder gets to know of a vault.
func recipient(body *rosterBody, v nvr.Vault) nvr.Recipient {
	rec, _ := body.recovery()
	file := EscrowFile{Vault: v.ID, Camera: v.Camera, Principal: rec.ID, Day: v.Day, Public: v.Public, Escrow: v.Escrow}
	return nvr.Recipient{Vault: v.ID, Public: v.Public, EscrowFile: file.Marshal()}
}

// NewVault returns a fresh vault of a camera for the UTC day of a time, to take
// over keys that were sealed to another one of that day. The one that
// CurrentVault returned for the day is in force no more: what is being recorded
// with it ends at the next key frame. Errors: nvr.ErrNoOwner, ErrRoster, and
// those of the store: nothing is moved to a vault that is not on the disk.
func (s *Service) NewVault(ctx context.Context, camera nvr.CameraID, at time.Time) (nvr.Recipient, error) {
	if camera.IsZero() {
		return nvr.Recipient{}, fmt.Errorf("vault of no camera: %w", nvr.ErrInvalid)
	}
	key := cameraDay{camera, Day(at)}
	s.making.Lock()
	defer s.making.Unlock()
	body, err := s.trust.roster()
	if err != nil {
		return nvr.Recipient{}, err
	}
	v, grants, err := sealVault(body, camera, key.day)
	if err != nil {
		return nvr.Recipient{}, err
	}
	if err := s.store.AddVault(ctx, v, grants); err != nil {
		return nvr.Recipient{}, fmt.Errorf("store vault: %w", err)
	}
	s.vaultMu.Lock()
	defer s.vaultMu.Unlock()
	s.changeTodayLocked(func(today map[cameraDay]current) { delete(today, key) })
	return recipient(body, v), nil
}

// MayReseal returns an error unless the keys of the session may be used to seal
// footage to other vaults: those are sealed to the roster, which the person's
// own secret has to vouch for. Errors: nvr.ErrLocked, ErrRoster.
func (s *Service) MayReseal(sess *Session) error {
	switch {
	case sess.Locked():
		return fmt.Errorf("seal footage anew: %w", nvr.ErrLocked)
	case !sess.vouches():
		return fmt.Errorf("seal footage anew: %w", ErrRoster)
	}
	return nil
}

// changeTodayLocked changes a copy of the vaults of the day.
func (s *Service) changeTodayLocked(change func(today map[cameraDay]current)) {
	next := maps.Clone(*s.today.Load())
	change(next)
	s.today.Store(&next)
}

// VaultInForce reports whether footage of a camera may still be sealed to a
// vault that CurrentVault returned. It is false once somebody gained or lost the
// right to replay the camera, changed the password or removed a device, and once
// the vault was destroyed or replaced: then the segment ends at the next key
// frame. It is cheap and waits for no disk; ask at each key frame.
func (s *Service) VaultInForce(camera nvr.CameraID, id nvr.VaultID) bool {
	body, err := s.trust.roster()
	if err != nil {
		return false
	}
	sealedTo := body.recipients(camera, time.Now())
	for key, c := range *s.today.Load() {
		if c.recipient.Vault == id {
			return key.camera == camera && c.sealedTo == sealedTo
		}
	}
	return false
}

// unstored is a vault that config.db did not take yet.
type unstored struct {
	vault  nvr.Vault
	grants []nvr.Grant
}

// addVault stores a vault, or keeps it until it can be stored.
func (s *Service) addVault(ctx context.Context, v nvr.Vault, grants []nvr.Grant) error {
	s.storeVaults(ctx)
	err := s.store.AddVault(ctx, v, grants)
	if err == nil {
		return nil
	}
	s.vaultMu.Lock()
	defer s.vaultMu.Unlock()
	if ctx.Err() != nil || len(s.unstored) >= maxCurrent {
		return fmt.Errorf("store vault: %w", err)
	}
	s.log.ErrorContext(ctx, "cannot store the keys of a day; they are kept in memory until that works",
		slog.String("vault", v.ID.String()), slog.Any("error", err))
	s.unstored[v.ID] = unstored{v, grants}
	return nil
}

// storeVaults tries again to store what config.db did not take.
func (s *Service) storeVaults(ctx context.Context) {
	s.vaultMu.Lock()
	defer s.vaultMu.Unlock()
	for id, u := range s.unstored {
		if err := s.store.AddVault(ctx, u.vault, u.grants); err != nil && !errors.Is(err, nvr.ErrInvalid) {
			return
		}
		delete(s.unstored, id) // nvr.ErrInvalid: it was stored after all
	}
}

// sealVault makes a vault for those whom the roster entitles.
func sealVault(body *rosterBody, camera nvr.CameraID, day int) (nvr.Vault, []nvr.Grant, error) {
	rec, ok := body.recovery()
	if !ok {
		return nvr.Vault{}, nil, fmt.Errorf("make vault: no recovery key in the roster: %w", nvr.ErrNoOwner)
	}
	pair, err := vault.NewKeyPair()
	if err != nil {
		return nvr.Vault{}, nil, fmt.Errorf("make vault: %w", err)
	}
	defer pair.Wipe()
	seed := pair.Seed()
	defer clear(seed)
	v := nvr.Vault{
		ID: nvr.NewID[nvr.Vault](), Camera: camera, Day: day, Public: pair.Public(),
		Roster: body.Number, Created: time.Now().UTC(),
	}
	v.Escrow, err = vault.Seal(rec.Public, seedInfo(escrowDomain, v.ID, rec.ID, camera, day), seed)
	if err != nil {
		return nvr.Vault{}, nil, fmt.Errorf("seal escrow: %w", err)
	}
	grants, err := sealGrants(body.entitled(camera, v.Created), v, seed)
	return v, grants, err
}

// sealGrants seals the seed of a vault to people.
func sealGrants(people []member, v nvr.Vault, seed []byte) (grants []nvr.Grant, err error) {
	for _, m := range people {
		sealed, err := vault.Seal(m.Public, seedInfo(grantDomain, v.ID, m.ID, v.Camera, v.Day), seed)
		if err != nil {
			return nil, fmt.Errorf("seal grant: %w", err)
		}
		grants = append(grants, nvr.Grant{Vault: v.ID, Principal: m.ID, Sealed: sealed})
	}
	return grants, nil
}

// vaultBody is what an owner's countersignature covers.
func vaultBody(v nvr.Vault) []byte {
	b := append([]byte(nil), v.ID[:]...)
	b = append(b, v.Camera[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(int64(v.Day)))
	b = binary.BigEndian.AppendUint64(b, v.Roster)
	b = appendBlob(b, v.Public)
	return appendBlob(b, v.Escrow)
}

// DestroyDay destroys all vaults of a camera and UTC day: what was sealed to
// them cannot be opened again, whoever logs in. It may be repeated.
func (s *Service) DestroyDay(ctx context.Context, camera nvr.CameraID, day int) error {
	s.dropUnstored(func(v nvr.Vault) bool { return v.Camera == camera && v.Day == day })
	for {
		v, err := s.store.NewestVault(ctx, camera, day)
		if errors.Is(err, nvr.ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("find vault: %w", err)
		}
		if err := s.destroy(ctx, v); err != nil {
			return err
		}
		if gone, err := s.store.Destroyed(ctx, v.ID); err != nil || !gone {
			return fmt.Errorf("vault %s is still there: %w", v.ID, errors.Join(err, nvr.ErrCorrupt))
		}
	}
}

// DestroyVault destroys one vault, as DestroyDay does. One that is destroyed
// already is no error; one that never was is nvr.ErrNotFound.
func (s *Service) DestroyVault(ctx context.Context, id nvr.VaultID) error {
	if s.dropUnstored(func(v nvr.Vault) bool { return v.ID == id }) {
		return nil
	}
	gone, err := s.store.Destroyed(ctx, id)
	if err != nil {
		return fmt.Errorf("look for vault: %w", err)
	}
	if gone { // again, in case that the store could not erase all of it then
		if err := s.store.DestroyVault(ctx, id); err != nil {
			return fmt.Errorf("destroy vault %s: %w", id, err)
		}
		return nil
	}
	v, err := s.store.Vault(ctx, id)
	if err != nil {
		return fmt.Errorf("find vault: %w", err)
	}
	return s.destroy(ctx, v)
}

// dropUnstored destroys vaults that are in memory only.
func (s *Service) dropUnstored(which func(nvr.Vault) bool) (dropped bool) {
	s.vaultMu.Lock()
	defer s.vaultMu.Unlock()
	for id, u := range s.unstored {
		if which(u.vault) {
			delete(s.unstored, id)
			s.changeTodayLocked(func(today map[cameraDay]current) { delete(today, cameraDay{u.vault.Camera, u.vault.Day}) })
			dropped = true
		}
	}
	return dropped
}

// destroy waits for those who are just opening vaults, so that none of them
// keeps a seed that is destroyed.
func (s *Service) destroy(ctx context.Context, v nvr.Vault) error {
	if v.Camera.IsZero() {
		return fmt.Errorf("destroy the household's own vault: %w", nvr.ErrForbidden)
	}
	if err := s.destroyLocked(ctx, v); err != nil {
		return fmt.Errorf("destroy vault %s: %w", v.ID, err)
	}
	s.note(ctx, Entry{
		Action: LogKeysDestroyed, Camera: v.Camera, household: true,
		From: time.Unix(int64(v.Day)*secondsADay, 0), To: time.Unix(int64(v.Day+1)*secondsADay, 0),
		Detail: v.ID.String(),
	})
	return nil
}

func (s *Service) destroyLocked(ctx context.Context, v nvr.Vault) error {
	s.vaultMu.Lock()
	defer s.vaultMu.Unlock()
	// First out of memory: if the store fails half-way nobody goes on with it.
	s.changeTodayLocked(func(today map[cameraDay]current) {
		maps.DeleteFunc(today, func(_ cameraDay, c current) bool { return c.recipient.Vault == v.ID })
	})
	for _, sess := range s.all() {
		sess.forget(v.ID)
	}
	return s.store.DestroyVault(ctx, v.ID)
}

// openVault returns the pair of a vault that the keys open. The caller holds
// vaultMu for reading until it has put the pair where destroy finds it.
func (s *Service) openVault(ctx context.Context, keys *keyring, id nvr.VaultID) (*vault.KeyPair, error) {
	if u, ok := s.unstored[id]; ok {
		return keys.openGrant(u.vault, u.grants)
	}
	v, err := s.store.Vault(ctx, id)
	if errors.Is(err, nvr.ErrNotFound) {
		gone, err := s.store.Destroyed(ctx, id)
		switch {
		case err != nil:
			return nil, fmt.Errorf("look for vault %s: %w", id, err)
		case gone:
			return nil, fmt.Errorf("vault %s: %w", id, nvr.ErrDestroyed)
		}
		return nil, fmt.Errorf("vault %s is not of this household: %w", id, nvr.ErrForbidden)
	}
	if err != nil {
		return nil, fmt.Errorf("read vault %s: %w", id, err)
	}
	grants, err := s.store.Grants(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read grants of vault %s: %w", id, err)
	}
	return keys.openGrant(v, grants)
}
