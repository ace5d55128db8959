package ui

import (
	"cmp"
	"encoding/hex"
	"errors"
	"net/http"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/ui/view"
)

func (s *Server) account(c *call) error { return s.showAccount(c, http.StatusOK, view.Form{}) }

func (s *Server) showAccount(c *call, status int, form view.Form) error {
	list, err := s.cfg.Auth.Sessions(c.r.Context(), c.sess.Principal())
	if err != nil {
		return err
	}
	m := view.Account{Form: form, Name: c.sess.Name()}
	if err := s.keys(c, &m); err != nil {
		return err
	}
	for _, one := range list {
		m.Sessions = append(m.Sessions, view.Session{
			ID: hex.EncodeToString(one.TokenHash[:]), Device: cmp.Or(one.Device, s.text.T("device.unknown")),
			Since: one.Created, Seen: one.Seen, This: one.TokenHash == c.sess.ID(),
		})
	}
	return c.render(status, view.AccountPage(s.page(c, s.text.T("account.title"), "account"), m))
}

// keys fills in what opens the recordings beside the password.
func (s *Server) keys(c *call, m *view.Account) error {
	devices, err := s.cfg.Auth.Devices(c.r.Context(), c.sess)
	if err != nil {
		return err
	}
	for _, d := range devices {
		m.Devices = append(m.Devices, view.Device{ID: d.ID.String(), Label: d.Label, Since: d.Created, Expires: d.Expires})
	}
	m.Codes, m.Second, err = s.cfg.Auth.RecoveryCodes(c.r.Context(), c.sess)
	if m.Locked = errors.Is(err, nvr.ErrLocked); m.Locked {
		return nil
	}
	return err
}

func (s *Server) changePassword(c *call) error {
	if field, message := s.checkPassword(c, c.sess.Name()); message != "" {
		return s.showAccount(c, http.StatusUnprocessableEntity, view.Form{Error: message, Field: field})
	}
	err := s.cfg.Auth.ChangePassword(c.r.Context(), c.sess, c.r.PostFormValue("old"), c.r.PostFormValue("password"))
	var throttled auth.ErrThrottled
	switch {
	case errors.Is(err, auth.ErrWrong):
		form := view.Form{Error: s.text.T("account.wrong_old"), Field: "old"}
		return s.showAccount(c, http.StatusUnprocessableEntity, form)
	case errors.Is(err, nvr.ErrInvalid):
		form := view.Form{Error: s.text.T("password.bad"), Field: "password"}
		return s.showAccount(c, http.StatusUnprocessableEntity, form)
	case errors.As(err, &throttled):
		p := describe(err)
		return s.showAccount(c, p.status, view.Form{Error: s.text.T(p.text, p.args...), Field: "old"})
	case err != nil:
		return err
	}
	return withQuery("/account", "done", "password")
}

// revoke ends another session of the same person.
func (s *Server) revoke(c *call) error {
	raw, err := hex.DecodeString(c.r.PostFormValue("session"))
	if err != nil || len(raw) != 32 {
		return nvr.ErrNotFound
	}
	list, err := s.cfg.Auth.Sessions(c.r.Context(), c.sess.Principal())
	if err != nil {
		return err
	}
	for _, one := range list {
		if one.TokenHash == [32]byte(raw) {
			if err := s.cfg.Auth.Revoke(c.r.Context(), one.TokenHash); err != nil {
				return err
			}
			return withQuery("/account", "done", "revoked")
		}
	}
	return nvr.ErrNotFound
}

func (s *Server) certificateHelp(c *call) error {
	m := view.Certificate{Fingerprint: s.cfg.Cert.Fingerprint(), Names: s.cfg.Cert.Names()}
	return c.render(http.StatusOK, view.CertificatePage(s.page(c, s.text.T("cert.title"), "help"), m))
}

func (s *Server) authority(c *call) error {
	s.cfg.Cert.ServeCA(c.w, c.r)
	return nil
}
