package ui

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/ui/view"
)

// needKeys sends somebody whose keys are gone to the page that unlocks, and then
// back.
func needKeys(c *call) error {
	if c.sess.Locked() {
		return redirect("/unlock?next=" + url.QueryEscape(c.r.URL.RequestURI()))
	}
	return nil
}

// marked reads from and to of a page's query or form. Without both it is
// everything up to now; open tells.
func (c *call) marked() (from, to time.Time, open bool, err error) {
	if c.r.FormValue("from") == "" && c.r.FormValue("to") == "" {
		return time.UnixMilli(0).UTC(), time.Now().UTC(), true, nil
	}
	from, okFrom := parseTime(c.r.FormValue("from"))
	to, okTo := parseTime(c.r.FormValue("to"))
	if now := time.Now().UTC(); to.After(now) {
		to = now
	}
	if !okFrom || !okTo || !from.Before(to) {
		return from, to, false, &problem{status: http.StatusBadRequest, code: "range", text: "error.range"}
	}
	return from, to, false, nil
}

// doomed is footage that a page is about: a camera's, or of the whole house.
type doomed struct {
	requests []nvr.DeletionRequest
	plans    []nvr.DeletionPlan
	open     bool
}

// plan finds what goes. Without a camera in the path it is that of all cameras,
// and of those that are gone.
func (s *Server) plan(c *call) (doomed, error) {
	from, to, open, err := c.marked()
	if err != nil {
		return doomed{}, err
	}
	if s.cfg.Erasure == nil {
		return doomed{}, nvr.ErrNotFound
	}
	cameras := []nvr.CameraID{c.camera.ID}
	if c.camera.ID.IsZero() {
		for _, st := range s.cfg.Cameras.List() {
			cameras = append(cameras, st.Camera.ID)
		}
	} else if err := s.allowSpan(c, auth.ActDelete, from, to); err != nil {
		return doomed{}, err
	}
	d := doomed{open: open}
	for _, id := range cameras {
		if id.IsZero() && !open {
			continue // of a camera that is gone only all of it goes
		}
		req := nvr.DeletionRequest{Camera: id, From: from, To: to, By: c.sess.Principal()}
		p, err := s.cfg.Erasure.PlanDeletion(c.r.Context(), c.sess, req)
		if errors.Is(err, nvr.ErrNotFound) {
			continue
		}
		if err != nil {
			return d, err
		}
		d.requests, d.plans = append(d.requests, req), append(d.plans, p)
	}
	return d, nil
}

// deletionForm shows what would go.
func (s *Server) deletionForm(c *call) error {
	if err := needKeys(c); err != nil {
		return err
	}
	d, err := s.plan(c)
	if err != nil {
		return err
	}
	return s.showDeletion(c, http.StatusOK, d, view.Form{})
}

func (s *Server) showDeletion(c *call, status int, d doomed, form view.Form) error {
	m := view.Deletion{Form: form, Action: c.r.URL.Path, Everything: d.open, Camera: c.camera.Name}
	if id := c.camera.ID; !id.IsZero() {
		m.Back = "/cameras/" + id.String()
		m.Recent = [][2]string{{"deletion.hour", recent(time.Hour)}, {"deletion.day", recent(24 * time.Hour)}}
	}
	if !d.open {
		m.From, m.To = c.r.FormValue("from"), c.r.FormValue("to")
	}
	var footage time.Duration
	var bytes int64
	var events, days int
	for _, p := range d.plans {
		footage, bytes, events, days = footage+p.Footage, bytes+p.Bytes, events+p.Events, max(days, p.Days)
		m.Some = m.Some || !p.Empty()
		m.Wider = m.Wider || !d.open
		if m.Begin.IsZero() || !p.From.IsZero() && p.From.Before(m.Begin) {
			m.Begin = p.From
		}
		if p.To.After(m.End) {
			m.End = p.To
		}
		for _, b := range p.Beyond {
			m.Beyond = append(m.Beyond, view.Stretch{From: b.From, To: b.To})
		}
		for _, h := range p.Kept {
			m.Kept = append(m.Kept, view.Stretch{From: h.From, To: h.To, Text: h.Why})
		}
	}
	m.Footage, m.Size = s.howLong(footage), bytesText(bytes)
	m.Events, m.Days = strconv.Itoa(events), strconv.Itoa(days)
	open, err := s.unfinished(c)
	if err != nil {
		return err
	}
	m.Unfinished = len(open) > 0
	title := s.text.T("deletion.title_all")
	if c.camera.Name != "" {
		title = s.text.T("deletion.title", "camera", c.camera.Name)
	}
	return c.render(status, view.DeletionPage(s.page(c, title, "cameras"), m))
}

