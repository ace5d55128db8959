package ui

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/ui/live"
	"lares/ui/view"
)

// problem is an error with what the browser may know of it.
type problem struct {
	status int
	code   string   // for programs
	text   string   // id in the catalogue
	args   []string // of the text
	retry  int      // seconds, for Retry-After; 0: not said
	err    error    // for the log; may be nil
}

// Error is for the log.
func (p *problem) Error() string {
	if p.err != nil {
		return p.code + ": " + p.err.Error()
	}
	return p.code
}

// Unwrap returns the cause.
func (p *problem) Unwrap() error { return p.err }

// redirect is returned by a handler to send the browser on (303).
type redirect string

// Error names the target.
func (r redirect) Error() string { return "redirect to " + string(r) }

// notFoundUnlessTampered hides that a camera is there from those who may not
// see it; that the list of people was tampered with is no secret.
func notFoundUnlessTampered(err error) error {
	if errors.Is(err, nvr.ErrForbidden) && !errors.Is(err, auth.ErrRoster) {
		return fmt.Errorf("%w: %w", nvr.ErrNotFound, err)
	}
	return err
}

// describe decides what a browser is told about an error.
func describe(err error) *problem {
	var known *problem
	var tooLarge *http.MaxBytesError
	var throttled auth.ErrThrottled
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &tooLarge):
		return &problem{status: http.StatusRequestEntityTooLarge, code: "large", text: "error.large", err: err}
	case errors.As(err, &throttled):
		return &problem{
			status: http.StatusTooManyRequests, code: "wait", text: "login.wait",
			args: []string{"seconds", strconv.Itoa(throttled.Seconds())}, retry: throttled.Seconds(), err: err,
		}
	}
	for _, k := range []struct {
		is     error
		status int
		code   string
		text   string
	}{
		{nvr.ErrNotKept, http.StatusInsufficientStorage, "not-kept", "error.not_kept"},
		{nvr.ErrNotFound, http.StatusNotFound, "not-found", "error.not_found"},
		{auth.ErrNoSession, http.StatusUnauthorized, "login", "error.login_needed"},
		{auth.ErrRoster, http.StatusForbidden, "roster", "error.roster"},
		{auth.ErrStepUp, http.StatusForbidden, "step-up", "error.step_up"},
		{auth.ErrSuspended, http.StatusForbidden, "suspended", "error.suspended"},
		{auth.ErrInvitation, http.StatusForbidden, "invitation", "error.invitation"},
		{auth.ErrUnconfirmed, http.StatusForbidden, "unconfirmed", "error.unconfirmed"},
		{auth.ErrSelf, http.StatusConflict, "self", "error.self"},
		{auth.ErrDevice, http.StatusForbidden, "device", "error.device"},
		{auth.ErrBoxCode, http.StatusForbidden, "box-code", "error.box_code"},
		{auth.ErrRecoveryKey, http.StatusForbidden, "recovery-key", "error.recovery_key"},
		{auth.ErrTOTP, http.StatusUnprocessableEntity, "factor", "setup.factor_wrong"},
		{nvr.ErrForbidden, http.StatusForbidden, "forbidden", "error.forbidden"},
		{auth.ErrLink, http.StatusForbidden, "link", "error.link"},
		{nvr.ErrBusy, http.StatusServiceUnavailable, "busy", "error.busy"},
		{nvr.ErrLocked, http.StatusLocked, "locked", "error.locked"},
		{nvr.ErrLogUnavailable, http.StatusServiceUnavailable, "log-unavailable", "error.log"},
		{nvr.ErrNoOwner, http.StatusConflict, "no-owner", "error.no_owner"},
		{nvr.ErrDestroyed, http.StatusGone, "destroyed", "error.destroyed"},
		{nvr.ErrCorrupt, http.StatusInternalServerError, "damaged", "error.damaged"},
		{nvr.ErrPrivate, http.StatusConflict, "private", "error.private"},
		{live.ErrNoPicture, http.StatusServiceUnavailable, "no-picture", "error.no_picture"},
		{nvr.ErrClosed, http.StatusServiceUnavailable, "no-picture", "error.no_picture"},
		{nvr.ErrInvalid, http.StatusBadRequest, "invalid", "error.invalid"},
		{context.DeadlineExceeded, http.StatusGatewayTimeout, "timeout", "error.timeout"},
	} {
		if errors.Is(err, k.is) {
			return &problem{status: k.status, code: k.code, text: k.text, err: err}
		}
	}
	return &problem{status: http.StatusInternalServerError, code: "internal", text: "error.internal", err: err}
}

// fail answers with an error: a redirect, JSON or a page.
func (s *Server) fail(c *call, err error) {
	if asked, answer := s.askProof(c, err); asked {
		if err = answer; err == nil {
			return
		}
	}
	if to, ok := errors.AsType[redirect](err); ok {
		http.Redirect(c.w, c.r, string(to), http.StatusSeeOther)
		return
	}
	if c.r.Context().Err() != nil && !errors.Is(err, context.DeadlineExceeded) {
		return // the client left
	}
	p := describe(err)
	if p.status >= http.StatusInternalServerError && p.err != nil {
		s.cfg.Log.LogAttrs(c.r.Context(), slog.LevelError, "request failed",
			slog.String("route", c.route.pattern), slog.String("code", p.code), slog.Any("err", p.err))
	}
	if c.w.started {
		c.w.cut()
		return
	}
	h := c.w.Header()
	for _, name := range []string{"Content-Disposition", "Content-Length", "Accept-Ranges", live.CodecsHeader} {
		h.Del(name)
	}
	if p.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retry))
	}
	message := s.text.T(p.text, p.args...)
	if c.route.kind != page || strings.HasPrefix(c.r.URL.Path, "/api/") {
		_ = c.json(p.status, failure{Version: apiVersion, Error: failureText{Code: p.code, Text: message}}) // of fixed types
		return
	}
	next, nextText := "/", "error.home"
	if p.status == http.StatusUnauthorized {
		next, nextText = "/login", "error.login"
	}
	frame := s.page(c, s.text.T("error.title"), "")
	frame.Alarms = nil
	if err := c.render(p.status, view.ErrorPage(frame, message, next, s.text.T(nextText))); err != nil {
		s.cfg.Log.LogAttrs(c.r.Context(), slog.LevelError, "error page failed", slog.Any("err", err))
	}
}

// failure is the JSON form of an error.
type failure struct {
	Version int         `json:"version"`
	Error   failureText `json:"error"`
}

type failureText struct {
	Code string `json:"code"`
	Text string `json:"text"`
}
