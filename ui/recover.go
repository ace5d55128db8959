package ui

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/ui/view"
)

func (s *Server) recoverForm(c *call) error {
	return s.showRecover(c, http.StatusOK, view.Form{})
}

func (s *Server) showRecover(c *call, status int, form view.Form) error {
	form.Values = map[string]string{"name": strings.TrimSpace(c.r.PostFormValue("name"))}
	return c.render(status, view.RecoverPage(s.page(c, s.text.T("recover.title"), ""), form))
}

// recoverOwner lets an owner in who lost the password, with the printed key.
func (s *Server) recoverOwner(c *call) error {
	name := strings.TrimSpace(c.r.PostFormValue("name"))
	key, err := auth.ParseRecoveryKey(c.r.PostFormValue("key"))
	if err != nil {
		return s.showRecover(c, http.StatusUnprocessableEntity, view.Form{Field: "key", Error: s.keyProblem(c.r.PostFormValue("key"))})
	}
	if field, message := s.checkPassword(c, name); message != "" {
		return s.showRecover(c, http.StatusUnprocessableEntity, view.Form{Field: field, Error: message})
	}
	_, token, err := s.cfg.Auth.RecoverOwner(c.r.Context(), auth.RecoverRequest{
		Name: name, Recovery: key, Password: c.r.PostFormValue("password"),
		WaiveSecondFactor: c.r.PostFormValue("waive") == "yes", Addr: c.addr(), Device: device(s.text, c.r),
	})
	var throttled auth.ErrThrottled
	switch {
	case errors.Is(err, auth.ErrRecoveryKey):
		return s.showRecover(c, http.StatusForbidden, s.wrong("key", "error.recovery_key"))
	case errors.Is(err, nvr.ErrInvalid):
		return s.showRecover(c, http.StatusUnprocessableEntity, s.wrong("password", "password.bad"))
	case errors.As(err, &throttled):
		p := describe(err)
		return s.showRecover(c, p.status, view.Form{Error: s.text.T(p.text, p.args...)})
	case err != nil:
		return err
	}
	setCookie(c.w, cookieName, token, cookieLife)
	return withQuery("/account", "done", "password")
}

// keyProblem says which group of a recovery key is mistyped.
func (s *Server) keyProblem(text string) string {
	groups := strings.FieldsFunc(text, func(r rune) bool { return r == '-' || r == ' ' || r == '\t' || r == '\r' || r == '\n' })
	const all = 8
	if len(groups) == all {
		for i, g := range groups {
			if auth.CheckRecoveryGroup(i+1, g) != nil {
				return s.text.T("setup.group_wrong", "n", strconv.Itoa(i+1))
			}
		}
	}
	return s.text.T("recover.key_bad")
}
