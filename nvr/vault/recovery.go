package vault

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"unicode"
)

// A recovery key is 160 random bits on paper: 8 groups of 5 characters, of
// which 4 are key (20 bits) and the fifth is a check over the group and its
// place. So a group can be checked while it is typed, and a mistake is named.
const (
	recoveryGroups  = 8
	groupChars      = 5 // 4 of key and 1 of check
	recoverySize    = 20
	maxRecoveryText = 256 // longer input is not looked at
)

// crockford is Crockford's base 32: no I, L, O and U.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

const recoveryPurpose = "lares/recovery-key/v1"

// RecoveryKey is the key on the sheet of paper. The zero value is none.
type RecoveryKey struct {
	raw [recoverySize]byte
}

// RecoveryError says what is wrong with a recovery key that somebody typed.
// It is an ErrFormat.
type RecoveryError struct {
	Group  int // 1 to 8; 0: the whole
	Reason string
}

// Error says what to look at.
func (e *RecoveryError) Error() string {
	if e.Group == 0 {
		return "recovery key: " + e.Reason
	}
	return fmt.Sprintf("recovery key: group %d %s", e.Group, e.Reason)
}

// Unwrap returns ErrFormat.
func (e *RecoveryError) Unwrap() error { return ErrFormat }

// NewRecoveryKey returns a fresh key.
func NewRecoveryKey() RecoveryKey {
	var k RecoveryKey
	rand.Read(k.raw[:]) // never fails: crypto/rand, Go 1.24
	return k
}

// String returns the key as it is printed: 8 groups of 5 characters with
// hyphens between them. It is the secret itself; LogValue hides it.
func (k RecoveryKey) String() string {
	groups := make([]string, recoveryGroups)
	for i := range groups {
		digits := k.group(i)
		var b strings.Builder
		for _, d := range digits {
			b.WriteByte(crockford[d])
		}
		b.WriteByte(crockford[groupCheck(i, digits)])
		groups[i] = b.String()
	}
	return strings.Join(groups, "-")
}

// LogValue hides the key from slog.
func (k RecoveryKey) LogValue() slog.Value { return slog.StringValue("[hidden]") }

// group returns the 4 digits, 0 to 31, of group i: two groups fill 5 bytes.
func (k RecoveryKey) group(i int) [4]byte {
	var v uint64
	for _, b := range k.raw[i/2*5 : i/2*5+5] {
		v = v<<8 | uint64(b)
	}
	v >>= 20 * (1 - i%2)
	return [4]byte{byte(v>>15) & 31, byte(v>>10) & 31, byte(v>>5) & 31, byte(v) & 31}
}

// setGroup is the inverse of group for a key whose group is still zero.
func (k *RecoveryKey) setGroup(i int, d [4]byte) {
	v := uint64(d[0])<<15 | uint64(d[1])<<10 | uint64(d[2])<<5 | uint64(d[3])
	v <<= 20 * (1 - i%2)
	for j := range 5 {
		k.raw[i/2*5+j] |= byte(v >> (8 * (4 - j)))
	}
}

// groupCheck returns the check digit of group i: a polynomial over GF(32)
// (x^5 + x^2 + 1) at its primitive element, with the group's place as first
// coefficient. It catches every single wrong character, every two exchanged
// ones and every two exchanged groups; of other mistakes 31 of 32.
func groupCheck(i int, digits [4]byte) byte {
	acc := byte(i + 1)
	for _, d := range digits {
		acc = double(acc) ^ d
	}
	return double(acc)
}

// double multiplies by x in GF(32).
func double(v byte) byte {
	v <<= 1
	if v&32 != 0 {
		v ^= 0b100101
	}
	return v
}

// ParseRecoveryKey reads a key as people type it: upper or lower case, with or
// without hyphens, spaces and line ends, O for 0, I or L for 1. Errors are a
// *RecoveryError.
func ParseRecoveryKey(text string) (RecoveryKey, error) {
	if len(text) > maxRecoveryText {
		return RecoveryKey{}, &RecoveryError{Reason: "is too long"}
	}
	groups := strings.FieldsFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || strings.ContainsRune("-‐‑‒–—_.,:;/", r)
	})
	if len(groups) != recoveryGroups {
		all := strings.Join(groups, "")
		if n := len([]rune(all)); n != recoveryGroups*groupChars {
			return RecoveryKey{}, &RecoveryError{Reason: fmt.Sprintf("has %d characters, it should have 8 groups of 5", n)}
		}
		groups = splitGroups(all)
	}
	var k RecoveryKey
	for i, g := range groups {
		digits, err := readGroup(i, g)
		if err != nil {
			return RecoveryKey{}, err
		}
		k.setGroup(i, digits)
	}
	return k, nil
}

// splitGroups cuts 40 characters into 8 groups.
func splitGroups(all string) []string {
	runes := []rune(all)
	groups := make([]string, recoveryGroups)
	for i := range groups {
		groups[i] = string(runes[i*groupChars : (i+1)*groupChars])
	}
	return groups
}

// CheckRecoveryGroup checks one group, 1 to 8, as somebody types it. An error
// is a *RecoveryError.
func CheckRecoveryGroup(group int, text string) error {
	_, err := readGroup(group-1, strings.TrimSpace(text))
	return err
}

// readGroup reads the group at place i, 0 to 7, and returns its 4 digits.
func readGroup(i int, text string) ([4]byte, error) {
	var digits [groupChars]byte
	runes := []rune(text)
	if len(runes) != groupChars {
		return [4]byte{}, &RecoveryError{i + 1, fmt.Sprintf("has %d characters instead of 5", len(runes))}
	}
	for j, r := range runes {
		d, err := recoveryDigit(r)
		if err != nil {
			return [4]byte{}, &RecoveryError{i + 1, fmt.Sprintf("holds %q, which no recovery key has", r)}
		}
		digits[j] = d
	}
	key := [4]byte(digits[:4])
	if groupCheck(i, key) != digits[4] {
		return [4]byte{}, &RecoveryError{i + 1, "is mistyped"}
	}
	return key, nil
}

// recoveryDigit returns the value of a character.
func recoveryDigit(r rune) (byte, error) {
	switch r = unicode.ToUpper(r); r {
	case 'O':
		r = '0'
	case 'I', 'L':
		r = '1'
	}
	d := strings.IndexRune(crockford, r)
	if d < 0 {
		return 0, errors.New("no such digit")
	}
	return byte(d), nil
}

// KeyPair returns the key pair that the paper stands for: 160 random bits need
// no slow derivation.
func (k RecoveryKey) KeyPair() (*KeyPair, error) {
	seed, err := hkdf.Key(sha256.New, k.raw[:], nil, recoveryPurpose, SeedSize)
	if err != nil {
		return nil, fmt.Errorf("derive recovery key pair: %w", err)
	}
	defer clear(seed)
	return KeyPairFromSeed(seed)
}
