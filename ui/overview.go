package ui

import (
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
)

const (
	// maxOverview is the longest stretch of an overview.
	maxOverview = 100 * 24 * time.Hour
	// maxCells bounds its resolution: more than a screen has points.
	maxCells = 4096
	// unknownMotion stands in a cell of which the index does not know.
	unknownMotion = -1
)

// overviewJSON is what a time line draws of one camera.
type overviewJSON struct {
	ID    string     `json:"id"`
	Spans [][2]int64 `json:"spans"` // holes shorter than a cell are closed
	Gaps  []gapJSON  `json:"gaps"`  // of any length, lest one is not seen
	// Moving is how much of each cell something moved in, 0 to 100, or
	// unknownMotion; zeros at the end are left out.
	Moving []int `json:"moving"`
}

// overview answers with what there is of several cameras in a stretch of time,
// as fine as a screen can show it: cells is the number of its columns. Without
// cameras it is about all. What the session may not see is left out.
func (s *Server) overview(c *call) error {
	from, to, err := c.span(maxOverview)
	if err != nil {
		return err
	}
	query := c.r.URL.Query()
	cells, err := strconv.Atoi(query.Get("cells"))
	if err != nil || cells < 1 || cells > maxCells {
		return nvr.ErrInvalid
	}
	answer := struct {
		Version int            `json:"version"`
		From    int64          `json:"from"`
		To      int64          `json:"to"`
		Cells   int            `json:"cells"`
		Cameras []overviewJSON `json:"cameras"`
	}{Version: apiVersion, From: millis(from), To: millis(to), Cells: cells, Cameras: []overviewJSON{}}
	wanted := strings.Split(query.Get("cameras"), ",")
	for _, st := range s.cfg.Cameras.List() {
		id := st.Camera.ID.String()
		if len(st.Camera.Streams) == 0 || wanted[0] != "" && !slices.Contains(wanted, id) {
			continue
		}
		seen, ok := s.seen(c, st.Camera.ID, nvr.Span{From: from, To: to})
		if !ok {
			continue
		}
		one, err := s.outline(c, st.Camera.Streams[0].Stream, seen, grid{from, to.Sub(from) / time.Duration(cells), cells})
		if err != nil {
			return err
		}
		one.ID = id
		answer.Cameras = append(answer.Cameras, one)
	}
	return c.json(http.StatusOK, answer)
}

// seen cuts a stretch to what the session may replay of it: a right can have a
// beginning. The future counts as now.
func (s *Server) seen(c *call, camera nvr.CameraID, span nvr.Span) (nvr.Span, bool) {
	may := func(at time.Time) bool {
		return s.authorize(c.r.Context(), c.sess, auth.ActReplay, camera, at) == nil
	}
	if now := time.Now(); span.To.After(now) {
		span.To = now
	}
	if !span.From.Before(span.To) {
		return nvr.Span{From: span.From, To: span.From}, may(time.Now())
	}
	if !may(span.To.Add(-time.Millisecond)) {
		return span, false
	}
	if !may(span.From) {
		seconds := int(span.To.Sub(span.From) / time.Second)
		span.From = span.From.Add(time.Duration(1+sort.Search(seconds, func(i int) bool {
			return may(span.From.Add(time.Duration(i+1) * time.Second))
		})) * time.Second)
	}
	return span, span.From.Before(span.To)
}

// outline looks up one stream and brings it to the resolution of the grid.
func (s *Server) outline(c *call, stream nvr.StreamID, span nvr.Span, g grid) (overviewJSON, error) {
	one := overviewJSON{Spans: [][2]int64{}, Gaps: []gapJSON{}, Moving: []int{}}
	if !span.From.Before(span.To) {
		return one, nil
	}
	line, err := s.lineOf(c, stream, span)
	if err != nil {
		return one, err
	}
	density, err := s.cfg.Events.Density(c.r.Context(), stream, span.From, span.To)
	if err != nil {
		return one, err
	}
	for _, part := range line.Spans {
		if n := len(one.Spans); n > 0 && part.From.Sub(time.UnixMilli(one.Spans[n-1][1])) < g.cell {
			one.Spans[n-1][1] = millis(part.To)
			continue
		}
		one.Spans = append(one.Spans, [2]int64{millis(part.From), millis(part.To)})
	}
	one.Gaps, one.Moving = g.gaps(line.Gaps), g.moving(density)
	return one, nil
}

// grid is the columns of a screen over a stretch of time.
type grid struct {
	from  time.Time
	cell  time.Duration
	cells int
}

// gaps joins neighbours of one cause that lie less than a cell apart. Where
// nothing moved nothing is missing: such a gap counts from a cell on.
func (g grid) gaps(all []nvr.Gap) []gapJSON {
	out := []gapJSON{}
	for _, gap := range all {
		one := describeGap(gap)
		if n := len(out); n > 0 && out[n-1].Cause == one.Cause && out[n-1].Detail == one.Detail &&
			gap.From.Sub(time.UnixMilli(out[n-1].To)) < g.cell && out[n-1].To != 0 {
			out[n-1].To = one.To
			continue
		}
		if gap.Cause != nvr.NoMotion || gap.To.IsZero() || gap.To.Sub(gap.From) >= g.cell {
			out = append(out, one)
		}
	}
	return out
}

// moving spreads stretches over the cells that they lie in.
func (g grid) moving(density []nvr.Density) []int {
	share := make([]float64, g.cells)
	unknown := make([]bool, g.cells)
	last := 0
	for _, d := range density {
		first := max(0, int(d.From.Sub(g.from)/g.cell))
		for i := first; i < g.cells; i++ {
			start := g.from.Add(time.Duration(i) * g.cell)
			part, ok := overlap(d, start, start.Add(g.cell))
			if !ok {
				break
			}
			share[i] += part.Seconds() * d.Moving.Seconds() / d.To.Sub(d.From).Seconds()
			unknown[i] = unknown[i] || !d.Known
			last = max(last, i+1)
		}
	}
	out := make([]int, last)
	for i := range out {
		switch {
		case share[i] > 0:
			out[i] = int(max(1, min(100, 100*share[i]/g.cell.Seconds())))
		case unknown[i]:
			out[i] = unknownMotion
		}
	}
	return out
}

// overlap returns how much of a stretch lies in [from, to).
func overlap(d nvr.Density, from, to time.Time) (time.Duration, bool) {
	if d.From.After(from) {
		from = d.From
	}
	if d.To.Before(to) {
		to = d.To
	}
	return to.Sub(from), from.Before(to)
}
