package motion

import "math"

// fine is the fixed point of the background: its means and deviations are points
// times fine, so that slow learning does not stick between two values.
const (
	fineBits = 5
	fine     = 1 << fineBits
)

// tile is the side of a tile in points: the unit in which changes are counted,
// connected and masked.
const tile = 4

// background is what each point usually looks like: a running mean and a running
// mean absolute deviation (the single Gaussian of Wren et al., Pfinder, 1997,
// with the absolute deviation of sigma-delta estimation, Manzanera 2007, in the
// place of the variance).
type background struct {
	mean, dev []uint16 // points * fine
	// age is how many seconds it has been learnt, from which the speed of
	// learning follows: at first the mean of all pictures, later a running one.
	age float64
}

// Times that the background needs to learn, in seconds. A mean of six seconds
// follows the sun and takes up what nobody confirmed as a thing; a deviation
// that forgets over twelve holds several periods of a swaying branch.
const (
	meanTime = 6.0
	devTime  = 12.0
)

// Change against the background counts above this many mean absolute deviations
// (of a normal distribution: 3.2 standard deviations).
const devFactor = 4

// rates are the parts of 256 by which a picture teaches the background.
type rates struct{ mean, dev int32 }

// ratesAt says how fast a background of the given age learns from a picture that
// comes dt seconds after the one before.
func ratesAt(age, dt float64) rates {
	return rates{
		mean: int32(min(128, max(2, 256*dt/min(meanTime, age+2*dt)))),
		dev:  int32(min(64, max(1, 256*dt/min(devTime, age+4*dt)))),
	}
}

// restart makes the picture the background. Where the picture has an edge, a
// slight move changes a point by what its neighbours differ, so that is the
// first guess of how much it deviates.
func (b *background) restart(cur []uint16, w int) {
	b.age = 0
	for i, v := range cur {
		b.mean[i] = v << fineBits
		var slope int32
		if i >= w && i%w > 0 {
			slope = max(abs(int32(v)-int32(cur[i-1])), abs(int32(v)-int32(cur[i-w])))
		}
		b.dev[i] = uint16(slope * fine / devFactor)
	}
}

// blur widens the deviations of a background that is a single picture: it is as
// noisy as the next. sigma is in points.
func (b *background) blur(sigma float64) {
	add := uint16(sigma * math.Sqrt2 * 0.8 * fine)
	for i := range b.dev {
		b.dev[i] += add
	}
}

// counts of a tile in one picture.
type tileCount struct {
	changed uint8 // points that differ from the background
	moving  uint8 // points that differ from the picture before
}

// compare marks in mask the points of cur that differ from the background by
// more than it usually does, counts them and those that differ from the picture
// before by tile, and teaches the background. floor and step are the least
// differences that count, in points. Tiles that are taken teach nothing: a thing
// stands there.
func (g *grid) compare(r rates, before []uint16, floor, step int32) {
	w := g.w
	for ty := range g.th {
		for tx := range g.tw {
			t := ty*g.tw + tx
			rm, rd := r.mean, r.dev
			if g.held[t] == taken {
				rm, rd = 0, 0
			}
			var n tileCount
			at := ty*tile*w + tx*tile
			for range tile {
				cur, prev := g.cur[at:][:tile:tile], before[at:][:tile:tile]
				mean, dev := g.bg.mean[at:][:tile:tile], g.bg.dev[at:][:tile:tile]
				mask := g.mask[at:][:tile:tile]
				for i := range tile {
					c, m, v := int32(cur[i]), int32(mean[i]), int32(dev[i])
					diff := c<<fineBits - m
					size := abs(diff)
					off := above(size, floor+devFactor*v)
					mask[i] = off
					n.changed += off
					n.moving += above(abs(c-int32(prev[i])), step)
					mean[i] = uint16(m + diff*rm>>8)
					dev[i] = uint16(v + (min(size, devCap)-v)*rd>>8)
				}
				at += w
			}
			g.count[t] = n
		}
	}
}

// devCap bounds what one picture may say of a deviation: an eighth of the range
// of grey makes any change of a point unremarkable when it is the rule.
const devCap = 128 * fine

// abs and above do not branch: what they are asked is noise, which no processor
// can guess.
func abs(v int32) int32 {
	sign := v >> 31
	return (v ^ sign) - sign
}

// above is 1 where v is larger than limit, else 0.
func above(v, limit int32) uint8 { return uint8(uint32(limit-v) >> 31) }
