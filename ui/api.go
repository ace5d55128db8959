package ui

import (
	"strconv"
	"time"

	"lares/nvr"
)

// The longest spans that one request may ask for.
const (
	maxTimeline = 31*24*time.Hour + 2*time.Hour // a month with a clock change
	maxIndex    = 2 * time.Hour
	maxMedia    = 2 * time.Hour
	maxExport   = 2 * time.Hour
)

// maxMillis is the year 2200: times beyond it cannot be meant.
const maxMillis = 7_258_118_400_000

// cameraJSON is a camera in the answer of listCameras. Times are milliseconds
// since the Unix epoch, 0 for none.
type cameraJSON struct {
	ID        string        `json:"id"`
	Name      string        `json:"name"`
	Inside    bool          `json:"inside"`
	Sound     bool          `json:"sound"`
	Recording recordingJSON `json:"recording"`
	Streams   []streamJSON  `json:"streams"`
}

type recordingJSON struct {
	Recording bool   `json:"recording"`
	Starting  bool   `json:"starting,omitempty"` // it was added a moment ago
	Waits     bool   `json:"waits,omitempty"`    // for motion, as the owner wants
	Since     int64  `json:"since"`
	Cause     string `json:"cause,omitempty"`
	Detail    string `json:"detail,omitempty"`
}

type streamJSON struct {
	Quality   string   `json:"quality"`
	Up        bool     `json:"up"`
	Last      int64    `json:"last"` // of the newest frame
	Codec     string   `json:"codec,omitempty"`
	Width     int      `json:"width,omitempty"`
	Height    int      `json:"height,omitempty"`
	FrameRate float64  `json:"frameRate"`
	BitRate   float64  `json:"bitRate"`
	GOP       float64  `json:"gop"` // seconds
	Notes     []string `json:"notes,omitempty"`
}

// listCameras answers with the cameras of whoever asks and what they do.
func (s *Server) listCameras(c *call) error {
	answer := struct {
		Version int          `json:"version"`
		Cameras []cameraJSON `json:"cameras"`
	}{Version: apiVersion, Cameras: []cameraJSON{}}
	for _, st := range s.visible(c) {
		r := s.recording(st.Camera)
		one := cameraJSON{
			ID: st.Camera.ID.String(), Name: st.Camera.Name, Inside: st.Camera.Inside, Sound: st.Camera.Audio,
			Recording: recordingJSON{Recording: r.Recording, Since: millis(r.Since)},
			Streams:   []streamJSON{},
		}
		if !r.Recording {
			one.Recording.Starting, one.Recording.Waits = starting(st.Camera), r.Waits()
			one.Recording.Cause, one.Recording.Detail = r.Cause.String(), r.Detail
		}
		for _, stream := range st.Streams {
			one.Streams = append(one.Streams, describeStream(stream))
		}
		answer.Cameras = append(answer.Cameras, one)
	}
	return c.json(200, answer)
}

func describeStream(st nvr.StreamStatus) streamJSON {
	v := streamJSON{
		Quality: st.Source.Quality.String(), Up: st.State.Up, Last: millis(st.State.Last),
		FrameRate: st.FrameRate, BitRate: st.BitRate, GOP: st.GOP.Seconds(), Notes: st.Notes,
	}
	if st.Params != nil {
		v.Codec, v.Width, v.Height = st.Params.Video.String(), st.Params.Width, st.Params.Height
	}
	return v
}

// span reads from and to of a request, at most longest apart.
func (c *call) span(longest time.Duration) (from, to time.Time, err error) {
	q := c.r.URL.Query()
	from, okFrom := parseTime(q.Get("from"))
	to, okTo := parseTime(q.Get("to"))
	if !okFrom || !okTo || !from.Before(to) || to.Sub(from) > longest {
		return from, to, &problem{status: 400, code: "range", text: "error.range"}
	}
	return from, to, nil
}

// parseTime reads RFC 3339 or whole milliseconds since the Unix epoch, up to
// the year 2200.
func parseTime(s string) (time.Time, bool) {
	ms, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			return time.Time{}, false
		}
		ms = t.UnixMilli()
		if ms < 0 || ms > maxMillis {
			return time.Time{}, false
		}
		return t.UTC(), true
	}
	if ms < 0 || ms > maxMillis {
		return time.Time{}, false
	}
	return time.UnixMilli(ms).UTC(), true
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// source is the stream of the camera in the quality that is asked for. A
// camera without a small picture gives its only one.
func (c *call) source() (nvr.Source, error) {
	quality, err := nvr.ParseQuality(c.r.URL.Query().Get("quality"))
	if err != nil {
		return nvr.Source{}, err
	}
	if len(c.camera.Streams) == 0 {
		return nvr.Source{}, nvr.ErrNotFound
	}
	for _, src := range c.camera.Streams {
		if src.Quality == quality {
			return src, nil
		}
	}
	return c.camera.Streams[0], nil
}
