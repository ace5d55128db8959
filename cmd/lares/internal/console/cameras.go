package console

import (
	"context"
	"time"

	"lares/nvr"
)

// Camera is a camera as the console shows and takes it.
type Camera struct {
	Name     string
	URL      string
	Sub      string
	User     string
	Password string `json:",omitempty"` // in requests only
	UDP      bool
	Inside   bool
	Audio    bool
	NoMotion bool          // motion is not looked for
	State    []StreamState `json:",omitempty"` // in answers only
	Motion   *MotionState  `json:",omitempty"` // in answers of a box that runs, where motion is to be looked for
}

// MotionState is how the search for motion on a camera does.
type MotionState struct {
	Works bool
	// Detail says why it does not, or what is less than usual.
	Detail   string
	KeysOnly bool // key frames alone are looked at
	// Fence says why the process that decodes is held back less than it could
	// be, to be read after "reduced, because"; empty if it is not.
	Fence string
}

// StreamState is what one stream of a camera does.
type StreamState struct {
	Quality   string
	Recording bool
	Waits     bool // for motion, as the owner wants
	Since     time.Time
	Cause     string // while not recording
	Detail    string
	Codec     string
	Width     int
	Height    int
	FrameRate float64
	BitRate   float64
	Window    int // bytes of the latest frames, in memory
	Notes     []string
}

func (c Camera) build() nvr.Camera {
	camera := nvr.Camera{
		Name: c.Name, User: c.User, Password: nvr.Secret(c.Password), Inside: c.Inside, Audio: c.Audio,
		Streams: []nvr.Source{{Quality: nvr.Main, URL: c.URL}}, Motion: nvr.MotionSettings{Off: c.NoMotion},
	}
	if c.UDP {
		camera.Transport = nvr.UDP
	}
	if c.Sub != "" {
		camera.Streams = append(camera.Streams, nvr.Source{Quality: nvr.Sub, URL: c.Sub})
	}
	return camera
}

// Cameras is the answer to a list.
type Cameras struct{ Cameras []Camera }

func (b Box) cameras(_ context.Context, _ none) (Cameras, error) {
	answer := Cameras{Cameras: []Camera{}}
	for _, status := range b.Fleet.List() {
		answer.Cameras = append(answer.Cameras, b.show(status))
	}
	return answer, nil
}

func (b Box) show(status nvr.CameraStatus) Camera {
	c := Camera{Name: status.Camera.Name, User: status.Camera.User, Inside: status.Camera.Inside, Audio: status.Camera.Audio, NoMotion: status.Camera.Motion.Off}
	for _, s := range status.Streams {
		if s.Source.Quality == nvr.Main {
			c.URL = s.Source.URL
		} else {
			c.Sub = s.Source.URL
		}
		recording := b.Recorder.Recording(s.Source.Stream)
		state := StreamState{
			Quality: s.Source.Quality.String(), Recording: recording.Recording, Waits: recording.Waits(), Since: recording.Since,
			Cause: recording.Cause.String(), Detail: recording.Detail,
			FrameRate: s.FrameRate, BitRate: s.BitRate, Notes: s.Notes,
		}
		if !b.Running {
			state.Cause = nvr.BoxOff.String()
		}
		if s.Params != nil {
			state.Codec, state.Width, state.Height = s.Params.Video.String(), s.Params.Width, s.Params.Height
		}
		if stream := b.Fleet.Stream(s.Source.Stream); stream != nil {
			state.Window = stream.Size()
		}
		c.State = append(c.State, state)
	}
	if b.Running && !status.Camera.Motion.Off && !status.Camera.Disabled {
		d := b.Detection.Detection(status.Camera.ID)
		c.Motion = &MotionState{Works: d.Works, Detail: d.Detail, KeysOnly: d.KeysOnly, Fence: d.Fence}
	}
	return c
}

func (b Box) addCamera(ctx context.Context, in Camera) (Camera, error) {
	added, err := b.Fleet.Add(ctx, in.build())
	if err != nil {
		return Camera{}, err
	}
	b.record(ctx, "camera-added", added.ID, "")
	return Camera{Name: added.Name}, nil
}

// Named names a camera.
type Named struct{ Name string }

func (b Box) removeCamera(ctx context.Context, in Named) (none, error) {
	status, err := b.cameraByName(in.Name)
	if err != nil {
		return none{}, err
	}
	b.record(ctx, "camera-removed", status.Camera.ID, "")
	return none{}, b.Fleet.Remove(ctx, status.Camera.ID)
}

// Probe is what a camera answered.
type Probe struct {
	Problem string // a cause; empty: none
	Advice  string
	Streams []StreamState
}

func (b Box) probe(ctx context.Context, in Camera) (Probe, error) {
	report, err := b.Fleet.Probe(ctx, in.build())
	if err != nil {
		return Probe{}, err
	}
	answer := Probe{Advice: report.Advice}
	if report.Problem != nvr.CauseUnknown {
		answer.Problem = report.Problem.String()
	}
	for _, s := range report.Streams {
		state := StreamState{Quality: s.Source.Quality.String(), FrameRate: s.FrameRate, Notes: s.Notes}
		if s.Params != nil {
			state.Codec, state.Width, state.Height = s.Params.Video.String(), s.Params.Width, s.Params.Height
		}
		answer.Streams = append(answer.Streams, state)
	}
	return answer, nil
}

// Status is what the box does.
type Status struct {
	Version int
	Program string
	Running bool
	Claimed bool
	Alarms  []string
	// Protection is what keeps the keys of the box to itself.
	Protection nvr.Protection
	Cameras    []Camera
	Disks      []Disk
}

// Disk is a footage path.
type Disk struct {
	Path                       string
	OK                         bool
	Detail                     string
	Used, Free, Total, Reserve int64 // bytes
}

func (b Box) status(ctx context.Context, _ none) (Status, error) {
	claimed, err := b.Auth.Claimed(ctx)
	if err != nil {
		return Status{}, err
	}
	cameras, err := b.cameras(ctx, none{})
	if err != nil {
		return Status{}, err
	}
	disks, err := b.Recorder.Disks(ctx)
	if err != nil {
		return Status{}, err
	}
	answer := Status{
		Version: 1, Program: b.Version, Running: b.Running, Claimed: claimed,
		Alarms: b.Auth.Alarms(), Protection: b.Protection(), Cameras: cameras.Cameras, Disks: []Disk{},
	}
	for _, d := range disks {
		answer.Disks = append(answer.Disks, Disk{
			Path: d.Disk.Path, OK: d.State == nvr.DiskOK, Detail: d.Detail,
			Used: d.Used, Free: d.Free, Total: d.Total, Reserve: d.Reserve,
		})
	}
	return answer, nil
}
