package auth

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"lares/nvr"
)

const (
	stateContext = "lares/log-state/v1"
	ratchetInfo  = "lares/log-ratchet/v1"
	macDomain    = "lares/log-row/v1"
	// maxLate bounds the entries that wait in memory while the log can be
	// written nowhere.
	maxLate = 1024
)

type logKey [32]byte

// next is the ratchet: nobody gets from a key to the one before.
func (k logKey) next() (logKey, error) {
	out, err := hkdf.Expand(sha256.New, k[:], ratchetInfo, len(k))
	if err != nil {
		return logKey{}, fmt.Errorf("derive the next key of the log: %w", err)
	}
	defer clear(out)
	return logKey(out), nil
}

// commit is what the roster pins of the first key.
func (k logKey) commit() []byte {
	h := sha256.Sum256(append([]byte("lares/log-commit/v1\x00"), k[:]...))
	return h[:]
}

// mac is HMAC-SHA256 under the row's own key over its place, the MAC before it
// and everything that it says.
func (k logKey) mac(before []byte, e nvr.LogEntry) []byte {
	h := hmac.New(sha256.New, k[:])
	b := append([]byte(macDomain), 0)
	b = binary.BigEndian.AppendUint64(b, e.Seq)
	b = appendBlob(b, before)
	b = appendRow(b, e)
	h.Write(appendBlob(b, e.Details))
	return h.Sum(nil)
}

// appendRow encodes what a row says besides its details. Times count to the
// millisecond.
func appendRow(b []byte, e nvr.LogEntry) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(e.Time.UnixMilli()))
	b = appendBlob(b, []byte(e.Action))
	b = append(b, e.Principal[:]...)
	b = append(b, e.Camera[:]...)
	return append(b, e.Vault[:]...)
}

func appendBlob(b, blob []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(blob)))
	return append(b, blob...)
}

// chainState is the end of the chain: the next entry is made with key, which is
// then replaced. spilled is the number of the last spilled entry that was merged.
type chainState struct {
	seq     uint64
	mac     [32]byte
	key     logKey
	spilled uint64
}

const chainStateSize = 1 + 8 + 32 + 32 + 8

func (s chainState) marshal() []byte {
	b := make([]byte, 0, chainStateSize)
	b = append(b, 1)
	b = binary.BigEndian.AppendUint64(b, s.seq)
	b = append(b, s.mac[:]...)
	b = append(b, s.key[:]...)
	return binary.BigEndian.AppendUint64(b, s.spilled)
}

func parseChainState(b []byte) (chainState, error) {
	if len(b) != chainStateSize || b[0] != 1 {
		return chainState{}, fmt.Errorf("state of the log: %w", nvr.ErrCorrupt)
	}
	var s chainState
	s.seq = binary.BigEndian.Uint64(b[1:])
	copy(s.mac[:], b[9:])
	copy(s.key[:], b[41:])
	s.spilled = binary.BigEndian.Uint64(b[73:])
	return s, nil
}

// chain appends to the log of who looked. Entries that config.db does not take
// go to the spill, those that the spill does not take wait in memory; both are
// entered, in order, before anything later is.
type chain struct {
	store   LogStore
	machine Sealer
	spill   *spill
	// lost makes the entry that says how many entries were lost.
	lost func(n int) (nvr.LogEntry, error)

	mu      sync.Mutex  // guards what follows
	state   *chainState // nil: to be read
	spilled uint64      // the highest chainState.spilled that was seen
	late    []nvr.LogEntry
	dropped int
}

// begin starts a new chain behind whatever the log holds: a new household has
// a new first key. It returns the number of the first entry, which is the next
// that append makes.
func (c *chain) begin(ctx context.Context) (start uint64, first logKey, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	last, err := c.lastSeq(ctx, 0)
	if err != nil {
		return 0, logKey{}, err
	}
	st := chainState{seq: last}
	if c.loadLocked(ctx) == nil {
		st.spilled = c.state.spilled
	}
	rand.Read(st.key[:]) // never fails: crypto/rand, Go 1.24
	c.state = &st
	return last + 1, st.key, nil
}

// lastSeq returns the number of the last row there is behind last.
func (c *chain) lastSeq(ctx context.Context, last uint64) (uint64, error) {
	const page = 1000
	for {
		rows, err := c.store.Log(ctx, last+1, page)
		if err != nil {
			return 0, fmt.Errorf("read the end of the log: %w", err)
		}
		if len(rows) > 0 {
			last = rows[len(rows)-1].Seq
		}
		if len(rows) < page {
			return last, nil
		}
	}
}

// first writes the first entry of a chain that begin started; unlike later
// ones it is written to config.db or not at all.
func (c *chain) first(ctx context.Context, e nvr.LogEntry) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.appendLocked(ctx, e, 0)
}

