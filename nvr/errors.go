package nvr

import "errors"

// Sentinel errors: one for each decision that a caller has to take. They are
// wrapped with what was tried; compare with errors.Is.
var (
	// ErrNotFound: there is no such thing, or the caller may not know of it.
	ErrNotFound = errors.New("not found")
	// ErrInvalid: the input cannot be meant; the text says why.
	ErrInvalid = errors.New("invalid")
	// ErrLocked: the footage is there, but nobody with its key is logged in.
	ErrLocked = errors.New("locked")
	// ErrForbidden: the principal is known and may not do this.
	ErrForbidden = errors.New("not allowed")
	// ErrNoOwner: the box has no owner yet, so there is nobody to seal to.
	ErrNoOwner = errors.New("waits for an owner")
	// ErrDestroyed: the key of this footage was destroyed; it cannot be opened again.
	ErrDestroyed = errors.New("deleted for good")
	// ErrCorrupt: stored bytes do not verify. It never says which byte.
	ErrCorrupt = errors.New("damaged")
	// ErrClosed: the stream, bus or part has ended.
	ErrClosed = errors.New("closed")
	// ErrPrivate: the camera is private, so there are no pictures of now.
	ErrPrivate = errors.New("private")
	// ErrNotKept: it is in force, but could not be written down: a restart may
	// forget it.
	ErrNotKept = errors.New("in force, but not written down")
	// ErrBusy: what was asked for cannot be done just now; try again in a minute.
	ErrBusy = errors.New("busy")
	// ErrLogUnavailable: the log of who looked can be written nowhere, so
	// footage may not be opened.
	ErrLogUnavailable = errors.New("the record of who looked cannot be written")
)
