package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"lares/nvr"
)

// id scans a column of 16 bytes.
func id[Kind any](p *nvr.ID[Kind]) sql.Scanner { return (*idValue)(p) }

type idValue [16]byte

// Scan implements sql.Scanner.
func (v *idValue) Scan(src any) error { return scanExact(v[:], src) }

// hash scans a column of 32 bytes.
type hash [32]byte

// Scan implements sql.Scanner.
func (v *hash) Scan(src any) error { return scanExact(v[:], src) }

func scanExact(dst []byte, src any) error {
	b, ok := src.([]byte)
	if !ok || len(b) != len(dst) {
		return fmt.Errorf("%w: a value of %d bytes has another size", ErrCorrupt, len(dst))
	}
	copy(dst, b)
	return nil
}

// blob stores bytes; nil and empty are the same and not NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// bytesOf scans bytes; none are nil.
type bytesOf struct{ p *[]byte }

// Scan implements sql.Scanner.
func (v bytesOf) Scan(src any) error {
	b, ok := src.([]byte)
	if !ok && src != nil {
		return fmt.Errorf("%w: a value is not bytes", ErrCorrupt)
	}
	*v.p = nil
	if len(b) > 0 {
		*v.p = append([]byte(nil), b...) // the driver's buffer is only lent
	}
	return nil
}

// timeOf scans a column that storeTime filled; NULL is the zero time.
type timeOf struct{ p *time.Time }

// Scan implements sql.Scanner.
func (v timeOf) Scan(src any) error {
	switch ns := src.(type) {
	case nil:
		*v.p = time.Time{}
	case int64:
		*v.p = time.Unix(0, ns).UTC()
	default:
		return fmt.Errorf("%w: a value is not a time", ErrCorrupt)
	}
	return nil
}

// storeTime returns nanoseconds since the Unix epoch, NULL for the zero time. A
// time before 1678 or after 2262 does not fit and becomes the nearest that does.
func storeTime(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return unixNano(t)
}

func unixNano(t time.Time) int64 {
	switch {
	case t.Before(time.Unix(0, math.MinInt64)):
		return math.MinInt64
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	}
	return t.UnixNano()
}

// isNone reports whether a query found no row.
func isNone(err error) bool { return errors.Is(err, sql.ErrNoRows) }

// scan reads the columns of one row, as the method of sql.Row does.
type scan = func(dest ...any) error

// list runs a query and fills one element for each row.
func list[T any](ctx context.Context, db querier, fill func(scan, *T) error, query string, args ...any) (all []T, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var v T
		if err := fill(rows.Scan, &v); err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

// querier is a transaction or a connection.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// fillBlob is fill for queries of one column of bytes.
func fillBlob(scan scan, b *[]byte) error { return scan(bytesOf{b}) }
