package vault_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"lares/nvr/vault"
)

func newPair(t testing.TB) *vault.KeyPair {
	t.Helper()
	k, err := vault.NewKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSealOpensWithTheRightKeyAndInfoOnly(t *testing.T) {
	k, other := newPair(t), newPair(t)
	sealed, err := vault.Seal(k.Public(), []byte("a"), []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := k.Open([]byte("a"), sealed); err != nil || string(got) != "secret" {
		t.Fatalf("Open = %q, %v", got, err)
	}
	if _, err := k.Open([]byte("b"), sealed); !errors.Is(err, vault.ErrOpen) {
		t.Errorf("other info: %v, want ErrOpen", err)
	}
	if _, err := other.Open([]byte("a"), sealed); !errors.Is(err, vault.ErrOpen) {
		t.Errorf("other key: %v, want ErrOpen", err)
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := k.Open([]byte("a"), bad); !errors.Is(err, vault.ErrOpen) && !errors.Is(err, vault.ErrFormat) {
			t.Fatalf("flip in byte %d: %v", i, err)
		}
	}
	for n := range sealed {
		if _, err := k.Open([]byte("a"), sealed[:n]); err == nil {
			t.Fatalf("opened when cut to %d bytes", n)
		}
	}
}

func TestKeyPairComesBackFromItsSeed(t *testing.T) {
	k := newPair(t)
	again, err := vault.KeyPairFromSeed(k.Seed())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(k.Public(), again.Public()) || len(k.Public()) != vault.PublicSize {
		t.Error("public key differs")
	}
	if _, err := vault.KeyPairFromSeed(make([]byte, 31)); !errors.Is(err, vault.ErrFormat) {
		t.Errorf("short seed: %v, want ErrFormat", err)
	}
	if _, err := vault.Seal([]byte("no key"), nil, nil); !errors.Is(err, vault.ErrFormat) {
		t.Errorf("bad public key: %v, want ErrFormat", err)
	}
}

func TestWipedKeyPairOpensNothing(t *testing.T) {
	k := newPair(t)
	sealed, err := vault.Seal(k.Public(), nil, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	k.Wipe()
	k.Wipe()
	if _, err := k.Open(nil, sealed); !errors.Is(err, vault.ErrOpen) {
		t.Errorf("Open after Wipe: %v, want ErrOpen", err)
	}
	if k.Seed() != nil {
		t.Error("Seed after Wipe is not nil")
	}
	if len(k.Public()) != vault.PublicSize {
		t.Error("public key is gone")
	}
}

// cheap is for tests only.
func cheap() vault.KDFParams {
	return vault.KDFParams{Version: 1, Time: 1, MemoryKiB: 8, Threads: 1}
}

func TestPasswordOpensWhatItWrapped(t *testing.T) {
	salt := []byte("0123456789abcdef")
	key, err := vault.DeriveKey("correct horse", salt, cheap())
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := vault.Wrap(key, "seed of anna", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := vault.Unwrap(key, "seed of anna", wrapped); err != nil || string(got) != "secret" {
		t.Fatalf("Unwrap = %q, %v", got, err)
	}
	if _, err := vault.Unwrap(key, "seed of bert", wrapped); !errors.Is(err, vault.ErrOpen) {
		t.Errorf("other context: %v, want ErrOpen", err)
	}
	for _, other := range []struct {
		password string
		salt     []byte
		params   vault.KDFParams
	}{
		{"correct horsf", salt, cheap()},
		{"correct horse", []byte("0123456789abcdeg"), cheap()},
		{"correct horse", salt, vault.KDFParams{Version: 1, Time: 2, MemoryKiB: 8, Threads: 1}},
	} {
		k, err := vault.DeriveKey(other.password, other.salt, other.params)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := vault.Unwrap(k, "seed of anna", wrapped); !errors.Is(err, vault.ErrOpen) {
			t.Errorf("%+v: %v, want ErrOpen", other, err)
		}
	}
	for i := range wrapped {
		bad := bytes.Clone(wrapped)
		bad[i] ^= 0x80
		if _, err := vault.Unwrap(key, "seed of anna", bad); err == nil {
			t.Fatalf("flip in byte %d was not noticed", i)
		}
	}
	again, err := vault.Wrap(key, "seed of anna", []byte("secret"))
	if err != nil || bytes.Equal(again, wrapped) {
		t.Errorf("two wraps are the same, or %v", err)
	}
}

func TestKDFParamsRefuseWhatWouldStopTheBox(t *testing.T) {
	good, err := vault.DefaultKDFParams().MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var p vault.KDFParams
	if err := p.UnmarshalBinary(good); err != nil || p != vault.DefaultKDFParams() {
		t.Fatalf("UnmarshalBinary = %+v, %v", p, err)
	}
	for name, bad := range map[string]vault.KDFParams{
		"version":        {Version: 2, Time: 3, MemoryKiB: 64 << 10, Threads: 1},
		"no time":        {Version: 1, MemoryKiB: 64 << 10, Threads: 1},
		"much time":      {Version: 1, Time: 65, MemoryKiB: 64 << 10, Threads: 1},
		"no memory":      {Version: 1, Time: 3, Threads: 1},
		"much memory":    {Version: 1, Time: 3, MemoryKiB: 1<<20 + 1, Threads: 1},
		"no threads":     {Version: 1, Time: 3, MemoryKiB: 64 << 10},
		"many threads":   {Version: 1, Time: 3, MemoryKiB: 64 << 10, Threads: 17},
		"memory/threads": {Version: 1, Time: 3, MemoryKiB: 31, Threads: 4},
	} {
		if _, err := vault.DeriveKey("x", make([]byte, 16), bad); !errors.Is(err, vault.ErrFormat) {
			t.Errorf("%s: DeriveKey: %v, want ErrFormat", name, err)
		}
		if _, err := bad.MarshalBinary(); !errors.Is(err, vault.ErrFormat) {
			t.Errorf("%s: MarshalBinary: %v, want ErrFormat", name, err)
		}
	}
	if _, err := vault.DeriveKey("x", make([]byte, 15), cheap()); !errors.Is(err, vault.ErrFormat) {
		t.Errorf("short salt: %v, want ErrFormat", err)
	}
}

func FuzzKDFParams(f *testing.F) {
	f.Add([]byte{1, 1, 3, 0, 0, 0, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		var p vault.KDFParams
		if p.UnmarshalBinary(b) != nil {
			return
		}
		if p.MemoryKiB > 1<<20 || p.Time > 64 || p.Threads > 16 {
			t.Fatalf("accepted %+v", p)
		}
		if again, err := p.MarshalBinary(); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("% x came back as % x, %v", b, again, err)
		}
	})
}

func TestMachineKeyStaysTheSameAndPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "machine.key")
	first, err := vault.LoadOrCreateMachineKey(path)
	if err != nil {
		t.Fatal(err)
	}
	sealed := first.Seal("camera 1", []byte("password"))
	if err := os.Chmod(path, 0o644); err != nil { // such as a careless restore leaves it
		t.Fatal(err)
	}
	second, err := vault.LoadOrCreateMachineKey(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := second.Open("camera 1", sealed); err != nil || string(got) != "password" {
		t.Errorf("Open = %q, %v", got, err)
	}
	if _, err := second.Open("camera 2", sealed); !errors.Is(err, vault.ErrOpen) {
		t.Errorf("other context: %v, want ErrOpen", err)
	}
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", st.Mode(), err)
	}
	if files, _ := filepath.Glob(path + ".*"); len(files) > 0 {
		t.Errorf("left behind: %v", files)
	}
}

func TestDamagedMachineKeyIsNotReplaced(t *testing.T) {
	for _, size := range []int{0, 31, 33} {
		path := filepath.Join(t.TempDir(), "machine.key")
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := vault.LoadOrCreateMachineKey(path); !errors.Is(err, vault.ErrFormat) {
			t.Errorf("%d bytes: %v, want ErrFormat", size, err)
		}
		if st, err := os.Stat(path); err != nil || st.Size() != int64(size) {
			t.Errorf("%d bytes: file was changed", size)
		}
	}
}

func TestMachineKeyOfAnotherBoxOpensNothing(t *testing.T) {
	a, err := vault.NewMachineKey(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	b, err := vault.NewMachineKey(bytes.Repeat([]byte{2}, 32))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Open("x", a.Seal("x", nil)); !errors.Is(err, vault.ErrOpen) {
		t.Errorf("got %v, want ErrOpen", err)
	}
	// The same 32 bytes in another use are another key.
	wrapped, err := vault.Wrap([32]byte(bytes.Repeat([]byte{1}, 32)), "x", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Open("x", wrapped); !errors.Is(err, vault.ErrOpen) {
		t.Errorf("wrapped blob: %v, want ErrOpen", err)
	}
}

func TestSignatureHoldsForItsPurposeOnly(t *testing.T) {
	k := vault.NewSigningKey()
	sig, err := k.Sign("roster", []byte("body"))
	if err != nil {
		t.Fatal(err)
	}
	if !vault.Verify(k.Public(), "roster", []byte("body"), sig) {
		t.Error("own signature does not verify")
	}
	again, err := vault.SigningKeyFromSeed(k.Seed())
	if err != nil || !bytes.Equal(again.Public(), k.Public()) {
		t.Errorf("key from seed differs: %v", err)
	}
	otherVersion := append([]byte{2}, sig[1:]...)
	for name, ok := range map[string]bool{
		"purpose": vault.Verify(k.Public(), "vault", []byte("body"), sig),
		"body":    vault.Verify(k.Public(), "roster", []byte("bodY"), sig),
		"key":     vault.Verify(vault.NewSigningKey().Public(), "roster", []byte("body"), sig),
		"version": vault.Verify(k.Public(), "roster", []byte("body"), otherVersion),
		"empty":   vault.Verify(k.Public(), "roster", []byte("body"), nil),
		"no key":  vault.Verify(nil, "roster", []byte("body"), sig),
	} {
		if ok {
			t.Errorf("verifies with another %s", name)
		}
	}
}
