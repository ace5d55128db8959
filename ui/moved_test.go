package ui_test

import (
	"context"
	"slices"
	"sync"
	"time"

	"lares/nvr"
	"lares/ui"
)

// moved answers as recorder and detector do.
type moved struct {
	mu      sync.Mutex        // guards what follows
	events  []nvr.StoredEvent // newest first
	density []nvr.Density
	spans   []nvr.Span
	boxes   []nvr.Box // that were searched
	now     map[nvr.CameraID]nvr.Event
	status  nvr.DetectionStatus
	still   []byte
	stills  []nvr.StillOptions
	jpeg    func(nvr.EventRef) []byte

	thumbnails int // that were asked for
}

// at is a time of the day on which things move.
func at(seconds int) time.Time {
	return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(seconds) * time.Second)
}

// move stores an event of a camera that lasted ten seconds and puts it first.
func (m *moved) move(c nvr.Camera, end int) nvr.StoredEvent {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := nvr.StoredEvent{
		Event: nvr.Event{
			ID: nvr.NewID[nvr.Event](), Kind: nvr.Motion, Start: at(end - 10), End: at(end), Score: 0.9,
			Box: nvr.Box{X: 0.25, Y: 0.5, W: 0.125, H: 0.25}, Path: []nvr.Sight{{At: at(end - 10), Box: nvr.Box{W: 1, H: 1}}},
		},
		Ref:       nvr.EventRef{Stream: c.Streams[0].Stream, Start: at(end - 30), Seq: uint64(len(m.events)), Slot: 7},
		Thumbnail: true,
	}
	m.events = slices.Insert(m.events, 0, e)
	return e
}

func (m *moved) Events(_ context.Context, o nvr.Opener, req nvr.EventRequest) ([]nvr.StoredEvent, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := (&footage{}).locked(o); err != nil {
		return nil, err
	}
	var list []nvr.StoredEvent
	for _, e := range m.events {
		if slices.Contains(req.Streams, e.Ref.Stream) && !e.End.Before(req.From) && e.End.Before(req.To) && len(list) < req.Limit {
			list = append(list, e)
		}
	}
	return list, nil
}

func (m *moved) Thumbnail(_ context.Context, o nvr.Opener, ref nvr.EventRef) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.thumbnails++
	if err := (&footage{}).locked(o); err != nil {
		return nil, err
	}
	for _, e := range m.events {
		if ui.EventWord(e.Ref) == ui.EventWord(ref) {
			return m.jpeg(ref), nil
		}
	}
	return nil, nvr.ErrNotFound
}

func (m *moved) Density(context.Context, nvr.StreamID, time.Time, time.Time) ([]nvr.Density, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.density, nil
}

func (m *moved) Search(_ context.Context, o nvr.Opener, _ nvr.StreamID, _, _ time.Time, box nvr.Box) ([]nvr.Span, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.boxes = append(m.boxes, box)
	return m.spans, (&footage{}).locked(o)
}

func (m *moved) Moving(camera nvr.CameraID) (nvr.Event, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.now[camera]
	return e, ok
}

func (m *moved) Detection(nvr.CameraID) nvr.DetectionStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.status
}

func (m *moved) Still(_ context.Context, _ nvr.CameraID, o nvr.StillOptions) ([]byte, time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stills = append(m.stills, o)
	if m.still == nil {
		return nil, time.Time{}, nvr.ErrNotFound
	}
	return m.still, at(0), nil
}
