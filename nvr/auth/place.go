package auth

import "slices"

// maxPlaces bounds the addresses that a session may be used from; the one that
// came first goes.
const maxPlaces = 8

// Device is what the browser or tool said that it is.
func (s *Session) Device() string { return s.device }

// Addr is where the session was used from last.
func (s *Session) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// KnownAt reports whether the session may be used from an address: the one that
// it began at, or was used from first after a restart, and those where somebody
// proved since to be there. A cookie is sent to every service of the box's
// host, whatever its port; from there it comes back with another address.
func (s *Session) KnownAt(addr string) bool {
	place := addressKey(addr)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.places) == 0 {
		s.places = []string{place}
	}
	return slices.Contains(s.places, place)
}

// Admit lets the session be used from an address where somebody proved to be there.
func (s *Session) Admit(addr string) {
	place := addressKey(addr)
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.places, place) {
		return
	}
	s.places = append(s.places, place)
	s.places = s.places[max(0, len(s.places)-maxPlaces):]
}
