package ui

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/ui/view"
)

// joinDraft is somebody whose invitation was right and who has no password yet.
type joinDraft struct {
	code, name      string
	secret, authURL string // of the second factor
}

// joining returns the invitation that this browser showed, if it did.
func (s *Server) joining(c *call) (token string, d joinDraft, ok bool) {
	cookie, err := c.r.Cookie(joinCookieName)
	if err != nil {
		return "", d, false
	}
	d, ok = s.joins.get(cookie.Value)
	return cookie.Value, d, ok
}

func (s *Server) joinForm(c *call) error {
	_, d, _ := s.joining(c)
	return s.showJoin(c, http.StatusOK, d, view.Form{})
}

// showJoin asks for the code, or for the password of whom the code is for.
func (s *Server) showJoin(c *call, status int, d joinDraft, form view.Form) error {
	m := view.Join{Form: form, Name: d.name, Secret: d.secret, AuthURL: d.authURL}
	if d.name != "" {
		code, err := drawQR(d.authURL)
		if err != nil {
			return err
		}
		m.QR = code
	}
	return c.render(status, view.JoinPage(s.page(c, s.text.T("join.title"), ""), m))
}

// joinCode looks at the code of an invitation, which is used up with the password.
func (s *Server) joinCode(c *call) error {
	d := joinDraft{code: strings.TrimSpace(c.r.PostFormValue("invitation"))}
	var err error
	d.name, err = s.cfg.Auth.Invited(c.r.Context(), d.code)
	if errors.Is(err, auth.ErrInvitation) {
		return s.showJoin(c, http.StatusForbidden, joinDraft{}, s.wrong("invitation", "error.invitation"))
	}
	if err != nil {
		return err
	}
	if d.secret, d.authURL, err = auth.NewTOTP(d.name); err != nil {
		return fmt.Errorf("make second factor: %w", err)
	}
	setCookie(c.w, joinCookieName, s.joins.add(d), draftLife)
	return redirect("/join")
}

// join makes the account usable: the password, and a second factor if its code
// is there.
func (s *Server) join(c *call) error {
	token, d, ok := s.joining(c)
	if !ok {
		return redirect("/join")
	}
	if field, message := s.checkPassword(c, d.name); message != "" {
		return s.showJoin(c, http.StatusUnprocessableEntity, d, view.Form{Field: field, Error: message})
	}
	req := auth.JoinRequest{Code: d.code, Password: c.r.PostFormValue("password"), Addr: c.addr(), Device: device(s.text, c.r)}
	if code := digits(c.r.PostFormValue("code")); code != "" {
		req.TOTP = &auth.TOTPEnrolment{Secret: d.secret, Code: code}
	}
	_, session, err := s.cfg.Auth.Join(c.r.Context(), req)
	switch {
	case errors.Is(err, auth.ErrTOTP):
		return s.showJoin(c, http.StatusUnprocessableEntity, d, s.wrong("code", "setup.factor_wrong"))
	case errors.Is(err, nvr.ErrInvalid):
		return s.showJoin(c, http.StatusUnprocessableEntity, d, s.wrong("password", "password.bad"))
	case errors.Is(err, auth.ErrInvitation):
		s.joins.drop(token)
		return s.showJoin(c, http.StatusForbidden, joinDraft{}, s.wrong("invitation", "error.invitation"))
	case err != nil:
		return err
	}
	s.joins.drop(token)
	setCookie(c.w, joinCookieName, "", 0)
	setCookie(c.w, cookieName, session, cookieLife)
	return redirect("/")
}
