package db

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// reserveBytes is the room that is kept for the record of who looked: some
// thousand entries.
const reserveBytes = 4 << 20

// reserve is a file that only takes up room, until the disk is full and the room
// is needed.
type reserve struct {
	path string

	mu   sync.Mutex // guards what follows
	kept bool
}

// fill makes the file if it is not there in full. Its content is random, so that
// a file system that compresses keeps as much room.
func (r *reserve) fill() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if info, err := os.Stat(r.path); err == nil && info.Size() == reserveBytes {
		r.kept = true
		return nil
	}
	r.kept = false
	f, err := os.OpenFile(r.path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("keep room: %w", err)
	}
	err = errors.Join(writeRandom(f, reserveBytes), f.Close())
	if err == nil {
		err = syncFolder(filepath.Dir(r.path))
	}
	if err != nil {
		return fmt.Errorf("keep room: %w", errors.Join(err, os.Remove(r.path)))
	}
	r.kept = true
	return nil
}

func writeRandom(f *os.File, size int) error {
	block := make([]byte, 64<<10)
	for ; size > 0; size -= len(block) {
		rand.Read(block) // never fails: crypto/rand, Go 1.24
		if _, err := f.Write(block); err != nil {
			return err
		}
	}
	return f.Sync()
}

// release gives the room up and reports whether there was some.
func (r *reserve) release() (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.kept {
		return false, nil
	}
	r.kept = false
	if err := os.Remove(r.path); err != nil {
		return false, fmt.Errorf("give up the reserve: %w", err)
	}
	return true, nil
}

func (r *reserve) present() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kept
}
