package camera

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/liberrors"

	"lares/nvr"
	"lares/nvr/egress"
)

var (
	errRedirected  = errors.New("redirected to another device")
	errFrozen      = errors.New("no pictures")
	errPinned      = errors.New("another certificate")
	errPanic       = errors.New("panic")
	errNoCodec     = errors.New("no usable pictures")
	errForeignHost = errors.New("connection to another device")
)

// unfitError says that a camera offers no pictures that can be recorded.
type unfitError struct{ codec string }

// Error implements error.
func (e unfitError) Error() string { return errNoCodec.Error() + ": " + e.codec }

// Unwrap returns errNoCodec.
func (e unfitError) Unwrap() error { return errNoCodec }

// failure is why a connection could not be made or ended, for the owner and
// for the loop that tries again.
type failure struct {
	cause  nvr.Cause
	detail string
	// final failures are not tried again until the settings change or the owner asks.
	final bool
	// wait is how long to wait at least before the next try.
	wait time.Duration
}

// circumstances are what the cause of an error depends on besides the error.
type circumstances struct {
	offered  bool // credentials went along with the last request
	accepted bool // and had been accepted before
	known    bool // the owner gave credentials
	mixed    bool // the camera mixes sessions
	secure   bool // rtsps
	answered bool
	timeout  time.Duration
}

// explain finds the cause of an error and the words for it.
func explain(err error, c circumstances) failure {
	f := explainError(err, c)
	if c.mixed {
		f.wait = max(f.wait, c.timeout)
	}
	return f
}

func explainError(err error, c circumstances) failure {
	offline := func(words string) failure { return failure{cause: nvr.CameraOffline, detail: words} }
	unfit := func(words string) failure { return failure{cause: nvr.CameraUnfit, detail: words, wait: time.Minute} }
	refused := func(words string) failure { return failure{cause: nvr.CameraRefused, detail: words, final: true} }

	var status liberrors.ErrClientBadStatusCode
	var codec unfitError
	var frame liberrors.ErrClientUnexpectedFrame
	var description liberrors.ErrClientSDPInvalid
	var auth liberrors.ErrClientAuthSetup
	var wantsUDP liberrors.ErrClientServerRequestedUDP
	var wantsTCP liberrors.ErrClientServerRequestedTCP
	switch {
	case errors.Is(err, errPinned):
		return refused("The camera shows another certificate than before. If you reset or replaced it, " +
			"remove it and add it again; if not, another device pretends to be it.")
	case errors.Is(err, egress.ErrOutside):
		return failure{cause: nvr.CameraOffline, wait: time.Minute, detail: "This address is outside of your house, and Lares connects to nothing there. " +
			"Give the camera an address of your home network."}
	case errors.Is(err, errRedirected), errors.Is(err, errForeignHost):
		return refused("The camera points to another device. Enter that device's address if you trust it.")
	case errors.As(err, &codec) && codec.codec == "":
		return unfit("The camera offers no pictures at this address. Check the part behind the camera's name.")
	case errors.As(err, &codec):
		return unfit("The camera sends its pictures in " + codec.codec +
			". Switch it to H.264 or H.265 in the camera's own settings.")
	case errors.As(err, &status):
		return explainStatus(status.Code, c)
	case errors.As(err, &auth):
		return refused("The camera asks for its password in a way that Lares does not know. " +
			"Choose 'digest' as its RTSP authentication.")
	case errors.As(err, &wantsUDP):
		return unfit("The camera sends over UDP only. Switch the transport of this camera to UDP.")
	case errors.As(err, &wantsTCP):
		return unfit("The camera sends over TCP only. Switch the transport of this camera to TCP.")
	case errors.As(err, &frame):
		return failure{
			cause: nvr.CameraOffline, wait: max(c.timeout, defaultSessionTimeout),
			detail: "The camera still sends an old session; Lares waits until it has ended.",
		}
	case errors.As(err, &description):
		return unfit("The camera describes its stream in a way that Lares does not understand.")
	case errors.Is(err, errFrozen):
		return offline("The camera is connected but sends no pictures. If this goes on, restart it.")
	case errors.Is(err, errPanic):
		return offline("The camera sent something that Lares could not handle; it tries again.")
	}
	f := explainNetwork(err)
	if c.secure && !c.answered && !errors.Is(err, syscall.ECONNREFUSED) {
		f.detail += " If it does not speak TLS, begin its address with rtsp:// instead of rtsps://."
	}
	return f
}

func explainStatus(code base.StatusCode, c circumstances) failure {
	switch {
	case code == base.StatusUnauthorized && !c.known:
		return failure{
			cause: nvr.CameraRefused, final: true,
			detail: "The camera asks for a user name and password. Enter them in its settings.",
		}
	case code == base.StatusUnauthorized && c.accepted:
		return failure{cause: nvr.CameraOffline, detail: "The camera ended the session."}
	case code == base.StatusUnauthorized, code == base.StatusForbidden && c.offered && !c.accepted:
		return failure{
			cause: nvr.CameraRefused, final: true,
			detail: "The camera rejects the user name or the password. Correct them in its settings; " +
				"Lares does not try a rejected password again by itself, because many cameras then lock everybody out.",
		}
	case code == base.StatusNotFound:
		return failure{
			cause: nvr.CameraUnfit, wait: time.Minute,
			detail: "The camera does not know this stream. Check the part of the address behind the camera's name.",
		}
	case code == base.StatusUnsupportedTransport:
		return failure{
			cause: nvr.CameraUnfit, wait: time.Minute,
			detail: "The camera refuses this transport. Switch between TCP and UDP in its settings.",
		}
	case code == base.StatusNotEnoughBandwidth, code == base.StatusServiceUnavailable:
		return failure{
			cause: nvr.CameraOffline, wait: 15 * time.Second,
			detail: "The camera serves no more viewers. Close other apps that watch it.",
		}
	}
	return failure{cause: nvr.CameraOffline, detail: fmt.Sprintf("The camera answered with error %d.", code)}
}

func explainNetwork(err error) failure {
	f := failure{cause: nvr.CameraOffline, detail: "The connection to the camera was lost."}
	var name *net.DNSError
	var record tls.RecordHeaderError
	var timeout net.Error
	var slow liberrors.ErrClientRequestTimedOut
	var silentTCP liberrors.ErrClientTCPTimeout
	var silentUDP liberrors.ErrClientUDPTimeout
	switch {
	case errors.As(err, &name):
		f.detail = "Nobody in this network knows the camera's name. Enter its IP address instead."
	case errors.Is(err, syscall.ECONNREFUSED):
		f.detail = "The device is there but refuses the connection. Is RTSP switched on in the camera, and is the port right?"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		f.detail = "The camera cannot be reached. Is it switched on and in the same network?"
	case errors.As(err, &record):
		f.cause, f.wait = nvr.CameraUnfit, time.Minute
		f.detail = "The camera does not speak TLS at this address."
	case errors.As(err, &silentTCP), errors.As(err, &silentUDP):
		f.detail = "The camera is connected but sends no pictures. If this goes on, restart it."
	case errors.As(err, &slow):
		f.detail = "The camera accepts the connection but does not answer. If this goes on, restart it."
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		f.detail = "The camera does not answer. Is it switched on and in the same network?"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		f.detail = "The camera closed the connection. Some do that for a while after wrong passwords."
	}
	return f
}
