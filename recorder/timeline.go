package recorder

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sort"
	"time"

	"lares/nvr"
)

const (
	// mergeTolerance is a hole between two segments that is not shown.
	mergeTolerance = time.Second
	// rounding is a hole that comes from times in whole milliseconds.
	rounding = 10 * time.Millisecond
	// underWay is how old the newest footage may be without being a gap: frames
	// are on their way into a segment.
	underWay = 10 * time.Second
)

// Timeline returns what there is of a stream in [from, to): spans and gaps in
// order, both cut to the span. From the first footage on every instant lies in
// one of them; the future is in neither. A month of one stream is 43 200 rows.
func (l *Library) Timeline(ctx context.Context, stream nvr.StreamID, from, to time.Time) (nvr.Timeline, error) {
	pending := mergeTolerance
	if now := time.Now(); to.After(now) {
		to, pending = now, underWay
	}
	if !from.Before(to) {
		return nvr.Timeline{}, nil
	}
	live := l.rec.live(stream, from, to) // first: see parts
	spans, err := l.rec.index.Spans(ctx, stream, from, to, mergeTolerance)
	if err != nil {
		return nvr.Timeline{}, fmt.Errorf("list spans: %w", err)
	}
	gaps, err := l.rec.gaps.GapsIn(ctx, stream, from, to)
	if err != nil {
		return nvr.Timeline{}, fmt.Errorf("list gaps: %w", err)
	}
	oldest, err := l.rec.index.Oldest(ctx, nvr.DiskID{}, stream, math.MaxInt32, 1)
	if err != nil {
		return nvr.Timeline{}, fmt.Errorf("find the first footage: %w", err)
	}
	for _, p := range live {
		spans = append(spans, nvr.Span{From: p.Start, To: p.End()})
	}
	a := arrangement{stream: stream, gaps: gaps, window: nvr.Span{From: from, To: to}, pending: pending}
	if len(oldest) > 0 {
		a.since = oldest[0].Start
	}
	return a.arrange(spans), nil
}

// arrangement is what a timeline is made of beside the spans.
type arrangement struct {
	stream  nvr.StreamID
	gaps    []nvr.Gap
	window  nvr.Span
	since   time.Time     // the first footage, whether in the window or not; zero: that of the window
	pending time.Duration // a hole at the end of the window that is not shown
}

// arrange merges spans, cuts everything to the window, and puts gaps only where
// there is no footage.
func (a *arrangement) arrange(spans []nvr.Span) nvr.Timeline {
	var t nvr.Timeline
	sort.Slice(spans, func(i, j int) bool { return spans[i].From.Before(spans[j].From) })
	for _, s := range spans {
		s, ok := cut(s, a.window)
		if !ok {
			continue
		}
		if n := len(t.Spans); n > 0 && s.From.Sub(t.Spans[n-1].To) <= mergeTolerance {
			t.Spans[n-1].To = later(t.Spans[n-1].To, s.To)
			continue
		}
		t.Spans = append(t.Spans, s)
	}
	if n := len(t.Spans); n > 0 && (a.since.IsZero() || a.since.After(t.Spans[0].From)) {
		a.since = t.Spans[0].From
	}
	sort.SliceStable(a.gaps, func(i, j int) bool { return a.gaps[i].From.Before(a.gaps[j].From) })
	at := a.window.From
	for _, s := range t.Spans {
		t.Gaps = append(t.Gaps, a.explain(nvr.Span{From: at, To: s.From})...)
		at = s.To
	}
	t.Gaps = append(t.Gaps, a.explain(nvr.Span{From: at, To: a.window.To})...)
	return t
}

// explain covers a hole with the known gaps. Of several the one that began last
// counts: the clock was set forward by years, and then the camera was away for a
// minute. What is left over has the unknown cause, but for moments, and not
// before the first footage: there was no camera.
func (a *arrangement) explain(hole nvr.Span) []nvr.Gap {
	if hole.To.Sub(hole.From) < rounding {
		return nil
	}
	inside, edges := a.within(hole)
	var out []nvr.Gap
	for i := 1; i < len(edges); i++ {
		piece := nvr.Span{From: edges[i-1], To: edges[i]}
		out = append(out, a.name(piece, inside))
	}
	out = joinGaps(out)
	return slices.DeleteFunc(out, func(g nvr.Gap) bool {
		tolerance := mergeTolerance
		if g.To.Equal(a.window.To) {
			tolerance = a.pending
		}
		return isUnknown(g) && (g.To.Sub(g.From) <= tolerance || a.since.IsZero() || !g.To.After(a.since))
	})
}

// within returns the gaps that reach into a hole, cut to it, and the instants at
// which one begins or ends.
func (a *arrangement) within(hole nvr.Span) (inside []nvr.Gap, edges []time.Time) {
	edges = []time.Time{hole.From, hole.To}
	if a.since.After(hole.From) && a.since.Before(hole.To) {
		edges = append(edges, a.since)
	}
	for _, g := range a.gaps {
		end := g.To
		if end.IsZero() {
			end = hole.To
		}
		s, ok := cut(nvr.Span{From: g.From, To: end}, hole)
		if !ok {
			continue
		}
		g.From, g.To = s.From, s.To
		inside, edges = append(inside, g), append(edges, s.From, s.To)
	}
	slices.SortFunc(edges, time.Time.Compare)
	return inside, slices.CompactFunc(edges, time.Time.Equal)
}

// name returns the gap that a piece between two edges lies in.
func (a *arrangement) name(piece nvr.Span, inside []nvr.Gap) nvr.Gap {
	for _, g := range slices.Backward(inside) {
		if !g.From.After(piece.From) && !g.To.Before(piece.To) {
			g.From, g.To = piece.From, piece.To
			return g
		}
	}
	return nvr.Gap{Stream: a.stream, From: piece.From, To: piece.To}
}

// joinGaps joins neighbours of the same cause. A moment without a cause next to
// a gap belongs to it.
func joinGaps(gaps []nvr.Gap) []nvr.Gap {
	var out []nvr.Gap
	for _, g := range gaps {
		if n := len(out); n > 0 {
			last := &out[n-1]
			switch {
			case isUnknown(*last) && isUnknown(g): // one lies before the first footage
			case *last == nvr.Gap{Stream: g.Stream, From: last.From, To: last.To, Cause: g.Cause, Detail: g.Detail},
				isUnknown(g) && g.To.Sub(g.From) <= mergeTolerance:
				last.To = g.To
				continue
			case isUnknown(*last) && last.To.Sub(last.From) <= mergeTolerance:
				g.From = last.From
				*last = g
				continue
			}
		}
		out = append(out, g)
	}
	return out
}

func isUnknown(g nvr.Gap) bool { return g.Cause == nvr.CauseUnknown && g.Detail == "" }

func cut(s, window nvr.Span) (nvr.Span, bool) {
	s.From = later(s.From, window.From)
	if s.To.After(window.To) {
		s.To = window.To
	}
	return s, s.From.Before(s.To)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
