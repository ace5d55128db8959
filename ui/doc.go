// Package ui is the web interface of Lares: pages, the JSON interface below
// /api/v1 and the streams of pictures.
//
// It owns the table of routes ([Server] is built from it), who may call each of
// them, the session cookie and the security headers. It knows no SQL, no files
// and no keys: it asks the small interfaces of [Config] and hands the session
// through as an [nvr.Opener] unread. Handlers return errors; only texts of the
// catalogue reach a browser.
//
// A Server may be used from any goroutine. It starts no goroutine that outlives
// a request.
package ui
