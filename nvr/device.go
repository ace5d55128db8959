package nvr

import "time"

// Identity says which device a camera is, whatever its address is today. It is
// sealed with the machine key wherever it is stored.
type Identity struct {
	// Endpoint is the name that the device answers to in WS-Discovery, such as
	// urn:uuid:…; empty if it has none.
	Endpoint string `json:"endpoint,omitempty"`
	Maker    string `json:"maker,omitempty"`
	Model    string `json:"model,omitempty"`
	Serial   string `json:"serial,omitempty"`
	// MAC is the hardware address, lower case with colons; empty if unknown.
	MAC string `json:"mac,omitempty"`
	// Service is the URL of its ONVIF device service; empty without ONVIF.
	Service string `json:"service,omitempty"`
	// Pin is the SHA-256 of the certificate that an https Service showed first.
	Pin []byte `json:"pin,omitempty"`
	// Bell: it has a button at the door, and tells when that is pressed.
	Bell bool `json:"bell,omitempty"`
}

// FoundDevice is what answered when Lares asked the house for cameras.
type FoundDevice struct {
	Identity
	Name string // as it calls itself; may be empty
	Host string // its address, without a port
}

// DeviceLogin says which device to ask, and with what.
type DeviceLogin struct {
	// Identity names it by its Service; where that is empty, Host is searched.
	Identity Identity
	// Host is an address or name, with or without a port.
	Host     string
	User     string
	Password Secret
}

// DeviceReport is what a camera said of itself over ONVIF.
type DeviceReport struct {
	Problem  DeviceProblem
	Identity Identity
	// ClockOff is how far the camera's clock is ahead of this box; valid where
	// ClockKnown.
	ClockOff   time.Duration
	ClockKnown bool
	// Offers are the streams to record, the main one first; one or two. Empty
	// where Problem is not DeviceFine.
	Offers []Offer
}

// DeviceProblem is why a camera tells nothing over ONVIF.
type DeviceProblem uint8

// What stands between Lares and the camera's answer.
const (
	DeviceFine        DeviceProblem = iota
	DeviceUnreachable               // nothing answers at the address
	DeviceNoONVIF                   // something answers, but not ONVIF: it is off, or the device has none
	DeviceAsks                      // it wants a user name and password
	DeviceRefused                   // it rejects the user or the password, or that user may not use ONVIF
	DeviceLocked                    // it is locked after wrong passwords
	DeviceClock                     // it rejects the time of the login
	DeviceChanged                   // it shows another certificate than before
	DeviceForeign                   // the address is not one of the house
	DeviceBare                      // it offers no stream that Lares can record
)

// Offer is a stream as the camera's own settings describe it.
type Offer struct {
	Quality Quality
	URL     string // rtsp:// or rtsps://, without user info
	Video   Codec
	Width   int
	Height  int
	Rate    float64 // pictures a second, at most; 0: not said
	Bits    int     // bit/s, at most; 0: not said
	GOP     int     // pictures from key frame to key frame; 0: not said
	Sound   string  // as the camera calls its coding: "AAC", "G711"; empty: none
}

// Masks are the privacy masks of a camera as the camera itself keeps them.
type Masks struct {
	// Possible: the camera can keep masks. Else the rest is empty.
	Possible bool
	List     []Mask
	Most     int // masks at the same time
	Corners  int // of one mask, at most
	// Rectangles: the camera draws upright rectangles only.
	Rectangles bool
}

// Mask is an area that the camera itself hides.
type Mask struct {
	Token  string // the camera's name for it; empty for a new one
	Points []Point
}
