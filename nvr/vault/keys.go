package vault

import (
	"bytes"
	"crypto/hpke"
	"fmt"
	"sync"
)

// SeedSize is the size of a key pair's seed, in bytes: all that has to be kept
// of it.
const SeedSize = 32

// PublicSize is the size of a public key in bytes: ML-KEM-768 and X25519
// (draft-connolly-cfrg-xwing-kem, section 5).
const PublicSize = 1216

// sealV1 is HPKE (RFC 9180) base mode with X-Wing, HKDF-SHA256 and AES-256-GCM.
const sealV1 = 1

// KeyPair is an X-Wing key pair: what is sealed to its public half stays shut
// as long as either ML-KEM-768 or X25519 holds.
type KeyPair struct {
	public []byte

	mu      sync.RWMutex // guards what follows
	private hpke.PrivateKey
}

// NewKeyPair returns a fresh key pair.
func NewKeyPair() (*KeyPair, error) {
	var private hpke.PrivateKey
	var err error
	Secretly(func() { private, err = hpke.MLKEM768X25519().GenerateKey() })
	if err != nil {
		return nil, fmt.Errorf("make key pair: %w", err)
	}
	return &KeyPair{private: private, public: private.PublicKey().Bytes()}, nil
}

// KeyPairFromSeed returns the key pair of a seed of SeedSize bytes, which it
// does not keep. Any other size is ErrFormat.
func KeyPairFromSeed(seed []byte) (*KeyPair, error) {
	if len(seed) != SeedSize {
		return nil, fmt.Errorf("seed of %d bytes: %w", len(seed), ErrFormat)
	}
	var private hpke.PrivateKey
	var err error
	Secretly(func() { private, err = hpke.MLKEM768X25519().NewPrivateKey(seed) })
	if err != nil {
		return nil, fmt.Errorf("expand seed: %w", err)
	}
	return &KeyPair{private: private, public: private.PublicKey().Bytes()}, nil
}

// Public returns a copy of the public key, PublicSize bytes. It stays after Wipe.
func (k *KeyPair) Public() []byte { return bytes.Clone(k.public) }

// Seed returns a copy of the seed, SeedSize bytes, or nil after Wipe. Whoever
// asks for it clears it.
func (k *KeyPair) Seed() []byte {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.private == nil {
		return nil
	}
	seed, err := k.private.Bytes()
	if err != nil {
		return nil
	}
	return bytes.Clone(seed)
}

// Open returns what Seal sealed to the public key with the same info.
// Errors: ErrFormat for a version that is not known, else ErrOpen; after Wipe
// always ErrOpen.
func (k *KeyPair) Open(info, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 || sealed[0] != sealV1 {
		return nil, fmt.Errorf("open sealed key: %w", ErrFormat)
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.private == nil {
		return nil, fmt.Errorf("key was wiped: %w", ErrOpen)
	}
	var plain []byte
	var err error
	Secretly(func() { plain, err = hpke.Open(k.private, hpke.HKDFSHA256(), hpke.AES256GCM(), info, sealed[1:]) })
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}

// Wipe clears the seed and drops the private key. What the runtime's own crypto
// expanded from the seed goes with the next garbage collection: see Secretly.
func (k *KeyPair) Wipe() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.private == nil {
		return
	}
	// crypto/hpke hands out the slice that it holds, so this clears the original.
	if seed, err := k.private.Bytes(); err == nil {
		clear(seed)
	}
	k.private = nil
}

// Seal seals plaintext to a public key. Info is bound and not stored: whoever
// opens has to know it. It says what the plaintext is for (a constant that no
// other use shares) and everything that must not be exchanged. Errors:
// ErrFormat for bytes that are no public key.
func Seal(public, info, plaintext []byte) ([]byte, error) {
	pk, err := hpke.MLKEM768X25519().NewPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("read public key: %w", ErrFormat)
	}
	var sealed []byte
	Secretly(func() { sealed, err = hpke.Seal(pk, hpke.HKDFSHA256(), hpke.AES256GCM(), info, plaintext) })
	if err != nil {
		return nil, fmt.Errorf("seal to public key: %w", err)
	}
	return append([]byte{sealV1}, sealed...), nil
}
