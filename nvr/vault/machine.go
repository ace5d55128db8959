package vault

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// MachineKeySize is the size of a machine key in bytes.
const MachineKeySize = 32

const machinePurpose = "lares/machine/v1"

// MachineKey seals what the box needs while nobody is logged in: addresses and
// passwords of cameras, names, its own TLS key. It opens no footage.
type MachineKey struct {
	key [MachineKeySize]byte
}

// NewMachineKey returns the machine key with these MachineKeySize bytes, such
// as those of a systemd credential. Any other size is ErrFormat.
func NewMachineKey(raw []byte) (*MachineKey, error) {
	if len(raw) != MachineKeySize {
		return nil, fmt.Errorf("machine key of %d bytes: %w", len(raw), ErrFormat)
	}
	return &MachineKey{key: [MachineKeySize]byte(raw)}, nil
}

// LoadOrCreateMachineKey reads the key file at path, or creates it with mode
// 0600 in its existing folder. It never replaces a file that is there: without
// its key nothing that was sealed opens again. The caller holds the lock of
// the data directory, so that two boxes cannot create it at once.
func LoadOrCreateMachineKey(path string) (*MachineKey, error) {
	raw, err := readMachineKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		return createMachineKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read machine key %s: %w", path, err)
	}
	defer clear(raw)
	key, err := NewMachineKey(raw)
	if err != nil {
		return nil, fmt.Errorf("read machine key %s (restore it from a backup): %w", path, err)
	}
	return key, nil
}

// readMachineKey reads at most a byte more than a key and takes the file's
// rights away from everybody but its owner.
func readMachineKey(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the path is the operator's own
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read from
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		if err := f.Chmod(0o600); err != nil {
			return nil, fmt.Errorf("others may read it, and that cannot be changed: %w", err)
		}
	}
	return io.ReadAll(io.LimitReader(f, MachineKeySize+1))
}

// createMachineKey writes a fresh key so that after a power cut the file is
// either whole or not there.
func createMachineKey(path string) (*MachineKey, error) {
	key := new(MachineKey)
	rand.Read(key.key[:]) // never fails: crypto/rand, Go 1.24
	if err := writeDurably(path, key.key[:]); err != nil {
		return nil, fmt.Errorf("create machine key %s: %w", path, err)
	}
	return key, nil
}

// writeDurably writes a new file: temporary file, sync, rename, sync of the folder.
func writeDurably(path string, data []byte) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, filepath.Base(path)+".*.tmp") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // err already says what went wrong
		}
	}()
	if _, err := f.Write(data); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Sync(); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir) //nolint:gosec // the folder of the operator's own path
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Seal seals plaintext. Context is bound and not stored: what it is and whose,
// so that no sealed value can stand in for another. It is 73 bytes longer than
// plaintext.
func (m *MachineKey) Seal(context string, plaintext []byte) []byte {
	box, err := sealBox(m.key[:], machinePurpose, context, plaintext)
	if err != nil {
		// The sizes of key and nonce are constants that HKDF and XChaCha20
		// accept, and nothing else can fail.
		panic("vault: internal error: sealing with constant sizes failed: " + err.Error())
	}
	return box
}

// Open returns what Seal sealed. Errors: ErrFormat, ErrOpen.
func (m *MachineKey) Open(context string, sealed []byte) ([]byte, error) {
	plain, err := openBox(m.key[:], machinePurpose, context, sealed)
	if err != nil {
		return nil, fmt.Errorf("open with the machine key: %w", err)
	}
	return plain, nil
}

// Bytes returns a copy of the key, for a backup. The caller clears it.
func (m *MachineKey) Bytes() []byte { return slices.Clone(m.key[:]) }

// Wipe clears the key. It must not be used afterwards.
func (m *MachineKey) Wipe() { clear(m.key[:]) }
