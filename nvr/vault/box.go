package vault

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// A box is a secret under a symmetric key:
//
//	version 1 | nonce 24 | commitment 32 | XChaCha20-Poly1305
//
// The cipher's key and the commitment come from HKDF-SHA256 over the key with
// the nonce as salt and the box's purpose and context as info. The commitment
// is there because Poly1305 alone lets one ciphertext open under several keys,
// which would let whoever can alter the database test many passwords with one
// login (Len, Grubbs, Ristenpart: Partitioning Oracle Attacks, 2021).
const (
	boxV1       = 1
	nonceSize   = chacha20poly1305.NonceSizeX
	commitSize  = 32
	boxOverhead = 1 + nonceSize + commitSize + chacha20poly1305.Overhead
)

// boxKeys returns the cipher's key and the commitment, both 32 bytes.
func boxKeys(key, nonce []byte, purpose, context string) (enc, commit []byte, err error) {
	var out []byte
	Secretly(func() {
		out, err = hkdf.Key(sha256.New, key, nonce, purpose+"\x00"+context, chacha20poly1305.KeySize+commitSize)
	})
	if err != nil {
		return nil, nil, fmt.Errorf("derive box key: %w", err)
	}
	return out[:chacha20poly1305.KeySize], out[chacha20poly1305.KeySize:], nil
}

// sealBox seals plaintext under a 32-byte key. Purpose is a constant without a
// zero byte.
func sealBox(key []byte, purpose, context string, plaintext []byte) ([]byte, error) {
	box := make([]byte, 1+nonceSize, boxOverhead+len(plaintext))
	box[0] = boxV1
	nonce := box[1:]
	rand.Read(nonce) // never fails: crypto/rand, Go 1.24
	enc, commit, err := boxKeys(key, nonce, purpose, context)
	if err != nil {
		return nil, err
	}
	defer clear(enc)
	var aead cipher.AEAD
	Secretly(func() { aead, err = chacha20poly1305.NewX(enc) })
	if err != nil {
		return nil, fmt.Errorf("set up cipher: %w", err)
	}
	return aead.Seal(append(box, commit...), nonce, plaintext, nil), nil
}

// openBox is the inverse of sealBox. Errors: ErrFormat, ErrOpen.
func openBox(key []byte, purpose, context string, box []byte) ([]byte, error) {
	if len(box) < boxOverhead || box[0] != boxV1 {
		return nil, ErrFormat
	}
	nonce, rest := box[1:1+nonceSize], box[1+nonceSize:]
	enc, commit, err := boxKeys(key, nonce, purpose, context)
	if err != nil {
		return nil, err
	}
	defer clear(enc)
	if subtle.ConstantTimeCompare(commit, rest[:commitSize]) != 1 {
		return nil, ErrOpen
	}
	var plain []byte
	Secretly(func() {
		var aead cipher.AEAD
		if aead, err = chacha20poly1305.NewX(enc); err == nil {
			plain, err = aead.Open(nil, nonce, rest[commitSize:], nil)
		}
	})
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}
