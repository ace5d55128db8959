package homekit

import (
	"encoding/base64"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"

	"github.com/brutella/hap"
	"github.com/brutella/hap/service"

	"lares/homekit/guard"
	"lares/homekit/internal/tlv8"
)

// slot is one of a camera's places for a viewer: a service for a stream. What the
// library calls runs while values are locked, so it waits for nothing.
type slot struct {
	service *service.CameraRTPStreamManagement
	// allow says whether a controller may watch; run takes a stream and runs it, if
	// there is room.
	allow func(r *http.Request) error
	run   func(*slot, *session) bool
	log   *slog.Logger

	mu      sync.Mutex // guards what follows
	current *session
	answers map[string][]byte // by connection: each reads what it asked for itself
}

func newSlot(allow func(*http.Request) error, run func(*slot, *session) bool, log *slog.Logger) *slot {
	s := &slot{
		service: service.NewCameraRTPStreamManagement(), allow: allow, run: run, log: log,
		answers: make(map[string][]byte),
	}
	s.service.SupportedVideoStreamConfiguration.SetValue(supportedVideo())
	s.service.SupportedAudioStreamConfiguration.SetValue(supportedAudio())
	s.service.SupportedRTPConfiguration.SetValue(supportedRTP())
	s.service.StreamingStatus.SetValue(s.state())
	s.service.SetupEndpoints.SetValueRequestFunc = s.setUp
	s.service.SetupEndpoints.ValueRequestFunc = s.answer
	s.service.SelectedRTPStreamConfiguration.SetValueRequestFunc = s.selected
	s.service.SelectedRTPStreamConfiguration.ValueRequestFunc = func(*http.Request) (any, int) { return "", 0 }
	return s
}

// state is the value of StreamingStatus: free or in use.
func (s *slot) state() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := byte(0)
	if s.current != nil {
		state = 1
	}
	return tlv8.Append(nil, 1, []byte{state})
}

// message returns the bytes of a value that a controller wrote.
func message(value any) ([]byte, bool) {
	text, ok := value.(string)
	if !ok {
		return nil, false
	}
	b, err := base64.StdEncoding.DecodeString(text)
	return b, err == nil
}

// setUp takes a viewer, whose answer is read afterwards.
func (s *slot) setUp(value any, r *http.Request) (any, int) {
	b, ok := message(value)
	if !ok {
		return nil, hap.JsonStatusInvalidValueInRequest
	}
	e, err := parseEndpoints(b)
	if err != nil {
		s.log.Info("HomeKit stream not set up", slog.Any("error", err))
		return nil, hap.JsonStatusInvalidValueInRequest
	}
	answer := refusedEndpoints(e.session, setupError)
	if err := s.allow(r); err == nil {
		answer = s.open(e, r)
	} else {
		s.log.Info("HomeKit stream not set up", slog.Any("error", err))
	}
	s.mu.Lock()
	s.answers[r.RemoteAddr] = answer
	s.mu.Unlock()
	s.service.StreamingStatus.SetValue(s.state())
	return nil, 0
}

// open makes the stream of a viewer and returns what to answer.
func (s *slot) open(e endpoints, r *http.Request) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil && s.current.remote != r.RemoteAddr {
		return refusedEndpoints(e.session, setupBusy)
	}
	if s.current != nil {
		s.current.end(errReplaced)
		s.current = nil
	}
	local, err := route(&e, r)
	if err != nil {
		s.log.Warn("HomeKit stream not set up", slog.Any("error", err))
		return refusedEndpoints(e.session, setupError)
	}
	made, err := newSession(e, local, r.RemoteAddr)
	if err != nil {
		s.log.Warn("HomeKit stream not set up", slog.Any("error", err))
		return refusedEndpoints(e.session, setupError)
	}
	made.controller = guard.Controller(r)
	if !s.run(s, made) {
		if err := made.close(); err != nil {
			s.log.Warn("HomeKit stream not set up", slog.Any("error", err))
		}
		return refusedEndpoints(e.session, setupBusy)
	}
	s.current = made
	return e.answer(made.video.host(), made.video.port(), made.audio.port(), made.video.ssrc, made.audio.ssrc)
}

// errElsewhere says that a controller asks for its pictures to be sent out of the
// house.
var errElsewhere = errors.New("the viewer is not in the networks of this box")

// route returns the address of this box that a stream leaves from: the one that
// the controller is connected to, or none in particular where the stream uses
// the other version of IP.
func route(e *endpoints, r *http.Request) (local netip.Addr, err error) {
	at, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok {
		return local, errElsewhere
	}
	here := at.AddrPort().Addr().Unmap()
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return local, errElsewhere
	}
	if !inHouse(e.host, here, peer.Addr().Unmap()) {
		return local, errElsewhere
	}
	if e.host.IsLinkLocalUnicast() {
		e.host = e.host.WithZone(here.Zone())
	}
	if e.host.Is4() == here.Is4() {
		local = here
	}
	return local, nil
}

// inHouse reports whether pictures may be sent to host by request of peer, who is
// connected to here: to peer itself and to private addresses; over IPv6, whose
// addresses are public, within the same network.
func inHouse(host, here, peer netip.Addr) bool {
	if host.WithZone("") == peer.WithZone("") {
		return true
	}
	if host.IsLoopback() || host.IsUnspecified() || host.IsMulticast() {
		return false
	}
	if host.IsPrivate() || host.IsLinkLocalUnicast() {
		return true
	}
	const network = 64
	in, err := here.Prefix(network)
	return err == nil && host.Is6() && in.Contains(host)
}

// answer is what SetupEndpoints reads as, for each connection its own.
func (s *slot) answer(r *http.Request) (any, int) {
	answer := tlv8.Append(nil, 2, []byte{setupError}) // as HAP-NodeJS where nothing was set up
	if r != nil {
		s.mu.Lock()
		if own, ok := s.answers[r.RemoteAddr]; ok {
			answer = own
		}
		s.mu.Unlock()
	}
	return base64.StdEncoding.EncodeToString(answer), 0
}

// selected follows a command to the stream of the connection it came over.
func (s *slot) selected(value any, r *http.Request) (any, int) {
	b, ok := message(value)
	if !ok {
		return nil, hap.JsonStatusInvalidValueInRequest
	}
	sel, err := parseSelection(b)
	if err != nil {
		s.log.Info("HomeKit stream not started", slog.Any("error", err))
		return nil, hap.JsonStatusInvalidValueInRequest
	}
	s.mu.Lock()
	current := s.current
	mine := current != nil && current.id == sel.session && current.remote == r.RemoteAddr
	if mine && sel.command == commandEnd {
		s.current = nil
	}
	s.mu.Unlock()
	switch {
	case mine && sel.command == commandEnd:
		current.end(errEnded)
	case mine:
		current.order(sel)
	case sel.command != commandEnd:
		return nil, hap.JsonStatusInvalidValueInRequest
	}
	s.service.StreamingStatus.SetValue(s.state())
	return nil, 0
}

// release makes room after a stream that is over.
func (s *slot) release(ended *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == ended {
		s.current = nil
	}
}

// leave ends what was set up over a connection that is closed.
func (s *slot) leave(remote string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.answers, remote)
	if s.current != nil && s.current.remote == remote {
		s.current.end(errLeft)
	}
}

// stop ends the stream.
func (s *slot) stop(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil {
		s.current.end(why)
	}
}
