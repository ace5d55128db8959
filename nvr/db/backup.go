package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// maxBackup bounds a copy of the configuration: tens of thousands of entries of
// the log for each camera.
const maxBackup = 512 << 20

// serializer is what the driver offers beyond database/sql.
type serializer interface {
	Serialize() ([]byte, error)
	Deserialize(b []byte) error
}

// notForBackup removes what must not outlive its deletion, or its time, in a
// copy: the keys of footage, which lie beside the footage once more, and logins.
// What stays of vaults is the household's own, with a camera of zeros.
const notForBackup = `
	DELETE FROM share_key;
	DELETE FROM share;
	DELETE FROM vault WHERE camera <> zeroblob(16);
	DELETE FROM session;
	DELETE FROM unerased;
	VACUUM;`

// Backup returns a copy of the configuration as the bytes of a database file,
// without the keys of any footage. It is made in memory: nothing of it is
// written. Errors: ErrFull if it were larger than maxBackup.
func (c *Config) Backup(ctx context.Context) ([]byte, error) {
	const op = "copy the configuration"
	whole, err := c.db.bytes(ctx)
	if err != nil {
		return nil, c.db.report(op, err)
	}
	defer clear(whole)
	copied, err := without(ctx, whole, notForBackup)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return copied, nil
}

// bytes returns one committed state of the database as a file of its own.
func (d *database) bytes(ctx context.Context) (b []byte, err error) {
	d.gate.RLock()
	defer d.gate.RUnlock()
	conn, err := d.read.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	var pages, size int64
	if err := conn.QueryRowContext(ctx, "SELECT page_count, page_size FROM pragma_page_count, pragma_page_size").Scan(&pages, &size); err != nil {
		return nil, err
	}
	if pages*size > maxBackup {
		return nil, fmt.Errorf("%d bytes: %w", pages*size, ErrFull)
	}
	err = conn.Raw(func(driver any) error {
		b, err = serialize(driver)
		return err
	})
	if err != nil {
		return nil, err
	}
	// Bytes 18 and 19 are the versions of the file format; 2 asks for a write-ahead
	// log beside the file (www.sqlite.org/fileformat.html, 1.3.3).
	b[18], b[19] = 1, 1
	return b, nil
}

func serialize(driver any) ([]byte, error) {
	s, ok := driver.(serializer)
	if !ok {
		return nil, fmt.Errorf("the driver %T cannot serialize", driver)
	}
	return s.Serialize()
}

// without returns a database file as it is after statements.
func without(ctx context.Context, file []byte, statements string) (b []byte, err error) {
	db, err := sql.Open("sqlite", "file::memory:?_foreign_keys=1&_pragma=secure_delete(1)&_pragma=temp_store(2)")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	err = conn.Raw(func(driver any) error {
		s, ok := driver.(serializer)
		if !ok {
			return fmt.Errorf("the driver %T cannot deserialize", driver)
		}
		return s.Deserialize(file)
	})
	if err != nil {
		return nil, err
	}
	if _, err := conn.ExecContext(ctx, statements); err != nil {
		return nil, err
	}
	err = conn.Raw(func(driver any) error {
		b, err = serialize(driver)
		return err
	})
	return b, err
}
