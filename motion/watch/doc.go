// Package watch looks for motion on all cameras of the house. For each camera it
// reads the small stream out of the stream window, has a media worker decode it,
// shows the pictures to a [motion.Detector], and tells the bus, the recorder and
// whoever asks what it found. It owns the media workers of motion and stills.
//
// A [Service] is made and run by cmd/lares; its other methods may be called from
// any goroutine, also before and after Run.
package watch
