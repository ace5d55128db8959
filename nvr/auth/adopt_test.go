package auth_test

import (
	"errors"
	"iter"
	"os"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/nvr/vault"
)

// beside are the escrow files that lie beside footage.
func beside(films ...footage) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, f := range films {
			if !yield(f.EscrowFile, nil) {
				return
			}
		}
	}
}

// fromBackup replaces the configuration of a box by its backup, as a restore
// on new hardware does.
func (h *house) fromBackup(copied []byte) {
	h.t.Helper()
	h.stop()
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Remove(h.path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			h.t.Fatal(err)
		}
	}
	if err := os.WriteFile(h.path, copied, 0o600); err != nil {
		h.t.Fatal(err)
	}
	h.start()
}

func TestARestoredBoxTakesInTheKeysBesideItsFootage(t *testing.T) {
	h := newHouse(t)
	_, _, rec := h.claim()
	cam := camera()
	old := h.record(cam, time.Now().Add(-24*time.Hour))
	copied, err := h.cfg.Backup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	late := h.record(cam, time.Now()) // after the backup
	h.fromBackup(copied)
	sess := h.login()
	mustStayShut(t, sess, old, nvr.ErrForbidden)

	if _, err := h.AdoptVaults(t.Context(), sess, vault.NewRecoveryKey(), beside(old, late)); !errors.Is(err, auth.ErrRecoveryKey) {
		t.Errorf("with a foreign recovery key: %v", err)
	}
	torn := footage{Recipient: nvr.Recipient{EscrowFile: old.EscrowFile[:40]}}
	if n, err := h.AdoptVaults(t.Context(), sess, rec, beside(torn, old, late)); n != 2 || err != nil {
		t.Fatalf("took in %d, %v", n, err)
	}
	mustOpen(t, sess, old)
	mustOpen(t, sess, late)
	if n, err := h.AdoptVaults(t.Context(), sess, rec, beside(old, late)); n != 0 || err != nil {
		t.Errorf("again: %d, %v", n, err)
	}
	h.restart()
	mustOpen(t, h.login(), old)
}

func TestADestroyedVaultIsNotTakenInAgain(t *testing.T) {
	h := newHouse(t)
	sess, _, rec := h.claim()
	film := h.record(camera(), time.Now())
	if err := h.DestroyVault(t.Context(), film.Vault); err != nil {
		t.Fatal(err)
	}
	if n, err := h.AdoptVaults(t.Context(), sess, rec, beside(film)); n != 0 || err != nil {
		t.Errorf("took in %d, %v", n, err)
	}
	mustStayShut(t, sess, film, nvr.ErrDestroyed)
}

// Whoever knows the public half of the recovery key could forge a backup: the
// keys of footage are given to a household only by an owner who logged in to it.
func TestKeysAreTakenInByAnOwnerOnly(t *testing.T) {
	h := newHouse(t)
	owner, _, rec := h.claim()
	film := h.record(camera(), time.Now())
	ben := h.join(owner, auth.PersonRequest{Name: "Ben", Role: nvr.Member})
	for _, test := range []struct {
		who  string
		sess *auth.Session
		want error
	}{
		{"nobody", nil, auth.ErrNoSession},
		{"a member", ben, nvr.ErrForbidden},
	} {
		if _, err := h.AdoptVaults(t.Context(), test.sess, rec, beside(film)); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.who, err, test.want)
		}
	}
}
