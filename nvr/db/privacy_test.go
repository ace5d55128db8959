package db_test

import (
	"context"
	"testing"
	"time"

	"lares/nvr"
)

func TestPrivacyModeIsKept(t *testing.T) {
	ctx, c := context.Background(), newConfig(t)
	want(t, "of a new box", []nvr.PrivacySwitch(nil))(c.PrivacySwitches(ctx))
	house := nvr.PrivacySwitch{Since: at(10), By: nvr.NewID[nvr.Principal]()}
	hall := nvr.PrivacySwitch{Camera: nvr.NewID[nvr.Camera](), Since: at(20), Until: at(30), By: nvr.NewID[nvr.Principal]()}
	must(t, c.SavePrivacySwitch(ctx, house))
	must(t, c.SavePrivacySwitch(ctx, hall))
	want(t, "both", []nvr.PrivacySwitch{house, hall})(c.PrivacySwitches(ctx))
	hall.Until = time.Time{}
	must(t, c.SavePrivacySwitch(ctx, hall))
	must(t, c.EndPrivacySwitch(ctx, nvr.CameraID{}))
	must(t, c.EndPrivacySwitch(ctx, nvr.CameraID{})) // there is none any more
	want(t, "one that was changed", []nvr.PrivacySwitch{hall})(c.PrivacySwitches(ctx))
}

func TestPlanOfPrivacyModeIsKept(t *testing.T) {
	ctx, c := context.Background(), newConfig(t)
	want(t, "of a new box", []nvr.PrivateHours(nil))(c.PrivateHours(ctx))
	plan := []nvr.PrivateHours{
		{Inside: true, Days: 1<<time.Monday | 1<<time.Friday, From: 17 * 60, To: 22 * 60},
		{Camera: nvr.NewID[nvr.Camera](), Days: 1 << time.Sunday, From: 22 * 60, To: 6*60 + 30},
	}
	must(t, c.SavePrivateHours(ctx, plan))
	want(t, "plan", plan)(c.PrivateHours(ctx))
	must(t, c.SetSetting(ctx, "privacy.plan", []byte(`{"version":2}`)))
	if _, err := c.PrivateHours(ctx); !isErr(err, nvr.ErrCorrupt) {
		t.Errorf("a plan of another version: %v", err)
	}
}
