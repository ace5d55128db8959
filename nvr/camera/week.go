package camera

import (
	"time"

	"lares/nvr"
)

// window is a stretch of time in which the plan makes a camera private; it ends
// before end.
type window struct{ start, end time.Time }

func (w window) equal(v window) bool { return w.start.Equal(v.start) && w.end.Equal(v.end) }

func (w window) holds(at time.Time) bool { return !at.Before(w.start) && at.Before(w.end) }

// planned returns the window of the plan that a time lies in: that of all lines
// together that are about the camera and hold then.
func planned(week []nvr.PrivateHours, c nvr.Camera, at time.Time, zone *time.Location) (all window, ok bool) {
	year, month, today := at.In(zone).Date()
	for _, h := range week {
		if !meant(h, c) {
			continue
		}
		for _, day := range [...]int{today - 1, today} { // it may have begun yesterday
			w, begins := hoursOf(h, time.Date(year, month, day, 12, 0, 0, 0, zone))
			if !begins || !w.holds(at) {
				continue
			}
			if !ok || w.start.Before(all.start) {
				all.start = w.start
			}
			if !ok || w.end.After(all.end) {
				all.end = w.end
			}
			ok = true
		}
	}
	return all, ok
}

func meant(h nvr.PrivateHours, c nvr.Camera) bool {
	if h.Camera.IsZero() {
		return c.Inside || !h.Inside
	}
	return h.Camera == c.ID
}

// hoursOf returns the window that begins on the day of noon, if one does. In the
// nights in which clocks are changed it is the longest that can be meant.
func hoursOf(h nvr.PrivateHours, noon time.Time) (w window, ok bool) {
	if !h.Days.Has(noon.Weekday()) {
		return window{}, false
	}
	w.start, _ = shown(noon, h.From)
	if h.To <= h.From {
		noon = noon.AddDate(0, 0, 1)
	}
	_, w.end = shown(noon, h.To)
	return w, true
}

// shown returns when a clock shows minutes since midnight on the day of noon.
// Where it does so twice, because clocks were set back, these are both times;
// where it never does, they are those before and after the hour that is left out.
func shown(noon time.Time, minutes int) (first, last time.Time) {
	year, month, day := noon.Date()
	hand := time.Date(year, month, day, 0, minutes, 0, 0, time.UTC)
	var skipped [2]time.Time
	for i, near := range [...]time.Time{noon.AddDate(0, 0, 1), noon.AddDate(0, 0, -1)} {
		_, offset := near.Zone()
		at := hand.Add(-time.Duration(offset) * time.Second).In(noon.Location())
		skipped[i] = at
		if at.Hour()*60+at.Minute() != minutes {
			continue
		}
		if first.IsZero() || at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
	}
	if !first.IsZero() {
		return first, last
	}
	if skipped[1].Before(skipped[0]) {
		return skipped[1], skipped[0]
	}
	return skipped[0], skipped[1]
}

// Morning returns the next time after now at which a clock of the box shows six.
func (f *Fleet) Morning(now time.Time) time.Time {
	for local := now.In(f.privacy.zone); ; local = local.AddDate(0, 0, 1) {
		if six, _ := shown(time.Date(local.Year(), local.Month(), local.Day(), 12, 0, 0, 0, local.Location()), 6*60); six.After(now) {
			return six
		}
	}
}