// recent is the query of a span that ends now.
func recent(d time.Duration) string {
	now := time.Now()
	return "from=" + timeWord(now.Add(-d)) + "&to=" + timeWord(now)
}

// howLong is a duration in words.
func (s *Server) howLong(d time.Duration) string {
	if d < time.Hour {
		d = d.Round(time.Second)
		return s.text.T("deletion.short", "m", strconv.Itoa(int(d.Minutes())), "s", strconv.Itoa(int(d.Seconds())%60))
	}
	d = d.Round(time.Minute)
	return s.text.T("deletion.length", "h", strconv.Itoa(int(d.Hours())), "m", strconv.Itoa(int(d.Minutes())%60))
}

// unfinished lists the deletions that the page is about and that are not done.
func (s *Server) unfinished(c *call) ([]nvr.Deletion, error) {
	open, err := s.cfg.Erasure.Unfinished(c.r.Context())
	return slices.DeleteFunc(open, func(d nvr.Deletion) bool {
		return !c.camera.ID.IsZero() && d.Camera != c.camera.ID
	}), err
}

// deleteFootage does what deletionForm showed.
func (s *Server) deleteFootage(c *call) error {
	if err := needKeys(c); err != nil {
		return err
	}
	d, err := s.plan(c)
	if err != nil {
		return err
	}
	if err := s.cfg.Auth.MayReseal(c.sess); err != nil {
		return err
	}
	if c.r.PostFormValue("finish") == "yes" {
		if err := s.cfg.Erasure.FinishDeletions(c.r.Context(), c.sess); err != nil {
			return err
		}
		return withQuery(c.r.URL.Path, "done", "deletion-finished")
	}
	if c.r.PostFormValue("sure") != "yes" {
		return s.showDeletion(c, http.StatusUnprocessableEntity, d, view.Form{Error: s.text.T("deletion.unsure"), Field: "sure"})
	}
	for i, req := range d.requests {
		if d.plans[i].Empty() {
			continue
		}
		if err := s.destroy(c, req, d.plans[i]); err != nil {
			return err
		}
	}
	open, err := s.unfinished(c)
	if err != nil {
		return err
	}
	if len(open) > 0 {
		return redirect(c.r.URL.Path) // which says so
	}
	if c.camera.ID.IsZero() {
		return withQuery("/delete", "done", "deleted")
	}
	return withQuery("/cameras/"+c.camera.ID.String(), "done", "deleted")
}

// destroy deletes the footage of one camera; the receipt is written first.
func (s *Server) destroy(c *call, req nvr.DeletionRequest, p nvr.DeletionPlan) error {
	e := auth.Entry{
		Action: auth.LogDeleted, Session: c.sess, Camera: req.Camera, From: p.From, To: p.To, Addr: c.addr(),
		Detail: s.text.T("deletion.receipt", "length", s.howLong(p.Footage), "size", bytesText(p.Bytes), "events", strconv.Itoa(p.Events)),
	}
	ctx := context.WithoutCancel(c.r.Context())
	if err := s.cfg.Auth.RecordReceipt(ctx, e); err != nil {
		return err
	}
	if _, err := s.cfg.Erasure.Delete(ctx, c.sess, req); err != nil {
		e.Action, e.Detail = auth.LogDeleteStopped, ""
		return errors.Join(err, s.cfg.Auth.RecordReceipt(ctx, e))
	}
	return nil
}
