package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"lares/nvr"
)

// PrivacySwitches returns where privacy mode is switched on.
func (c *Config) PrivacySwitches(ctx context.Context) ([]nvr.PrivacySwitch, error) {
	var all []nvr.PrivacySwitch
	err := c.db.view(ctx, "read privacy mode", func(ctx context.Context, tx *sql.Tx) (err error) {
		fill := func(scan scan, s *nvr.PrivacySwitch) error {
			return scan(id(&s.Camera), timeOf{&s.Since}, timeOf{&s.Until}, id(&s.By))
		}
		all, err = list(ctx, tx, fill, `SELECT camera, since, until, principal FROM privacy ORDER BY since, camera`)
		return err
	})
	return all, err
}

// SavePrivacySwitch inserts or replaces that of a camera or the house, on a full
// disk as well.
func (c *Config) SavePrivacySwitch(ctx context.Context, s nvr.PrivacySwitch) error {
	return c.updateFirst(ctx, "save privacy mode", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO privacy (camera, since, until, principal) VALUES (?, ?, ?, ?)
			ON CONFLICT (camera) DO UPDATE SET since = excluded.since, until = excluded.until, principal = excluded.principal`,
			s.Camera[:], storeTime(s.Since), storeTime(s.Until), s.By[:])
		return err
	})
}

// EndPrivacySwitch removes that of a camera or the house, if there is one.
func (c *Config) EndPrivacySwitch(ctx context.Context, camera nvr.CameraID) error {
	return c.updateFirst(ctx, "end privacy mode", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM privacy WHERE camera = ?`, camera[:])
		return err
	})
}

const (
	privacyPlan        = "privacy.plan" // name of the setting
	privacyPlanVersion = 1
)

// privacyFields is how the plan of the week lies in its setting.
type privacyFields struct {
	Version int                `json:"version"`
	Hours   []nvr.PrivateHours `json:"hours"`
}

// PrivateHours returns the plan of the week. Errors: nvr.ErrCorrupt.
func (c *Config) PrivateHours(ctx context.Context) ([]nvr.PrivateHours, error) {
	raw, err := c.Setting(ctx, privacyPlan)
	if errors.Is(err, nvr.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var f privacyFields
	if err := json.Unmarshal(raw, &f); err != nil || f.Version != privacyPlanVersion {
		return nil, fmt.Errorf("read the plan of privacy mode: %w", nvr.ErrCorrupt)
	}
	return f.Hours, nil
}

// SavePrivateHours replaces the plan of the week.
func (c *Config) SavePrivateHours(ctx context.Context, hours []nvr.PrivateHours) error {
	raw, err := json.Marshal(privacyFields{Version: privacyPlanVersion, Hours: hours})
	if err != nil {
		return fmt.Errorf("save the plan of privacy mode: %w: %w", nvr.ErrInvalid, err)
	}
	return c.SetSetting(ctx, privacyPlan, raw)
}
