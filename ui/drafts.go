package ui

import (
	"crypto/rand"
	"sync"
	"time"
)

const (
	// maxSetups bounds first runs at the same time: nobody sets up a box twice.
	maxSetups = 4
	// maxJoins bounds invitations that are being used, and second factors that
	// are being set up.
	maxJoins = 64
	// maxAsked bounds cameras that were asked and not added.
	maxAsked = 16
	// maxFound bounds devices that answered a search.
	maxFound = 256
	// draftLife is how long something half typed is remembered.
	draftLife = 30 * time.Minute
)

// drafts remembers what somebody is in the middle of, in memory only: it holds
// passwords. Each draft has a random token. A full set forgets the oldest.
type drafts[T any] struct {
	most int
	life time.Duration

	mu   sync.Mutex // guards what follows
	kept map[string]draft[T]
}

type draft[T any] struct {
	value T
	saved time.Time
}

func newDrafts[T any](most int, life time.Duration) *drafts[T] {
	return &drafts[T]{most: most, life: life, kept: make(map[string]draft[T])}
}

// add keeps a new draft and returns its token.
func (d *drafts[T]) add(value T) string {
	token := rand.Text()
	d.set(token, value)
	return token
}

// set keeps or replaces a draft.
func (d *drafts[T]) set(token string, value T) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.kept[token]; !ok && len(d.kept) >= d.most {
		oldest := ""
		for t, v := range d.kept {
			if oldest == "" || v.saved.Before(d.kept[oldest].saved) {
				oldest = t
			}
		}
		delete(d.kept, oldest)
	}
	d.kept[token] = draft[T]{value: value, saved: time.Now()}
}

// get returns a draft that is not too old.
func (d *drafts[T]) get(token string) (value T, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	v, ok := d.kept[token]
	if ok && time.Since(v.saved) > d.life {
		delete(d.kept, token)
		return value, false
	}
	return v.value, ok
}

// drop forgets a draft.
func (d *drafts[T]) drop(token string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.kept, token)
}
