package ui

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/ui/view"
)

func (s *Server) loginForm(c *call) error {
	claimed, err := s.cfg.Auth.Claimed(c.r.Context())
	if err != nil {
		return err
	}
	if !claimed {
		return redirect("/setup")
	}
	next := localPath(c.r.URL.Query().Get("next"))
	if c.sess != nil {
		return redirect(next)
	}
	return c.render(http.StatusOK, view.LoginPage(s.page(c, s.text.T("login.title"), ""), view.Login{Next: next, Device: remembered(c.r)}))
}

// login checks name, password and code. A code that is missing is asked for
// together with everything else, so that the page never holds the password.
func (s *Server) login(c *call) error {
	name := strings.TrimSpace(c.r.PostFormValue("name"))
	next := localPath(c.r.PostFormValue("next"))
	_, token, err := s.cfg.Auth.Login(c.r.Context(), auth.LoginRequest{
		Name: name, Password: c.r.PostFormValue("password"), Code: digits(cmp.Or(c.r.PostFormValue("code"), c.r.PostFormValue("recovery-code"))),
		BoxCode: c.r.PostFormValue("box-code"),
		Addr:    c.addr(), Device: device(s.text, c.r),
	})
	if err == nil {
		setCookie(c.w, cookieName, token, cookieLife)
		if c.r.PostFormValue("remember") == "yes" {
			return s.showRemember(c, next, true)
		}
		return redirect(next)
	}
	p := s.loginProblem(err)
	if p == nil {
		return err
	}
	form := view.Form{Error: s.text.T(p.text, p.args...), Values: map[string]string{"name": name}}
	return c.render(p.status, view.LoginPage(s.page(c, s.text.T("login.title"), ""), view.Login{Form: form, Next: next, Device: remembered(c.r), Ways: p.code != "code" && p.code != "wrong"}))
}

// loginProblem says what to show of an error of logging in; nil for a failure of the box.
func (s *Server) loginProblem(err error) *problem {
	var throttled auth.ErrThrottled
	switch {
	case errors.Is(err, auth.ErrWrong):
		return &problem{status: http.StatusForbidden, code: "wrong", text: "login.wrong"}
	case errors.Is(err, auth.ErrSecondFactor):
		return &problem{status: http.StatusForbidden, code: "code", text: "login.second"}
	case errors.As(err, &throttled), errors.Is(err, auth.ErrSuspended), errors.Is(err, auth.ErrBoxCode):
		return describe(err)
	}
	return nil
}

// digits leaves out the spaces that people type into codes.
func digits(code string) string {
	return strings.NewReplacer(" ", "", "-", "").Replace(code)
}

func (s *Server) logout(c *call) error {
	if err := s.cfg.Auth.Logout(c.r.Context(), c.sess); err != nil && !errors.Is(err, nvr.ErrNotFound) {
		return err
	}
	setCookie(c.w, cookieName, "", 0)
	return redirect("/login")
}

func (s *Server) unlockForm(c *call) error {
	next := localPath(c.r.URL.Query().Get("next"))
	if !c.sess.Locked() && c.sess.KnownAt(c.addr()) {
		return redirect(next)
	}
	return c.render(http.StatusOK, view.UnlockPage(s.page(c, s.text.T("unlock.title"), ""), view.Login{Next: next, Device: remembered(c.r)}))
}

func (s *Server) unlock(c *call) error {
	next := localPath(c.r.PostFormValue("next"))
	err := s.cfg.Auth.Unlock(c.r.Context(), c.sess, c.r.PostFormValue("password"))
	if err == nil {
		c.sess.Admit(c.addr())
		return redirect(next)
	}
	p := s.loginProblem(err)
	if p == nil {
		return err
	}
	form := view.Form{Error: s.text.T(p.text, p.args...), Field: "password"}
	if errors.Is(err, auth.ErrWrong) {
		form.Error = s.text.T("unlock.wrong")
	}
	return c.render(p.status, view.UnlockPage(s.page(c, s.text.T("unlock.title"), ""), view.Login{Form: form, Next: next, Device: remembered(c.r)}))
}

// withQuery adds a query to a path.
func withQuery(path, key, value string) redirect {
	return redirect(path + "?" + url.Values{key: {value}}.Encode())
}
