package main

import "math"

// rgb is a colour with components from 0 to 1.
type rgb struct{ r, g, b float64 }

// hex turns 0xRRGGBB into a colour.
func hex(v uint32) rgb {
	return rgb{float64(v>>16&255) / 255, float64(v>>8&255) / 255, float64(v&255) / 255}
}

// mix goes from a (at 0) to b (at 1).
func mix(a, b rgb, t float64) rgb {
	return rgb{a.r + (b.r-a.r)*t, a.g + (b.g-a.g)*t, a.b + (b.b-a.b)*t}
}

// canvas is a picture of floats. All drawing is in scene units of 1280 x 720,
// whatever the size of the picture is.
type canvas struct {
	w, h  int       // pixels
	scale float64   // pixels per scene unit
	pix   []float32 // r, g, b of each pixel, row by row
}

func newCanvas(w, h int) *canvas {
	return &canvas{w: w, h: h, scale: float64(w) / sceneW, pix: make([]float32, w*h*3)}
}

// shape is a region of the scene: its distance function is negative inside and
// grows by about one for each unit away from its edge; nothing lies outside box.
type shape struct {
	dist func(x, y float64) float64
	box  [4]float64 // x0, y0, x1, y1
	wide float64    // the most units that one of dist can be; 0 means 1
}

// paint says how a shape is filled. A zero alpha means opaque; soft is the
// width, in units, over which the edge fades.
type paint struct {
	colour func(x, y float64) rgb
	alpha  float64
	soft   float64
}

// flat is a paint of a single colour.
func flat(c rgb) paint { return paint{colour: func(_, _ float64) rgb { return c }} }

// vertical is a paint that goes from one colour at y0 to another at y1.
func vertical(a, b rgb, y0, y1 float64) paint {
	return paint{colour: func(_, y float64) rgb { return mix(a, b, clamp((y-y0)/(y1-y0))) }}
}

// faded is p with the given opacity and softness.
func (p paint) faded(alpha, soft float64) paint {
	p.alpha, p.soft = alpha, soft
	return p
}

// fill paints a shape with smooth edges.
func (c *canvas) fill(s shape, p paint) {
	alpha := p.alpha
	if alpha == 0 {
		alpha = 1
	}
	soft := math.Max(p.soft, 1/c.scale)
	c.each(s.box, soft*math.Max(1, s.wide), func(i int, x, y float64) {
		cover := alpha * clamp(0.5-s.dist(x, y)/soft)
		if cover <= 0 {
			return
		}
		col := p.colour(x, y)
		c.pix[i] += float32((col.r - float64(c.pix[i])) * cover)
		c.pix[i+1] += float32((col.g - float64(c.pix[i+1])) * cover)
		c.pix[i+2] += float32((col.b - float64(c.pix[i+2])) * cover)
	})
}

// glow adds light around a point, fading to nothing at radius r.
func (c *canvas) glow(x0, y0, r float64, col rgb, strength float64) {
	c.each([4]float64{x0 - r, y0 - r, x0 + r, y0 + r}, 0, func(i int, x, y float64) {
		f := clamp(1 - math.Hypot(x-x0, y-y0)/r)
		f *= f * strength
		// Light is added to what is still dark, so that nothing burns out.
		c.pix[i] += float32(col.r*f) * (1 - c.pix[i])
		c.pix[i+1] += float32(col.g*f) * (1 - c.pix[i+1])
		c.pix[i+2] += float32(col.b*f) * (1 - c.pix[i+2])
	})
}

// each calls f with the index and the scene position of every pixel of a box
// that is widened by margin and cut at the picture.
func (c *canvas) each(box [4]float64, margin float64, f func(i int, x, y float64)) {
	x0 := max(0, int(math.Floor((box[0]-margin)*c.scale)))
	y0 := max(0, int(math.Floor((box[1]-margin)*c.scale)))
	x1 := min(c.w, int(math.Ceil((box[2]+margin)*c.scale)))
	y1 := min(c.h, int(math.Ceil((box[3]+margin)*c.scale)))
	for py := y0; py < y1; py++ {
		y := (float64(py) + 0.5) / c.scale
		for px := x0; px < x1; px++ {
			f((py*c.w+px)*3, (float64(px)+0.5)/c.scale, y)
		}
	}
}

// bytes writes the picture as 24-bit RGB into dst, which holds w*h*3 bytes.
func (c *canvas) bytes(dst []byte) {
	for i, v := range c.pix {
		dst[i] = byte(clamp(float64(v))*255 + 0.5)
	}
}

func clamp(v float64) float64 { return math.Min(1, math.Max(0, v)) }

// smooth eases from 0 to 1 while t goes from 0 to 1.
func smooth(t float64) float64 {
	t = clamp(t)
	return t * t * (3 - 2*t)
}

func circle(cx, cy, r float64) shape { return ellipse(cx, cy, r, r) }

func ellipse(cx, cy, rx, ry float64) shape {
	least := math.Min(rx, ry)
	return shape{func(x, y float64) float64 {
		return (math.Hypot((x-cx)/rx, (y-cy)/ry) - 1) * least
	}, [4]float64{cx - rx, cy - ry, cx + rx, cy + ry}, math.Max(rx, ry) / least}
}

// box is the rectangle from x0, y0 to x1, y1 with corners of radius r.
func box(x0, y0, x1, y1, r float64) shape {
	cx, cy, hw, hh := (x0+x1)/2, (y0+y1)/2, (x1-x0)/2-r, (y1-y0)/2-r
	return shape{func(x, y float64) float64 {
		dx, dy := math.Abs(x-cx)-hw, math.Abs(y-cy)-hh
		return math.Hypot(math.Max(dx, 0), math.Max(dy, 0)) + math.Min(math.Max(dx, dy), 0) - r
	}, [4]float64{x0, y0, x1, y1}, 1}
}

// limb is a line with round ends whose radius goes from r0 to r1.
func limb(x0, y0, x1, y1, r0, r1 float64) shape {
	dx, dy := x1-x0, y1-y0
	l2 := dx*dx + dy*dy + 1e-9
	r := math.Max(r0, r1)
	return shape{func(x, y float64) float64 {
		t := clamp(((x-x0)*dx + (y-y0)*dy) / l2)
		return math.Hypot(x-x0-t*dx, y-y0-t*dy) - (r0 + (r1-r0)*t)
	}, [4]float64{math.Min(x0, x1) - r, math.Min(y0, y1) - r, math.Max(x0, x1) + r, math.Max(y0, y1) + r}, 1}
}

// polygon is a convex outline given as x, y pairs in clockwise order.
func polygon(p ...float64) shape {
	b := [4]float64{p[0], p[1], p[0], p[1]}
	for i := 0; i < len(p); i += 2 {
		b[0], b[1] = math.Min(b[0], p[i]), math.Min(b[1], p[i+1])
		b[2], b[3] = math.Max(b[2], p[i]), math.Max(b[3], p[i+1])
	}
	return shape{func(x, y float64) float64 {
		d := math.Inf(-1)
		for i := 0; i < len(p); i += 2 {
			j := (i + 2) % len(p)
			ex, ey := p[j]-p[i], p[j+1]-p[i+1]
			d = math.Max(d, ((x-p[i])*ey-(y-p[i+1])*ex)/math.Hypot(ex, ey))
		}
		return d
	}, b, 1}
}

// below is everything under the curve y = f(x).
func below(f func(x float64) float64) shape {
	return shape{func(x, y float64) float64 { return f(x) - y }, [4]float64{0, 0, sceneW, sceneH}, 1}
}
