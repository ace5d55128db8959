package db

import (
	"database/sql"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"lares/nvr"
)

// Sentinel errors beside those of nvr.
var (
	// ErrFull: the disk that holds the database is full; nothing was changed.
	ErrFull = errors.New("the system disk is full: make room on it")
	// ErrCorrupt: the database file is damaged or is not one of Lares.
	ErrCorrupt = errors.New("the database is damaged")
	// ErrNewer: a newer version of Lares has written the database.
	ErrNewer = errors.New("a newer version of Lares has changed this data: install that version again, or a later one")
	// ErrNotErased: the deletion is in force, but copies of what was deleted
	// may still lie in the file. It is tried again at the next deletion and the
	// next start.
	ErrNotErased = errors.New("deleted, but not yet erased from the disk")
)

// primaryCode masks an extended SQLite result code down to its primary one.
const primaryCode = 0xff

// classify adds the sentinel that a caller can decide on; nil stays nil.
func classify(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return nvr.ErrNotFound
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	if e.Code() == sqlite3.SQLITE_IOERR_SHMSIZE { // no room for the index of the write-ahead log
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	switch e.Code() & primaryCode {
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w: %w", ErrFull, err)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}

// isUnusable reports whether the content of the file, and not the disk or the
// caller, is why a database cannot be opened.
func isUnusable(err error) bool {
	if errors.Is(err, ErrCorrupt) || errors.Is(err, nvr.ErrNotFound) {
		return true
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() & primaryCode {
	case sqlite3.SQLITE_ERROR, // other tables than the version promises
		sqlite3.SQLITE_READONLY, // a format that only newer versions of SQLite write
		sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG:
		return true
	}
	return false
}
