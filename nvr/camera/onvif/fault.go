package onvif

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Why a camera does not tell what it is asked for.
var (
	// ErrUnreachable: nothing answers at the address.
	ErrUnreachable = errors.New("the camera does not answer")
	// ErrOff: something answers, but it speaks no ONVIF.
	ErrOff = errors.New("ONVIF is off")
	// ErrNeedsPassword: the camera wants a login and the client has none.
	ErrNeedsPassword = errors.New("the camera asks for a password")
	// ErrRefused: the camera rejects the user or the password.
	ErrRefused = errors.New("the camera rejects the login")
	// ErrLocked: the camera is locked after wrong passwords.
	ErrLocked = errors.New("the camera is locked")
	// ErrClock: the camera rejects the time of the login.
	ErrClock = errors.New("the camera's clock is wrong")
	// ErrChanged: the camera shows another certificate than the pinned one.
	ErrChanged = errors.New("the camera shows another certificate")
	// ErrUnsupported: the camera cannot do what it is asked for.
	ErrUnsupported = errors.New("the camera cannot do this")
)

// fault is a SOAP fault, of version 1.2 or 1.1.
type fault struct {
	Code    string `xml:"Body>Fault>Code>Value"`
	Subcode string `xml:"Body>Fault>Code>Subcode>Value"`
	Deeper  string `xml:"Body>Fault>Code>Subcode>Subcode>Value"`
	Reason  string `xml:"Body>Fault>Reason>Text"`
	Old     string `xml:"Body>Fault>faultcode"`
	OldText string `xml:"Body>Fault>faultstring"`
}

// err sorts a fault into what to do about it; nil if there is none. The words
// are those of ONVIF Core 5.8.2 and of WS-Security 12, and what makers add.
func (f fault) err() error {
	all := strings.ToLower(strings.Join([]string{f.Code, f.Subcode, f.Deeper, f.Reason, f.Old, f.OldText}, " "))
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(all, w) {
				return true
			}
		}
		return false
	}
	switch {
	case strings.TrimSpace(all) == "":
		return nil
	case has("locked", "lockout", "too many"):
		return ErrLocked
	case has("messageexpired", "timestamp", "time check", "timecheck"):
		return ErrClock
	case has("notauthorized", "not authorized", "unauthorized", "failedauthentication", "failedcheck", "authority failure", "prohibited"):
		return ErrRefused
	}
	return fmt.Errorf("%w: %.200q", ErrUnsupported, f.Reason+f.OldText)
}

// refusal sorts an HTTP status that came without a SOAP fault; nil where the
// body counts.
func refusal(status int) error {
	switch status {
	case http.StatusOK:
		return nil
	case http.StatusUnauthorized, http.StatusForbidden:
		return ErrRefused
	case http.StatusLocked, http.StatusTooManyRequests:
		return ErrLocked
	}
	return fmt.Errorf("%w: HTTP status %d", ErrOff, status)
}
