package main

import "math"

// spot is where an actor's feet are at a time, in seconds of the loop.
type spot struct{ t, x, y float64 }

// actor is somebody who walks along a way.
type actor struct {
	way  []spot
	draw func(c *canvas, t float64)
}

// actors gives those who walk through: a visitor who comes to the door and goes
// again, somebody on the way home, and a cat. Between them nobody is there, for
// so long that they are two events.
func actors() []actor {
	visitor := walker([]spot{
		{3, -70, 690},
		{9.2, 440, 688},
		{10.6, 540, 664},
		{16.6, 828, 532},
		{18, 834, 526},
		{23, 834, 526},
		{24, 826, 534},
		{30, 560, 662},
		{31, 480, 680},
		{36, -70, 690},
	}, outfit{coat: hex(0xe0a63f), legs: hex(0x2d3556), hat: hex(0xc4513f), skin: hex(0xe7b692)})
	neighbour := walker([]spot{{44.5, 1340, 704}, {57, -70, 704}},
		outfit{coat: hex(0x5d7fa8), legs: hex(0x3a3040), hat: hex(0x4b3a3a), skin: hex(0xc99a78)})
	return []actor{cat([]spot{{43, 690, 646}, {46, 520, 600}, {48.5, 520, 600}, {53, 330, 560}, {57, -60, 580}}), visitor, neighbour}
}

// at gives the place at time t, the distance gone so far, the speed from 0 to 1
// and the direction, and whether the actor is in the scene at all.
func at(way []spot, t float64) (p spot, gone, speed, dir float64, seen bool) {
	dir = 1
	for i := 1; i < len(way); i++ {
		a, b := way[i-1], way[i]
		length := math.Hypot(b.x-a.x, (b.y-a.y)*1.6)
		if b.x != a.x {
			dir = math.Copysign(1, b.x-a.x)
		}
		if t < a.t {
			return p, 0, 0, 0, false
		}
		if t < b.t {
			f := (t - a.t) / (b.t - a.t)
			if length > 0 {
				speed = 1
			}
			return spot{t, a.x + (b.x-a.x)*f, a.y + (b.y-a.y)*f}, gone + length*f, speed, dir, true
		}
		gone += length
	}
	return p, 0, 0, 0, false
}

// stride blends the speed at the ends of a stop, so that nobody freezes or
// starts in the middle of a step.
func stride(way []spot, t float64) float64 {
	sum := 0.0
	for i := -3; i <= 3; i++ {
		_, _, s, _, seen := at(way, t+float64(i)*0.08)
		if seen {
			sum += s
		} else {
			sum++
		}
	}
	return sum / 7
}

type outfit struct{ coat, legs, hat, skin rgb }

func walker(way []spot, o outfit) actor {
	return actor{way, func(c *canvas, t float64) {
		p, gone, _, dir, seen := at(way, t)
		if !seen {
			return
		}
		// Somebody at the door is 136 units tall, on the pavement 216.
		h := 136 + (p.y-526)*0.48
		person(c, p, h, gait{phase: gone / (h * 0.44) * math.Pi, swing: stride(way, t), dir: dir}, o)
	}}
}

// gait is a moment of a walk: the phase of the step (a step is Pi), how far the
// limbs swing (0 to 1) and the direction (-1 or 1).
type gait struct{ phase, swing, dir float64 }

// bone gives the end of a limb of length l that hangs from x, y and is turned
// forward by angle a.
func (g gait) bone(x, y, l, a float64) (float64, float64) {
	return x + g.dir*l*math.Sin(a), y + l*math.Cos(a)
}

