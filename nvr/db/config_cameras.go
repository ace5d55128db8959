package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"lares/nvr"
)

// Cameras returns all cameras by Order, then as they were added.
func (c *Config) Cameras(ctx context.Context) ([]nvr.Camera, error) {
	var all []nvr.Camera
	err := c.db.view(ctx, "read cameras", func(ctx context.Context, tx *sql.Tx) (err error) {
		all, err = list(ctx, tx, c.fillCamera, `SELECT id, place, inside, audio, disabled, transport, retention, record, quiet, added, sealed
			FROM camera ORDER BY place, num`)
		if err != nil {
			return err
		}
		for i := range all {
			if all[i].Streams, err = c.sources(ctx, tx, all[i].ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

func (c *Config) fillCamera(scan scan, cam *nvr.Camera) error {
	var sealed []byte
	if err := scan(id(&cam.ID), &cam.Order, &cam.Inside, &cam.Audio, &cam.Disabled, &cam.Transport, &cam.RetentionDays,
		&cam.Record, &cam.QuietDays, timeOf{&cam.Added}, bytesOf{&sealed}); err != nil {
		return err
	}
	fields, err := c.unseal("camera.sealed", cam.ID[:], sealed, 3, 4, 5)
	if err != nil {
		return err
	}
	cam.Name, cam.User, cam.Password = string(fields[0]), string(fields[1]), nvr.Secret(fields[2])
	if len(fields) == 3 {
		return nil // stored before there were motion settings
	}
	if cam.Motion, err = parseMotion(fields[3]); err != nil || len(fields) == 4 {
		return err // stored before there were identities
	}
	cam.Identity, err = parseIdentity(fields[4])
	return err
}

func (c *Config) sources(ctx context.Context, tx *sql.Tx, camera nvr.CameraID) ([]nvr.Source, error) {
	return list(ctx, tx, c.fillSource, `SELECT stream, quality, sealed FROM source
		WHERE camera = (SELECT num FROM camera WHERE id = ?) ORDER BY place`, camera[:])
}

func (c *Config) fillSource(scan scan, s *nvr.Source) error {
	var sealed []byte
	if err := scan(id(&s.Stream), &s.Quality, bytesOf{&sealed}); err != nil {
		return err
	}
	fields, err := c.unseal("source.sealed", s.Stream[:], sealed, 2)
	if err != nil {
		return err
	}
	s.URL = string(fields[0])
	if len(fields[1]) > 0 {
		s.Pin = fields[1]
	}
	return nil
}

// motionVersion is the version of motionFields.
const motionVersion = 1

// motionFields is how the motion settings lie in the sealed part of a camera:
// zones draw the scene.
type motionFields struct {
	Version int `json:"version"`
	nvr.MotionSettings
}

// parseMotion reads what SaveCamera wrote of the motion settings. Errors:
// nvr.ErrCorrupt.
func parseMotion(b []byte) (nvr.MotionSettings, error) {
	var f motionFields
	if err := json.Unmarshal(b, &f); err != nil || f.Version != motionVersion {
		return nvr.MotionSettings{}, fmt.Errorf("read the motion settings of a camera: %w", nvr.ErrCorrupt)
	}
	return f.MotionSettings, nil
}

// identityVersion is the version of identityFields.
const identityVersion = 1

// identityFields is how the identity lies in the sealed part of a camera.
type identityFields struct {
	Version int `json:"version"`
	nvr.Identity
}

// parseIdentity reads what SaveCamera wrote of the identity. Errors:
// nvr.ErrCorrupt.
func parseIdentity(b []byte) (nvr.Identity, error) {
	var f identityFields
	if err := json.Unmarshal(b, &f); err != nil || f.Version != identityVersion {
		return nvr.Identity{}, fmt.Errorf("read the identity of a camera: %w", nvr.ErrCorrupt)
	}
	return f.Identity, nil
}

// SaveCamera inserts or replaces a camera with its streams.
func (c *Config) SaveCamera(ctx context.Context, cam nvr.Camera) error {
	motion, err := json.Marshal(motionFields{Version: motionVersion, MotionSettings: cam.Motion})
	var identity []byte
	if err == nil {
		identity, err = json.Marshal(identityFields{Version: identityVersion, Identity: cam.Identity})
	}
	if err != nil {
		return fmt.Errorf("save a camera: %w: %w", nvr.ErrInvalid, err)
	}
	sealed, err := c.seal("camera.sealed", cam.ID[:], []byte(cam.Name), []byte(cam.User), []byte(cam.Password.Reveal()), motion, identity)
	if err != nil {
		return fmt.Errorf("save a camera: %w", err)
	}
	return c.db.update(ctx, "save a camera", func(ctx context.Context, tx *sql.Tx) error {
		var num int64
		if err := tx.QueryRowContext(ctx, `INSERT INTO camera (id, place, inside, audio, disabled, transport, retention,
			record, quiet, added, sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET place = excluded.place, inside = excluded.inside,
			audio = excluded.audio, disabled = excluded.disabled, transport = excluded.transport, retention = excluded.retention,
			record = excluded.record, quiet = excluded.quiet, added = excluded.added, sealed = excluded.sealed RETURNING num`,
			cam.ID[:], cam.Order, cam.Inside, cam.Audio, cam.Disabled, cam.Transport, cam.RetentionDays,
			cam.Record, cam.QuietDays, storeTime(cam.Added), sealed).Scan(&num); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM source WHERE camera = ?`, num); err != nil {
			return err
		}
		for place, s := range cam.Streams {
			sealed, err := c.seal("source.sealed", s.Stream[:], []byte(s.URL), s.Pin)
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO source (stream, camera, place, quality, sealed) VALUES (?, ?, ?, ?, ?)`,
				s.Stream[:], num, place, s.Quality, sealed); err != nil {
				return err
			}
		}
		return nil
	})
}

// RemoveCamera removes a camera and erases its name, addresses and password from
// the disk. Its footage, gaps and vaults stay. Errors: nvr.ErrNotFound,
// ErrNotErased.
func (c *Config) RemoveCamera(ctx context.Context, camera nvr.CameraID) error {
	return c.erase(ctx, "remove a camera", func(ctx context.Context, tx *sql.Tx) ([][]byte, error) {
		gone, err := list(ctx, tx, fillBlob, `DELETE FROM source WHERE camera = (SELECT num FROM camera WHERE id = ?) RETURNING sealed`, camera[:])
		if err != nil {
			return nil, err
		}
		var sealed []byte
		if _, err := tx.ExecContext(ctx, `DELETE FROM privacy WHERE camera = ?`, camera[:]); err != nil {
			return nil, err
		}
		err = tx.QueryRowContext(ctx, `DELETE FROM camera WHERE id = ? RETURNING sealed`, camera[:]).Scan(bytesOf{&sealed})
		return append(gone, sealed), err
	})
}
