package ui

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/ui/view"
)

// maxLinkLabel bounds the name of a link, bytes.
const maxLinkLabel = 128

// linkDays are the choices of how long a link lasts.
func linkDays() []string { return []string{"1", "3", "7", "30"} }

// timeWord is a time as a query takes it.
func timeWord(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

// shareForm asks what a link is to show.
func (s *Server) shareForm(c *call) error {
	if err := needKeys(c); err != nil {
		return err
	}
	from, to, err := s.shareSpan(c)
	if err != nil {
		return err
	}
	return s.showShare(c, http.StatusOK, from, to, view.Form{})
}

func (s *Server) shareSpan(c *call) (from, to time.Time, err error) {
	from, to, open, err := c.marked()
	if err == nil && (open || to.Sub(from) > maxLinkSpan) {
		err = &problem{status: http.StatusBadRequest, code: "range", text: "error.range"}
	}
	if err == nil && s.cfg.SegmentKeys == nil {
		err = nvr.ErrNotFound
	}
	if err == nil {
		err = s.allowSpan(c, auth.ActExport, from, to)
	}
	return from, to, err
}

// maxLinkSpan is the longest span that a link shows.
const maxLinkSpan = 24 * time.Hour

func (s *Server) showShare(c *call, status int, from, to time.Time, form view.Form) error {
	m := view.Share{
		Form: form, Camera: c.camera.ID.String(), From: from, To: to, Days: linkDays(), MayHear: c.camera.Audio && s.mayHear(c),
	}
	return c.render(status, view.SharePage(s.page(c, s.text.T("share.title", "camera", c.camera.Name), "cameras"), m))
}

// makeLink makes a link and shows it, once: its secret is kept nowhere.
func (s *Server) makeLink(c *call) error {
	if err := needKeys(c); err != nil {
		return err
	}
	from, to, err := s.shareSpan(c)
	if err != nil {
		return err
	}
	label := strings.TrimSpace(c.r.PostFormValue("label"))
	days, err := strconv.Atoi(c.r.PostFormValue("days"))
	if err != nil || len(label) > maxLinkLabel {
		return nvr.ErrInvalid
	}
	link, secret, err := s.cfg.Auth.MakeLink(c.r.Context(), c.sess, auth.LinkRequest{
		Label: label, Camera: c.camera.ID, From: from, To: to, Audio: c.r.PostFormValue("sound") == "yes",
		Expires: time.Now().Add(time.Duration(days) * 24 * time.Hour),
	}, s.cfg.SegmentKeys)
	if errors.Is(err, nvr.ErrInvalid) || errors.Is(err, nvr.ErrNotFound) {
		form := view.Form{Error: s.text.T("share.refused"), Values: map[string]string{"label": label}}
		return s.showShare(c, http.StatusUnprocessableEntity, from, to, form)
	}
	if err != nil {
		return err
	}
	m := view.NewLink{Address: "https://" + c.r.Host + "/shared#" + link.ID.String() + "." + secret, Until: link.Expires}
	return c.render(http.StatusOK, view.NewLinkPage(s.page(c, s.text.T("share.ready"), "cameras"), m))
}

// links lists the links that are in force.
func (s *Server) links(c *call) error {
	all, err := s.cfg.Auth.Links(c.r.Context(), c.sess)
	if err != nil {
		return err
	}
	var m view.Links
	for _, l := range all {
		m.Links = append(m.Links, view.Link{
			ID: l.ID.String(), Label: l.Label, Camera: s.cameraName(l.Camera), From: l.From, To: l.To,
			Sound: l.Audio, By: s.cfg.Auth.LinkMaker(c.r.Context(), l), Until: l.Expires,
		})
	}
	return c.render(http.StatusOK, view.LinksPage(s.page(c, s.text.T("links.title"), "cameras"), m))
}

// endLink ends a link and what plays through it.
func (s *Server) endLink(c *call) error {
	id, err := nvr.ParseID[nvr.Principal](c.r.PathValue("link"))
	if err != nil {
		return nvr.ErrNotFound
	}
	if err := s.cfg.Auth.EndLink(c.r.Context(), c.sess, id); err != nil {
		return err
	}
	return withQuery("/links", "done", "link-ended")
}

// sharedPage is where a link leads. It shows nothing by itself: the secret is in
// the part of the address that browsers do not send, and the script posts it.
func (s *Server) sharedPage(c *call) error {
	p := s.page(c, s.text.T("shared.title"), "")
	p.User, p.May, p.Alarms, p.Notice = "", nil, nil, "" // not a page of the house, whoever opens it
	return c.render(http.StatusOK, view.SharedPage(p))
}

// openLink opens a link with its secret and says what it shows.
func (s *Server) openLink(c *call) error {
	id, err := nvr.ParseID[nvr.Principal](c.r.PostFormValue("link"))
	if err != nil {
		return auth.ErrLink
	}
	sess, token, err := s.cfg.Auth.OpenLink(c.r.Context(), id, c.r.PostFormValue("secret"), c.addr(), device(s.text, c.r))
	if err != nil {
		return err
	}
	l := sess.Link()
	camera, err := s.cfg.Cameras.Camera(l.Camera)
	if errors.Is(err, nvr.ErrNotFound) {
		err = auth.ErrLink
	}
	if err != nil {
		return errors.Join(err, s.cfg.Auth.Logout(c.r.Context(), sess))
	}
	setCookie(c.w, linkCookieName, token, time.Until(l.Expires))
	return c.json(http.StatusOK, struct {
		Version int    `json:"version"`
		Camera  string `json:"camera"`
		Name    string `json:"name"`
		Label   string `json:"label"`
		By      string `json:"by"`
		From    int64  `json:"from"`
		To      int64  `json:"to"`
		Until   int64  `json:"until"`
		Sound   bool   `json:"sound"`
		Sub     bool   `json:"sub"`
	}{
		Version: apiVersion, Camera: camera.ID.String(), Name: camera.Name, Label: l.Label, By: s.cfg.Auth.LinkMaker(c.r.Context(), *l),
		From: millis(l.From), To: millis(l.To), Until: millis(l.Expires), Sound: l.Audio && camera.Audio, Sub: len(camera.Streams) > 1,
	})
}

// shared is an answer that lasts as long as the session: its end tells the page
// of a link that the link is over, also while nothing is fetched.
func (s *Server) shared(c *call) error {
	c.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	for ctx := c.r.Context(); ; {
		if c.push("still here\n") != nil {
			return nil // the client left
		}
		waiting, cancel := context.WithTimeout(ctx, heartbeat)
		<-waiting.Done()
		cancel()
		if ctx.Err() != nil {
			return nil
		}
	}
}
