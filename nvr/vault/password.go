package vault

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/crypto/argon2"
)

// Bounds of KDFParams: what is read from a database must not be able to stop
// the box.
const (
	kdfV1        = 1
	maxKDFTime   = 64
	maxKDFMemory = 1 << 20 // KiB: 1 GiB
	maxKDFLanes  = 16
	minSalt      = 16
	paramsSize   = 8
)

const wrapPurpose = "lares/wrap/v1"

// KDFParams say how a password becomes a key. They are stored with the salt.
type KDFParams struct {
	Version   uint8  // 1: Argon2id (RFC 9106)
	Time      uint16 // passes, 1 to 64
	MemoryKiB uint32 // at least 8 for each thread, at most 1 GiB
	Threads   uint8  // 1 to 16
}

// DefaultKDFParams cost about half a second and 64 MiB for each guess.
func DefaultKDFParams() KDFParams {
	return KDFParams{Version: kdfV1, Time: 3, MemoryKiB: 64 << 10, Threads: 1}
}

// check returns ErrFormat for parameters out of bounds.
func (p KDFParams) check() error {
	switch {
	case p.Version != kdfV1:
		return fmt.Errorf("password settings of version %d: %w", p.Version, ErrFormat)
	case p.Time < 1 || p.Time > maxKDFTime,
		p.Threads < 1 || p.Threads > maxKDFLanes,
		p.MemoryKiB < 8*uint32(p.Threads) || p.MemoryKiB > maxKDFMemory:
		return fmt.Errorf("password settings out of bounds: %w", ErrFormat)
	}
	return nil
}

// MarshalBinary returns the 8 bytes that UnmarshalBinary reads.
func (p KDFParams) MarshalBinary() ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	b := []byte{p.Version, p.Threads}
	b = binary.LittleEndian.AppendUint16(b, p.Time)
	return binary.LittleEndian.AppendUint32(b, p.MemoryKiB), nil
}

// UnmarshalBinary reads what MarshalBinary wrote. Anything else, and anything
// out of bounds, is ErrFormat.
func (p *KDFParams) UnmarshalBinary(b []byte) error {
	if len(b) != paramsSize {
		return fmt.Errorf("password settings of %d bytes: %w", len(b), ErrFormat)
	}
	q := KDFParams{
		Version: b[0], Threads: b[1],
		Time:      binary.LittleEndian.Uint16(b[2:]),
		MemoryKiB: binary.LittleEndian.Uint32(b[4:]),
	}
	if err := q.check(); err != nil {
		return err
	}
	*p = q
	return nil
}

// DeriveKey returns the 32-byte key of a password. It takes the time and the
// memory that p names, so the caller bounds how many run at once. The salt is
// random, 16 bytes or more, and belongs to one password. Errors: ErrFormat.
func DeriveKey(password string, salt []byte, p KDFParams) ([32]byte, error) {
	if err := p.check(); err != nil {
		return [32]byte{}, err
	}
	if len(salt) < minSalt {
		return [32]byte{}, fmt.Errorf("salt of %d bytes: %w", len(salt), ErrFormat)
	}
	var out []byte
	Secretly(func() { out = argon2.IDKey([]byte(password), salt, uint32(p.Time), p.MemoryKiB, p.Threads, 32) })
	defer clear(out)
	return [32]byte(out), nil
}

// Wrap seals plaintext under a key, such as that of a password. Context is
// bound and not stored: what the plaintext is and whose. The result is 73
// bytes longer than plaintext.
func Wrap(key [32]byte, context string, plaintext []byte) ([]byte, error) {
	return sealBox(key[:], wrapPurpose, context, plaintext)
}

// Unwrap returns what Wrap sealed. Errors: ErrFormat, ErrOpen. For a key that
// comes from a password, ErrOpen is what a wrong password gives.
func Unwrap(key [32]byte, context string, wrapped []byte) ([]byte, error) {
	plain, err := openBox(key[:], wrapPurpose, context, wrapped)
	if err != nil {
		return nil, fmt.Errorf("unwrap: %w", err)
	}
	return plain, nil
}
