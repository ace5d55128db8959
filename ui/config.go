package ui

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
)

// Recordings gives recorded footage back, decrypted with what the opener opens.
type Recordings interface {
	Timeline(ctx context.Context, stream nvr.StreamID, from, to time.Time) (nvr.Timeline, error)
	Index(ctx context.Context, opener nvr.Opener, stream nvr.StreamID, from, to time.Time) (nvr.PlayIndex, error)
	Init(ctx context.Context, opener nvr.Opener, stream nvr.StreamID, segment nvr.SegmentID) ([]byte, error)
	// Media writes nothing before the first segment is open, so that an error
	// then is the whole answer.
	Media(ctx context.Context, opener nvr.Opener, req nvr.MediaRequest, w io.Writer) error
	Export(ctx context.Context, opener nvr.Opener, stream nvr.StreamID, from, to time.Time) (*nvr.Clip, error)
}

// Cameras is the fleet of the house.
type Cameras interface {
	List() []nvr.CameraStatus
	Camera(id nvr.CameraID) (nvr.Camera, error)
	Add(ctx context.Context, c nvr.Camera) (nvr.Camera, error)
	Remove(ctx context.Context, id nvr.CameraID) error
	// Probe looks at a camera once without keeping it.
	Probe(ctx context.Context, c nvr.Camera) (nvr.ProbeReport, error)
}

// CameraControl changes a camera that is there, and finds its live streams.
type CameraControl interface {
	Update(ctx context.Context, c nvr.Camera) (nvr.Camera, error)
	// Retry tries a camera again that rejected the password.
	Retry(id nvr.CameraID) error
	// Stream returns nil for an id that no camera has.
	Stream(id nvr.StreamID) *nvr.Stream
}

// Events gives back what moved. Streams are the main streams of cameras.
type Events interface {
	// Events lists stored events, newest first by their end.
	Events(ctx context.Context, opener nvr.Opener, req nvr.EventRequest) ([]nvr.StoredEvent, error)
	// Thumbnail returns the JPEG of an event. Error: nvr.ErrNotFound.
	Thumbnail(ctx context.Context, opener nvr.Opener, ref nvr.EventRef) ([]byte, error)
	// Density says when how much moved; it needs no key.
	Density(ctx context.Context, stream nvr.StreamID, from, to time.Time) ([]nvr.Density, error)
	// Search returns, in order, when something moved in a part of the picture.
	Search(ctx context.Context, opener nvr.Opener, stream nvr.StreamID, from, to time.Time, box nvr.Box) ([]nvr.Span, error)
}

// Detection is the search for motion as it runs.
type Detection interface {
	// Moving returns what moves in the picture of a camera right now.
	Moving(camera nvr.CameraID) (nvr.Event, bool)
	Detection(camera nvr.CameraID) nvr.DetectionStatus
	// Still returns a JPEG of the camera's newest key frame and its time.
	// Error: nvr.ErrNotFound where there is none.
	Still(ctx context.Context, camera nvr.CameraID, o nvr.StillOptions) ([]byte, time.Time, error)
}

// Bus carries what happens in the house. A *nvr.Bus is one.
type Bus interface {
	Subscribe() *nvr.Subscription
}

// Status says how the box is.
type Status interface {
	Recording(stream nvr.StreamID) nvr.RecordingStatus
	Disks(ctx context.Context) ([]nvr.DiskStatus, error)
}

// Certificates is what the box shows of its certificate authority.
type Certificates interface {
	// Serves reports whether a Host header names this box.
	Serves(host string) bool
	Names() []string
	Fingerprint() string
	ServeCA(w http.ResponseWriter, r *http.Request)
}

// Config is what a Server works with. All fields above Events are needed.
type Config struct {
	Auth       *auth.Service
	Cameras    Cameras
	Control    CameraControl
	Recordings Recordings
	Status     Status
	Cert       Certificates
	Log        *slog.Logger
	// Without Events, Detection and Bus nothing moves and nothing happens.
	Events    Events
	Detection Detection
	Bus       Bus
	// RetentionDays is the default of the house; 14 if 0.
	RetentionDays int
}

// defaultRetention is how many days are kept unless the owner said otherwise.
const defaultRetention = 14
