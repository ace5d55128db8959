package db_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"lares/nvr"
)

// active gives a segment's counts.
func active(s nvr.Segment, events, moving int) nvr.Segment {
	s.Activity = nvr.Activity{Known: true, Watched: true, Events: events, Moving: moving}
	return s
}

func TestActivityIsKeptAndLearnedOnce(t *testing.T) {
	ctx, x, h := context.Background(), newIndex(t), newHouse()
	all := h.minutes(noon, 4)
	all[0] = active(all[0], 3, 17)
	all[1] = active(all[1], 0, 0)
	all[2].Activity = nvr.Activity{Known: true, Moving: 60}
	must(t, x.Add(ctx, all...))
	want(t, "as entered", all)(x.Range(ctx, h.stream, noon, noon.Add(time.Hour)))
	lost := all[3]
	lost.Seq = 99
	learned := []nvr.Segment{all[0], all[3], lost}
	learned[0].Activity = nvr.Activity{Known: true}
	learned[1].Activity = nvr.Activity{Known: true, Events: 1, Moving: 2}
	must(t, x.SetActivity(ctx, learned...))
	all[3] = learned[1]
	want(t, "only what was not known", all)(x.Range(ctx, h.stream, noon, noon.Add(time.Hour)))
	must(t, x.Discard(ctx, all[0]))
	garbage := all[0]
	garbage.Activity = nvr.Activity{}
	want(t, "garbage", []nvr.Segment{garbage})(x.Garbage(ctx))
}

func TestCountsBeyondBoundsAreCut(t *testing.T) {
	ctx, x, h := context.Background(), newIndex(t), newHouse()
	s := active(h.segment(noon, 1), 1<<20, 1<<20)
	must(t, x.Add(ctx, s, active(h.segment(noon.Add(time.Minute), 2), -1, -1)))
	s = active(s, 1<<16, 4095)
	want(t, "cut", []nvr.Segment{s, active(h.segment(noon.Add(time.Minute), 2), 0, 0)})(x.Range(ctx, h.stream, noon, noon.Add(time.Hour)))
}

func TestEventfulLeavesOutWhatHoldsNoEvents(t *testing.T) {
	ctx, x, h := context.Background(), newIndex(t), newHouse()
	all := h.minutes(noon, 6)
	all[0], all[2], all[3], all[5] = active(all[0], 1, 5), active(all[2], 0, 60), active(all[3], 2, 0), active(all[5], 1, 1)
	must(t, x.Add(ctx, all...))
	to := noon.Add(5 * time.Minute)
	want(t, "newest first", []nvr.Segment{all[4], all[3], all[1], all[0]})(x.Eventful(ctx, h.stream, noon, to, 10))
	want(t, "as many as wanted", []nvr.Segment{all[4], all[3]})(x.Eventful(ctx, h.stream, noon, to, 2))
	want(t, "another stream", []nvr.Segment(nil))(x.Eventful(ctx, nvr.NewID[nvr.Stream](), noon, to, 2))
}

func TestQuietIsWhatNothingMovedInOrNear(t *testing.T) {
	ctx, x, h := context.Background(), newIndex(t), newHouse()
	all := h.minutes(noon, 12)
	for i := range all {
		all[i].Day, all[i].Duration = 5, time.Minute
		all[i] = active(all[i], 0, 0)
	}
	all[3] = active(all[3], 0, 1)
	all[6].Activity.Watched = false
	all[8].Activity = nvr.Activity{}
	all[10].Flags = nvr.Held
	all[11].Day = 6
	must(t, x.Add(ctx, all...))
	apart := h.segment(noon.Add(4*time.Hour), 50) // so far away from the next that it is quiet
	apart.Day = 5
	far := active(h.segment(noon.Add(4*time.Hour+apart.Duration+11*time.Second), 51), 0, 0)
	far.Day = 5
	must(t, x.Add(ctx, apart, far))
	want(t, "quiet", []nvr.Segment{all[0], all[1], far})(x.Quiet(ctx, h.stream, 5, 10*time.Second, 10))
	want(t, "as many as wanted", []nvr.Segment{all[0]})(x.Quiet(ctx, h.stream, 5, 10*time.Second, 1))
	want(t, "too young", []nvr.Segment(nil))(x.Quiet(ctx, h.stream, 4, 10*time.Second, 10))
}

func TestDensityOfADayAndOfAMonth(t *testing.T) {
	ctx, x, h := context.Background(), newIndex(t), newHouse()
	all := h.minutes(noon, 31)
	for i := range all {
		all[i].Duration = time.Minute
		all[i] = active(all[i], 0, 0)
	}
	all[2], all[20] = active(all[2], 1, 30), active(all[20], 0, 7)
	all[15].Activity, all[16].Activity = nvr.Activity{}, nvr.Activity{}
	must(t, x.Add(ctx, all...))
	at := func(m int) time.Time { return noon.Add(time.Duration(m) * time.Minute) }
	want(t, "a day", []nvr.Density{
		{From: at(2), To: at(3), Moving: 30 * time.Second, Known: true},
		{From: at(15), To: at(17)},
		{From: at(20), To: at(21), Moving: 7 * time.Second, Known: true},
	})(x.Density(ctx, h.stream, noon, noon.Add(24*time.Hour)))
	month := []nvr.Density{
		{From: at(0), To: at(15), Moving: 30 * time.Second, Known: true},
		{From: at(15), To: at(30), Moving: 7 * time.Second},
	}
	want(t, "a month", month)(x.Density(ctx, h.stream, noon, noon.AddDate(0, 1, 0)))
	for i := range all[15:17] {
		all[15+i].Activity = nvr.Activity{Known: true, Moving: 4}
	}
	must(t, x.SetActivity(ctx, all[15:17]...))
	month[1].Moving, month[1].Known = 15*time.Second, true
	want(t, "learned", month)(x.Density(ctx, h.stream, noon, noon.AddDate(0, 1, 0)))
	must(t, x.Discard(ctx, all[:3]...))
	want(t, "deleted", month[1:])(x.Density(ctx, h.stream, noon, noon.AddDate(0, 1, 0)))
	must(t, x.Discard(ctx, all[3:]...))
	want(t, "all deleted", []nvr.Density(nil))(x.Density(ctx, h.stream, noon, noon.AddDate(0, 1, 0)))
}

