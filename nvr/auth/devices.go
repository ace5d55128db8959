package auth

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"lares/nvr"
	"lares/nvr/vault"
)

const (
	deviceDomain = "lares/unlocker/device/v1"
	deviceIDInfo = "lares/device-id/v1"
	deviceLife   = 180 * 24 * time.Hour
	// maxDevices bounds the remembered devices of one person; the oldest goes.
	maxDevices   = 16
	deviceSecret = 32
)

// DeviceKey is what a remembered device keeps, in base64url: Cookie in a cookie,
// Second where cookies do not reach, such as IndexedDB: another service on the
// same host is sent the cookies. Only both together open anything.
type DeviceKey struct {
	Cookie, Second string
}

// Device is a remembered device.
type Device struct {
	ID      nvr.ID[nvr.Unlocker]
	Label   string
	Created time.Time
	Expires time.Time
}

// device is what the two secrets lead to.
type device struct {
	id   nvr.ID[nvr.Unlocker] // depends on the cookie alone
	both []byte               // the secrets
}

// open reads the two secrets; the caller wipes them. Error: ErrDevice.
func (k DeviceKey) open() (device, error) {
	cookie, err1 := base64.RawURLEncoding.DecodeString(k.Cookie)
	second, err2 := base64.RawURLEncoding.DecodeString(k.Second)
	defer clear(second)
	if err1 != nil || err2 != nil || len(cookie) != deviceSecret || len(second) != deviceSecret {
		clear(cookie)
		return device{}, ErrDevice
	}
	id, err := hkdf.Key(sha256.New, cookie, nil, deviceIDInfo, len(nvr.ID[nvr.Unlocker]{}))
	if err != nil {
		return device{}, fmt.Errorf("derive the id of a device: %w", err)
	}
	return device{id: nvr.ID[nvr.Unlocker](id), both: append(cookie, second...)}, nil
}

func (d device) wipe() { clear(d.both) }

// pair derives the key pair to which the person's seed is sealed. The caller
// wipes it.
func (d device) pair() (*vault.KeyPair, error) {
	seed, err := hkdf.Key(sha256.New, d.both, d.id[:], deviceDomain, vault.SeedSize)
	if err != nil {
		return nil, fmt.Errorf("derive the key of a device: %w", err)
	}
	defer clear(seed)
	pair, err := vault.KeyPairFromSeed(seed)
	if err != nil {
		return nil, fmt.Errorf("derive the key of a device: %w", err)
	}
	return pair, nil
}

// deviceUnlocker seals a person's seed to the public key in u.Params, so that
// new keys reach a device that is not there.
func deviceUnlocker(u nvr.Unlocker, pair *vault.KeyPair) (nvr.Unlocker, error) {
	seed := pair.Seed()
	defer clear(seed)
	var err error
	if u.Wrapped, err = vault.Seal(u.Params, []byte(unlockerContext(deviceDomain, u)), seed); err != nil {
		return nvr.Unlocker{}, fmt.Errorf("seal the key of a person to a device: %w", err)
	}
	return u, nil
}

// Remember makes the device of the session one that opens recordings without a
// password, for half a year. The person must have proved to be there. Errors:
// ErrStepUp, nvr.ErrLocked, ErrNoSession.
func (s *Service) Remember(ctx context.Context, sess *Session) (DeviceKey, error) {
	if !sess.Proved(proofLife) {
		return DeviceKey{}, ErrStepUp
	}
	s.people.Lock()
	defer s.people.Unlock()
	p, err := s.ownProof(ctx, sess)
	if err != nil {
		return DeviceKey{}, err
	}
	defer p.wipe()
	key, u, err := newDevice(sess, p.pair)
	if err != nil {
		return DeviceKey{}, err
	}
	all, err := s.store.Unlockers(ctx, sess.id)
	if err != nil {
		return DeviceKey{}, fmt.Errorf("read what unlocks a person: %w", err)
	}
	if err := s.store.SavePrincipal(ctx, p.person, makeRoom(all, u)); err != nil {
		return DeviceKey{}, fmt.Errorf("remember a device: %w", err)
	}
	s.note(ctx, Entry{Action: LogRemembered, Session: sess, Detail: sess.Device()})
	return key, nil
}

// newDevice makes the secrets of a device and its unlocker for a person's pair.
func newDevice(sess *Session, person *vault.KeyPair) (DeviceKey, nvr.Unlocker, error) {
	raw := make([]byte, 2*deviceSecret)
	defer clear(raw)
	rand.Read(raw) // never fails: crypto/rand, Go 1.24
	key := DeviceKey{
		Cookie: base64.RawURLEncoding.EncodeToString(raw[:deviceSecret]),
		Second: base64.RawURLEncoding.EncodeToString(raw[deviceSecret:]),
	}
	d, err := key.open()
	if err != nil {
		return DeviceKey{}, nvr.Unlocker{}, err
	}
	defer d.wipe()
	pair, err := d.pair()
	if err != nil {
		return DeviceKey{}, nvr.Unlocker{}, err
	}
	defer pair.Wipe()
	now := time.Now().UTC().Truncate(time.Second)
	u, err := deviceUnlocker(nvr.Unlocker{
		ID: d.id, Principal: sess.id, Kind: nvr.Device, Params: pair.Public(),
		Label: clip(sess.Device(), maxDetail), Created: now, Expires: now.Add(deviceLife),
	}, person)
	return key, u, err
}

