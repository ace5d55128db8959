package db

import (
	"context"
	"database/sql"
	"time"

	"lares/nvr"
)

// Days adds up the footage of a stream by the calendar days of loc, in order;
// days without footage are left out. from and to are widened to whole quarters
// of an hour. Footage counts at most once a quarter: where the clock was set
// back and recordings overlap, a day has no more than its own hours.
func (x *Index) Days(ctx context.Context, stream nvr.StreamID, from, to time.Time, loc *time.Location) ([]nvr.DayTotal, error) {
	if !from.Before(to) {
		return nil, nil
	}
	var days []nvr.DayTotal
	err := x.db.view(ctx, "add up days", func(ctx context.Context, tx *sql.Tx) error {
		fill := func(scan scan, q *[3]int64) error { return scan(&q[0], &q[1], &q[2]) }
		quarters, err := list(ctx, tx, fill, `SELECT quarter, min(ms, ?1), bytes FROM quarter
			WHERE stream = (SELECT num FROM stream WHERE id = ?2) AND quarter >= ?3 AND quarter < ?4 ORDER BY quarter`,
			quarterMS, stream[:], floorDiv(from.UnixMilli(), quarterMS), floorDiv(ceilMS(to)+quarterMS-1, quarterMS))
		for _, q := range quarters {
			days = addQuarter(days, time.UnixMilli(q[0]*quarterMS).In(loc), q[1], q[2])
		}
		return err
	})
	return days, err
}

// addQuarter adds a quarter of an hour that begins at t to the last day, or
// begins another.
func addQuarter(days []nvr.DayTotal, t time.Time, ms, bytes int64) []nvr.DayTotal {
	year, month, date := t.Date()
	day := time.Date(year, month, date, 0, 0, 0, 0, t.Location())
	if len(days) == 0 || !days[len(days)-1].Day.Equal(day) {
		days = append(days, nvr.DayTotal{Day: day})
	}
	last := &days[len(days)-1]
	last.Footage += time.Duration(ms) * time.Millisecond
	last.Bytes += bytes
	return days
}
