package ui

import (
	"context"
	"net/url"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
)

// Route is a line of the table for tests.
type Route struct {
	Pattern string
	Open    bool // anybody, or anybody until the box is claimed
	Page    bool
}

// Routes lists the table.
func (s *Server) Routes() []Route {
	var list []Route
	for _, rt := range s.routes() {
		list = append(list, Route{Pattern: rt.pattern, Open: rt.rule != loggedIn, Page: rt.kind == page})
	}
	return list
}

// Forbid refuses an action on a camera, whoever asks, where refused says so: a
// household of the tests has its owner alone.
func (s *Server) Forbid(refused func(a auth.Action, camera nvr.CameraID, at time.Time) bool) {
	s.authorize = func(ctx context.Context, sess *auth.Session, a auth.Action, camera nvr.CameraID, at time.Time) error {
		if refused(a, camera, at) {
			return nvr.ErrForbidden
		}
		return s.cfg.Auth.Authorize(ctx, sess, a, camera, at)
	}
}

// LocalPath, ParseTime and ParseAddress are what reads foreign bytes.
var (
	LocalPath = localPath
	ParseTime = parseTime

	EventWord      = eventWord
	ParseEventWord = parseEventWord
	ParseZones     = parseZones
	ZonesText      = zonesText
)

// LogQuery reads the query of a page of the record and writes it again.
func LogQuery(q url.Values) string {
	f := readLogFilter(q)
	return f.query(f.before)
}

// ParseAddress returns the parts of an address that somebody typed.
func ParseAddress(s string) (url, user, password string, path, ok bool) {
	a, ok := parseAddress(s)
	return a.url, a.user, a.password, a.path, ok
}
