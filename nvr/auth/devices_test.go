package auth_test

import (
	"encoding/base64"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
)

func (h *house) remember(sess *auth.Session) auth.DeviceKey {
	h.t.Helper()
	key, err := h.Remember(h.t.Context(), sess)
	if err != nil {
		h.t.Fatal(err)
	}
	return key
}

func (h *house) loginDevice(key auth.DeviceKey) (*auth.Session, error) {
	h.t.Helper()
	sess, _, err := h.LoginDevice(h.t.Context(), key, lan, "phone")
	h.Settle()
	return sess, err
}

func TestRememberedDeviceOpensRecordingsWithoutAPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		owner, token, _ := h.claim()
		key := h.remember(owner)
		film := h.record(camera(), time.Now())
		h.restart()
		sess, err := h.loginDevice(key)
		if err != nil {
			t.Fatal(err)
		}
		mustOpen(t, sess, film)
		if err := h.CheckProof(sess, auth.ActExport); !errors.Is(err, auth.ErrStepUp) {
			t.Errorf("export without a password: %v", err)
		}
		if _, err := h.Remember(t.Context(), sess); !errors.Is(err, auth.ErrStepUp) {
			t.Errorf("another device without a password: %v", err)
		}
		time.Sleep(16 * time.Minute)
		mustStayShut(t, sess, film, nvr.ErrLocked)
		if err := h.UnlockDevice(t.Context(), sess, key); err != nil {
			t.Fatal(err)
		}
		h.Settle()
		mustOpen(t, sess, film)
		first, err := h.Resume(t.Context(), token, lan)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.UnlockDevice(t.Context(), first, key); err != nil {
			t.Error(err)
		}
		h.Settle()
		list, err := h.Devices(t.Context(), sess)
		if err != nil || len(list) != 1 || list[0].Label != browser {
			t.Errorf("devices: %+v, %v", list, err)
		}
		time.Sleep(180 * 24 * time.Hour)
		if _, err := h.loginDevice(key); !errors.Is(err, auth.ErrDevice) {
			t.Errorf("after half a year: %v", err)
		}
	})
}

// TestCookieAloneOpensNothing is about another service on another port of the
// host, which is sent the cookies.
func TestCookieAloneOpensNothing(t *testing.T) {
	h := newHouse(t)
	owner, _, _ := h.claim()
	key := h.remember(owner)
	zero := base64.RawURLEncoding.EncodeToString(make([]byte, 32))
	for name, k := range map[string]auth.DeviceKey{
		"no second":    {Cookie: key.Cookie},
		"zero second":  {Cookie: key.Cookie, Second: zero},
		"cookie twice": {Cookie: key.Cookie, Second: key.Cookie},
		"exchanged":    {Cookie: key.Second, Second: key.Cookie},
		"no cookie":    {Cookie: zero, Second: key.Second},
		"nothing":      {},
	} {
		if _, err := h.loginDevice(k); !errors.Is(err, auth.ErrDevice) {
			t.Errorf("%s: %v", name, err)
		}
	}
	sess := h.join(owner, member(nil))
	if err := h.UnlockDevice(t.Context(), sess, key); !errors.Is(err, auth.ErrDevice) {
		t.Errorf("somebody else's session: %v", err)
	}
}

// TestRemovedDeviceOpensNothingRecordedAfterwards holds the secrets of the device
// and an older copy of config.db against what is recorded later.
func TestRemovedDeviceOpensNothingRecordedAfterwards(t *testing.T) {
	h := newHouse(t)
	owner, _, _ := h.claim()
	cam := camera()
	sess := h.join(owner, member(rights(cam, auth.AllRights)))
	kept := h.remember(sess)
	lost := h.remember(sess)
	before := h.record(cam, time.Now())
	copied := copyConfig(t, h)
	list, err := h.Devices(t.Context(), sess)
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
	if err := h.RemoveDevice(t.Context(), sess, list[1].ID, "a wrong password"); !errors.Is(err, auth.ErrWrong) {
		t.Errorf("with a wrong password: %v", err)
	}
	if err := h.RemoveDevice(t.Context(), sess, list[1].ID, benWord); err != nil {
		t.Fatal(err)
	}
	if _, err := h.loginDevice(lost); !errors.Is(err, auth.ErrDevice) {
		t.Errorf("the removed device: %v", err)
	}
	after := h.record(cam, time.Now())
	other, err := h.loginDevice(kept)
	if err != nil {
		t.Fatal(err)
	}
	mustOpen(t, other, after)
	mustOpen(t, other, before)
	h.thief(copied, after)
	box := &house{t: t, path: copied, machine: h.machine}
	box.start()
	t.Cleanup(box.stop)
	theirs, err := box.loginDevice(lost)
	if err != nil {
		t.Fatal(err)
	}
	mustOpen(t, theirs, before)
	mustStayShut(t, theirs, after, nvr.ErrCorrupt)
}

func TestNewPasswordForgetsAllDevicesAndSessions(t *testing.T) {
	h := newHouse(t)
	owner, _, _ := h.claim()
	key := h.remember(owner)
	other := h.login()
	if err := h.ChangePassword(t.Context(), owner, password, "five odd lamps glimmer"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.loginDevice(key); !errors.Is(err, auth.ErrDevice) {
		t.Errorf("the device: %v", err)
	}
	if !ended(other) || ended(owner) {
		t.Error("the other session goes on, or one's own does not")
	}
}

func TestDevicesAreBounded(t *testing.T) {
	h := newHouse(t)
	owner, _, _ := h.claim()
	first := h.remember(owner)
	for range 16 {
		h.remember(owner)
	}
	if list, err := h.Devices(t.Context(), owner); err != nil || len(list) != 16 {
		t.Errorf("%d devices, %v", len(list), err)
	}
	if _, err := h.loginDevice(first); !errors.Is(err, auth.ErrDevice) {
		t.Errorf("the oldest: %v", err)
	}
	h.login() // the password still works
}

func FuzzDeviceKey(f *testing.F) {
	good := base64.RawURLEncoding.EncodeToString(make([]byte, 32))
	f.Add(good, good)
	f.Add("", "=")
	f.Fuzz(func(t *testing.T, cookie, second string) {
		err := auth.OpenDeviceKey(auth.DeviceKey{Cookie: cookie, Second: second})
		if err != nil && !errors.Is(err, auth.ErrDevice) {
			t.Error(err)
		}
	})
}
