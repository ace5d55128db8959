package motion

import (
	"math"

	"lares/nvr"
)

// grid is the picture as the detector works on it, with all that is known of
// each place. Points are the reduced pixels, tiles squares of tile by tile of
// them; what does not fill a tile at the right and lower edge is left out.
type grid struct {
	width, height int // of the pictures it is made for, pixels
	step          int // pixels a point
	w, h          int // points
	tw, th        int // tiles

	cur  []uint16 // points
	past [3]shown // pictures before in which something moved, newest first
	mask []uint8  // points: 1 where it differs from the background
	bg   background

	count    []tileCount
	kind     []uint8
	label    []uint8 // blob of the tile; 0 none
	held     []uint8 // what of it may be learnt
	ignored  []bool  // by the zones
	restless []float32
	detail   [][4]float32 // around the tile: variance of picture and background, part of the change that is no light, its energy

	blobs   []blob
	stack   []int32
	samples []place
}

// What is at a tile: nothing to spare; a track that may become a thing, which
// does not make its place restless; a thing, which is no background either.
const (
	free uint8 = iota
	doubted
	taken
)

func newGrid(width, height int) *grid {
	step := reduction(width, height)
	tw, th := width/step/tile, height/step/tile
	w, h := tw*tile, th*tile
	n, t := w*h, tw*th
	g := &grid{
		width: width, height: height, step: step, w: w, h: h, tw: tw, th: th,
		cur: make([]uint16, n), mask: make([]uint8, n),
		bg:    background{mean: make([]uint16, n), dev: make([]uint16, n)},
		count: make([]tileCount, t), kind: make([]uint8, t), label: make([]uint8, t), held: make([]uint8, t),
		ignored: make([]bool, t), restless: make([]float32, t), detail: make([][4]float32, t),
		blobs: make([]blob, 0, maxBlobs), stack: make([]int32, 0, t), samples: make([]place, 0, maxSamples),
	}
	for i := range g.past {
		g.past[i].points = make([]uint16, n)
	}
	return g
}

// load takes a picture in.
func (g *grid) load(pix []byte) { reduce(g.cur, g.w, pix, g.width, g.step) }

// noise estimates the standard deviation of a point from the median difference
// to the picture before; what moves is less than half of most pictures.
func (g *grid) noise(before []uint16) float64 {
	var hist [64]int32
	var n int32
	for i := 0; i < len(g.cur); i += 7 {
		hist[min(63, abs(int32(g.cur[i])-int32(before[i])))]++
		n++
	}
	var sum int32
	for v, c := range hist {
		if sum += c; sum*2 >= n {
			// The median lies in this bin. 0.6745 sigma of a difference of two.
			return (float64(v) + 0.5 - float64(sum*2-n)/float64(2*c)) / 0.6745 / 1.4142
		}
	}
	return 0
}

// part turns points into parts of the picture.
func (g *grid) part(x0, y0, x1, y1 float64) nvr.Box {
	sx, sy := float64(g.step)/float64(g.width), float64(g.step)/float64(g.height)
	return nvr.Box{X: x0 * sx, Y: y0 * sy, W: (x1 - x0) * sx, H: (y1 - y0) * sy}
}

// mark adds the tiles of a blob that moved to a map.
func (g *grid) mark(m *nvr.MotionMap, label uint8) {
	for t, l := range g.label {
		if l == label && g.count[t].moving > 0 {
			x, y := float64(t%g.tw*tile), float64(t/g.tw*tile)
			m.Mark(g.part(x, y, x+tile, y+tile))
		}
	}
}

// Seconds in which a tile that always changes gets restless, and in which one
// that does no more gets calm: gusts come and go.
const restlessTime, calmTime = 3.0, 60.0

// calm lets the tiles forget how restless they were.
func (g *grid) calm(dt float64) {
	down := float32(math.Exp(-dt / calmTime))
	for i := range g.restless {
		g.restless[i] *= down
	}
}
