package ui

import (
	"context"
	"time"

	"lares/nvr"
)

// fillIn puts something harmless where a Config says nothing.
func (cfg *Config) fillIn() {
	if cfg.RetentionDays == 0 {
		cfg.RetentionDays = defaultRetention
	}
	if cfg.Events == nil {
		cfg.Events = quiet{}
	}
	if cfg.Detection == nil {
		cfg.Detection = quiet{}
	}
	if cfg.Devices == nil {
		cfg.Devices = nobody{}
	}
	if cfg.Stills == nil {
		cfg.Stills = nobody{}
	}
	if cfg.Privacy == nil {
		cfg.Privacy = quiet{}
	}
	if cfg.HomeKit == nil {
		cfg.HomeKit = homeless{}
	}
	if cfg.Bus == nil {
		cfg.Bus = nvr.NewBus()
	}
}

// quiet is a house in which motion is not looked for.
type quiet struct{}

// Events finds none.
func (quiet) Events(context.Context, nvr.Opener, nvr.EventRequest) ([]nvr.StoredEvent, error) {
	return nil, nil
}

// Thumbnail finds none.
func (quiet) Thumbnail(context.Context, nvr.Opener, nvr.EventRef) ([]byte, error) {
	return nil, nvr.ErrNotFound
}

// Density knows nothing.
func (quiet) Density(context.Context, nvr.StreamID, time.Time, time.Time) ([]nvr.Density, error) {
	return nil, nil
}

// Search finds nothing.
func (quiet) Search(context.Context, nvr.Opener, nvr.StreamID, time.Time, time.Time, nvr.Box) ([]nvr.Span, error) {
	return nil, nil
}

// Moving is never true.
func (quiet) Moving(nvr.CameraID) (nvr.Event, bool) { return nvr.Event{}, false }

// Detection does not work.
func (quiet) Detection(nvr.CameraID) nvr.DetectionStatus { return nvr.DetectionStatus{} }

// Still has none.
func (quiet) Still(context.Context, nvr.CameraID, nvr.StillOptions) ([]byte, time.Time, error) {
	return nil, time.Time{}, nvr.ErrNotFound
}

// nobody is a house in which no device answers and no picture can be made.
type nobody struct{}

// JPEG makes none.
func (nobody) JPEG(context.Context, nvr.StreamID, []*nvr.Frame, nvr.StillOptions) ([]byte, error) {
	return nil, nvr.ErrNotFound
}

// Search finds none.
func (nobody) Search(context.Context) ([]nvr.FoundDevice, error) { return nil, nil }

// Ask finds no ONVIF.
func (nobody) Ask(context.Context, nvr.DeviceLogin) (nvr.DeviceReport, error) {
	return nvr.DeviceReport{Problem: nvr.DeviceNoONVIF}, nil
}

// Masks finds none.
func (nobody) Masks(context.Context, nvr.CameraID) (nvr.Masks, error) { return nvr.Masks{}, nil }

// SetMasks finds no camera that could keep them.
func (nobody) SetMasks(context.Context, nvr.CameraID, [][]nvr.Point) (nvr.Masks, error) {
	return nvr.Masks{}, nvr.ErrInvalid
}

// Private is never true.
func (quiet) Private(nvr.CameraID) nvr.PrivacyState { return nvr.PrivacyState{} }

// SetPrivate finds nothing to hide.
func (quiet) SetPrivate(context.Context, nvr.PrivacyRequest) error { return nvr.ErrNotFound }

// PrivateHours has no plan.
func (quiet) PrivateHours() []nvr.PrivateHours { return nil }

// SetPrivateHours takes none.
func (quiet) SetPrivateHours(context.Context, nvr.PrivacyPlan) error { return nvr.ErrNotFound }

// Morning is now.
func (quiet) Morning(now time.Time) time.Time { return now }
