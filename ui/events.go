package ui

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/ui/view"
)

const (
	// logEvents is the word for looking at events in the record of who looked.
	logEvents = "events"
	// eventPage is how many events one answer brings unless another number is
	// asked for.
	eventPage = 60
	maxEvents = 200
	// sameMoment is how many events may end in one millisecond without any being
	// passed over between two pages.
	sameMoment = 32
)

// eventsPage shows what moved on all cameras.
func (s *Server) eventsPage(c *call) error {
	m := view.Events{Chosen: c.r.URL.Query().Get("camera")}
	for _, st := range s.camerasFor(c, auth.ActReplay) {
		m.Cameras = append(m.Cameras, view.Choice{ID: st.Camera.ID.String(), Name: st.Camera.Name})
	}
	return c.render(http.StatusOK, view.EventsPage(s.page(c, s.text.T("events.title"), "events"), m))
}

// eventJSON is an event in the answer of listEvents. Times are milliseconds
// since the Unix epoch, boxes x, y, w, h in parts of the picture.
type eventJSON struct {
	ID        string       `json:"id"` // opaque
	Camera    string       `json:"camera"`
	Kind      string       `json:"kind"`
	Start     int64        `json:"start"`
	End       int64        `json:"end"`
	Score     float64      `json:"score"`
	Labels    []string     `json:"labels"`
	Box       [4]float64   `json:"box"`
	Path      [][5]float64 `json:"path"`                // time, box
	Thumbnail string       `json:"thumbnail,omitempty"` // where there is one
	MayDelete bool         `json:"mayDelete,omitempty"`
}

// eventQuery is what listEvents is asked for.
type eventQuery struct {
	cameras  map[nvr.StreamID]nvr.CameraID
	from, to time.Time
	kind     string
	limit    int
	after    nvr.EventRef // of the last event of the page before; zero for the first page
	view     string       // id of the look
}

// listEvents answers with events of the cameras that the session may look at,
// newest first, a page at a time.
func (s *Server) listEvents(c *call) error {
	q, err := s.readEventQuery(c)
	if err != nil {
		return err
	}
	answer := struct {
		Version int         `json:"version"`
		Events  []eventJSON `json:"events"`
		Next    string      `json:"next"` // the before of the next page; empty at the end
	}{Version: apiVersion, Events: []eventJSON{}}
	if len(q.cameras) == 0 {
		return c.json(http.StatusOK, answer)
	}
	req := nvr.EventRequest{From: q.from, To: q.to, Limit: q.limit + sameMoment}
	for stream := range q.cameras {
		req.Streams = append(req.Streams, stream)
	}
	found, err := s.cfg.Events.Events(c.r.Context(), c.sess, req)
	if err != nil {
		return err
	}
	full := len(found) >= req.Limit
	found = afterEvent(found, q.after)
	if len(found) > q.limit {
		found, full = found[:q.limit], true
	}
	if full && len(found) > 0 {
		answer.Next = cursor(found[len(found)-1])
	}
	found = slices.DeleteFunc(found, func(e nvr.StoredEvent) bool { return !s.shows(c, q, e) })
	if err := s.enterEvents(c, q, found); err != nil {
		return err
	}
	for _, e := range found {
		one := describeEvent(e, q)
		one.MayDelete = s.authorize(c.r.Context(), c.sess, auth.ActDelete, q.cameras[e.Ref.Stream], e.Start) == nil
		answer.Events = append(answer.Events, one)
	}
	return c.json(http.StatusOK, answer)
}

// readEventQuery reads camera, from, to, kind, limit, before and view; all are
// optional.
func (s *Server) readEventQuery(c *call) (eventQuery, error) {
	values := c.r.URL.Query()
	q := eventQuery{
		cameras: make(map[nvr.StreamID]nvr.CameraID), from: time.UnixMilli(0).UTC(), to: time.UnixMilli(maxMillis).UTC(),
		kind: values.Get("kind"), limit: eventPage, view: values.Get("view"),
	}
	wanted := values.Get("camera")
	for _, st := range s.camerasFor(c, auth.ActReplay) {
		if len(st.Camera.Streams) > 0 && (wanted == "" || st.Camera.ID.String() == wanted) {
			q.cameras[st.Camera.Streams[0].Stream] = st.Camera.ID
		}
	}
	if wanted != "" && len(q.cameras) == 0 {
		return q, nvr.ErrNotFound
	}
	good := true
	for name, into := range map[string]*time.Time{"from": &q.from, "to": &q.to} {
		if typed := values.Get(name); typed != "" {
			at, ok := parseTime(typed)
			*into, good = at, good && ok
		}
	}
	if typed := values.Get("limit"); typed != "" {
		n, err := strconv.Atoi(typed)
		q.limit, good = n, good && err == nil && n >= 1 && n <= maxEvents
	}
	if before := values.Get("before"); before != "" {
		end, ref, ok := parseCursor(before)
		good = good && ok
		// The millisecond of the last event may hold others.
		if q.after = ref; end.Before(q.to) {
			q.to = end.Add(time.Millisecond)
		}
	}
	if !good || !q.from.Before(q.to) {
		return q, &problem{status: http.StatusBadRequest, code: "range", text: "error.range"}
	}
	return q, nil
}

