package ui

import (
	"net/http"
	"strings"
	"time"

	"lares/nvr/auth"
	"lares/ui/text"
)

const (
	// cookieName begins with __Host-: browsers then take it only over HTTPS,
	// from this host and for all paths (RFC 6265bis section 4.1.3.2).
	cookieName      = "__Host-lares"
	setupCookieName = "__Host-lares-setup"
	joinCookieName  = "__Host-lares-join"
	// linkCookieName holds the session of somebody who opened a link.
	linkCookieName = "__Host-lares-link"
	// seenCookieName holds the number of the newest notice that was shown.
	seenCookieName = "__Host-lares-seen"
	// cookieLife is longer than a session lasts without use; the box decides.
	cookieLife = 400 * 24 * time.Hour
)

// session returns who asks. The page of a link says so in each request: the
// same browser may belong to somebody of the house. Error: auth.ErrNoSession.
func (s *Server) session(c *call) (*auth.Session, error) {
	name := cookieName
	if c.route.kind != page && c.r.URL.Query().Has("link") {
		name = linkCookieName
	}
	cookie, err := c.r.Cookie(name)
	if err != nil {
		return nil, auth.ErrNoSession
	}
	return s.cfg.Auth.Resume(c.r.Context(), cookie.Value, c.addr())
}

// setCookie sets a cookie that only this box gets and no script can read; an
// empty value removes it.
func setCookie(w http.ResponseWriter, name, value string, life time.Duration) {
	age := int(life.Seconds())
	if value == "" {
		age = -1
	}
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: age,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
}

// device names the browser in words, from what it says about itself.
func device(t *text.Catalogue, r *http.Request) string {
	agent := r.UserAgent()
	find := func(pairs ...string) string {
		for i := 0; i+1 < len(pairs); i += 2 {
			if strings.Contains(agent, pairs[i]) {
				return pairs[i+1]
			}
		}
		return ""
	}
	// The order matters: each browser also names those that it is like.
	browser := find("Firefox/", "Firefox", "FxiOS/", "Firefox", "Edg", "Edge", "OPR/", "Opera",
		"CriOS/", "Chrome", "Chrome/", "Chrome", "Safari/", "Safari")
	system := find("iPhone", "iPhone", "iPad", "iPad", "Android", "Android", "Windows", "Windows",
		"Mac OS X", "Mac", "CrOS", "Chromebook", "Linux", "Linux")
	if browser == "" || system == "" {
		return t.T("device.unknown")
	}
	return t.T("device.on", "browser", browser, "system", system)
}

// askWhere asks somebody whose session comes from an address where it was not
// used before for the password, or the secrets of the device: who has the cookie
// alone, such as another service on this host, gets no further.
func (s *Server) askWhere(c *call) error {
	switch {
	case c.route.anywhere || c.sess.KnownAt(c.addr()):
		return nil
	case c.route.kind == page && c.sess.Link() == nil:
		return redirect("/unlock" + nextQuery(c.r))
	}
	return auth.ErrNoSession // scripts then load the page anew; a link opens with its secret
}
