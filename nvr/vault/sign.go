package vault

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
)

// signV1 is Ed25519ctx (RFC 8032, section 5.1).
const signV1 = 1

const signContext = "lares/sign/v1/"

// SigningKey is the Ed25519 key with which an owner signs.
type SigningKey struct {
	private ed25519.PrivateKey
}

// NewSigningKey returns a fresh key.
func NewSigningKey() *SigningKey {
	var seed [SeedSize]byte
	rand.Read(seed[:]) // never fails: crypto/rand, Go 1.24
	defer clear(seed[:])
	return &SigningKey{private: ed25519.NewKeyFromSeed(seed[:])}
}

// SigningKeyFromSeed returns the key of a seed of SeedSize bytes, which it
// does not keep. Any other size is ErrFormat.
func SigningKeyFromSeed(seed []byte) (*SigningKey, error) {
	if len(seed) != SeedSize {
		return nil, fmt.Errorf("seed of %d bytes: %w", len(seed), ErrFormat)
	}
	return &SigningKey{private: ed25519.NewKeyFromSeed(seed)}, nil
}

// Seed returns a copy of the seed. Whoever asks for it clears it.
func (k *SigningKey) Seed() []byte { return k.private.Seed() }

// Public returns a copy of the verification key, 32 bytes.
func (k *SigningKey) Public() []byte {
	return append([]byte(nil), k.private[SeedSize:]...)
}

// Sign signs body for one purpose: a constant such as "roster" that no other
// kind of body shares, at most 200 bytes. The signature begins with a version.
func (k *SigningKey) Sign(purpose string, body []byte) ([]byte, error) {
	sig, err := k.private.Sign(nil, body, &ed25519.Options{Context: signContext + purpose})
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", purpose, err)
	}
	return append([]byte{signV1}, sig...), nil
}

// Wipe clears the key. It must not be used afterwards.
func (k *SigningKey) Wipe() { clear(k.private) }

// Verify reports whether sig is a signature of body for the purpose by the
// holder of the verification key.
func Verify(public []byte, purpose string, body, sig []byte) bool {
	if len(public) != ed25519.PublicKeySize || len(sig) != 1+ed25519.SignatureSize || sig[0] != signV1 {
		return false
	}
	opts := &ed25519.Options{Context: signContext + purpose}
	return ed25519.VerifyWithOptions(public, body, sig[1:], opts) == nil
}
