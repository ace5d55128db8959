package nvr

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
)

// ID is a random 128-bit identifier of one kind of thing. Identifiers are what
// stands in URLs, file names and rows; they say nothing and grant nothing.
// The zero value is 'none'.
type ID[Kind any] [16]byte

// The identifiers of the house.
type (
	CameraID    = ID[Camera]
	StreamID    = ID[Stream]
	SegmentID   = ID[Segment]
	EventID     = ID[Event]
	DiskID      = ID[Disk]
	VaultID     = ID[Vault]
	PrincipalID = ID[Principal]
)

// NewID returns a fresh random identifier.
func NewID[Kind any]() ID[Kind] {
	var id ID[Kind]
	rand.Read(id[:]) // never fails: crypto/rand, Go 1.24
	return id
}

// ParseID reads the 32 lower-case hex digits that String writes.
func ParseID[Kind any](s string) (ID[Kind], error) {
	var id ID[Kind]
	if err := id.UnmarshalText([]byte(s)); err != nil {
		return ID[Kind]{}, err
	}
	return id, nil
}

// String returns 32 lower-case hex digits.
func (id ID[Kind]) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether the identifier is 'none'.
func (id ID[Kind]) IsZero() bool { return id == ID[Kind]{} }

// MarshalText implements encoding.TextMarshaler with the form of String.
func (id ID[Kind]) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. Anything but 32 lower-case
// hex digits is refused, so that one thing has one spelling.
func (id *ID[Kind]) UnmarshalText(text []byte) error {
	var raw ID[Kind]
	if len(text) != hex.EncodedLen(len(raw)) {
		return fmt.Errorf("identifier of %d characters: %w", len(text), ErrInvalid)
	}
	if _, err := hex.Decode(raw[:], text); err != nil {
		return fmt.Errorf("identifier is not hexadecimal: %w", ErrInvalid)
	}
	if raw.String() != string(text) {
		return fmt.Errorf("identifier is not lower case: %w", ErrInvalid)
	}
	*id = raw
	return nil
}
