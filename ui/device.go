package ui

import (
	"errors"
	"net/http"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/ui/view"
)

// deviceCookieName is one half of what a remembered device keeps. The other is
// kept by a script where cookies do not reach.
const deviceCookieName = "__Host-lares-device"

// remembered reports whether the browser says that it is a remembered device.
func remembered(r *http.Request) bool {
	cookie, err := r.Cookie(deviceCookieName)
	return err == nil && cookie.Value != ""
}

// rememberPage offers to make this browser a remembered device. It waits for a
// click: a link that leads here must not be enough.
func (s *Server) rememberPage(c *call) error {
	return s.showRemember(c, localPath(c.r.URL.Query().Get("next")), false)
}

// showRemember runs the script that makes this browser a remembered device and
// goes on to next: now, where that was ticked at the login, or after a click.
func (s *Server) showRemember(c *call, next string, now bool) error {
	return c.render(http.StatusOK, view.RememberPage(s.page(c, s.text.T("device.title"), "account"), next, now))
}

// remember makes the keys of this device and answers with the half that no
// cookie holds.
func (s *Server) remember(c *call) error {
	key, err := s.cfg.Auth.Remember(c.r.Context(), c.sess)
	if err != nil {
		return err
	}
	setCookie(c.w, deviceCookieName, key.Cookie, cookieLife)
	return c.json(http.StatusOK, struct {
		Version int    `json:"version"`
		Second  string `json:"second"`
	}{apiVersion, key.Second})
}

// useDevice logs a remembered device in, or opens the keys of its session.
func (s *Server) useDevice(c *call) error {
	cookie, err := c.r.Cookie(deviceCookieName)
	if err != nil {
		return auth.ErrDevice
	}
	key := auth.DeviceKey{Cookie: cookie.Value, Second: c.r.PostFormValue("second")}
	if c.sess, err = s.session(c); err == nil {
		// It may be the device of somebody else in the house: it stays remembered.
		if err = s.cfg.Auth.UnlockDevice(c.r.Context(), c.sess, key); err == nil {
			c.sess.Admit(c.addr())
		}
	} else {
		err = s.loginDevice(c, key)
	}
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, struct {
		Version int `json:"version"`
	}{apiVersion})
}

func (s *Server) loginDevice(c *call, key auth.DeviceKey) error {
	_, token, err := s.cfg.Auth.LoginDevice(c.r.Context(), key, c.addr(), device(s.text, c.r))
	if errors.Is(err, auth.ErrDevice) {
		setCookie(c.w, deviceCookieName, "", 0)
	}
	if err != nil {
		return err
	}
	setCookie(c.w, cookieName, token, cookieLife)
	return nil
}

// forgetDevice takes the keys of a remembered device back, which needs the password.
func (s *Server) forgetDevice(c *call) error {
	id, err := nvr.ParseID[nvr.Unlocker](c.r.PostFormValue("device"))
	if err != nil {
		return nvr.ErrNotFound
	}
	err = s.cfg.Auth.RemoveDevice(c.r.Context(), c.sess, id, c.r.PostFormValue("device-password"))
	var throttled auth.ErrThrottled
	switch {
	case errors.Is(err, auth.ErrWrong):
		return s.showAccount(c, http.StatusUnprocessableEntity, s.wrong("device-password", "unlock.wrong"))
	case errors.As(err, &throttled):
		p := describe(err)
		return s.showAccount(c, p.status, view.Form{Error: s.text.T(p.text, p.args...), Field: "device-password"})
	case err != nil:
		return err
	}
	return withQuery("/account", "done", "forgotten")
}
