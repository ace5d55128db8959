package main

import (
	"fmt"
	"math"
)

// stroke is a piece of a letter: an arc around cx, cy from one angle to another
// (degrees, clockwise, 0 is right), or a line if the radii are zero, then from
// cx, cy to a0, a1. Letters are 6 units wide and 10 high, y grows downwards.
type stroke struct{ cx, cy, rx, ry, a0, a1 float64 }

func line(x0, y0, x1, y1 float64) stroke { return stroke{x0, y0, 0, 0, x1, y1} }

// glyph gives the strokes and the width of a letter; unknown letters are blank.
func glyph(r rune) ([]stroke, float64) {
	bowl := stroke{2.5, 7.5, 2.5, 2.5, 0, 360}
	switch r {
	case '0':
		return []stroke{{3, 3, 3, 3, 180, 360}, {3, 7, 3, 3, 0, 180}, line(0, 3, 0, 7), line(6, 3, 6, 7)}, 6
	case '1':
		return []stroke{line(1, 2, 3.4, 0), line(3.4, 0, 3.4, 10)}, 6
	case '2':
		return []stroke{{3, 3, 3, 3, 180, 390}, line(5.6, 4.5, 0, 10), line(0, 10, 6, 10)}, 6
	case '3':
		return []stroke{{3, 2.6, 2.6, 2.6, 190, 450}, {3, 7.4, 3, 2.6, -90, 160}}, 6
	case '4':
		return []stroke{line(4.4, 0, 0, 7), line(0, 7, 6, 7), line(4.4, 0, 4.4, 10)}, 6
	case '5':
		return []stroke{line(5.4, 0, 0.8, 0), line(0.8, 0, 0.4, 4.6), {2.8, 6.8, 3.2, 3.2, -137, 140}}, 6
	case '6':
		return []stroke{{3, 7, 3, 3, 0, 360}, {6.2, 7, 6.2, 7, 180, 250}}, 6
	case '7':
		return []stroke{line(0, 0, 6, 0), line(6, 0, 2, 10)}, 6
	case '8':
		return []stroke{{3, 2.5, 2.5, 2.5, 0, 360}, {3, 7.4, 3, 2.6, 0, 360}}, 6
	case '9':
		return []stroke{{3, 3, 3, 3, 0, 360}, {-0.2, 3, 6.2, 7, 0, 70}}, 6
	case ':':
		return []stroke{line(1, 3, 1, 3), line(1, 8, 1, 8)}, 2
	case 'L':
		return []stroke{line(0, 0, 0, 10), line(0, 10, 5, 10)}, 5
	case 'a':
		return []stroke{bowl, line(5, 5, 5, 10)}, 5
	case 'd':
		return []stroke{bowl, line(5, 0, 5, 10)}, 5
	case 'e':
		return []stroke{{2.5, 7.5, 2.5, 2.5, 40, 360}, line(0, 7.5, 5, 7.5)}, 5
	case 'm':
		return []stroke{line(0, 5, 0, 10), {2, 7, 2, 2, 180, 360}, line(4, 7, 4, 10), {6, 7, 2, 2, 180, 360}, line(8, 7, 8, 10)}, 8
	case 'o':
		return []stroke{bowl}, 5
	case 'r':
		return []stroke{line(0, 5, 0, 10), {2.6, 7.6, 2.6, 2.6, 180, 295}}, 3.8
	case 's':
		return []stroke{{2, 6.3, 1.9, 1.3, 90, 330}, {2, 8.7, 2.1, 1.3, -90, 150}}, 4.2
	}
	return nil, 2.4
}

// write draws text with its upper left corner at x, y and letters of height h.
func write(c *canvas, text string, x, y, h float64, p paint) {
	u := h / 10
	for _, r := range text {
		strokes, width := glyph(r)
		for _, s := range strokes {
			drawStroke(c, s, x, y, u, p)
		}
		x += (width + 2.6) * u
	}
}

// drawStroke draws one stroke of a letter whose corner is at x, y; u is the size
// of a letter unit.
func drawStroke(c *canvas, s stroke, x, y, u float64, p paint) {
	r := 0.72 * u
	if s.rx == 0 {
		c.fill(limb(x+s.cx*u, y+s.cy*u, x+s.a0*u, y+s.a1*u, r, r), p)
		return
	}
	point := func(deg float64) (float64, float64) {
		sin, cos := math.Sincos(deg * math.Pi / 180)
		return x + (s.cx+s.rx*cos)*u, y + (s.cy+s.ry*sin)*u
	}
	const step = 15
	for a := s.a0; a < s.a1; a += step {
		x0, y0 := point(a)
		x1, y1 := point(math.Min(a+step, s.a1))
		c.fill(limb(x0, y0, x1, y1, r, r), p)
	}
}

// captions writes the name and the clock. The clock counts the seconds of the
// loop and shows no date: it must not be taken for the time of a recording. The upper left corner is left
// to the player, which says there what it shows.
func captions(c *canvas, t float64) {
	white := flat(hex(0xffffff))
	shade := flat(hex(0x10142a)).faded(0.5, 0)
	c.fill(box(28, 648, 246, 694, 23), shade)
	write(c, "Lares demo", 50, 659, 24, white)
	c.fill(box(1128, 26, 1252, 72, 23), shade)
	write(c, fmt.Sprintf("00:%02d", int(t)%60), 1149, 37, 24, white)
}
