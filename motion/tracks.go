package motion

// follow joins blobs to tracks, best fit first, begins tracks and ends those
// that are lost.
func (d *Detector) follow(s seeing) {
	for i := range d.tracks {
		d.tracks[i].now, d.tracks[i].active = false, false
	}
	used := d.join(s)
	d.sift(s)
	d.endLost(s)
	for j := range d.grid.blobs {
		b := &d.grid.blobs[j]
		if !used[j] && len(d.tracks) < maxTracks && b.moving >= minMoving*b.mass && b.solid > 0 {
			t := track{blob: *b, usual: b.mass, seen: s.pts, moved: s.pts, now: true}
			t.begin(s.pts)
			d.tracks = append(d.tracks, t)
		}
	}
	d.confirm(s)
}

// likelier is how much likelier a blob belongs to a thing than to a mere track.
const likelier = 1.3

// join gives each track the blob that fits it best, best fit first, and returns
// which blobs are taken.
func (d *Detector) join(s seeing) (used [maxBlobs]bool) {
	blobs := d.grid.blobs
	var fits [maxTracks]float64
	var choice [maxTracks]int
	choose := func(i int) {
		t := &d.tracks[i]
		fits[i] = 0
		for j := range blobs {
			if used[j] {
				continue
			}
			v := t.fit(&blobs[j], s)
			if t.thing {
				v *= likelier
			}
			if v > fits[i] {
				fits[i], choice[i] = v, j
			}
		}
	}
	for i := range d.tracks {
		choose(i)
	}
	for {
		best := 0
		for i := range d.tracks {
			if fits[i] > fits[best] {
				best = i
			}
		}
		switch {
		case fits[best] == 0:
			return used
		case used[choice[best]]:
			choose(best)
		default:
			used[choice[best]] = true
			d.tracks[best].update(d.grid, &blobs[choice[best]], s)
			fits[best] = 0
		}
	}
}

// sift counts the tracks that are gone as soon as they came.
func (d *Detector) sift(s seeing) {
	n, mass := 0.0, 0.0
	for i := range d.tracks {
		t := &d.tracks[i]
		if !t.now && (t.pictures == 1 || float64(t.seen-t.begun)/ticks < shiftTime) && !t.sifted && !d.covered(&t.blob) {
			t.sifted = true
			n++
			mass += t.mass
		}
	}
	d.dust.add(n, mass, s.dt)
}

// covered reports whether something is seen where a blob was.
func (d *Detector) covered(b *blob) bool {
	for i := range d.grid.blobs {
		if b.overlaps(&d.grid.blobs[i]) {
			return true
		}
	}
	return false
}

// endLost forgets tracks that were not seen for too long.
func (d *Detector) endLost(s seeing) {
	keep := d.tracks[:0]
	for _, t := range d.tracks {
		limit := lostAfter
		if t.thing {
			limit = lostThing
		}
		if float64(s.pts-t.seen)/ticks <= limit {
			keep = append(keep, t)
		}
	}
	d.tracks = keep
}

const (
	// renew is the evidence below which a moving thing is none any more.
	renew = 0.35
	// standTime is how long something may stand without a move until it belongs
	// to the scene, seconds.
	standTime = 20.0
	// What is still for emptyTime seconds where the background had emptyDetail
	// times the detail is the empty place that a thing left (Cucchiara et al. 2003
	// call it a ghost).
	emptyTime, emptyDetail = 0.5, 2.0
	// restTime is how long the rest of a thing may be still until it is known for
	// what it is, seconds.
	restTime = 0.5
	// calmPlace is how calm a place must be for two pictures to be enough; in
	// others it takes four, and restlessTold seconds.
	calmPlace, restlessTold = 0.7, 0.5
	// minMass is the least size of a thing in points.
	minMass = 6
)

// confirm decides which tracks are things.
func (d *Detector) confirm(s seeing) {
	for i := range d.tracks {
		t := &d.tracks[i]
		if !t.now {
			continue
		}
		need, lasted := 2, 0.0
		if t.calm*s.trust < calmPlace {
			need, lasted = 4, restlessTold
		}
		stood := float64(s.pts-t.moved) / ticks
		switch {
		case !t.thing:
			t.thing = t.active && t.evidence >= 1 && t.pictures >= need && float64(t.seen-t.begun)/ticks >= lasted && min(t.mass, t.usual) >= max(minMass, s.dust)
		case t.active && (t.evidence < renew || t.usual < s.dust/2):
			t.thing = false
		case stood > standTime, stood > emptyTime && t.bgVar > emptyDetail*t.curVar:
			t.begin(s.pts)
			d.take(t.label)
		case stood > restTime && t.rest():
			t.begin(s.pts)
		}
	}
}

// take makes a blob background.
func (d *Detector) take(label uint8) {
	for t, l := range d.grid.label {
		if l == label {
			d.grid.takeTile(t)
		}
	}
}
