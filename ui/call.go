package ui

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/a-h/templ"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/ui/view"
)

// apiVersion is the first field of every JSON answer.
const apiVersion = 1

// call is one request on its way through its handler.
type call struct {
	w     *tracker
	r     *http.Request
	route route
	sess  *auth.Session // nil on open routes without a login
	// camera is that of the path; zero where the route names none.
	camera nvr.Camera
	event  nvr.EventRef // that of the path; zero where the route names none
}

// tracker knows whether an answer has begun, and gives each write of a stream
// its own deadline.
type tracker struct {
	http.ResponseWriter
	started bool
	stall   time.Duration // 0: no deadline of its own

	mu   sync.Mutex // guards what follows
	over bool       // the stream was cut
}

// Unwrap is for http.ResponseController.
func (t *tracker) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// WriteHeader begins the answer.
func (t *tracker) WriteHeader(status int) {
	t.started = true
	t.ResponseWriter.WriteHeader(status)
}

// Write sends bytes; it fails when the client does not take them in time.
func (t *tracker) Write(b []byte) (int, error) {
	t.started = true
	if err := t.extend(); err != nil {
		return 0, err
	}
	return t.ResponseWriter.Write(b)
}

func (t *tracker) extend() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return http.ErrHandlerTimeout
	}
	if t.stall == 0 {
		return nil
	}
	err := http.NewResponseController(t.ResponseWriter).SetWriteDeadline(time.Now().Add(t.stall))
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// rest takes the deadline away between two writes: HTTP/2 resets a stream whose
// deadline passes, even one that has nothing to say.
func (t *tracker) rest() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return http.ErrHandlerTimeout
	}
	err := http.NewResponseController(t.ResponseWriter).SetWriteDeadline(time.Time{})
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// cut ends the answer in a way that the client notices: the connection or
// HTTP/2 stream is reset.
func (t *tracker) cut() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	// Where deadlines are not supported the next write fails anyway.
	_ = http.NewResponseController(t.ResponseWriter).SetWriteDeadline(time.Unix(1, 0))
}

// json answers with v, whose JSON form begins with the version.
func (c *call) json(status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	h := c.w.Header()
	h.Set("Content-Type", "application/json")
	c.w.WriteHeader(status)
	_, _ = c.w.Write(b) // a client that left is not our problem
	return nil
}

// render answers with a page.
func (c *call) render(status int, page templ.Component) error {
	h := c.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	c.w.WriteHeader(status)
	if err := page.Render(c.r.Context(), c.w); err != nil && c.r.Context().Err() == nil {
		return fmt.Errorf("draw page: %w", err)
	}
	return nil
}

// moment is the time that the rights are asked for where the request names no
// footage: now, and for a link, which shows the past only, its beginning.
func (c *call) moment() time.Time {
	if l := c.sess.Link(); l != nil {
		return l.From
	}
	return time.Now()
}

// addr is where the request comes from, without the port.
func (c *call) addr() string {
	host, _, err := net.SplitHostPort(c.r.RemoteAddr)
	if err != nil {
		return c.r.RemoteAddr
	}
	return host
}

// page is the frame of a page, with the texts id.
func (s *Server) page(c *call, title, tab string) view.Page {
	p := view.Page{Text: s.text, Static: s.static.URL, Title: title, Tab: tab}
	known := c.sess != nil && c.sess.KnownAt(c.addr())
	if known || c.sess != nil && c.route.anywhere {
		p.User, p.Locked = c.sess.Name(), c.sess.Locked()
		p.May = func(a string) bool {
			return s.authorize(c.r.Context(), c.sess, auth.Action(a), nvr.CameraID{}, time.Now()) == nil
		}
		if known && c.sess.Role() == nvr.Owner {
			for _, word := range s.cfg.Auth.Alarms() {
				p.Alarms = append(p.Alarms, s.text.T(alarmText(word)))
			}
		}
	}
	if note := c.r.URL.Query().Get("done"); note != "" {
		p.Notice = s.notice(note)
	}
	return p
}

// notice returns the text of a redirect's good news; anything else is nothing.
func (s *Server) notice(word string) string {
	switch word {
	case "saved":
		return s.text.T("settings.saved")
	case "private":
		return s.text.T("privacy.is_on")
	case "revealed":
		return s.text.T("privacy.is_off")
	case "planned":
		return s.text.T("privacy.planned")
	case "retried":
		return s.text.T("camera.retried")
	case "replaced":
		return s.text.T("replace.done")
	case "masks":
		return s.text.T("mask.saved")
	case "removed":
		return s.text.T("settings.removed")
	case "password":
		return s.text.T("account.changed")
	case "person":
		return s.text.T("people.changed")
	case "gone":
		return s.text.T("people.gone")
	case "factor-off":
		return s.text.T("factor.is_off")
	case "forgotten":
		return s.text.T("device.forgotten")
	case "deleted":
		return s.text.T("deletion.done")
	case "deletion-finished":
		return s.text.T("deletion.finished")
	case "kept":
		return s.text.T("keep.done")
	case "lifted":
		return s.text.T("keep.lifted")
	case "link-ended":
		return s.text.T("links.ended")
	case "revoked":
		return s.text.T("account.revoked")
	}
	return ""
}

// nextQuery remembers where a page was asked for.
func nextQuery(r *http.Request) string {
	if r.Method != http.MethodGet || r.URL.Path == "/" {
		return ""
	}
	return "?next=" + url.QueryEscape(r.URL.RequestURI())
}

// localPath returns a path on this box to go on with; anything that a browser
// could take for another site becomes the front page.
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.Opaque != "" || !strings.HasPrefix(u.Path, "/") ||
		strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\t\r\n") {
		return "/"
	}
	return u.RequestURI()
}