// Spans say the same as the rows.
func TestSpansAreThoseOfTheRows(t *testing.T) {
	ctx, x, h := context.Background(), newIndex(t), newHouse()
	rng := rand.New(rand.NewPCG(1, 2))
	var all []nvr.Segment
	for i := range 200 {
		s := h.segment(noon.Add(time.Duration(rng.IntN(20_000))*time.Second), uint64(i))
		s.Duration = time.Duration(rng.IntN(120_000)) * time.Millisecond
		all = append(all, s)
	}
	must(t, x.Add(ctx, all...))
	for range 50 {
		from := noon.Add(time.Duration(rng.IntN(20_000)) * time.Second)
		to, tolerance := from.Add(time.Duration(rng.IntN(8000))*time.Second), time.Duration(rng.IntN(40))*time.Second
		rows, err := x.Range(ctx, h.stream, from, to)
		must(t, err)
		var spans []nvr.Span
		for _, s := range rows {
			if n := len(spans); n > 0 && s.Start.Sub(spans[n-1].To) <= tolerance {
				if s.End().After(spans[n-1].To) {
					spans[n-1].To = s.End()
				}
				continue
			}
			spans = append(spans, nvr.Span{From: s.Start, To: s.End()})
		}
		want(t, "spans", spans)(x.Spans(ctx, h.stream, from, to, tolerance))
	}
}

// A month that is read by the quarter says the same as its days, which are read
// by the segment.
func TestSpansOfAMonthAreThoseOfItsDays(t *testing.T) {
	ctx, x, h := context.Background(), newIndex(t), newHouse()
	rng := rand.New(rand.NewPCG(3, 4))
	start := noon.Add(7 * time.Minute)
	var all []nvr.Segment
	for i, next := 0, start; next.Before(start.AddDate(0, 0, 30)); i++ {
		s := h.segment(next, uint64(i))
		s.Duration = time.Duration(50_000+rng.IntN(20_000)) * time.Millisecond
		all = append(all, s)
		next = s.End()
		if rng.IntN(400) == 0 {
			next = next.Add(time.Duration(rng.IntN(7200)) * time.Second)
		}
	}
	must(t, x.Add(ctx, all...))
	const tolerance = time.Second
	cut := func(spans []nvr.Span, from, to time.Time, into []nvr.Span) []nvr.Span {
		for _, s := range spans {
			if s.From.Before(from) {
				s.From = from
			}
			if s.To.After(to) {
				s.To = to
			}
			if n := len(into); n > 0 && s.From.Sub(into[n-1].To) <= tolerance {
				into[n-1].To = s.To
			} else {
				into = append(into, s)
			}
		}
		return into
	}
	from, to := start.Add(-time.Hour), start.AddDate(0, 0, 31)
	var days []nvr.Span
	for day := from; day.Before(to); day = day.AddDate(0, 0, 1) {
		spans, err := x.Spans(ctx, h.stream, day, day.AddDate(0, 0, 1), tolerance)
		must(t, err)
		days = cut(spans, day, day.AddDate(0, 0, 1), days)
	}
	month, err := x.Spans(ctx, h.stream, from, to, tolerance)
	must(t, err)
	if len(days) < 50 || !slices.Equal(cut(month, from, to, nil), days) {
		t.Errorf("%d spans in the month, %d in its days", len(month), len(days))
	}
}

func TestMotionSettingsSurviveAndAreSealed(t *testing.T) {
	ctx, path, m := context.Background(), filepath.Join(t.TempDir(), "config.db"), newMachine(t)
	c := openConfig(t, path, m)
	door := camera("Haustür", 1)
	door.Record, door.QuietDays = nvr.RecordQuietShorter, 3
	door.Motion = nvr.MotionSettings{Sensitivity: nvr.HighSensitivity, MinSize: 0.01, Zones: []nvr.Zone{
		{Ignore: true, Points: []nvr.Point{{X: 0.123456789, Y: 0.25}, {X: 1, Y: 0}, {X: 0.5, Y: 0.987654321}}},
	}}
	must(t, c.SaveCamera(ctx, door))
	must(t, c.Close())
	assertAbsent(t, rawFiles(t, path), map[string][]byte{"a zone": []byte("0.123456789"), "a zone's other corner": []byte("0.987654321")})
	c = openConfig(t, path, m)
	want(t, "cameras", []nvr.Camera{door})(c.Cameras(ctx))
	door.Motion, door.Record = nvr.MotionSettings{Off: true}, nvr.RecordMotion
	must(t, c.SaveCamera(ctx, door))
	want(t, "changed", []nvr.Camera{door})(c.Cameras(ctx))
	door.Motion.MinSize = math.NaN()
	if err := c.SaveCamera(ctx, door); !errors.Is(err, nvr.ErrInvalid) {
		t.Errorf("a size that is no number: %v", err)
	}
}
