package ui

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/ui/live"
)

const (
	// maxSearch is the longest span that is searched for motion at once: a week
	// with a clock change.
	maxSearch = 7*24*time.Hour + 2*time.Hour
	// stillWidth and stillHeight bound the picture of now unless a smaller one is
	// asked for.
	stillWidth, stillHeight = 1920, 1080
	// stillTime is the header with the time of a still, milliseconds since the
	// Unix epoch.
	stillTime = "X-Lares-Time"
)

// mainSpan is the main stream of the camera and the span that is asked for,
// if the session may look at it.
func (s *Server) mainSpan(c *call, longest time.Duration) (stream nvr.StreamID, from, to time.Time, err error) {
	if len(c.camera.Streams) == 0 {
		return stream, from, to, nvr.ErrNotFound
	}
	if from, to, err = c.span(longest); err != nil {
		return stream, from, to, err
	}
	return c.camera.Streams[0].Stream, from, to, s.allowSpan(c, auth.ActReplay, from, to)
}

// search answers with the times at which something moved in a part of the picture.
func (s *Server) search(c *call) error {
	stream, from, to, err := s.mainSpan(c, maxSearch)
	if err != nil {
		return err
	}
	box, ok := c.box()
	if !ok {
		return &problem{status: http.StatusBadRequest, code: "box", text: "error.box"}
	}
	e := auth.Entry{Action: logEvents, From: from, To: to}
	if err := s.enter(c, e, c.r.URL.Query().Get("view")); err != nil {
		return err
	}
	spans, err := s.cfg.Events.Search(c.r.Context(), c.sess, stream, from, to, box)
	if err != nil {
		return err
	}
	answer := struct {
		Version int        `json:"version"`
		Spans   [][2]int64 `json:"spans"`
	}{Version: apiVersion, Spans: [][2]int64{}}
	for _, span := range spans {
		answer.Spans = append(answer.Spans, [2]int64{millis(span.From), millis(span.To)})
	}
	return c.json(http.StatusOK, answer)
}

// box reads x, y, w and h of a request, in parts of the picture.
func (c *call) box() (nvr.Box, bool) {
	const rounding = 1e-6 // of the sums that a browser makes
	var v [4]float64
	for i, name := range [...]string{"x", "y", "w", "h"} {
		f, err := strconv.ParseFloat(c.r.URL.Query().Get(name), 64)
		if err != nil || math.IsNaN(f) || f < 0 || f > 1 {
			return nvr.Box{}, false
		}
		v[i] = f
	}
	b := nvr.Box{X: v[0], Y: v[1], W: v[2], H: v[3]}
	return b, b.W > 0 && b.H > 0 && b.X+b.W <= 1+rounding && b.Y+b.H <= 1+rounding
}

// still answers with a JPEG of the newest key frame. It is a look at what
// happens now, like live.
func (s *Server) still(c *call) error {
	o := nvr.StillOptions{MaxWidth: stillWidth, MaxHeight: stillHeight}
	if typed := c.r.URL.Query().Get("width"); typed != "" {
		n, err := strconv.Atoi(typed)
		if err != nil || n < 1 {
			return nvr.ErrInvalid
		}
		o.MaxWidth = min(n, stillWidth)
	}
	if s.cfg.Privacy.Private(c.camera.ID).On {
		return nvr.ErrPrivate
	}
	if err := s.enterLive(c); err != nil {
		return err
	}
	jpeg, at, err := s.cfg.Detection.Still(c.r.Context(), c.camera.ID, o)
	if errors.Is(err, nvr.ErrNotFound) {
		return live.ErrNoPicture
	}
	if err != nil {
		return err
	}
	c.w.Header().Set(stillTime, strconv.FormatInt(millis(at), 10))
	return c.jpeg(jpeg)
}
