package ui

import (
	"context"
	"net/http"
	"strings"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/ui/view"
)

const (
	// maxWhy bounds the reason of a hold, bytes.
	maxWhy = 256
	// maxHold is the longest span that is kept at once.
	maxHold = 31 * 24 * time.Hour
)

// keepForm asks why a span is to be kept.
func (s *Server) keepForm(c *call) error {
	if err := needKeys(c); err != nil {
		return err
	}
	from, to, err := s.keepSpan(c)
	if err != nil {
		return err
	}
	return s.showKeep(c, http.StatusOK, from, to, view.Form{})
}

func (s *Server) keepSpan(c *call) (from, to time.Time, err error) {
	from, to, open, err := c.marked()
	if err == nil && (open || to.Sub(from) > maxHold) {
		err = &problem{status: http.StatusBadRequest, code: "range", text: "error.range"}
	}
	if err == nil && s.cfg.Evidence == nil {
		err = nvr.ErrNotFound
	}
	if err == nil {
		err = s.allowSpan(c, auth.ActExport, from, to)
	}
	return from, to, err
}

func (s *Server) showKeep(c *call, status int, from, to time.Time, form view.Form) error {
	m := view.Keep{Form: form, Camera: c.camera.ID.String(), From: from, To: to}
	return c.render(status, view.KeepPage(s.page(c, s.text.T("keep.title", "camera", c.camera.Name), "cameras"), m))
}

// keepFootage keeps a span as evidence.
func (s *Server) keepFootage(c *call) error {
	if err := needKeys(c); err != nil {
		return err
	}
	from, to, err := s.keepSpan(c)
	if err != nil {
		return err
	}
	why := strings.TrimSpace(c.r.PostFormValue("why"))
	if why == "" || len(why) > maxWhy {
		form := view.Form{Error: s.text.T("keep.why_wrong"), Field: "why", Values: map[string]string{"why": why}}
		return s.showKeep(c, http.StatusUnprocessableEntity, from, to, form)
	}
	if err := s.cfg.Auth.MayReseal(c.sess); err != nil {
		return err
	}
	hold := nvr.Hold{
		ID: nvr.NewID[nvr.Hold](), Camera: c.camera.ID, From: from, To: to, Why: why,
		By: c.sess.Principal(), Created: time.Now().UTC().Truncate(time.Second),
	}
	e := auth.Entry{Action: auth.LogKept, Session: c.sess, Camera: hold.Camera, From: from, To: to, Addr: c.addr(), Detail: why}
	ctx := context.WithoutCancel(c.r.Context())
	if err := s.cfg.Auth.RecordReceipt(ctx, e); err != nil {
		return err
	}
	if err := s.cfg.Evidence.Hold(ctx, c.sess, hold); err != nil {
		return err
	}
	return withQuery("/keeps", "done", "kept")
}

// mayLift reports whether the session may end a hold: its own, or any for an owner.
func mayLift(c *call, h nvr.Hold) bool {
	return h.By == c.sess.Principal() || c.sess.Role() == nvr.Owner
}

// holds lists what is kept of cameras that the session may look at. An owner
// sees that of cameras which are gone, too.
func (s *Server) holds(c *call) ([]nvr.KeptFootage, error) {
	if s.cfg.Evidence == nil {
		return nil, nvr.ErrNotFound
	}
	all, err := s.cfg.Evidence.Held(c.r.Context())
	if err != nil {
		return nil, err
	}
	var seen []nvr.KeptFootage
	for _, h := range all {
		if s.authorize(c.r.Context(), c.sess, auth.ActReplay, h.Camera, h.From) == nil {
			seen = append(seen, h)
		}
	}
	return seen, nil
}

// keeps lists what is kept as evidence.
func (s *Server) keeps(c *call) error {
	all, err := s.holds(c)
	if err != nil {
		return err
	}
	names, err := s.cfg.Auth.Names(c.r.Context(), c.sess)
	if err != nil {
		return err
	}
	w := s.words(c, names)
	var m view.Keeps
	var sum int64
	for _, h := range all {
		sum += h.Bytes
		m.Holds = append(m.Holds, view.Hold{
			ID: h.ID.String(), Camera: s.cameraName(h.Camera), From: h.From, To: h.To, Why: h.Why, Size: bytesText(h.Bytes),
			By: w.who(h.By), Created: h.Created, MayLift: mayLift(c, h.Hold), Play: s.playAddress(h.Camera, h.From),
		})
	}
	m.Size = bytesText(sum)
	return c.render(http.StatusOK, view.KeepsPage(s.page(c, s.text.T("keep.list_title"), "cameras"), m))
}

// cameraName is the name of a camera, also of one that is gone.
func (s *Server) cameraName(id nvr.CameraID) string {
	if camera, err := s.cfg.Cameras.Camera(id); err == nil {
		return camera.Name
	}
	return s.text.T("log.no_camera")
}

// playAddress is the page that plays a camera from a time; empty for a camera
// that is gone.
func (s *Server) playAddress(id nvr.CameraID, at time.Time) string {
	if _, err := s.cfg.Cameras.Camera(id); err != nil {
		return ""
	}
	return "/cameras/" + id.String() + "?t=" + timeWord(at)
}

// liftHold ends a hold. It takes the same proof as a deletion: what is not kept
// goes with its age.
func (s *Server) liftHold(c *call) error {
	all, err := s.holds(c)
	if err != nil {
		return err
	}
	if err := s.cfg.Auth.CheckProof(c.sess, auth.ActDelete); err != nil {
		return err
	}
	id, err := nvr.ParseID[nvr.Hold](c.r.PathValue("hold"))
	if err != nil {
		return nvr.ErrNotFound
	}
	for _, h := range all {
		if h.ID != id || !mayLift(c, h.Hold) {
			continue
		}
		e := auth.Entry{Action: auth.LogLifted, Session: c.sess, Camera: h.Camera, From: h.From, To: h.To, Addr: c.addr(), Detail: h.Why}
		if err := s.cfg.Auth.RecordReceipt(c.r.Context(), e); err != nil {
			return err
		}
		if err := s.cfg.Evidence.Lift(c.r.Context(), id); err != nil {
			return err
		}
		return withQuery("/keeps", "done", "lifted")
	}
	return nvr.ErrNotFound
}
