package ui

import (
	"errors"
	"fmt"
	"net/http"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/ui/view"
)

// factorDraft is a second factor that was shown and not confirmed yet.
type factorDraft struct {
	session         [32]byte
	secret, authURL string
}

// newFactor shows a fresh second factor.
func (s *Server) newFactor(c *call) error {
	d := factorDraft{session: c.sess.ID()}
	var err error
	if d.secret, d.authURL, err = auth.NewTOTP(c.sess.Name()); err != nil {
		return fmt.Errorf("make second factor: %w", err)
	}
	return s.showFactor(c, http.StatusOK, s.factors.add(d), d, view.Form{})
}

func (s *Server) showFactor(c *call, status int, token string, d factorDraft, form view.Form) error {
	code, err := drawQR(d.authURL)
	if err != nil {
		return err
	}
	m := view.Factor{Form: form, Draft: token, Secret: d.secret, AuthURL: d.authURL, QR: code}
	return c.render(status, view.FactorPage(s.page(c, s.text.T("setup.factor_title"), "account"), m))
}

// setFactor takes the second factor into use and shows its recovery codes.
func (s *Server) setFactor(c *call) error {
	token := c.r.PostFormValue("draft")
	d, ok := s.factors.get(token)
	if !ok || d.session != c.sess.ID() {
		return redirect("/account/factor")
	}
	code := digits(c.r.PostFormValue("factor-code"))
	codes, err := s.cfg.Auth.SetSecondFactor(c.r.Context(), c.sess, &auth.TOTPEnrolment{Secret: d.secret, Code: code})
	if errors.Is(err, auth.ErrTOTP) {
		return s.showFactor(c, http.StatusUnprocessableEntity, token, d, s.wrong("factor-code", "setup.factor_wrong"))
	}
	if err != nil {
		return err
	}
	s.factors.drop(token)
	return s.showCodes(c, codes)
}

func (s *Server) dropFactor(c *call) error {
	if c.r.PostFormValue("sure") != "yes" {
		return redirect("/account")
	}
	if _, err := s.cfg.Auth.SetSecondFactor(c.r.Context(), c.sess, nil); err != nil {
		return err
	}
	return withQuery("/account", "done", "factor-off")
}

// newCodes makes fresh recovery codes; the earlier ones are void.
func (s *Server) newCodes(c *call) error {
	codes, err := s.cfg.Auth.NewRecoveryCodes(c.r.Context(), c.sess)
	if errors.Is(err, nvr.ErrInvalid) {
		return redirect("/account/factor")
	}
	if err != nil {
		return err
	}
	return s.showCodes(c, codes)
}

// showCodes shows recovery codes, which are kept nowhere: a page of its own, once.
func (s *Server) showCodes(c *call, codes []string) error {
	return c.render(http.StatusOK, view.CodesPage(s.page(c, s.text.T("codes.title"), "account"), codes))
}
