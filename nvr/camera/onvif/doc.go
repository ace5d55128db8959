// Package onvif asks cameras over ONVIF who they are and what they offer:
// WS-Discovery, the device and media services (Media2, else Media1), privacy
// masks, and pull-point events.
//
// A [Client] talks to one camera. It owns the way the camera wants to be logged
// in to, the camera's clock, and the certificate that it pins on first use. The
// password travels as a digest only, and one that was rejected is never sent
// again by the same client. A client belongs to one goroutine at a time.
// [Discover] may be called from any goroutine.
//
// Cameras are hostile input: answers are bounded in bytes and depth, names of
// elements count without their namespaces, and a URL that a camera returns is
// followed at the address that the caller talks to, whatever host it names.
package onvif
