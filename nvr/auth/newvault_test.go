package auth_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
)

// stuckVaults is a store whose disk hangs while a vault is destroyed.
type stuckVaults struct {
	auth.VaultStore
	entered, leave chan struct{}
}

func (s *stuckVaults) DestroyVault(ctx context.Context, id nvr.VaultID) error {
	close(s.entered)
	<-s.leave
	return s.VaultStore.DestroyVault(ctx, id)
}

// The recorder asks at each key frame: if it waited here, this test would not end.
func TestVaultInForceWaitsForNoDisk(t *testing.T) {
	h := newHouse(t)
	slow := &stuckVaults{entered: make(chan struct{}), leave: make(chan struct{})}
	h.stop()
	h.wrap = func(s *auth.Store) { slow.VaultStore, s.VaultStore = s.VaultStore, slow }
	h.start()
	h.claim()
	camera, other := nvr.NewID[nvr.Camera](), nvr.NewID[nvr.Camera]()
	var vaults []nvr.VaultID
	for _, id := range []nvr.CameraID{camera, other} {
		r, err := h.CurrentVault(t.Context(), id, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		vaults = append(vaults, r.Vault)
	}
	done := make(chan error)
	go func() { done <- h.DestroyVault(context.WithoutCancel(t.Context()), vaults[0]) }()
	<-slow.entered
	if h.VaultInForce(camera, vaults[0]) || !h.VaultInForce(other, vaults[1]) {
		t.Error("the wrong vault is in force")
	}
	close(slow.leave)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestNewVaultTakesOverADayAndIsNotRecordedTo(t *testing.T) {
	h := newHouse(t)
	sess, _, _ := h.claim()
	camera := nvr.NewID[nvr.Camera]()
	now := time.Now()
	first, err := h.CurrentVault(t.Context(), camera, now)
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := h.NewVault(t.Context(), camera, now)
	if err != nil {
		t.Fatal(err)
	}
	next, err := h.CurrentVault(t.Context(), camera, now)
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[nvr.VaultID]bool{first.Vault: false, fresh.Vault: false, next.Vault: true} {
		if h.VaultInForce(camera, id) != want {
			t.Errorf("vault %s in force: %v", id, !want)
		}
	}
	if v, err := h.cfg.Vault(t.Context(), fresh.Vault); err != nil || v.Day != auth.Day(now) || v.Camera != camera {
		t.Errorf("stored %+v, %v", v, err)
	}
	if _, err := h.NewVault(t.Context(), nvr.CameraID{}, now); !errors.Is(err, nvr.ErrInvalid) {
		t.Errorf("of no camera: %v", err)
	}
	if err := h.MayReseal(sess); err != nil {
		t.Errorf("an owner: %v", err)
	}
	h.restart()
	again := h.login()
	if err := h.MayReseal(again); err != nil {
		t.Errorf("after a login: %v", err)
	}
	if err := h.Logout(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	if err := h.MayReseal(again); !errors.Is(err, nvr.ErrLocked) {
		t.Errorf("without keys: %v", err)
	}
}
