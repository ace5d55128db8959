// Package demo holds the clip that the simulated camera of `lares demo` plays:
// a house entrance at dusk with a running clock, where a visitor, a neighbour
// and a cat pass by once a minute.
//
// It owns two mp4 files, embedded in the binary, and the program in draw that
// draws them. Each is H.264 without B-frames and without sound, has a key frame
// every two seconds, lasts exactly one minute and is a seamless loop, so that
// both can be played in step for ever. The functions may be called from any
// goroutine.
package demo

import _ "embed" // the clips

//go:embed main.mp4
var mainClip string

//go:embed sub.mp4
var subClip string

// Main returns the mp4 file of the main stream: 1280 x 720, 15 frames a second.
// The bytes are a copy and belong to the caller.
func Main() []byte { return []byte(mainClip) }

// Sub returns the mp4 file of the sub stream: 640 x 360, 10 frames a second.
// The bytes are a copy and belong to the caller.
func Sub() []byte { return []byte(subClip) }
