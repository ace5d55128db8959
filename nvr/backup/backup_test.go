package backup_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"lares/nvr"
	"lares/nvr/backup"
	"lares/nvr/vault"
)

// sheet is a printed recovery key with the recipient that it is.
func sheet(t testing.TB) (vault.RecoveryKey, backup.Recipient) {
	t.Helper()
	key := vault.NewRecoveryKey()
	pair, err := key.KeyPair()
	if err != nil {
		t.Fatal(err)
	}
	defer pair.Wipe()
	return key, backup.Recipient{Principal: nvr.NewID[nvr.Principal](), Public: pair.Public()}
}

func contents() backup.Contents {
	c := backup.Contents{Made: time.Unix(1795000000, 0).UTC(), Machine: make([]byte, vault.MachineKeySize), Config: make([]byte, 10_000)}
	rand.Read(c.Machine)
	rand.Read(c.Config)
	return c
}

func TestABackupOpensWithItsRecoveryKeyAlone(t *testing.T) {
	key, to := sheet(t)
	want := contents()
	file, err := backup.Seal(to, want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := backup.Open(key, file)
	if err != nil {
		t.Fatal(err)
	}
	if !got.Made.Equal(want.Made) || !bytes.Equal(got.Machine, want.Machine) || !bytes.Equal(got.Config, want.Config) {
		t.Error("something else came out")
	}
	if bytes.Contains(file, want.Machine[:8]) || bytes.Contains(file, want.Config[5000:5008]) {
		t.Error("the backup shows what it holds")
	}
	if _, err := backup.Open(vault.NewRecoveryKey(), file); !errors.Is(err, backup.ErrRecoveryKey) {
		t.Errorf("another key: %v", err)
	}
}

func TestAChangedBackupIsRefused(t *testing.T) {
	key, to := sheet(t)
	file, err := backup.Seal(to, contents())
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(file); i += 1 + len(file)/200 {
		changed := bytes.Clone(file)
		changed[i] ^= 1
		if _, err := backup.Open(key, changed); err == nil {
			t.Errorf("byte %d changed: accepted", i)
		}
		if _, err := backup.Open(key, file[:i]); err == nil {
			t.Errorf("cut off at %d: accepted", i)
		}
	}
}

func FuzzOpen(f *testing.F) {
	key, to := sheet(f)
	file, err := backup.Seal(to, contents())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(file)
	f.Add(file[:60])
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := backup.Open(key, b); err == nil && !bytes.Equal(b, file) {
			t.Errorf("accepted: %v", got.Made)
		}
	})
}

// keeper makes backups that say when they were made.
func keeper(paths ...string) (*backup.Keeper, *int) {
	made := new(int)
	return &backup.Keeper{
		Make: func(context.Context) ([]byte, time.Time, error) {
			*made++
			return []byte(time.Now().String()), time.Now(), nil
		},
		Paths: func() []string { return paths },
		Log:   slog.New(slog.DiscardHandler),
	}, made
}

func backups(t *testing.T, path string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(path, backup.Folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestABackupIsMadeEachDayAndFourteenStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := t.TempDir(), t.TempDir()
		k, made := keeper(a, b)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- k.Run(ctx) }()
		time.Sleep(20*24*time.Hour + time.Hour)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if *made != 21 {
			t.Errorf("made %d in twenty days and an hour, want 21", *made)
		}
		for _, path := range []string{a, b} {
			if n := len(backups(t, path)); n != backup.Kept {
				t.Errorf("%d stay, want %d", n, backup.Kept)
			}
		}
	})
}

func TestANewDiskGetsABackupAtOnceAndTheOthersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := t.TempDir(), t.TempDir()
		k, _ := keeper(a)
		if err := k.Keep(t.Context()); err != nil {
			t.Fatal(err)
		}
		k.Paths = func() []string { return []string{a, b} }
		time.Sleep(time.Hour)
		if err := k.Keep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(backups(t, a)) != 1 || len(backups(t, b)) != 1 {
			t.Errorf("%v and %v", backups(t, a), backups(t, b))
		}
	})
}

func TestADiskThatFailsCostsTheOthersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken, good := t.TempDir(), t.TempDir()
		if err := os.WriteFile(filepath.Join(broken, backup.Folder), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		k, _ := keeper(broken, good)
		if err := k.Keep(t.Context()); err == nil {
			t.Error("a folder that is a file: no error")
		}
		if len(backups(t, good)) != 1 {
			t.Error("the good disk has no backup")
		}
	})
}

func TestWhatACrashLeftIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := t.TempDir()
		dir := filepath.Join(a, backup.Folder)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, ".part-123"), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
		k, _ := keeper(a)
		if err := k.Keep(t.Context()); err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 1 {
			t.Errorf("%v, %v", entries, err)
		}
	})
}
