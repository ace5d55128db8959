package recorder

import (
	"context"
	"fmt"
	"slices"
	"time"

	"lares/nvr"
	"lares/nvr/vault"
)

const (
	// maxSearch bounds how much is searched at once.
	maxSearch = 31 * day
	// joinHits is the longest pause between two seconds of one find.
	joinHits = 2
)

// Search returns when something moved in a part of the picture in [from, to),
// in order, to the second. Errors: nvr.ErrInvalid where the span is too long,
// those of opener, nvr.ErrForbidden only where it opens none of the segments.
//
//nolint:revive // six arguments: what, where and when, as ui asks
func (l *Library) Search(
	ctx context.Context, opener nvr.Opener, stream nvr.StreamID, from, to time.Time, box nvr.Box,
) ([]nvr.Span, error) {
	if to.Sub(from) > maxSearch {
		return nil, fmt.Errorf("a search is at most %v long: %w", maxSearch, nvr.ErrInvalid)
	}
	s := motionSearch{from: from.Unix(), to: to.Unix(), box: box}
	if to.Nanosecond() > 0 {
		s.to++
	}
	// A day at a time: the list of a month is long.
	for at := from; at.Before(to); at = at.Add(day) {
		end := at.Add(day)
		if !end.Before(to) {
			end = to.Add(lateness) // what came late lies in a segment after it
		}
		parts, err := l.parts(ctx, stream, at.Add(-storedEarly), end)
		if err != nil {
			return nil, err
		}
		parts = slices.DeleteFunc(parts, func(p part) bool {
			return p.Activity.Known && p.Activity.Moving == 0 || p.Start.Before(at) && at.After(from) // looked at before
		})
		all, err := l.survey(ctx, opener, parts, vault.MotionMap)
		if err != nil {
			return nil, err
		}
		s.add(all)
	}
	if !s.opened {
		return nil, s.forbidden
	}
	return s.spans(), nil
}

// motionSearch collects the seconds in which something moved in a box.
type motionSearch struct {
	from, to  int64 // seconds since the Unix epoch
	box       nvr.Box
	runs      [][2]int64 // first second, and the one after the last
	opened    bool
	forbidden error
}

func (s *motionSearch) add(all []beside) {
	for _, b := range all {
		s.opened = s.opened || b.opened
		if b.forbidden != nil {
			s.forbidden = b.forbidden
		}
		for i := range b.moved {
			m := &b.moved[i]
			if m.Second < s.from || m.Second >= s.to || !m.Map.Touches(s.box) {
				continue
			}
			if n := len(s.runs); n > 0 && m.Second >= s.runs[n-1][0] && m.Second-s.runs[n-1][1] <= joinHits {
				s.runs[n-1][1] = max(s.runs[n-1][1], m.Second+1)
				continue
			}
			s.runs = append(s.runs, [2]int64{m.Second, m.Second + 1})
		}
	}
}

// spans returns the finds in order, each once: what came late was found late.
func (s *motionSearch) spans() []nvr.Span {
	slices.SortFunc(s.runs, func(a, b [2]int64) int { return slices.Compare(a[:], b[:]) })
	var joined [][2]int64
	for _, r := range s.runs {
		if n := len(joined); n > 0 && r[0]-joined[n-1][1] <= joinHits {
			joined[n-1][1] = max(joined[n-1][1], r[1])
			continue
		}
		joined = append(joined, r)
	}
	spans := make([]nvr.Span, len(joined))
	for i, r := range joined {
		spans[i] = nvr.Span{From: time.Unix(r[0], 0).UTC(), To: time.Unix(r[1], 0).UTC()}
	}
	return spans
}

// Density returns how much moved in [from, to), by From, without a key: stretches
// in which something did, of a segment or a quarter of an hour each, and those
// of which it is not known.
func (l *Library) Density(ctx context.Context, stream nvr.StreamID, from, to time.Time) ([]nvr.Density, error) {
	live := l.rec.live(stream, from, to) // first: see parts
	all, err := l.rec.index.Density(ctx, stream, from, to)
	if err != nil {
		return nil, fmt.Errorf("list how much moved: %w", err)
	}
	for _, p := range live {
		known := slices.ContainsFunc(all, func(d nvr.Density) bool { return d.From.Equal(p.Start) })
		if p.Activity.Moving > 0 && !known {
			all = append(all, nvr.Density{
				From: p.Start, To: p.End(), Moving: time.Duration(p.Activity.Moving) * time.Second, Known: true,
			})
		}
	}
	slices.SortStableFunc(all, func(a, b nvr.Density) int { return a.From.Compare(b.From) })
	return all, nil
}