// makeRoom adds a device and leaves out those that are over, and the oldest.
func makeRoom(all []nvr.Unlocker, u nvr.Unlocker) []nvr.Unlocker {
	all = slices.DeleteFunc(all, func(o nvr.Unlocker) bool { return o.Kind == nvr.Device && !u.Created.Before(o.Expires) })
	devices := 0
	for _, o := range all {
		if o.Kind == nvr.Device {
			devices++
		}
	}
	for i := 0; i < len(all) && devices >= maxDevices; {
		if all[i].Kind != nvr.Device {
			i++
			continue
		}
		all = slices.Delete(all, i, i+1)
		devices--
	}
	return append(all, u)
}

// Devices lists the remembered devices of the session's person.
func (s *Service) Devices(ctx context.Context, sess *Session) ([]Device, error) {
	if sess.ended() {
		return nil, ErrNoSession
	}
	all, err := s.devices(ctx, sess.id)
	if err != nil {
		return nil, err
	}
	var out []Device
	for _, u := range all {
		out = append(out, Device{ID: u.ID, Label: u.Label, Created: u.Created, Expires: u.Expires})
	}
	return out, nil
}

func (s *Service) devices(ctx context.Context, id nvr.PrincipalID) ([]nvr.Unlocker, error) {
	all, err := s.store.Unlockers(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read what unlocks a person: %w", err)
	}
	return slices.DeleteFunc(all, func(u nvr.Unlocker) bool {
		return u.Kind != nvr.Device || !time.Now().Before(u.Expires)
	}), nil
}

// RemoveDevice forgets a device, which needs the person's password: with the
// secrets of the device and an old copy of config.db nothing opens that is
// recorded from now on. All other sessions of the person end, the other devices
// stay. Errors: as ChangePassword; nvr.ErrNotFound.
func (s *Service) RemoveDevice(ctx context.Context, sess *Session, id nvr.ID[nvr.Unlocker], password string) error {
	all, err := s.devices(ctx, sess.id)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(u nvr.Unlocker) bool { return u.ID == id })
	if i < 0 {
		return fmt.Errorf("forget a device: %w", nvr.ErrNotFound)
	}
	label := all[i].Label
	c, err := s.throttle.charge(ctx, sessionKey(sess))
	if err != nil {
		return err
	}
	p, err := s.proveSession(ctx, sess, password)
	if err != nil {
		return s.refuse(ctx, c, p, sess.Addr(), err)
	}
	c.right(ctx)
	defer p.wipe()
	keys, err := s.renew(ctx, &p, password, renewal{keep: slices.Delete(all, i, i+1)})
	if err != nil {
		return fmt.Errorf("forget a device: %w", err)
	}
	s.endSessions(ctx, sess.id, sess.hash)
	if !sess.unlock(keys, !p.doubt) {
		return ErrNoSession
	}
	sess.prove()
	s.note(ctx, Entry{Action: LogForgotten, Session: sess, Detail: label})
	return nil
}

// LoginDevice lets a remembered device in without a password and a second
// factor, however many guesses strangers make meanwhile. What needs proof needs
// StepUp. Errors: ErrDevice, ErrSuspended.
func (s *Service) LoginDevice(ctx context.Context, key DeviceKey, addr, label string) (*Session, string, error) {
	d, err := key.open()
	if err != nil {
		return nil, "", err
	}
	defer d.wipe()
	people, err := s.principals(ctx)
	if err != nil {
		return nil, "", err
	}
	for _, person := range people {
		p, err := s.proveDevice(ctx, person, d)
		if errors.Is(err, ErrDevice) {
			continue
		}
		if err != nil {
			return nil, "", err
		}
		defer p.wipe()
		sess, token, err := s.letIn(ctx, &p, entry{addr: addr, device: label})
		if err != nil {
			return nil, "", err
		}
		s.note(ctx, Entry{Action: LogLogin, Session: sess, Detail: "remembered device"})
		s.settleSoon(ctx, sess, p)
		return sess, token, nil
	}
	return nil, "", ErrDevice
}

// UnlockDevice opens the keys of a session with those of a remembered device of
// the same person. Errors: ErrDevice, ErrNoSession.
func (s *Service) UnlockDevice(ctx context.Context, sess *Session, key DeviceKey) error {
	if sess.link != nil || sess.ended() {
		return ErrNoSession
	}
	d, err := key.open()
	if err != nil {
		return err
	}
	defer d.wipe()
	person, err := s.principal(ctx, sess.id)
	if err != nil {
		return err
	}
	p, err := s.proveDevice(ctx, person, d)
	if err != nil {
		return err
	}
	defer p.wipe()
	if err := s.reopen(ctx, sess, &p); err != nil {
		return err
	}
	s.note(ctx, Entry{Action: LogUnlock, Session: sess, Detail: "remembered device"})
	s.settleSoon(ctx, sess, p)
	return nil
}

// proveDevice opens a person's keys with those of a device. Error: ErrDevice.
func (s *Service) proveDevice(ctx context.Context, person nvr.Principal, d device) (proof, error) {
	if person.Kind != nvr.Person || !person.Revoked.IsZero() {
		return proof{}, ErrDevice
	}
	all, err := s.devices(ctx, person.ID)
	if err != nil {
		return proof{}, err
	}
	i := slices.IndexFunc(all, func(u nvr.Unlocker) bool { return u.ID == d.id })
	if i < 0 {
		return proof{}, ErrDevice
	}
	own, err := d.pair()
	if err != nil {
		return proof{}, err
	}
	defer own.Wipe()
	seed, err := own.Open([]byte(unlockerContext(deviceDomain, all[i])), all[i].Wrapped)
	if err != nil {
		return proof{}, ErrDevice
	}
	defer clear(seed)
	pair, err := vault.KeyPairFromSeed(seed)
	if err != nil {
		return proof{}, fmt.Errorf("read the key of a person: %w", nvr.ErrCorrupt)
	}
	return openProof(person, pair)
}
