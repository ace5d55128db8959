package auth

import (
	"bytes"
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"time"

	"lares/nvr"
)

// Problem is what is wrong with a row of the log.
type Problem string

// What VerifyLog finds.
const (
	NoProblem Problem = ""
	Edited    Problem = "edited"    // the row says something else than it did
	Dropped   Problem = "dropped"   // the row is missing
	Reordered Problem = "reordered" // the row stood elsewhere
	Rekeyed   Problem = "re-keyed"  // the row was sealed again with another row's key
	Added     Problem = "added"     // there are rows behind the end
)

// Report is the result of VerifyLog.
type Report struct {
	// First and Last are the numbers of the rows that belong to this household.
	First, Last uint64
	Problem     Problem
	Row         uint64 // the first bad row
}

// verifyPage is how many rows are read at a time.
const verifyPage = 512

// VerifyLog follows the chain from the key that the owner signed for, through
// every row under that row's own key, to the end that the box holds. A key of a
// later row does not stand in for that of an earlier one (CVE-2023-31439).
//
// It cannot see a complete older copy of config.db that was put in place of
// the current one. Errors: nvr.ErrForbidden, nvr.ErrLocked.
func (s *Service) VerifyLog(ctx context.Context, sess *Session) (Report, error) {
	if err := s.Authorize(ctx, sess, ActLog, nvr.CameraID{}, time.Now()); err != nil {
		return Report{}, err
	}
	body, err := s.trust.roster()
	if err != nil {
		return Report{}, err
	}
	end, err := s.chain.snapshot(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("verify log: %w", err)
	}
	defer clear(end.key[:])
	v := verifier{store: s.store, root: body.Log, end: end}
	defer clear(v.end.key[:])
	report := Report{First: body.Log.Start, Last: end.seq, Row: body.Log.Start}
	v.first, report.Problem, err = v.firstKey(ctx, sess)
	if err != nil || report.Problem != NoProblem {
		return report, err
	}
	defer clear(v.first[:])
	report.Row, report.Problem, err = v.run(ctx)
	if report.Problem == Added { // or entered since the snapshot
		now, err := s.chain.snapshot(ctx)
		if err != nil {
			return Report{}, fmt.Errorf("verify log: %w", err)
		}
		clear(now.key[:])
		if now.seq >= report.Row {
			report.Row, report.Problem = 0, NoProblem
		}
	}
	return report, err
}

type verifier struct {
	store LogStore
	root  logRoot
	end   chainState
	first logKey
}

// firstKey opens the first entry and checks its key against the roster.
func (v *verifier) firstKey(ctx context.Context, opener nvr.Opener) (logKey, Problem, error) {
	rows, err := v.store.Log(ctx, v.root.Start, 1)
	if err != nil {
		return logKey{}, NoProblem, fmt.Errorf("read the first entry: %w", err)
	}
	if len(rows) == 0 || rows[0].Seq != v.root.Start {
		return logKey{}, Dropped, nil
	}
	d, err := openDetails(ctx, opener, rows[0])
	if errors.Is(err, nvr.ErrCorrupt) || err == nil && !bytes.Equal(commitTo(d.Key), v.root.Commit) {
		return logKey{}, Edited, nil
	}
	if err != nil {
		return logKey{}, NoProblem, err
	}
	defer clear(d.Key)
	return logKey(d.Key), NoProblem, nil
}

// commitTo is the commitment to a first key, nil if it is none.
func commitTo(key []byte) []byte {
	if len(key) != len(logKey{}) {
		return nil
	}
	return logKey(key).commit()
}

// run returns the first bad row.
func (v *verifier) run(ctx context.Context) (row uint64, p Problem, err error) {
	key, seq := v.first, v.root.Start
	before := make([]byte, 32)
	bad := NoProblem
	err = v.rows(ctx, func(e nvr.LogEntry) (bool, error) {
		if seq > v.end.seq {
			bad = Added
			return false, nil
		}
		if e.Seq != seq {
			bad = Dropped
			return false, nil
		}
		if !hmac.Equal(key.mac(before, e), e.MAC) {
			bad, err = v.classify(ctx, e)
			return false, err
		}
		before = e.MAC
		seq++
		key, err = key.next()
		return err == nil, err
	})
	defer clear(key[:])
	switch {
	case err != nil:
		return 0, NoProblem, err
	case bad != NoProblem && bad != Added:
		return seq, bad, nil
	case seq <= v.end.seq:
		return seq, Dropped, nil // the tail is missing
	case !bytes.Equal(before, v.end.mac[:]) || !hmac.Equal(key[:], v.end.key[:]):
		return seq, Rekeyed, nil // the end that the box holds was replaced
	case bad == Added:
		return seq, Added, nil
	}
	return 0, NoProblem, nil
}

// classify says what happened to a row whose MAC does not fit its place: it
// fits another place (reordered), or this place under another row's key
// (re-keyed), or nothing (edited).
func (v *verifier) classify(ctx context.Context, bad nvr.LogEntry) (Problem, error) {
	place, err := v.macBefore(ctx, bad.Seq)
	if err != nil {
		return NoProblem, err
	}
	found := Edited
	key, before := v.first, make([]byte, 32) // before: the MAC stored in front of e
	defer func() { clear(key[:]) }()
	err = v.rows(ctx, func(e nvr.LogEntry) (bool, error) {
		moved := bad
		moved.Seq = e.Seq
		switch {
		case e.Seq == bad.Seq:
		case fits(key, before, moved) || fits(key, e.MAC, moved):
			found = Reordered // e.MAC: two neighbours were exchanged
		case fits(key, place, bad):
			found = Rekeyed
		}
		before = e.MAC
		var err error
		key, err = key.next()
		return err == nil && found == Edited, err
	})
	if err == nil && found == Edited && fits(key, place, bad) {
		found = Rekeyed // with the key that the box holds now
	}
	return found, err
}

func fits(key logKey, before []byte, e nvr.LogEntry) bool {
	return hmac.Equal(key.mac(before, e), e.MAC)
}

// macBefore returns the MAC that is stored in front of a row.
func (v *verifier) macBefore(ctx context.Context, seq uint64) ([]byte, error) {
	if seq == v.root.Start {
		return make([]byte, 32), nil
	}
	rows, err := v.store.Log(ctx, seq-1, 1)
	if err != nil {
		return nil, fmt.Errorf("read log: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	return rows[0].MAC, nil
}

// rows calls f for each row of the household until it returns false.
func (v *verifier) rows(ctx context.Context, f func(nvr.LogEntry) (bool, error)) error {
	next := v.root.Start
	for {
		page, err := v.store.Log(ctx, next, verifyPage)
		if err != nil {
			return fmt.Errorf("read log: %w", err)
		}
		for _, e := range page {
			more, err := f(e)
			if err != nil || !more {
				return err
			}
			next = e.Seq + 1
		}
		if len(page) < verifyPage {
			return nil
		}
	}
}
