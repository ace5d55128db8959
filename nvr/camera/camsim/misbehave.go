package camsim

import (
	"time"

	"lares/nvr"
)

// Reports is what the camera says about its clock in RTCP.
type Reports int

// True tells the truth, Silent sends no sender reports, Insane sends times
// from 1970 and from the next century, in turns.
const (
	True Reports = iota
	Silent
	Insane
)

// Misbehaviour lists what a camera does wrong at the moment. The zero value is
// a good camera.
type Misbehaviour struct {
	// Frozen keeps connections and sends nothing; the clock goes on.
	Frozen bool
	// Refuse closes every new connection at once.
	Refuse bool
	// BanAfter closes all connections from an address that has offered so many
	// wrong passwords; 0 never does.
	BanAfter int
	// Description is served instead of the camera's own session description
	// (RFC 8866). The first SETUP gets the pictures, the second one the sound,
	// whatever URL they name.
	Description string
	// Reports is what sender reports say.
	Reports Reports
	// AnnexB puts a whole picture with its start codes into one NAL unit.
	AnnexB bool
	// MarkerOnSEI sends a message of its own in front of each picture, with the
	// mark that should stand on the last packet.
	MarkerOnSEI bool
	// NoMarker never sets the mark.
	NoMarker bool
	// ForeignSSRC mixes in packets of another session (TCP without TLS only).
	ForeignSSRC bool
	// AudioBackwards lets the times of the sound run backwards now and then.
	AudioBackwards bool
	// VariableRate bends the times of the pictures back and forth.
	VariableRate bool
}

// Misbehave changes what the camera does wrong from now on.
func (c *Camera) Misbehave(m Misbehaviour) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bad = m
}

func (c *Camera) misbehaviour() Misbehaviour {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bad
}

// Drop closes all connections.
func (c *Camera) Drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		conn.Close()
	}
}

// Forgive forgets all wrong passwords and so lifts all bans.
func (c *Camera) Forgive() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.wrong)
}

// JumpClock moves the camera's RTP clock, forwards or backwards.
func (c *Camera) JumpClock(d time.Duration) {
	for _, p := range c.paths {
		p.jump(nvr.DurationTicks(d))
	}
}

// Switch plays another clip from the next picture on, with the parameter sets
// of that clip. Clients stay connected if the codec stays the same. A stream
// without sound stays without.
func (c *Camera) Switch(q nvr.Quality, clip *Clip) {
	if p, ok := c.paths[q]; ok {
		p.change(clip)
	}
}

// RenewCertificate makes a new certificate, as after a factory reset.
func (c *Camera) RenewCertificate() error {
	if c.cert == nil {
		return nvr.ErrNotFound
	}
	return c.cert.renew()
}
