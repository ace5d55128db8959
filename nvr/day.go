package nvr

import "time"

// DayTotal is how much footage of one stream there is of a calendar day.
type DayTotal struct {
	Day     time.Time // its first instant, in the time zone that was asked for
	Footage time.Duration
	Bytes   int64
}