// cursor names the place after an event in the list.
func cursor(e nvr.StoredEvent) string {
	return strconv.FormatInt(millis(e.End), 10) + "." + eventWord(e.Ref)
}

func parseCursor(s string) (end time.Time, ref nvr.EventRef, ok bool) {
	at, word, _ := strings.Cut(s, ".")
	end, ok = parseTime(at)
	ref, err := parseEventWord(word)
	return end, ref, ok && err == nil
}

// afterEvent returns what follows an event in the list. One that was deleted
// meanwhile cuts nothing off.
func afterEvent(list []nvr.StoredEvent, last nvr.EventRef) []nvr.StoredEvent {
	i := slices.IndexFunc(list, func(e nvr.StoredEvent) bool { return eventWord(e.Ref) == eventWord(last) })
	return list[i+1:]
}

// shows reports whether the event is one of those that were asked for and that
// the session may see: rights can have a beginning and an end.
func (s *Server) shows(c *call, q eventQuery, e nvr.StoredEvent) bool {
	camera, ok := q.cameras[e.Ref.Stream]
	if !ok || q.kind != "" && q.kind != kindWord(e.Kind) && !slices.Contains(e.Labels, q.kind) {
		return false
	}
	for _, at := range []time.Time{e.Start, e.End} {
		if s.authorize(c.r.Context(), c.sess, auth.ActReplay, camera, at) != nil {
			return false
		}
	}
	return true
}

// enterEvents records the look at each camera whose events are shown.
func (s *Server) enterEvents(c *call, q eventQuery, found []nvr.StoredEvent) error {
	done := make(map[nvr.CameraID]bool)
	for _, e := range found {
		camera := q.cameras[e.Ref.Stream]
		if done[camera] {
			continue
		}
		done[camera] = true
		if err := s.enter(c, auth.Entry{Action: logEvents, Camera: camera, From: e.Start, To: e.End}, q.view); err != nil {
			return err
		}
	}
	return nil
}

func describeEvent(e nvr.StoredEvent, q eventQuery) eventJSON {
	word := eventWord(e.Ref)
	v := eventJSON{
		ID: word, Camera: q.cameras[e.Ref.Stream].String(), Kind: kindWord(e.Kind),
		Start: millis(e.Start), End: millis(e.End), Score: e.Score, Labels: append([]string{}, e.Labels...),
		Box: sides(e.Box), Path: [][5]float64{},
	}
	for _, p := range e.Path {
		v.Path = append(v.Path, [5]float64{float64(millis(p.At)), p.Box.X, p.Box.Y, p.Box.W, p.Box.H})
	}
	if e.Thumbnail {
		v.Thumbnail = "/api/v1/events/" + word + "/thumbnail.jpg?view=" + url.QueryEscape(q.view)
	}
	return v
}

func sides(b nvr.Box) [4]float64 { return [4]float64{b.X, b.Y, b.W, b.H} }

// kindWord is a stable word for a kind of event.
func kindWord(k nvr.EventKind) string {
	switch k {
	case nvr.Motion:
		return "motion"
	case nvr.MotionEnded:
		return "motion-ended"
	case nvr.CameraUp:
		return "camera-up"
	case nvr.CameraDown:
		return "camera-down"
	case nvr.CameraChanged:
		return "camera-changed"
	case nvr.RecordingUp:
		return "recording-up"
	case nvr.RecordingDown:
		return "recording-down"
	case nvr.PrivacyChanged:
		return "privacy"
	case nvr.DiskDown:
		return "disk-down"
	case nvr.DiskUp:
		return "disk-up"
	default:
		return "problem"
	}
}

// thumbnail answers with the picture of an event. Those of a list belong to
// the look at the list.
func (s *Server) thumbnail(c *call) error {
	if err := s.allow(c, auth.ActReplay, c.event.Start); err != nil {
		return err
	}
	e := auth.Entry{Action: logEvents, From: c.event.Start, To: c.event.Start}
	if err := s.enter(c, e, c.r.URL.Query().Get("view")); err != nil {
		return err
	}
	jpeg, err := s.cfg.Events.Thumbnail(c.r.Context(), c.sess, c.event)
	if err != nil {
		return err
	}
	return c.jpeg(jpeg)
}

// jpeg answers with a picture.
func (c *call) jpeg(b []byte) error {
	h := c.w.Header()
	h.Set("Content-Type", "image/jpeg")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = c.w.Write(b) // a client that left is not our problem
	return nil
}
