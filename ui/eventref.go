package ui

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"

	"lares/nvr"
)

// refSize is stream, start of the segment in milliseconds, its sequence number
// and the slot, big endian.
const refSize = 16 + 8 + 8 + 4

// eventWord writes a reference to an event as one word for a URL. It says
// nothing and grants nothing.
func eventWord(ref nvr.EventRef) string {
	b := make([]byte, 0, refSize)
	b = append(b, ref.Stream[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(ref.Start.UnixMilli()))
	b = binary.BigEndian.AppendUint64(b, ref.Seq)
	b = binary.BigEndian.AppendUint32(b, ref.Slot)
	return base64.RawURLEncoding.EncodeToString(b)
}

// parseEventWord reads the one spelling that eventWord writes.
func parseEventWord(word string) (nvr.EventRef, error) {
	if len(word) != base64.RawURLEncoding.EncodedLen(refSize) {
		return nvr.EventRef{}, fmt.Errorf("reference of %d characters: %w", len(word), nvr.ErrInvalid)
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(word)
	if err != nil || len(b) != refSize {
		return nvr.EventRef{}, fmt.Errorf("reference is not base64url: %w", nvr.ErrInvalid)
	}
	ms := binary.BigEndian.Uint64(b[16:])
	if ms > maxMillis {
		return nvr.EventRef{}, fmt.Errorf("reference to another age: %w", nvr.ErrInvalid)
	}
	return nvr.EventRef{
		Stream: nvr.StreamID(b[:16]), Start: time.UnixMilli(int64(ms)).UTC(),
		Seq: binary.BigEndian.Uint64(b[24:]), Slot: binary.BigEndian.Uint32(b[32:]),
	}, nil
}

// findEvent reads the event of the path and finds its camera.
func (s *Server) findEvent(c *call) error {
	ref, err := parseEventWord(c.r.PathValue("event"))
	if err != nil {
		return nvr.ErrNotFound
	}
	for _, st := range s.cfg.Cameras.List() {
		if len(st.Camera.Streams) > 0 && st.Camera.Streams[0].Stream == ref.Stream {
			c.camera, c.event = st.Camera, ref
			return nil
		}
	}
	return nvr.ErrNotFound
}
