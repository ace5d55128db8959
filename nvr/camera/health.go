package camera

import "time"

const (
	healthWindow = 10 * time.Second
	healthSlots  = 1024
)

// health measures a stream over the last ten seconds. It is used under the
// lock of its feed.
type health struct {
	slots  [healthSlots]sample
	first  int
	length int
	bytes  int
	images int

	lastKey time.Duration
	hasKey  bool
	gop     time.Duration
}

// sample is one frame: when it came on the monotonic clock, and its size.
type sample struct {
	at    time.Duration
	size  int
	image bool
}

func (h *health) add(s sample, key bool) {
	if h.length == healthSlots {
		h.drop()
	}
	h.slots[(h.first+h.length)%healthSlots] = s
	h.length++
	h.bytes += s.size
	if s.image {
		h.images++
	}
	if key {
		if h.hasKey {
			h.gop = s.at - h.lastKey
		}
		h.lastKey, h.hasKey = s.at, true
	}
	h.trim(s.at)
}

func (h *health) drop() {
	old := h.slots[h.first]
	h.first = (h.first + 1) % healthSlots
	h.length--
	h.bytes -= old.size
	if old.image {
		h.images--
	}
}

func (h *health) trim(now time.Duration) {
	for h.length > 0 && now-h.slots[h.first].at > healthWindow {
		h.drop()
	}
}

// rates returns pictures a second, bit/s and the distance of the key frames,
// zero where too little is known.
func (h *health) rates(now time.Duration) (frames, bits float64, gop time.Duration) {
	h.trim(now)
	if h.hasKey {
		gop = h.gop
		if h.gop > 0 {
			gop = max(h.gop, now-h.lastKey)
		}
	}
	if h.length < 2 {
		return 0, 0, gop
	}
	last := h.slots[(h.first+h.length-1)%healthSlots].at
	span := (last - h.slots[h.first].at).Seconds()
	if span < 0.5 {
		return 0, 0, gop
	}
	return float64(h.images-1) / span, float64(h.bytes) * 8 / span, gop
}

// reset forgets everything: a new connection.
func (h *health) reset() { *h = health{} }
