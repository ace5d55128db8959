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
	Index(ctx context.Context, opener nvr.Opener, req nvr.MediaRequest) (nvr.PlayIndex, error)
	Init(ctx context.Context, opener nvr.Opener, stream nvr.StreamID, segment nvr.SegmentID, sound bool) ([]byte, error)
	// Media writes nothing before the first segment is open, so that an error
	// then is the whole answer.
	Media(ctx context.Context, opener nvr.Opener, req nvr.MediaRequest, w io.Writer) error
	Export(ctx context.Context, opener nvr.Opener, req nvr.MediaRequest) (*nvr.Clip, error)
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
	// Replace puts another device in the place of a camera: its addresses, login
	// and identity change, streams that keep their id are recorded on.
	Replace(ctx context.Context, c nvr.Camera) (nvr.Camera, error)
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

// Devices talks to devices of the house that are cameras or may be.
type Devices interface {
	Search(ctx context.Context) ([]nvr.FoundDevice, error)
	// Ask asks a device what it offers. The password is tried at most once.
	Ask(ctx context.Context, login nvr.DeviceLogin) (nvr.DeviceReport, error)
	// Masks returns the privacy masks that a camera itself keeps.
	Masks(ctx context.Context, camera nvr.CameraID) (nvr.Masks, error)
	// SetMasks changes them and returns what the camera keeps then. Errors also:
	// nvr.ErrInvalid where it cannot keep these.
	SetMasks(ctx context.Context, camera nvr.CameraID, want [][]nvr.Point) (nvr.Masks, error)
}

// Stills makes pictures of frames that are not recorded.
type Stills interface {
	JPEG(ctx context.Context, stream nvr.StreamID, frames []*nvr.Frame, o nvr.StillOptions) ([]byte, error)
}

// Privacy makes cameras private. A zero camera is the house. camera.Fleet
// implements it.
type Privacy interface {
	Private(camera nvr.CameraID) nvr.PrivacyState
	SetPrivate(ctx context.Context, r nvr.PrivacyRequest) error
	PrivateHours() []nvr.PrivateHours
	SetPrivateHours(ctx context.Context, plan nvr.PrivacyPlan) error
	// Morning is the next time at which it is six o'clock in the house.
	Morning(now time.Time) time.Time
}

// Bus carries what happens in the house. A *nvr.Bus is one.
type Bus interface {
	Subscribe() *nvr.Subscription
}

// HomeKit is what the Home app can have of the house.
type HomeKit interface {
	Status() nvr.HomeStatus
	Switch(ctx context.Context, on bool) error
	// Offer shows a camera in the Home app and lets somebody with its code pair for
	// some minutes.
	Offer(ctx context.Context, o nvr.HomeOffer) error
	// Withdraw removes a pairing of a camera, or, with a zero one, all of them and
	// the camera from the Home app.
	Withdraw(ctx context.Context, camera nvr.CameraID, pairing nvr.PrincipalID) error
	// Test looks at a camera as a phone would.
	Test(ctx context.Context, camera nvr.CameraID) (nvr.HomeTest, error)
}

// Erasure deletes footage for people. A *recorder.Recorder is one.
type Erasure interface {
	// PlanDeletion says what Delete would take. Error: nvr.ErrNotFound.
	PlanDeletion(ctx context.Context, opener nvr.Opener, req nvr.DeletionRequest) (nvr.DeletionPlan, error)
	// Delete does not stop when ctx ends. Errors: nvr.ErrNotFound, nvr.ErrBusy.
	Delete(ctx context.Context, opener nvr.Opener, req nvr.DeletionRequest) (nvr.DeletionPlan, error)
	// Unfinished lists deletions that could not get to their end.
	Unfinished(ctx context.Context) ([]nvr.Deletion, error)
	FinishDeletions(ctx context.Context, opener nvr.Opener) error
}

// Evidence keeps footage whatever its age. A *recorder.Recorder is one.
type Evidence interface {
	Held(ctx context.Context) ([]nvr.KeptFootage, error)
	// Hold keeps footage. Errors: nvr.ErrNotFound, nvr.ErrBusy.
	Hold(ctx context.Context, opener nvr.Opener, h nvr.Hold) error
	Lift(ctx context.Context, id nvr.ID[nvr.Hold]) error
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
	// Without Devices cameras are added by their addresses only; without Stills
	// there is no test picture.
	Devices Devices
	Stills  Stills
	// HomeKit may be nil: then there are no pages about it.
	HomeKit HomeKit
	Privacy Privacy // without it nothing is ever private
	// Without Erasure and Evidence nobody deletes footage or keeps it, without
	// SegmentKeys nobody makes a link to it.
	Erasure     Erasure
	Evidence    Evidence
	SegmentKeys auth.SegmentKeys
	// Protection says what keeps the keys of the box to itself; nil: not known.
	Protection func() nvr.Protection
	// RetentionDays is the default of the house; 14 if 0.
	RetentionDays int
}

// defaultRetention is how many days are kept unless the owner said otherwise.
const defaultRetention = 14
