package ui

import (
	"sync"
	"time"

	"lares/nvr"
)

const (
	// oneView is how long watching on counts as one look.
	oneView = time.Hour
	// maxEntered bounds what is remembered; beyond it looks are entered again.
	maxEntered = 4096
)

// look is one act of watching: a player opens dozens of pieces for one.
type look struct {
	session [32]byte
	camera  nvr.CameraID
	action  string
	// what tells two looks apart: a random id of the player, or a span.
	what string
}

// entered knows which looks are in the record of who looked already.
type entered struct {
	mu sync.Mutex // guards what follows
	at map[look]time.Time
}

func newEntered() *entered { return &entered{at: make(map[look]time.Time)} }

// once calls record for the first piece of a look. Others that come meanwhile
// wait, so that none is shown before the entry is made. An entry that failed
// is tried again with the next piece.
func (e *entered) once(l look, record func() error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	if at, ok := e.at[l]; ok && now.Sub(at) < oneView && l.what != "" {
		return nil
	}
	if err := record(); err != nil {
		return err
	}
	if len(e.at) >= maxEntered {
		e.pruneLocked(now)
	}
	e.at[l] = now
	return nil
}

func (e *entered) pruneLocked(now time.Time) {
	for l, at := range e.at {
		if now.Sub(at) >= oneView {
			delete(e.at, l)
		}
	}
	if len(e.at) >= maxEntered {
		clear(e.at)
	}
}
