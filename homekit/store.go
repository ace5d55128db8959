package homekit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"lares/nvr"
)

// Settings keeps sealed values by name.
type Settings interface {
	// Load returns a value. Error: nvr.ErrNotFound.
	Load(ctx context.Context, name string) ([]byte, error)
	Save(ctx context.Context, name string, data []byte) error
	// Delete removes a value. Error: nvr.ErrNotFound.
	Delete(ctx context.Context, name string) error
}

// storeVersion is the first field of what is kept.
const storeVersion = 1

// keepWithin bounds writing a value where nobody waits with a time of their own.
const keepWithin = 10 * time.Second

// identity is what an accessory is known by. It stays the same over restarts,
// restores and new names: controllers that find another one say 'no response'
// for ever.
type identity struct {
	Version int       `json:"version"`
	Port    int       `json:"port"`
	Code    string    `json:"code"`
	SetupID string    `json:"setup_id"`
	Reach   nvr.Reach `json:"reach"`
	// Keys are the library's: its id, its key pair, its pairings.
	Keys map[string][]byte `json:"keys"`
}

// store keeps an identity and is the hap.Store of its server. It may be used from
// any goroutine.
type store struct {
	settings Settings
	name     string

	mu sync.Mutex // guards what follows
	id identity
}

// openStore reads the identity of an accessory. Error: nvr.ErrNotFound where it
// has none yet.
func openStore(ctx context.Context, settings Settings, name string) (*store, error) {
	s := &store{settings: settings, name: name}
	b, err := settings.Load(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("read a HomeKit identity: %w", err)
	}
	if err := json.Unmarshal(b, &s.id); err != nil || s.id.Version != storeVersion {
		return nil, fmt.Errorf("read a HomeKit identity: %w", nvr.ErrCorrupt)
	}
	if s.id.Keys == nil {
		s.id.Keys = make(map[string][]byte)
	}
	return s, nil
}

// makeStore makes an identity with a code of its own. It is kept with the first
// change.
func makeStore(settings Settings, name string, port int) (*store, error) {
	code, err := newCode()
	if err != nil {
		return nil, err
	}
	return &store{settings: settings, name: name, id: identity{
		Version: storeVersion, Port: port, Code: code, SetupID: newSetupID(), Keys: make(map[string][]byte),
	}}, nil
}

// about returns the identity without the library's keys.
func (s *store) about() identity {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.id
	id.Keys = nil
	return id
}

// change changes the identity and keeps it; when that fails nothing changes.
func (s *store) change(ctx context.Context, f func(*identity)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.id
	next.Keys = maps.Clone(s.id.Keys)
	f(&next)
	b, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("write a HomeKit identity: %w", err)
	}
	if err := s.settings.Save(ctx, s.name, b); err != nil {
		return fmt.Errorf("keep a HomeKit identity: %w", err)
	}
	s.id = next
	return nil
}

// remove forgets the identity and its pairings.
func (s *store) remove(ctx context.Context) error {
	if err := s.settings.Delete(ctx, s.name); err != nil && !errors.Is(err, nvr.ErrNotFound) {
		return fmt.Errorf("remove a HomeKit identity: %w", err)
	}
	return nil
}

// Set implements hap.Store.
func (s *store) Set(key string, value []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), keepWithin)
	defer cancel()
	return s.change(ctx, func(id *identity) { id.Keys[key] = slices.Clone(value) })
}

// Get implements hap.Store. Error: nvr.ErrNotFound.
func (s *store) Get(key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, ok := s.id.Keys[key]
	if !ok {
		return nil, nvr.ErrNotFound
	}
	return slices.Clone(value), nil
}

// Delete implements hap.Store.
func (s *store) Delete(key string) error {
	ctx, cancel := context.WithTimeout(context.Background(), keepWithin)
	defer cancel()
	return s.change(ctx, func(id *identity) { delete(id.Keys, key) })
}

// KeysWithSuffix implements hap.Store.
func (s *store) KeysWithSuffix(suffix string) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for key := range s.id.Keys {
		if strings.HasSuffix(key, suffix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys, nil
}
