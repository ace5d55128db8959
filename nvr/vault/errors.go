package vault

import "errors"

// One error for each decision that a caller has to take; compare with errors.Is.
var (
	// ErrOpen: a sealed thing cannot be opened. The key is another one, or the
	// bytes or what they are bound to were altered. It never says which.
	ErrOpen = errors.New("cannot be opened")
	// ErrFormat: bytes are not what they should be before any key comes in:
	// too short, of an unknown version, damaged, or out of bounds.
	ErrFormat = errors.New("not in a known format")
	// ErrClosed: the Writer was closed or given up.
	ErrClosed = errors.New("segment is closed")
)