func person(c *canvas, p spot, h float64, g gait, o outfit) {
	// The hips sink as the legs spread, so that the feet stay on the ground.
	bob := 0.48 * h * (1 - math.Cos(0.5*g.swing*math.Sin(g.phase)))
	c.fill(ellipse(p.x, p.y, 0.2*h, 0.035*h), flat(hex(0x0d1a1c)).faded(0.5, 0.06*h))
	hipX, hipY := p.x, p.y-0.5*h+bob
	topX, topY := p.x+g.dir*0.012*h, hipY-0.31*h

	arm := func(phase float64, tint rgb) {
		a := 0.55 * g.swing * math.Sin(phase)
		ex, ey := g.bone(topX, topY+0.03*h, 0.16*h, a)
		hx, hy := g.bone(ex, ey, 0.15*h, a+0.25+0.2*g.swing)
		c.fill(limb(topX, topY+0.03*h, ex, ey, 0.036*h, 0.032*h), flat(tint))
		c.fill(limb(ex, ey, hx, hy, 0.032*h, 0.026*h), flat(tint))
		c.fill(circle(hx, hy, 0.025*h), flat(o.skin))
	}
	leg := func(phase float64, tint rgb) {
		a := 0.5 * g.swing * math.Sin(phase)
		bend := g.swing * (0.12 + 0.75*math.Max(0, math.Cos(phase))*(0.6+0.4*math.Sin(phase)))
		kx, ky := g.bone(hipX, hipY, 0.245*h, a+0.35*bend)
		fx, fy := g.bone(kx, ky, 0.235*h, a-0.65*bend)
		fy = math.Min(fy, p.y-0.012*h)
		c.fill(limb(hipX, hipY, kx, ky, 0.05*h, 0.04*h), flat(tint))
		c.fill(limb(kx, ky, fx, fy, 0.04*h, 0.028*h), flat(tint))
		c.fill(limb(fx, fy, fx+g.dir*0.055*h, fy+0.004*h, 0.026*h, 0.02*h), flat(hex(0x33262e)))
	}
	dark := hex(0x15182a)
	arm(g.phase, mix(o.coat, dark, 0.35))
	leg(g.phase+math.Pi, mix(o.legs, dark, 0.35))
	leg(g.phase, o.legs)
	c.fill(limb(hipX, hipY+0.05*h, topX, topY+0.03*h, 0.082*h, 0.072*h), vertical(o.coat, mix(o.coat, dark, 0.3), topY, hipY+0.1*h))
	c.fill(limb(topX, topY, topX+g.dir*0.008*h, topY-0.05*h, 0.03*h, 0.03*h), flat(mix(o.skin, dark, 0.2)))
	headX, headY := topX+g.dir*0.015*h, topY-0.09*h
	c.fill(ellipse(headX, headY, 0.06*h, 0.07*h), flat(o.skin))
	c.fill(limb(headX-0.04*h, headY-0.035*h, headX+0.04*h, headY-0.035*h, 0.03*h, 0.03*h), flat(o.hat))
	c.fill(ellipse(headX-g.dir*0.012*h, headY-0.045*h, 0.058*h, 0.045*h), flat(o.hat))
	c.fill(limb(topX-0.03*h, topY-0.015*h, topX+0.035*h, topY-0.015*h, 0.03*h, 0.03*h), flat(mix(o.hat, hex(0xffffff), 0.25)))
	arm(g.phase+math.Pi, mix(o.coat, hex(0xffffff), 0.06))
}

func cat(way []spot) actor {
	return actor{way, func(c *canvas, t float64) {
		p, gone, _, dir, seen := at(way, t)
		if !seen {
			return
		}
		s := 0.75 + (p.y-560)*0.006 // size: it comes up to a shin
		swing := stride(way, t)
		fur := flat(hex(0x3a3145))
		part := func(x0, y0, x1, y1, r0, r1 float64) {
			c.fill(limb(p.x+dir*x0*s, p.y+y0*s, p.x+dir*x1*s, p.y+y1*s, r0*s, r1*s), fur)
		}
		c.fill(ellipse(p.x, p.y, 30*s, 4*s), flat(hex(0x0d1a1c)).faded(0.45, 6))
		for i, x := range []float64{-17, -13, 14, 18} {
			a := 9 * swing * math.Sin(gone/(9*s)+float64(i)*math.Pi*0.75)
			part(x, -17, x+a*0.5, -8, 4.2, 3)
			part(x+a*0.5, -8, x+a, -2, 3, 2.4)
		}
		part(-15, -22, 15, -22, 9, 8.5)
		part(15, -25, 24, -33, 6, 7)
		part(27, -35, 31, -33, 6, 4)
		part(22, -38, 21, -45, 3, 0.8)
		part(28, -39, 29, -46, 3, 0.8)
		flick := 4 * wave(t, 24, 0)
		part(-20, -24, -33, -33, 3, 2.6)
		part(-33, -33, -38+flick*0.4, -44, 2.6, 2.4)
		part(-38+flick*0.4, -44, -35+flick, -52, 2.4, 2)
	}}
}
