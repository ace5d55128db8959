package db_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/db"
)

// machine is a Sealer with a key of its own.
type machine struct{ aead cipher.AEAD }

func newMachine(t testing.TB) machine {
	t.Helper()
	key := make([]byte, 32)
	rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		t.Fatal(err)
	}
	return machine{aead}
}

func (m machine) Seal(context string, plaintext []byte) []byte {
	return m.aead.Seal(nil, nil, plaintext, []byte(context))
}

func (m machine) Open(context string, sealed []byte) ([]byte, error) {
	plain, err := m.aead.Open(nil, nil, sealed, []byte(context))
	if err != nil {
		return nil, nvr.ErrCorrupt
	}
	return plain, nil
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func openIndex(t testing.TB, path string) *db.Index {
	t.Helper()
	x, err := db.OpenIndex(context.Background(), path, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = x.Close() })
	return x
}

func newIndex(t testing.TB) *db.Index {
	t.Helper()
	return openIndex(t, filepath.Join(t.TempDir(), "index.db"))
}

func openConfig(t testing.TB, path string, m machine) *db.Config {
	t.Helper()
	c, err := db.OpenConfig(context.Background(), path, m, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func newConfig(t testing.TB) *db.Config {
	t.Helper()
	return openConfig(t, filepath.Join(t.TempDir(), "config.db"), newMachine(t))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want fails unless got, with no error, equals want.
func want[T any](t testing.TB, what string, want T) func(got T, err error) {
	t.Helper()
	return func(got T, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s:\n got %+v\nwant %+v", what, got, want)
		}
	}
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// at is a moment with a part below the millisecond.
func at(seconds int64) time.Time { return time.Unix(seconds, 123456789).UTC() }

// rawFiles returns the bytes of a database and its companions.
func rawFiles(t testing.TB, path string) map[string][]byte {
	t.Helper()
	files := make(map[string][]byte)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		b, err := os.ReadFile(path + suffix)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		files[filepath.Base(path)+suffix] = b
	}
	return files
}

// assertAbsent fails if a file holds one of the values, or any quarter of one.
func assertAbsent(t testing.TB, files map[string][]byte, values map[string][]byte) {
	t.Helper()
	for file, content := range files {
		for what, v := range values {
			step := max(len(v)/4, min(len(v), 8))
			for from := 0; from+step <= len(v); from += step {
				if bytes.Contains(content, v[from:from+step]) {
					t.Errorf("%s holds %s (bytes %d to %d of %d)", file, what, from, from+step, len(v))
				}
			}
		}
	}
}

func isErr(err, target error) bool { return errors.Is(err, target) }

func damageFile(t testing.TB, path string, damage func([]byte)) {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	damage(b)
	must(t, os.WriteFile(path, b, 0o600))
}
