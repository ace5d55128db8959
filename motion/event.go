package motion

import (
	"math"

	"lares/nvr"
)

const (
	// hold is how long nothing may move until an event is over, seconds.
	hold = 4.0
	// maxEvent is after how long an event is closed and the next one begun, seconds.
	maxEvent = 300.0
	// maxLead is how far before its confirmation an event may begin, seconds.
	maxLead = 3.0
)

// event is the event of a camera, over its life.
type event struct {
	on    bool
	r     Result
	best  float64
	split bool
}

// next says what a picture means for the event.
func (e *event) next(d *Detector, pts int64) Result {
	var box union
	present := false
	start := pts
	var m nvr.MotionMap
	score, sight := 0.0, 0.0
	for i := range d.tracks {
		t := &d.tracks[i]
		if !t.thing || !t.now {
			continue
		}
		present = true
		if !t.active {
			continue
		}
		b := d.grid.part(t.x0, t.y0, t.x1, t.y1)
		if b.W*b.H < d.settings.MinSize {
			continue
		}
		box.add(b)
		d.grid.mark(&m, t.label)
		start = min(start, max(t.start, pts-maxLead*ticks))
		score = max(score, t.evidence/(1+t.evidence))
		sight = max(sight, math.Sqrt(t.mass*t.curVar/float64(max(1, t.solid))))
	}
	if !e.on && !box.any {
		return Result{}
	}
	phase := Lasts
	if !e.on {
		if e.split {
			start = max(start, e.r.End)
		}
		*e = event{on: true, r: Result{Number: e.r.Number + 1, Start: start}}
		phase = Began
	}
	e.r.Phase, e.r.Moving, e.r.Map, e.r.Best = phase, box.any, m, false
	if box.any {
		e.r.End, e.r.Box = pts, box.box
		e.r.Score = max(e.r.Score, score)
		e.r.Best = sight > e.best
		e.best = max(e.best, sight)
	}
	if long := pts-e.r.Start > maxEvent*ticks; long || !present && pts-e.r.End > hold*ticks {
		e.split = long
		return e.end()
	}
	return e.r
}

// again is the result for a picture that is not looked at.
func (e *event) again() Result {
	if !e.on {
		return Result{}
	}
	r := e.r
	r.Phase, r.Moving, r.Best, r.Map = Lasts, false, false, nvr.MotionMap{}
	return r
}

// end closes the event if there is one.
func (e *event) end() Result {
	if !e.on {
		return Result{}
	}
	r := e.again()
	e.on = false
	r.Phase = Ended
	return r
}

// union is a box around boxes.
type union struct {
	box nvr.Box
	any bool
}

func (u *union) add(b nvr.Box) {
	if !u.any {
		u.box, u.any = b, true
		return
	}
	x, y := min(u.box.X, b.X), min(u.box.Y, b.Y)
	u.box = nvr.Box{X: x, Y: y, W: max(u.box.X+u.box.W, b.X+b.W) - x, H: max(u.box.Y+u.box.H, b.Y+b.H) - y}
}
