package ui

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
)

// heartbeat is how long the stream of news may be silent: middle boxes and
// browsers give up on a connection that says nothing.
const heartbeat = 15 * time.Second

// happeningJSON is one message of the stream. Kind "now" lists all that moves;
// it comes first, and again when messages were lost.
type happeningJSON struct {
	Version int          `json:"version"`
	Kind    string       `json:"kind"`
	Camera  string       `json:"camera,omitempty"`
	Start   int64        `json:"start,omitempty"`
	End     int64        `json:"end,omitempty"`
	Box     *[4]float64  `json:"box,omitempty"`
	Cause   string       `json:"cause,omitempty"`
	Detail  string       `json:"detail,omitempty"`
	Moving  []movingJSON `json:"moving,omitempty"`
	// Private is what is private, of kind "now"; of kind "privacy" the one thing
	// that changed.
	Private []privateJSON `json:"private,omitempty"`
}

type movingJSON struct {
	Camera string     `json:"camera"`
	Start  int64      `json:"start"`
	Box    [4]float64 `json:"box"`
}

// happenings streams what happens in the house, as far as the session may know
// of it, until the session ends: server-sent events (HTML standard, 9.2).
func (s *Server) happenings(c *call) error {
	sub := s.cfg.Bus.Subscribe()
	defer sub.Close()
	c.w.Header().Set("Content-Type", "text/event-stream")
	if s.tellNow(c) != nil {
		return nil
	}
	for ctx := c.r.Context(); ; {
		e, missed, err := nextEvent(ctx, sub)
		switch {
		case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
			err = c.push(": still here\n\n")
		case err != nil:
			return nil // the session, the client or the box ended
		default:
			err = s.tellEvent(c, e, missed)
		}
		if err != nil {
			return nil // the client left or does not read
		}
	}
}

// nextEvent waits for news, at most for a heartbeat.
func nextEvent(ctx context.Context, sub *nvr.Subscription) (nvr.Event, int, error) {
	waiting, cancel := context.WithTimeout(ctx, heartbeat)
	defer cancel()
	return sub.Next(waiting)
}

// tellNow sends all that moves.
func (s *Server) tellNow(c *call) error {
	now := happeningJSON{Version: apiVersion, Kind: "now", Private: s.privates(c)}
	for _, st := range s.visible(c) {
		if e, ok := s.cfg.Detection.Moving(st.Camera.ID); ok {
			now.Moving = append(now.Moving, movingJSON{Camera: st.Camera.ID.String(), Start: millis(e.Start), Box: sides(e.Box)})
		}
	}
	return c.tell(now)
}

// tellEvent sends an event if the session may know of it now: what it may can
// change while it listens.
func (s *Server) tellEvent(c *call, e nvr.Event, missed int) error {
	if missed > 0 {
		if err := s.tellNow(c); err != nil {
			return err
		}
	}
	action := auth.ActLive
	if e.Camera.IsZero() {
		action = auth.ActStatus
	}
	if s.authorize(c.r.Context(), c.sess, action, e.Camera, time.Now()) != nil {
		return nil
	}
	h := happeningJSON{
		Version: apiVersion, Kind: kindWord(e.Kind), Start: millis(e.Start), End: millis(e.End), Detail: e.Detail,
	}
	if !e.Camera.IsZero() {
		h.Camera = e.Camera.String()
	}
	if e.Kind == nvr.Motion || e.Kind == nvr.MotionEnded {
		box := sides(e.Box)
		h.Box = &box
	}
	if e.Kind == nvr.PrivacyChanged {
		h.Private = []privateJSON{describePrivate(s.privateView(c, nvr.Camera{ID: e.Camera}))}
	}
	if e.Cause != nvr.CauseUnknown {
		h.Cause = e.Cause.String()
	}
	return c.tell(h)
}

// tell sends one message.
func (c *call) tell(v happeningJSON) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write news: %w", err)
	}
	return c.push("data: " + string(b) + "\n\n")
}

// push sends text at once.
func (c *call) push(text string) error {
	if _, err := c.w.Write([]byte(text)); err != nil {
		return err
	}
	if err := http.NewResponseController(c.w).Flush(); err != nil {
		return err
	}
	return c.w.rest()
}
