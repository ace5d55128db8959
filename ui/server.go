package ui

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/ui/static"
	"lares/ui/text"
)

const (
	// maxBody bounds what a form may bring, bytes.
	maxBody = 64 << 10
	// usual is how long an answer may take that is not a stream.
	usual = 30 * time.Second
	// stall is how long one write of a stream may take.
	stall = 15 * time.Second
)

// Server is the web interface. It is an http.Handler.
type Server struct {
	cfg     Config
	text    *text.Catalogue
	static  *static.Files
	mux     *http.ServeMux
	origins *http.CrossOriginProtection
	// authorize is Config.Auth.Authorize.
	authorize func(ctx context.Context, sess *auth.Session, a auth.Action, camera nvr.CameraID, at time.Time) error

	entered *entered            // what is in the record of who looked already
	setups  *drafts[setupDraft] // first runs that are under way
	asked   *drafts[candidate]  // cameras that were asked and not added yet
	found   *drafts[nvr.FoundDevice]
	joins   *drafts[joinDraft]   // invitations that are being used
	factors *drafts[factorDraft] // second factors that are being set up
	reports atomic.Uint64        // of broken content security policy
}

// New returns the server of the routes in routes.go.
func New(cfg Config) (*Server, error) {
	cfg.fillIn()
	texts, err := text.English()
	if err != nil {
		return nil, err
	}
	files, err := static.New()
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, text: texts, static: files, mux: http.NewServeMux(),
		origins: http.NewCrossOriginProtection(), authorize: cfg.Auth.Authorize,
		entered: newEntered(),
		setups:  newDrafts[setupDraft](maxSetups, draftLife),
		asked:   newDrafts[candidate](maxAsked, draftLife),
		found:   newDrafts[nvr.FoundDevice](maxFound, draftLife),
		joins:   newDrafts[joinDraft](maxJoins, draftLife),
		factors: newDrafts[factorDraft](maxJoins, draftLife),
	}
	for _, rt := range s.routes() {
		s.mux.HandleFunc(rt.pattern, s.serve(rt))
	}
	return s, nil
}

// PolicyReports is how many times a browser reported that a page tried what
// the content security policy forbids.
func (s *Server) PolicyReports() uint64 { return s.reports.Load() }

// ServeHTTP answers a request after the checks that every request must pass.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setSecurityHeaders(w.Header())
	c := &call{w: &tracker{ResponseWriter: w}, r: r}
	if !s.cfg.Cert.Serves(r.Host) {
		// A foreign name that leads here is DNS rebinding until proven otherwise.
		s.fail(c, &problem{status: http.StatusMisdirectedRequest, code: "host", text: "error.host"})
		return
	}
	if err := s.origins.Check(r); err != nil {
		s.fail(c, &problem{status: http.StatusForbidden, code: "origin", text: "error.origin"})
		return
	}
	s.mux.ServeHTTP(w, r)
}

// serve makes the handler of a route: limits, login, rights, errors.
func (s *Server) serve(rt route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := &call{w: &tracker{ResponseWriter: w}, r: r, route: rt}
		r.Body = http.MaxBytesReader(c.w, r.Body, maxBody)
		if rt.kind == stream {
			c.w.stall = stall
		} else {
			ctx, cancel := context.WithTimeout(r.Context(), rt.limit())
			defer cancel()
			c.r = r.WithContext(ctx)
		}
		// Passwords come in forms: see auth.Secretly. What cannot be read is empty.
		auth.Secretly(func() { _ = c.r.ParseForm() })
		err := s.admit(c)
		if err == nil && rt.kind == stream && c.sess != nil {
			err = s.whileLoggedIn(c)
		} else if err == nil {
			err = rt.handle(c)
		}
		if err != nil {
			s.fail(c, err)
		}
	}
}

// admit finds out who asks, for which camera, and whether they may.
func (s *Server) admit(c *call) error {
	if c.route.rule == open {
		if c.route.kind == page {
			c.sess, _ = s.session(c) // only to show who is logged in
		}
		return nil
	}
	claimed, err := s.cfg.Auth.Claimed(c.r.Context())
	if err != nil {
		return err
	}
	if c.route.rule == unclaimed {
		if claimed {
			return redirect("/login")
		}
		return nil
	}
	if c.sess, err = s.session(c); err != nil {
		return s.sendToLogin(c, claimed)
	}
	if err := s.askWhere(c); err != nil {
		return err
	}
	if err := s.askFirst(c); err != nil {
		return err
	}
	if c.r.PathValue("camera") != "" {
		if err := s.findCamera(c); err != nil {
			return err
		}
	}
	if c.r.PathValue("event") != "" {
		if err := s.findEvent(c); err != nil {
			return err
		}
	}
	if c.sess.Link() != nil && c.route.action != auth.ActReplay {
		return auth.ErrNoSession // a link shows footage and nothing else
	}
	if c.route.action != "" {
		if err := s.allow(c, c.route.action, c.moment()); err != nil {
			return err
		}
	}
	return s.checkProof(c)
}

// sendToLogin answers somebody who is not logged in.
func (s *Server) sendToLogin(c *call, claimed bool) error {
	if c.route.kind != page && c.r.URL.Query().Has("link") {
		return &problem{status: http.StatusUnauthorized, code: "link", text: "error.link"}
	}
	if c.route.kind != page {
		return &problem{status: http.StatusUnauthorized, code: "login", text: "error.login_needed"}
	}
	if !claimed {
		return redirect("/setup")
	}
	return redirect("/login" + nextQuery(c.r))
}

func (s *Server) findCamera(c *call) error {
	id, err := nvr.ParseID[nvr.Camera](c.r.PathValue("camera"))
	if err != nil {
		return nvr.ErrNotFound
	}
	c.camera, err = s.cfg.Cameras.Camera(id)
	return err
}

// allow asks whether the session may do a, for the camera of the request if
// there is one. A camera that is somebody else's is not found.
func (s *Server) allow(c *call, a auth.Action, at time.Time) error {
	err := s.authorize(c.r.Context(), c.sess, a, c.camera.ID, at)
	if err != nil && !c.camera.ID.IsZero() {
		return notFoundUnlessTampered(err)
	}
	return err
}

// whileLoggedIn runs a stream that ends when the session does.
func (s *Server) whileLoggedIn(c *call) error {
	request := c.r
	ctx, cancel := context.WithCancel(request.Context())
	c.r = request.WithContext(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-c.sess.Done():
			cancel()
			c.w.cut() // also ends a write that hangs
		case <-ctx.Done():
		}
	}()
	defer func() {
		cancel()
		<-ended
		c.r = request // the client is still there and hears of an error
	}()
	return c.route.handle(c)
}
