package motion

import "math"

const (
	maxTracks = 32
	// Seconds that a track without a blob is remembered, before and after it
	// was confirmed: behind a post, behind a parked car.
	lostAfter, lostThing = 0.7, 3.0
	// memory is how long travel and presence count, seconds: longer than half a
	// swing of a branch, so that going back takes away what going forth gave.
	memory = 2.5
)

// track is a blob over time.
type track struct {
	blob                // as it was seen last
	vx, vy      float64 // points a second
	sx, sy, way float64 // sum of its shifts and of their lengths, fading
	presence    float64 // seconds of motion where it is calm, fading
	begun       int64   // PTS of its first picture
	start       int64   // PTS of the first picture that speaks for it
	seen, moved int64   // PTS of its last picture, and of the last in which it moved
	pictures    int     // in which it was seen
	thing       bool    // confirmed
	evidence    float64 // 1 confirms
	now         bool    // seen in this picture
	active      bool    // moves in this picture
	usual       float64 // its mass over the last pictures, points
	full        float64 // its relief over the last seconds in which it moved
	came        bool    // it went a way, did not just appear
	ox, oy      float64 // centre where it began
	sifted      bool    // counted as dust
	growth      growth
	nears       bool // grows as what comes near does
}

// update joins a blob to the track.
func (t *track) update(g *grid, b *blob, s seeing) {
	switch {
	case !t.thing && float64(s.pts-t.moved)/ticks > lostAfter:
		// It stood, or was part of the scene; what moves now begins now.
		t.begin(s.pts)
	case !t.thing && t.evidence < slight, b.mass > 4*t.usual:
		// What went before was not this.
		t.start = t.seen
	}
	since := float64(s.pts-t.seen) / ticks
	m := t.shift(g, b, s)
	fade := math.Exp(-since / memory)
	t.sx, t.sy, t.way, t.presence = t.sx*fade, t.sy*fade, t.way*fade, t.presence*fade
	if m.gain > minGain {
		t.travel(m, t.trust(b, m)*min(1, s.dt/m.time)*b.mass/(b.mass+chanceMass))
		t.vx, t.vy = m.dx/m.time, m.dy/m.time
	} else {
		t.vx, t.vy = t.vx/2, t.vy/2
	}
	t.blob, t.seen, t.now = *b, s.pts, true
	t.pictures++
	was := t.usual
	t.usual += (b.mass - t.usual) / 3
	t.growth.add(math.Log(t.usual/was), s.dt, fade)
	t.active = b.moving >= minMoving*b.mass
	if t.active {
		t.moved = s.pts
		t.grow(s.dt)
		t.presence += s.dt * math.Pow(b.calm, 4) * s.known * bulk(b.mass, s.dust)
	}
	t.weigh(g, s)
}

// shift measures how a blob moved that is taken for the track.
func (t *track) shift(g *grid, b *blob, s seeing) shift {
	before := g.before(s.pts, t.begun)
	over := min(maxShiftTime, float64(s.pts-before.pts)/ticks)
	part := over / max(s.dt, float64(s.pts-t.seen)/ticks)
	m := g.match(b, before.points, [2]float64{(b.cx - t.cx) * part, (b.cy - t.cy) * part}, [2]float64{t.vx * over, t.vy * over})
	m.time = over
	return m
}

// trust says how far a shift speaks for a thing that moves, 0 to 1. What people
// and vehicles cover between two pictures is less than their own length, and
// once they move they go on like that: bodies have mass. A point more or less is
// rounding.
func (t *track) trust(b *blob, m shift) float64 {
	dist := math.Hypot(m.dx, m.dy)
	off := max(0, math.Hypot(m.dx-t.vx*m.time, m.dy-t.vy*m.time)-1)
	if t.pictures > 2 {
		return max(0, 1-off/dist)
	}
	along := (b.width()*math.Abs(m.dx) + b.height()*math.Abs(m.dy)) / dist
	return max(min(1, 2-2*dist/along), 1-2*off/dist, 0)
}

// bulk says how much faster than a small blob a large one is believed: as fast
// for up to four times the size of what flies about, two and a half times as
// fast for thirty-two times.
func bulk(mass, dust float64) float64 {
	return max(1, min(2.5, math.Log2(mass/max(smallThing, dust))/2))
}

// travel adds a shift to the way. Turning back gives up what was gained
// (Wixson 2000: salient flow accumulates while its direction holds).
func (t *track) travel(m shift, weight float64) {
	dx, dy := m.dx*weight, m.dy*weight
	if t.sx*dx+t.sy*dy < 0 {
		t.sx, t.sy, t.way = 0, 0, 0
	}
	t.sx, t.sy, t.way = t.sx+dx, t.sy+dy, t.way+math.Hypot(dx, dy)
}

// grow notes how much there is to see of a thing that moves.
func (t *track) grow(dt float64) {
	over := growTime
	if t.relief < t.full {
		over = shrinkTime
	}
	t.full += (t.relief - t.full) * min(1, dt/over)
}

