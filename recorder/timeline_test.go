package recorder

import (
	"math/rand/v2"
	"testing"
	"time"

	"lares/nvr"
)

// at returns the instant so many seconds into the window of these tests.
func at(s int) time.Time { return time.Unix(1_700_000_000+int64(s), 0).UTC() }

func span(from, to int) nvr.Span { return nvr.Span{From: at(from), To: at(to)} }

func gap(from, to int, cause nvr.Cause) nvr.Gap {
	return nvr.Gap{From: at(from), To: at(to), Cause: cause}
}

func openGap(from int, cause nvr.Cause) nvr.Gap { return nvr.Gap{From: at(from), Cause: cause} }

func TestTimeline(t *testing.T) {
	for name, tc := range map[string]struct {
		spans    []nvr.Span
		gaps     []nvr.Gap
		since    int // 0: not known
		want     []nvr.Span
		wantGaps []nvr.Gap
	}{
		"nothing at all":             {},
		"footage all along":          {spans: []nvr.Span{span(-50, 40), span(40, 2000)}, want: []nvr.Span{span(0, 1000)}},
		"no camera before the first": {spans: []nvr.Span{span(300, 1000)}, want: []nvr.Span{span(300, 1000)}},
		"a hole without a cause": {
			spans: []nvr.Span{span(0, 300), span(400, 1000)},
			want:  []nvr.Span{span(0, 300), span(400, 1000)}, wantGaps: []nvr.Gap{gap(300, 400, nvr.CauseUnknown)},
		},
		"a hole after the last footage": {
			spans: []nvr.Span{span(0, 300)}, want: []nvr.Span{span(0, 300)}, wantGaps: []nvr.Gap{gap(300, 1000, nvr.CauseUnknown)},
		},
		"frames that are under way": {spans: []nvr.Span{span(0, 995)}, want: []nvr.Span{span(0, 995)}},
		"a window in a hole":        {since: -500, wantGaps: []nvr.Gap{gap(0, 1000, nvr.CauseUnknown)}},
		"a window before it all":    {since: 2000},
		"overlapping spans": {
			spans: []nvr.Span{span(100, 500), span(0, 300), span(250, 260), span(499, 1000)}, want: []nvr.Span{span(0, 1000)},
		},
		"a gap that lasts": {
			spans: []nvr.Span{span(0, 300)}, gaps: []nvr.Gap{openGap(300, nvr.DiskGone)},
			want: []nvr.Span{span(0, 300)}, wantGaps: []nvr.Gap{gap(300, 1000, nvr.DiskGone)},
		},
		"a gap that lasts before any footage": {
			gaps: []nvr.Gap{openGap(200, nvr.NoOwner)}, wantGaps: []nvr.Gap{gap(200, 1000, nvr.NoOwner)},
		},
		"footage where a gap was noted": {
			spans: []nvr.Span{span(0, 1000)}, gaps: []nvr.Gap{gap(200, 300, nvr.Damaged)}, want: []nvr.Span{span(0, 1000)},
		},
		"a gap with footage in its middle": {
			spans: []nvr.Span{span(0, 100), span(400, 500), span(900, 1000)}, gaps: []nvr.Gap{gap(50, 950, nvr.CameraOffline)},
			want:     []nvr.Span{span(0, 100), span(400, 500), span(900, 1000)},
			wantGaps: []nvr.Gap{gap(100, 400, nvr.CameraOffline), gap(500, 900, nvr.CameraOffline)},
		},
		"the clock was set forward by years and back, then the camera went": {
			spans: []nvr.Span{span(0, 300), span(500, 1000)}, gaps: []nvr.Gap{gap(-10, 1_000_000, nvr.ClockStep), gap(350, 400, nvr.CameraOffline)},
			want:     []nvr.Span{span(0, 300), span(500, 1000)},
			wantGaps: []nvr.Gap{gap(300, 350, nvr.ClockStep), gap(350, 400, nvr.CameraOffline), gap(400, 500, nvr.ClockStep)},
		},
		"a moment without a cause belongs to its neighbour": {
			spans: []nvr.Span{span(0, 300), span(400, 1000)}, gaps: []nvr.Gap{gap(301, 399, nvr.BoxOff)},
			want: []nvr.Span{span(0, 300), span(400, 1000)}, wantGaps: []nvr.Gap{gap(300, 400, nvr.BoxOff)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := arrangement{gaps: tc.gaps, window: span(0, 1000), pending: underWay}
			if tc.since != 0 {
				a.since = at(tc.since)
			}
			got := a.arrange(tc.spans)
			if !equal(got.Spans, tc.want) {
				t.Errorf("spans: got %v, want %v", got.Spans, tc.want)
			}
			if !equal(got.Gaps, tc.wantGaps) {
				t.Errorf("gaps: got %v, want %v", got.Gaps, tc.wantGaps)
			}
		})
	}
}

func equal[T comparable](a, b []T) bool {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return false
		}
	}
	return len(a) == len(b)
}

// From the first span on every instant is in exactly one span or gap, but for
// the end of the window, where footage is under way.
func TestTimelineHasEveryInstantOnce(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 3000 {
		var spans []nvr.Span
		for range rng.IntN(8) {
			from := rng.IntN(1200) - 100
			spans = append(spans, span(from, from+rng.IntN(200)))
		}
		var gaps []nvr.Gap
		for range rng.IntN(8) {
			from := rng.IntN(1200) - 100
			g := gap(from, from+1+rng.IntN(400), nvr.Cause(1+rng.IntN(4)))
			if rng.IntN(5) == 0 {
				g.To = time.Time{}
			}
			gaps = append(gaps, g)
		}
		a := arrangement{gaps: gaps, window: span(0, 1000), pending: underWay}
		line := a.arrange(spans)
		end := 1000 - 10
		for s := range end {
			middle := at(s).Add(500 * time.Millisecond)
			found := 0
			for _, p := range line.Spans {
				found += inside(p.From, p.To, middle)
			}
			for _, g := range line.Gaps {
				found += inside(g.From, g.To, middle)
			}
			begun := len(line.Spans) > 0 && !middle.Before(line.Spans[0].From)
			if found > 1 || (begun && found != 1) {
				t.Fatalf("round %d: second %d is in %d\nspans %v\ngaps %v\ngot %+v", round, s, found, spans, gaps, line)
			}
		}
	}
}

func inside(from, to, t time.Time) int {
	if !t.Before(from) && t.Before(to) {
		return 1
	}
	return 0
}
