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
