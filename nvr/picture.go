package nvr

import "time"

// Grey is a small grey picture, as the detector sees it.
type Grey struct {
	// PTS is when it is shown, 90 kHz ticks since the Unix epoch.
	PTS           int64
	Width, Height int // pixels
	// Pix is the luma, Width*Height bytes row by row without padding.
	Pix []byte
}

// Box is an upright rectangle in parts of the picture: X and Y are its top left
// corner, all four lie in 0 to 1.
type Box struct{ X, Y, W, H float64 }

// Point is a place in parts of the picture, 0 to 1 from the top left corner.
type Point struct{ X, Y float64 }

// PictureOptions says which small grey pictures are made of a stream.
type PictureOptions struct {
	// MaxWidth and MaxHeight bound the picture; its shape is kept and it is
	// never enlarged.
	MaxWidth, MaxHeight int
	// Every is the least time between two pictures.
	Every time.Duration
	// KeysOnly decodes key frames alone: for a box that is short of CPU.
	KeysOnly bool
}

// StillOptions says how a JPEG is made of a frame.
type StillOptions struct {
	// MaxWidth and MaxHeight bound the JPEG; it is never enlarged. 0: as large
	// as the picture.
	MaxWidth, MaxHeight int
	// Crop is the part of the picture that is shown; the zero Box is all of it.
	Crop Box
}

// H264Options says how the pictures of a stream become H.264.
type H264Options struct {
	// MaxWidth and MaxHeight bound the picture; its shape is kept and it is
	// never enlarged.
	MaxWidth, MaxHeight int
	Bitrate             int // bit/s
	Rate                int // pictures a second at most, 1 to 60
	// Key makes the first picture that comes a key frame.
	Key bool
}
