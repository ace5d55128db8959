// Package cert makes the box its own certificate authority, so that the web UI
// speaks HTTPS from the first byte without anybody outside the house.
//
// It owns the authority's key, the server certificate below it and the handler
// of the plain HTTP port. The authority can vouch for this house only: its
// critical name constraints (RFC 5280 section 4.2.1.10) permit the names of the
// box, .local and private addresses, its path length is 0 and its use is TLS
// servers. So a household that installs it trusts the box with nothing else.
//
// A [Manager] may be used from any goroutine. [Manager.Run] renews the server
// certificate and follows the addresses of the box; [Manager.GetCertificate]
// always returns the newest one, no restart is needed.
package cert
