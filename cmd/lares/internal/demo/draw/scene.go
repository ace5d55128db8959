package main

import "math"

const (
	sceneW, sceneH = 1280, 720
	// period is the length of the loop in seconds. Everything that moves has a
	// period that divides it, so that the last frame flows into the first and
	// the seconds of the clock run on.
	period = 60
)

// wave swings between -1 and 1, n times per loop.
func wave(t float64, n int, phase float64) float64 {
	return math.Sin(2*math.Pi*(float64(n)*t/period) + phase)
}

// scatter gives the n-th of a fixed series of numbers between 0 and 1.
func scatter(n int) float64 {
	_, f := math.Modf(float64(n) * 0.6180339887498949)
	return f
}

// background draws everything that never moves.
func background(c *canvas) {
	sky(c)
	garden(c)
	house(c)
	windows(c)
	path(c)
}

func sky(c *canvas) {
	stops := []struct {
		y   float64
		col rgb
	}{{0, hex(0x24335c)}, {150, hex(0x47508a)}, {290, hex(0x9a7196)}, {380, hex(0xdf9487)}, {470, hex(0xf7c690)}}
	all := box(0, 0, sceneW, sceneH, 0)
	c.fill(all, paint{colour: func(_, y float64) rgb {
		for i := 1; i < len(stops); i++ {
			a, b := stops[i-1], stops[i]
			if y < b.y {
				return mix(a.col, b.col, (y-a.y)/(b.y-a.y))
			}
		}
		return stops[len(stops)-1].col
	}})
	c.glow(470, 440, 420, hex(0xffd9a0), 0.55)
	for i := range 26 {
		x, y := scatter(i*3+1)*sceneW, 70+scatter(i*7+2)*150
		c.fill(circle(x, y, 0.8+scatter(i)*0.7), flat(hex(0xffffff)).faded(0.25+0.4*scatter(i*5), 1.6))
	}
	c.fill(circle(560, 120, 30), flat(hex(0xfdf3dc)).faded(0.95, 1.5))
	c.glow(560, 120, 120, hex(0xfdf3dc), 0.22)
	far := func(x float64) float64 { return 425 - 22*math.Sin(x/170+0.6) - 10*math.Sin(x/63) }
	near := func(x float64) float64 { return 452 - 16*math.Sin(x/120+2.4) - 6*math.Sin(x/41+1) }
	c.fill(below(far), vertical(hex(0x8d7296), hex(0xc08d92), 390, 470))
	c.fill(below(near), vertical(hex(0x5d5a7c), hex(0x76687f), 430, 490))
}

// garden draws the lawn, the hedge behind it and the pavement in front.
func garden(c *canvas) {
	for i := range 64 {
		x := -10 + float64(i)*20.5
		col := mix(hex(0x2c4a48), hex(0x3c5c4e), scatter(i*11))
		c.fill(circle(x, 486-9*scatter(i*5), 19+8*scatter(i*3)), flat(col))
	}
	c.fill(below(func(float64) float64 { return 494 }), vertical(hex(0x4c6c52), hex(0x2f5141), 494, 660))
	// Mown stripes, running towards a point behind the house.
	c.fill(below(func(float64) float64 { return 494 }), paint{alpha: 0.13, colour: func(x, y float64) rgb {
		if math.Mod(math.Abs((x-700)/(y-380)*2.2)+0.5, 2) < 1 {
			return hex(0x9cc08a)
		}
		return hex(0x173428)
	}})
	c.fill(box(-10, 650, 1290, 730, 0), vertical(hex(0x9c9299), hex(0x857c88), 650, 720))
	c.fill(box(-10, 650, 1290, 655, 0), flat(hex(0xb9aeb0)))
	for i := range 9 {
		x := 40 + float64(i)*155
		c.fill(limb(x, 656, x-38, 722, 1, 1.4), flat(hex(0x6d6572)).faded(0.6, 0))
	}
}

func house(c *canvas) {
	c.fill(ellipse(965, 508, 320, 20), flat(hex(0x10231c)).faded(0.45, 26))
	c.fill(box(1085, 118, 1128, 240, 2), vertical(hex(0x8a5a55), hex(0x6d4a50), 118, 240))
	c.fill(box(1079, 112, 1134, 124, 2), flat(hex(0x5b3f4b)))
	wall := vertical(hex(0xd8bfae), hex(0xb89c98), 150, 510)
	c.fill(polygon(965, 128, 1238, 270, 692, 270), wall)
	c.fill(box(700, 262, 1230, 506, 0), wall)
	for y := 176.0; y < 500; y += 17 {
		half := math.Min(265, (y-128)*1.9)
		c.fill(box(965-half, y, 965+half, y+1.6, 0), flat(hex(0x7d6675)).faded(0.28, 0))
	}
	c.fill(box(694, 492, 1236, 508, 1), vertical(hex(0x7f7480), hex(0x655c6c), 492, 508))
	roof := vertical(hex(0x5d4a66), hex(0x40354f), 110, 285)
	c.fill(limb(965, 124, 676, 276, 12, 12), roof)
	c.fill(limb(965, 124, 1254, 276, 12, 12), roof)
	c.fill(limb(965, 137, 690, 281, 3, 3), flat(hex(0xe9d9cc)).faded(0.8, 0))
	c.fill(limb(965, 137, 1240, 281, 3, 3), flat(hex(0xe9d9cc)).faded(0.8, 0))
	for i := range 3 {
		d := float64(i)
		c.fill(box(768-12*d, 503+10*d, 902+12*d, 514+10*d, 2), vertical(hex(0xcabdb9), hex(0x94878e), 503+10*d, 514+10*d))
	}
	c.fill(box(784, 338, 886, 504, 3), flat(hex(0xf0e4da)))
	c.fill(polygon(835, 288, 916, 330, 754, 330), roof)
	c.fill(box(754, 326, 916, 336, 2), flat(hex(0xf0e4da)))
	for _, x := range []float64{766, 904} {
		c.fill(box(x-5, 336, x+5, 506, 1), vertical(hex(0xf0e4da), hex(0xc9b8b2), 336, 506))
	}
}

