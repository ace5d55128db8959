package motion

import "math"

// minChanged is how many of the sixteen points of a tile must have changed: with
// one of three hundred points off by chance, three in a tile are rarer than one
// picture in an hour.
const minChanged = 3

// maxBlobs bounds the blobs of a picture; the smallest are left out.
const maxBlobs = 48

// States of a tile in a picture.
const (
	still uint8 = iota
	lit         // changed by light alone
	solid       // changed in structure
)

// blob is connected tiles that differ from the background.
type blob struct {
	x0, y0, x1, y1 float64 // around its changed points, in points
	cx, cy         float64 // centre of its changed points
	mass           float64 // changed points
	moving         float64 // points that differ from the picture before
	solid, tiles   int
	calm           float64 // 0 to 1: how seldom its tiles changed before
	curVar, bgVar  float64 // sums over its solid tiles: detail now and in the background
	relief         float64 // the same for the change that is no light
	label          uint8

	tx0, ty0, tx1, ty1 int // around its tiles, inclusive
}

func (b *blob) width() float64  { return b.x1 - b.x0 }
func (b *blob) height() float64 { return b.y1 - b.y0 }
func (b *blob) area() float64   { return b.width() * b.height() }

func (b *blob) overlaps(o *blob) bool {
	return min(b.x1, o.x1) > max(b.x0, o.x0) && min(b.y1, o.y1) > max(b.y0, o.y0)
}

func (b *blob) covers(x, y float64) bool {
	return x >= b.x0 && x <= b.x1 && y >= b.y0 && y <= b.y1
}

// classify fills g.kind: which tiles changed, and whether by light.
func (g *grid) classify(noise float64) {
	for t, n := range g.count {
		g.kind[t] = still
		if n.changed < minChanged || g.ignored[t] {
			continue
		}
		s := g.look(t%g.tw, t/g.tw)
		g.detail[t] = [4]float32{float32(s.cur), float32(s.bg), float32(s.rest / max(s.change, 1)), float32(s.rest)}
		g.kind[t] = lit
		if s.structured(noise) {
			g.kind[t] = solid
		}
	}
}

// minSolid is the part of the changed tiles of a thing that differ in structure.
// The inside of a large even thing looks like light; its edge does not.
const minSolid = 0.25

// findBlobs connects the changed tiles. What is mostly light is taken into the
// background, and what remains is connected again.
func (g *grid) findBlobs() {
	g.connect()
	again := false
	for i := range g.blobs {
		if b := &g.blobs[i]; float64(b.solid) < minSolid*float64(b.tiles) {
			g.takeLight(b.label)
			again = true
		}
	}
	if again {
		g.connect()
		// What is still mostly light is nothing.
		keep := g.blobs[:0]
		for _, b := range g.blobs {
			if b.solid > 0 {
				keep = append(keep, b)
			}
		}
		g.blobs = keep
	}
	for i := range g.blobs {
		g.measure(&g.blobs[i])
	}
}

// takeLight makes the lit tiles of a blob background.
func (g *grid) takeLight(label uint8) {
	for t, l := range g.label {
		if l == label && (g.kind[t] == lit || g.detail[t][2] < lightEdge) {
			g.kind[t] = still
			g.takeTile(t)
		}
	}
}

// takeTile makes what a tile shows its background.
func (g *grid) takeTile(t int) {
	at := t/g.tw*tile*g.w + t%g.tw*tile
	for range tile {
		for i := at; i < at+tile; i++ {
			g.bg.mean[i] = g.cur[i] << fineBits
		}
		at += g.w
	}
}

// connect labels the changed tiles that touch each other, also at corners, and
// keeps the largest blobs. Labels are valid until the next call.
func (g *grid) connect() {
	clear(g.label)
	g.blobs = g.blobs[:0]
	for t, k := range g.kind {
		if k == still || g.label[t] != 0 {
			continue
		}
		label := uint8(len(g.blobs) + 1)
		b := g.flood(t, label)
		if len(g.blobs) < maxBlobs {
			g.blobs = append(g.blobs, b)
			continue
		}
		least := 0
		for i := range g.blobs {
			if g.blobs[i].tiles < g.blobs[least].tiles {
				least = i
			}
		}
		small := &g.blobs[least]
		if small.tiles >= b.tiles {
			g.relabel(label, 255)
			continue
		}
		g.relabel(small.label, 255)
		g.relabel(label, small.label)
		b.label = small.label
		*small = b
	}
}

func (g *grid) relabel(from, to uint8) {
	for i, l := range g.label {
		if l == from {
			g.label[i] = to
		}
	}
}

// flood labels all tiles connected with t.
func (g *grid) flood(t int, label uint8) blob {
	b := blob{label: label, tx0: g.tw, ty0: g.th}
	g.stack = append(g.stack[:0], int32(t))
	g.label[t] = label
	for len(g.stack) > 0 {
		t := int(g.stack[len(g.stack)-1])
		g.stack = g.stack[:len(g.stack)-1]
		b.tiles++
		if g.kind[t] == solid {
			b.solid++
		}
		tx, ty := t%g.tw, t/g.tw
		b.tx0, b.tx1 = min(b.tx0, tx), max(b.tx1, tx)
		b.ty0, b.ty1 = min(b.ty0, ty), max(b.ty1, ty)
		for y := max(0, ty-1); y <= min(g.th-1, ty+1); y++ {
			for x := max(0, tx-1); x <= min(g.tw-1, tx+1); x++ {
				if n := y*g.tw + x; g.kind[n] != still && g.label[n] == 0 {
					g.label[n] = label
					g.stack = append(g.stack, int32(n))
				}
			}
		}
	}
	return b
}

// measure fills in where a blob is and what it is like.
func (g *grid) measure(b *blob) {
	b.x0, b.y0, b.x1, b.y1 = math.Inf(1), math.Inf(1), 0, 0
	var sx, sy, n, calm float64
	for ty := b.ty0; ty <= b.ty1; ty++ {
		for tx := b.tx0; tx <= b.tx1; tx++ {
			t := ty*g.tw + tx
			if g.label[t] != b.label {
				continue
			}
			b.moving += float64(g.count[t].moving)
			calm += 1 - float64(g.restless[t])
			if g.kind[t] == solid {
				b.curVar += float64(g.detail[t][0])
				b.bgVar += float64(g.detail[t][1])
				b.relief += float64(g.detail[t][3])
			}
			for y := ty * tile; y < (ty+1)*tile; y++ {
				for x, m := range g.mask[y*g.w+tx*tile:][:tile] {
					if m == 0 {
						continue
					}
					px, py := float64(tx*tile+x), float64(y)
					b.x0, b.x1 = min(b.x0, px), max(b.x1, px+1)
					b.y0, b.y1 = min(b.y0, py), max(b.y1, py+1)
					sx += px
					sy += py
					n++
				}
			}
		}
	}
	b.mass, b.cx, b.cy, b.calm = n, sx/n+0.5, sy/n+0.5, calm/float64(b.tiles)
}
