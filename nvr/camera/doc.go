// Package camera pulls the cameras of the house: one [Supervisor] per camera
// connects over RTSP, turns RTP into access units, gives them the wall time
// and publishes them to the [nvr.Stream] of each source, again and again until
// its context ends. A [Fleet] holds the supervisors of all cameras.
//
// Sound is AAC when it is published. What a camera codes otherwise goes through
// the [Transcoder] that the fleet was given, beside the pictures and never in
// their way; sound of a camera whose sound is off is not even asked for.
//
// A camera can be made private, and the house: then the fleet lets its connections
// go and its streams are shut before the call returns. Nothing is connected to
// before it was read what is private, and no picture is let in again before the
// connection of before has ended.
//
// [Devices] searches the house for cameras over ONVIF, asks them what they
// offer, keeps their privacy masks and follows cameras to new addresses: a camera
// is its name in discovery, its certificate or its hardware address, and only
// what matches those is offered the password.
//
// It owns the connections, the mapping of camera clocks to the time of the
// house, reconnecting, the measured health, and privacy mode with its timers and
// its plan. It knows neither disk nor HTTP.
//
// Cameras are hostile input: everything that comes from one is bounded and
// checked, and a medium that cannot be used is left out and named instead of
// failing the camera. gortsplib calls back from its read loops; what happens
// there is short, never waits, and a panic in it ends the connection only.
//
// All exported methods of Fleet and Supervisor may be called from any
// goroutine. A [Feed] belongs to one supervisor at a time.
package camera