// add enters e. Errors: nvr.ErrLogUnavailable; with keepLate the entry is then
// kept in memory and entered later.
func (c *chain) add(ctx context.Context, e nvr.LogEntry, keepLate bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.mergeLocked(ctx)
	if err == nil {
		if err = c.appendLocked(ctx, e, 0); err == nil {
			return nil
		}
	}
	spillErr := c.spillLocked(e)
	if spillErr == nil {
		return nil
	}
	if keepLate {
		if len(c.late) < maxLate {
			c.late = append(c.late, e)
		} else {
			c.dropped++
		}
	}
	return fmt.Errorf("%w: %w", nvr.ErrLogUnavailable, errors.Join(err, spillErr))
}

// flush enters what waits in the spill and in memory.
func (c *chain) flush(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mergeLocked(ctx)
}

// spillLocked writes what waits in memory and then e.
func (c *chain) spillLocked(e nvr.LogEntry) error {
	for len(c.late) > 0 {
		if err := c.spill.write(c.late[0], c.spilled); err != nil {
			return err
		}
		c.late = c.late[1:]
	}
	return c.spill.write(e, c.spilled)
}

func (c *chain) mergeLocked(ctx context.Context) error {
	if c.spill.pending() {
		if err := c.loadLocked(ctx); err != nil {
			return err
		}
		if err := c.mergeSpillLocked(ctx); err != nil {
			return err
		}
	}
	for len(c.late) > 0 {
		if err := c.appendLocked(ctx, c.late[0], 0); err != nil {
			return err
		}
		c.late = c.late[1:]
	}
	if c.dropped > 0 {
		if err := c.appendLostLocked(ctx, c.dropped); err != nil {
			return err
		}
		c.dropped = 0
	}
	return nil
}

// mergeSpillLocked appends spilled entries that are not in the chain yet. A
// number that is missing is an entry that somebody removed.
func (c *chain) mergeSpillLocked(ctx context.Context) error {
	entries := c.spill.read()
	for _, sp := range entries {
		if sp.Number <= c.state.spilled {
			continue // appended just before a crash
		}
		if missing := sp.Number - c.state.spilled - 1; missing > 0 {
			if err := c.appendLostLocked(ctx, int(min(missing, 1<<30))); err != nil {
				return err
			}
		}
		if err := c.appendLocked(ctx, sp.Entry, sp.Number); err != nil {
			return err
		}
	}
	return c.spill.clear(entries)
}

func (c *chain) appendLostLocked(ctx context.Context, n int) error {
	e, err := c.lost(n)
	if err != nil {
		return err
	}
	return c.appendLocked(ctx, e, 0)
}

// appendLocked makes e the next row. Rows that somebody put behind the end are
// left where they are, for VerifyLog to name, and do not stop the log.
func (c *chain) appendLocked(ctx context.Context, e nvr.LogEntry, spilled uint64) error {
	err := c.appendNextLocked(ctx, e, spilled)
	if !errors.Is(err, nvr.ErrInvalid) {
		return err
	}
	if err := c.loadLocked(ctx); err != nil {
		return err
	}
	last, err := c.lastSeq(ctx, c.state.seq)
	if err != nil {
		return err
	}
	c.state.seq = last
	return c.appendNextLocked(ctx, e, spilled)
}

// appendNextLocked forgets the key that the row was made with. After an error
// it is not known whether the row is there, so the state is read again next time.
func (c *chain) appendNextLocked(ctx context.Context, e nvr.LogEntry, spilled uint64) error {
	if err := c.loadLocked(ctx); err != nil {
		return err
	}
	e.Seq = c.state.seq + 1
	e.MAC = c.state.key.mac(c.state.mac[:], e)
	key, err := c.state.key.next()
	if err != nil {
		return err
	}
	next := &chainState{seq: e.Seq, mac: [32]byte(e.MAC), key: key, spilled: max(spilled, c.state.spilled)}
	plain := next.marshal()
	defer clear(plain)
	err = c.store.AppendLog(ctx, e, c.machine.Seal(stateContext, plain))
	clear(c.state.key[:])
	if err != nil {
		c.state = nil
		clear(next.key[:])
		return fmt.Errorf("append to the log: %w", err)
	}
	c.state, c.spilled = next, next.spilled
	return nil
}

func (c *chain) loadLocked(ctx context.Context) error {
	if c.state != nil {
		return nil
	}
	sealed, err := c.store.LogState(ctx)
	if err != nil {
		return fmt.Errorf("read the state of the log: %w", err)
	}
	plain, err := c.machine.Open(stateContext, sealed)
	if err != nil {
		return fmt.Errorf("open the state of the log: %w", err)
	}
	defer clear(plain)
	st, err := parseChainState(plain)
	if err != nil {
		return err
	}
	c.state, c.spilled = &st, max(c.spilled, st.spilled)
	return nil
}

// snapshot returns the end of the chain.
func (c *chain) snapshot(ctx context.Context) (chainState, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.loadLocked(ctx); err != nil {
		return chainState{}, err
	}
	return *c.state, nil
}

func (c *chain) wipe() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != nil {
		clear(c.state.key[:])
		c.state = nil
	}
}
