package db_test

import (
	"context"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/nvr/db"
	"lares/recorder"
)

// What the consumers ask for.
var (
	_ recorder.Index     = (*db.Index)(nil)
	_ recorder.Reaper    = (*db.Index)(nil)
	_ recorder.Gaps      = (*db.Config)(nil)
	_ recorder.Disks     = (*db.Config)(nil)
	_ recorder.Ledger    = (*db.Config)(nil)
	_ auth.PeopleStore   = (*db.Config)(nil)
	_ auth.RosterStore   = (*db.Config)(nil)
	_ auth.VaultStore    = (*db.Config)(nil)
	_ auth.SessionStore  = (*db.Config)(nil)
	_ auth.ThrottleStore = (*db.Config)(nil)
	_ auth.LogStore      = (*db.Config)(nil)
	_ auth.SettingStore  = (*db.Config)(nil)
	_ cameraStore        = (*db.Config)(nil)
	_ privacyStore       = (*db.Config)(nil)
)

type cameraStore interface {
	Cameras(ctx context.Context) ([]nvr.Camera, error)
	SaveCamera(ctx context.Context, c nvr.Camera) error
	RemoveCamera(ctx context.Context, id nvr.CameraID) error
}

type privacyStore interface {
	PrivacySwitches(ctx context.Context) ([]nvr.PrivacySwitch, error)
	SavePrivacySwitch(ctx context.Context, s nvr.PrivacySwitch) error
	EndPrivacySwitch(ctx context.Context, camera nvr.CameraID) error
	PrivateHours(ctx context.Context) ([]nvr.PrivateHours, error)
	SavePrivateHours(ctx context.Context, hours []nvr.PrivateHours) error
}
