package motion

import (
	"math"

	"lares/nvr"
)

// ticks of a PTS in a second.
const ticks = 90000

// A Detector finds things that move in the pictures of one camera. Make it with
// [NewDetector]. It is for one goroutine at a time.
type Detector struct {
	settings nvr.MotionSettings
	grid     *grid
	last     int64 // PTS of the picture before
	sigma    float64
	busy     float64 // part of the tiles that changed in structure in the picture before
	tracks   []track
	event    event
	dust     dust
}

// NewDetector returns a detector that has seen nothing yet.
func NewDetector(s nvr.MotionSettings) *Detector {
	return &Detector{settings: s, tracks: make([]track, 0, maxTracks)}
}

// Configure changes what counts from the next picture on. What was learnt stays.
func (d *Detector) Configure(s nvr.MotionSettings) {
	d.settings = s
	if d.grid != nil {
		d.grid.applyZones(s.Zones)
	}
}

// After a gap of gapReset seconds, or backwards in time by more than a mix-up of
// some pictures, nothing that was learnt holds.
const gapReset, backwards = 60, 1

// Least times between two pictures that are looked at, seconds. Rain, snow and insects
// are told by being seen once, so pictures must not come too fast; in doubt they
// may come faster, so that a thing is told sooner.
const minGap, minDoubtGap = 0.15, 0.09

// Observe takes the next picture and says what it means. The picture may be
// reused after it returns. Pictures of another size than the one before start
// all over.
func (d *Detector) Observe(p nvr.Grey) Result {
	if p.Width < 2*tile || p.Height < 2*tile || len(p.Pix) < p.Width*p.Height {
		return Result{}
	}
	dt := float64(p.PTS-d.last) / ticks
	if d.grid == nil || d.grid.width != p.Width || d.grid.height != p.Height {
		d.grid = newGrid(p.Width, p.Height)
		d.grid.applyZones(d.settings.Zones)
		return d.restart(p)
	}
	if dt < -backwards || dt > gapReset {
		return d.restart(p)
	}
	if dt < minDoubtGap || dt < minGap && !d.suspects() {
		return d.event.again()
	}
	d.last = p.PTS
	d.see(p, dt)
	return d.event.next(d, p.PTS)
}

// suspects reports whether something that moves, and is not told yet, may turn out
// to be a thing: the sooner the next picture comes, the sooner it is known. It
// looks at no more than some dozen tracks. While an event is on there is nothing
// to tell, and it is false.
func (d *Detector) suspects() bool {
	if d.event.on {
		return false
	}
	least := max(minMass, d.dust.size())
	for i := range d.tracks {
		t := &d.tracks[i]
		if t.active && t.mass >= least && (t.calm >= calmPlace || t.evidence >= slight) {
			return true
		}
	}
	return false
}

// End says that no more pictures come, or none that belong to these: it ends the
// event if there is one. The next picture starts all over.
func (d *Detector) End() Result {
	r := d.event.end()
	d.grid = nil
	return r
}

func (d *Detector) restart(p nvr.Grey) Result {
	g := d.grid
	g.load(p.Pix)
	g.forget(p.PTS)
	g.bg.restart(g.cur, g.w)
	clear(g.restless)
	clear(g.held)
	d.tracks = d.tracks[:0]
	d.last = p.PTS
	d.sigma, d.busy, d.dust = 0, 0, dust{}
	return d.event.end()
}

// see updates background, blobs and tracks.
func (d *Detector) see(p nvr.Grey, dt float64) {
	g := d.grid
	g.load(p.Pix)
	before := g.before(p.PTS, math.MinInt64)
	if s := g.noise(before.points); g.bg.age == 0 {
		d.sigma = s
		g.bg.blur(s)
	} else {
		d.sigma += (s - d.sigma) / 8
	}
	floor := int32(fine * max(minDifference, 2*d.sigma))
	step := int32(max(minDifference, 6*d.sigma))
	g.compare(ratesAt(g.bg.age, dt), before.points, floor, step)
	g.bg.age += dt
	if !g.fresh(before, step) {
		d.rest(p.PTS, dt)
		g.keep(p.PTS, false)
		return
	}
	d.judge(p.PTS, min(maxShiftTime, float64(p.PTS-g.past[0].pts)/ticks))
	g.keep(p.PTS, true)
}

// judge updates blobs and tracks with a picture in which something moves, dt
// seconds after the one before of which that is true.
func (d *Detector) judge(pts int64, dt float64) {
	g := d.grid
	g.classify(d.sigma * d.sigma)
	if d.flipped() {
		g.bg.restart(g.cur, g.w)
		clear(g.held)
		d.dropUnconfirmed()
		return
	}
	g.findBlobs()
	d.follow(d.seeing(pts, dt))
	d.learn(dt)
}

func (d *Detector) seeing(pts int64, dt float64) seeing {
	age := d.grid.bg.age
	return seeing{
		pts: pts, dt: dt, trust: min(1, age/settleTime), known: min(1, age/knownTime),
		sensitivity: d.sensitivity(), dust: d.dust.size(),
	}
}

// rest is for a picture in which nothing moves: a still scene, or one picture
// sent twice by a camera that exposes for longer than it says. Things stay where
// they are.
func (d *Detector) rest(pts int64, dt float64) {
	for i := range d.tracks {
		t := &d.tracks[i]
		t.active = false
		if t.now {
			t.seen = pts
		}
	}
	s := d.seeing(pts, dt)
	d.endLost(s)
	d.confirm(s)
	d.dust.add(0, 0, dt)
	d.grid.calm(dt)
}

// minDifference is the least difference that counts, in points: one and a half
// grey levels, what quantisation and coding may change.
const minDifference = 6

// settleTime is how long it takes to know which places are restless, seconds.
const settleTime = 4.0

// knownTime is how long it takes to know that a place is always calm, seconds: some
// gusts.
const knownTime = 20.0

func (d *Detector) sensitivity() float64 {
	switch d.settings.Sensitivity {
	case nvr.LowSensitivity:
		return 0.7
	case nvr.HighSensitivity:
		return 1.5
	default:
		return 1
	}
}

// flipped reports whether most of the picture changed at once in more than light,
// as when a lamp for infra-red goes on or the camera turns.
func (d *Detector) flipped() bool {
	n := 0
	for _, k := range d.grid.kind {
		if k == solid {
			n++
		}
	}
	was := d.busy
	d.busy = float64(n) / float64(len(d.grid.kind))
	return d.busy > 0.6 && was < 0.3
}

func (d *Detector) dropUnconfirmed() {
	keep := d.tracks[:0]
	for _, t := range d.tracks {
		if t.thing {
			t.now, t.active = false, false
			keep = append(keep, t)
		}
	}
	d.tracks = keep
}

// learn notes which tiles are restless and which are held.
func (d *Detector) learn(dt float64) {
	g := d.grid
	clear(g.held)
	for i := range d.tracks {
		t := &d.tracks[i]
		var by uint8
		switch {
		case !t.now:
			continue
		case t.thing:
			by = taken
		case t.nears && float64(t.seen-t.begun)/ticks < maxNear:
			by = doubted
		default:
			continue
		}
		for k, l := range g.label {
			if l == t.label {
				g.held[k] = by
			}
		}
	}
	g.calm(dt)
	up := float32(min(1, dt/restlessTime))
	for i, k := range g.kind {
		if g.held[i] == free && k == solid {
			g.restless[i] += (1 - g.restless[i]) * up
		}
	}
}
