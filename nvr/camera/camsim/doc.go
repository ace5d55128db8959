// Package camsim is a simulated RTSP camera: it plays a clip in a loop as a
// camera would, main picture and optional small one, and misbehaves on request
// in the ways that real cameras do. 'lares demo' shows it to people, tests
// record it and compare what they got with what it says it sent.
//
// It owns its listener, its players and the log of what was sent. A [Camera]
// is safe for use from any goroutine; [Camera.Run] owns all goroutines of the
// camera and returns when they have ended. A [Clip] is immutable.
package camsim