// rest reports whether what stands there is no thing that stopped: it never came
// from anywhere, as a lamp or an open door, or next to nothing is left of it, as
// where somebody went out of the picture and an encoder did not tidy up. A shadow
// may be large and hardly counts: what is seen through it is the scene.
func (t *track) rest() bool { return !t.came || t.relief < restPart*t.full }

// begin forgets what the track did. What was seen before is no dust, whatever
// becomes of it.
func (t *track) begin(pts int64) {
	t.sifted = t.pictures > 0
	t.thing, t.came, t.begun, t.start, t.pictures, t.evidence = false, false, pts, pts, 1, 0
	t.full, t.ox, t.oy = t.relief, t.cx, t.cy
	t.sx, t.sy, t.way, t.presence = 0, 0, 0, 0
	t.growth, t.nears = growth{}, false
}

const (
	// chanceMass is the size in points at which half of a match may be chance:
	// the best of some fifty places fits a handful of points well anyway.
	chanceMass = 8
	// minGain is how much better a blob must be found elsewhere to have moved.
	minGain = 0.3
	// minMoving is the part of a blob that must differ from the picture before
	// for it to move now.
	minMoving = 0.1
	// smallThing is the size in points of a child at the far end of a garden.
	smallThing = 16
	// slight is evidence that says nothing yet.
	slight = 0.15
	// minTravel is the least way of a thing, points: twice the rounding of a shift.
	// swayPart is the part of its own length that a thing must go, of which no
	// more than maxAlong of the width of the picture counts.
	minTravel, swayPart, maxAlong = 2.4, 0.4, 0.16
	// cameTravel is the evidence of travel from which a thing came from elsewhere.
	cameTravel = 0.5
	// growTime and shrinkTime are over how many seconds the relief of a thing is
	// averaged: who walks out of the picture is small before she is gone.
	growTime, shrinkTime = 1.0, 8.0
	// restPart is the part of the relief of a thing below which it is the rest of one. Half of
	// somebody behind the edge of the picture is still somebody.
	restPart = 0.125
	// presenceTime is how many seconds of motion in a calm place make a thing.
	presenceTime = 1.0
)

// weigh sets the evidence: of the way that the track went, of its growth, and of its
// presence where nothing is used to move. A thing goes farther than what is fixed to the
// ground can sway, the more so the less calm its place is.
func (t *track) weigh(g *grid, s seeing) {
	dist := math.Hypot(t.sx, t.sy)
	t.evidence = t.presence / presenceTime
	near := 0.0
	if s.trust == 1 {
		near = t.nearing(g)
	}
	t.nears = near > 0
	t.evidence += min(maxNearPart, near*nearPart) * t.calm
	if t.way > 0 {
		along := (t.width()*math.Abs(t.sx) + t.height()*math.Abs(t.sy)) / max(dist, 1e-9)
		calm := t.calm * s.trust
		need := max(minTravel, min(along, maxAlong*float64(g.w))*swayPart) * (1 + 2*(1-calm))
		straight := dist / t.way
		travel := dist / need * straight * straight
		t.came = t.came || travel > cameTravel
		t.evidence += travel
	}
	t.came = t.came || !t.covers(t.ox, t.oy)
	t.evidence *= s.sensitivity
}

// seeing is what holds for all blobs of a picture.
type seeing struct {
	pts         int64
	dt          float64 // seconds since the picture before
	trust       float64 // how well the background is known, 0 to 1
	known       float64 // how well it is known what is never seen, 0 to 1
	sensitivity float64
	dust        float64 // size of what flies about, points
}

const (
	// sizeReach is how many times its own size a blob may lie off the place
	// where it is expected, knownReach the same once its speed is known, and
	// leastReach what is allowed to the smallest, points.
	sizeReach, knownReach, leastReach = 1.5, 1.05, 3
	// alike is the least ratio of the sizes of a track and a blob that do not
	// even overlap.
	alike = 0.2
	// inert is how much less a blob that does not move fits.
	inert = 0.7
)

// fit says how well a blob fits a track, 0 not at all: by its distance from where
// it is expected, by its size, and by whether it moves.
func (t *track) fit(b *blob, s seeing) float64 {
	overlap := t.overlaps(b)
	size := min(t.mass, b.mass) / max(t.mass, b.mass)
	if size < alike && !overlap || t.thing && b.mass < min(s.dust, t.usual/3) {
		return 0 // dust does not carry on what a larger thing began
	}
	dt := float64(s.pts-t.seen) / ticks
	reach := sizeReach
	if t.pictures > 2 {
		reach = knownReach
	}
	reach = reach*math.Sqrt(max(t.area(), b.area())) + leastReach
	dx, dy := b.cx-t.cx-t.vx*dt, b.cy-t.cy-t.vy*dt
	dist := math.Sqrt(dx*dx + dy*dy)
	if dist > reach && !overlap {
		return 0
	}
	v := (alike + size) / (1 + dist/reach)
	if b.moving < minMoving*b.mass {
		v *= inert
	}
	return v
}