// windows draws the lit windows and what grows under them.
func windows(c *canvas) {
	warm := vertical(hex(0xffdf9a), hex(0xf6a75e), 318, 440)
	c.fill(box(974, 312, 1156, 440, 3), flat(hex(0xf0e4da)))
	c.fill(box(982, 320, 1148, 432, 1), warm)
	c.fill(polygon(982, 320, 1016, 320, 990, 432, 982, 432), flat(hex(0xfff0cf)).faded(0.6, 4))
	c.fill(polygon(1114, 320, 1148, 320, 1148, 432, 1140, 432), flat(hex(0xfff0cf)).faded(0.6, 4))
	c.fill(polygon(1026, 396, 1062, 396, 1056, 436, 1032, 436), flat(hex(0xb06a45)).faded(0.85, 2))
	for i := range 7 {
		sin, cos := math.Sincos(float64(i-3) * 0.38)
		c.fill(limb(1044, 398, 1044+36*sin, 398-36*cos, 2, 5.5), flat(mix(hex(0x70703e), hex(0x8f8a4c), scatter(i))).faded(0.9, 2))
	}
	c.fill(box(1062, 318, 1068, 434, 0), flat(hex(0xf0e4da)))
	c.fill(box(980, 368, 1150, 373, 0), flat(hex(0xf0e4da)))
	c.glow(1065, 380, 210, hex(0xffb765), 0.3)
	c.fill(box(976, 440, 1154, 456, 3), flat(hex(0x6d4a45)))
	for i := range 20 {
		x, y := 982+float64(i)*8.7, 437-6*scatter(i*7)
		c.fill(circle(x, y, 6.5), flat(hex(0x3f6650)))
		if i%2 == 0 {
			c.fill(circle(x+2, y-4, 3.4), flat(mix(hex(0xe8788a), hex(0xf3d27a), scatter(i*3))))
		}
	}
	c.fill(circle(965, 208, 27), flat(hex(0xf0e4da)))
	c.fill(circle(965, 208, 21), vertical(hex(0x8d86b4), hex(0xd29a9b), 187, 229))
	c.fill(box(963, 187, 967, 229, 0), flat(hex(0xf0e4da)))
	c.fill(box(944, 206, 986, 210, 0), flat(hex(0xf0e4da)))
}

// pathAt gives the middle and the half width of the garden path at height y.
func pathAt(y float64) (mid, half float64) {
	t := (y - 530) / 120
	return 835 - 200*t*t*(1.4-0.4*t) - 60*t, 48 + 34*t
}

func path(c *canvas) {
	lane := shape{func(x, y float64) float64 {
		mid, half := pathAt(y)
		return math.Max((math.Abs(x-mid)-half)*0.6, 531-y)
	}, [4]float64{380, 528, 960, 654}, 2}
	c.fill(lane, vertical(hex(0xb9a595), hex(0xa2929a), 530, 655))
	for y := 538.0; y < 650; y += 8 + (y-530)*0.11 {
		mid, half := pathAt(y)
		c.fill(limb(mid-half+3, y, mid+half-3, y, 0.9, 0.9), flat(hex(0x75687a)).faded(0.55, 0))
	}
	for _, y := range []float64{556, 592, 634} {
		mid, half := pathAt(y)
		size := 0.7 + (y-556)/160
		for _, x := range []float64{mid - half - 14*size, mid + half + 14*size} {
			c.fill(ellipse(x, y+2, 12*size, 4*size), flat(hex(0x10231c)).faded(0.4, 4))
			c.fill(box(x-2.5*size, y-24*size, x+2.5*size, y+1, 1), flat(hex(0x38344a)))
			c.fill(box(x-4*size, y-31*size, x+4*size, y-23*size, 2*size), flat(hex(0xffe3a6)))
			c.glow(x, y-26*size, 46*size, hex(0xffc878), 0.55)
			c.glow(x, y+4, 60*size, hex(0xffc878), 0.22)
		}
	}
}
