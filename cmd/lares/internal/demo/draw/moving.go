package main

import "math"

// frame draws the scene as it is t seconds into the loop, over a copy of its
// background.
func frame(c, still *canvas, t float64) {
	copy(c.pix, still.pix)
	clouds(c, t)
	smoke(c, t)
	door(c, t)
	tree(c, t)
	bushes(c, t)
	for _, a := range actors() {
		a.draw(c, t)
	}
	captions(c, t)
}

func clouds(c *canvas, t float64) {
	for i := range 4 {
		x := 130 + 330*float64(i) + 26*wave(t, 1, float64(i)*1.7)
		y := 175 + 38*scatter(i*3+1)
		if x > 640 {
			y -= 100
		}
		tint := vertical(hex(0xf0b9a8), hex(0xa77d9c), y-10, y+14).faded(0.42, 26)
		c.fill(ellipse(x, y, 104, 11), tint)
		c.fill(ellipse(x+46, y-9, 56, 10), tint)
	}
}

func smoke(c *canvas, t float64) {
	const puffs = 7
	for i := range puffs {
		_, age := math.Modf(t/period*10 + float64(i)/puffs)
		x := 1107 + 34*age*age + 7*wave(t, 5, age*5)
		c.fill(circle(x, 110-86*age, 7+17*age), flat(hex(0xd8c6cf)).faded(0.34*smooth(age*6)*(1-age), 12))
	}
}

// welcome says from 0 to 1 how far the porch lamp is turned up for somebody at
// the door.
func welcome(t float64) float64 { return smooth((t-12)/1.2) * (1 - smooth((t-27)/3)) }

func door(c *canvas, t float64) {
	open := smooth((t-18)/1.1) * (1 - smooth((t-22.4)/1.1))
	c.fill(box(792, 346, 878, 504, 1), vertical(hex(0xffe2a4), hex(0xf0a35c), 346, 504))
	c.fill(box(858, 380, 866, 470, 3), flat(hex(0xc67c4a)).faded(0.8, 3))
	right := 878 - 66*open // the leaf turns on its left hinge
	leaf := vertical(hex(0x33707a), hex(0x24525f), 346, 504)
	c.fill(box(792, 346, right, 504, 1), leaf)
	w := right - 792
	pane := func(x0, y0, x1, y1 float64, p paint) { c.fill(box(792+w*x0, y0, 792+w*x1, y1, 2), p) }
	pane(0.17, 358, 0.83, 402, flat(hex(0xffd993)))
	pane(0.47, 358, 0.53, 402, leaf)
	pane(0.17, 414, 0.83, 450, flat(hex(0x1f4a57)).faded(0.8, 0))
	pane(0.17, 460, 0.83, 494, flat(hex(0x1f4a57)).faded(0.8, 0))
	c.fill(circle(792+w*0.91, 434, 3.6), flat(hex(0xf2cf7d)))
	c.glow(835, 470, 150, hex(0xffb765), 0.75*open)
	c.fill(polygon(792, 531, 878, 531, 886, 566, 750, 566), flat(hex(0xffc878)).faded(0.001+0.3*open, 14))

	lamp := welcome(t)
	c.fill(box(913, 374, 927, 398, 3), flat(mix(hex(0xf2d29a), hex(0xfff3cf), lamp)))
	c.fill(box(910, 369, 930, 376, 2), flat(hex(0x38344a)))
	c.glow(920, 386, 70+20*lamp, hex(0xffcf86), 0.55+0.35*lamp)
	c.glow(900, 430, 200, hex(0xffc070), 0.12+0.28*lamp)
}

func tree(c *canvas, t float64) {
	c.fill(ellipse(196, 606, 120, 15), flat(hex(0x10231c)).faded(0.5, 20))
	bark := vertical(hex(0x4d3b4b), hex(0x362c3b), 330, 610)
	c.fill(polygon(193, 330, 211, 330, 221, 607, 173, 607), bark)
	c.fill(limb(202, 440, 130, 330, 10, 5), bark)
	c.fill(limb(203, 410, 280, 318, 9, 5), bark)
	const leaves = 260
	for i := range leaves {
		// Leaves from the back and below to the front and above.
		h := float64(i) / leaves
		a := scatter(i*7) * 2 * math.Pi
		d := math.Sqrt(scatter(i*13 + 3))
		x := 205 + 158*d*math.Cos(a)*(1-0.3*h)
		y := 288 + 122*d*math.Sin(a)*(1-0.2*h) - 34*h
		sway := wave(t, 8, x/90) + 0.5*wave(t, 19, y/50)
		x, y = x+sway*(420-y)/85, y+0.7*wave(t, 13, x/60)
		light := clamp(0.1 + 0.55*h + 0.4*(x-205)/150 - 0.15*(y-268)/112 + 0.14*scatter(i*17))
		c.fill(circle(x, y, 15+13*scatter(i*5)-4*h), flat(mix(hex(0x23403f), hex(0x86975f), light)))
	}
}

func bushes(c *canvas, t float64) {
	for i := range 46 {
		side := float64(i % 2)
		along := scatter(i * 3)
		x := 1064 + 230*along
		if side == 1 {
			x = 20 - 90 + 150*along
		}
		y := 652 - 40*scatter(i*7+1)*math.Sin(math.Pi*along)
		x += 0.8 * wave(t, 11, x/40)
		light := clamp(0.9 - (y-600)/60)
		c.fill(circle(x, y-8, 15+10*scatter(i*5)), flat(mix(hex(0x1d3a36), hex(0x4a6f55), light)))
		if i%5 == 0 {
			c.fill(circle(x+6, y-18, 4), flat(hex(0xf0dfe6)))
		}
	}
}
