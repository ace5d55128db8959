package motion

import "encoding/binary"

// Bounds of the grid the detector works on. A grid this large shows a person of
// 1.7 m as ten points high where a picture of 320x180 shows her as twenty.
const (
	maxGridWidth = 160
	maxGridArea  = 160 * 120
)

// reduction returns how many pixels a side are averaged into a point of the
// grid: 1, 2, 4 ... for pictures up to any size.
func reduction(width, height int) int {
	step := 1
	for width/step > maxGridWidth || (width/step)*(height/step) > maxGridArea {
		step *= 2
	}
	return step
}

// reduce averages squares of step by step pixels into points. A point is four
// times the mean luma, 0 to 1020: averaging takes sensor noise away, and the two
// bits below the grey level keep what is left to see in the dark. dst holds
// w*h points and stands for the top left w*step by h*step pixels of pix.
func reduce(dst []uint16, w int, pix []byte, width, step int) {
	switch step {
	case 1:
		for i := range dst {
			dst[i] = uint16(pix[i/w*width+i%w]) << 2
		}
	case 2:
		reduceTwo(dst, w, pix, width)
	default:
		reduceAny(dst, w, pix, width, step)
	}
}

// reduceTwo adds squares of two by two, four squares at once in the lanes of a
// word. w is a multiple of four.
func reduceTwo(dst []uint16, w int, pix []byte, width int) {
	const lanes = 0x00ff00ff00ff00ff
	for y := range len(dst) / w {
		a, b := pix[2*y*width:][:2*w], pix[(2*y+1)*width:][:2*w]
		row := dst[y*w:][:w]
		for len(row) >= 4 && len(a) >= 8 && len(b) >= 8 {
			p, q := binary.LittleEndian.Uint64(a), binary.LittleEndian.Uint64(b)
			s := p&lanes + p>>8&lanes + q&lanes + q>>8&lanes
			row[0], row[1], row[2], row[3] = uint16(s), uint16(s>>16), uint16(s>>32), uint16(s>>48)
			row, a, b = row[4:], a[8:], b[8:]
		}
	}
}

func reduceAny(dst []uint16, w int, pix []byte, width, step int) {
	for i := range dst {
		x, y := i%w*step, i/w*step
		sum := 0
		for dy := range step {
			for _, v := range pix[(y+dy)*width+x:][:step] {
				sum += int(v)
			}
		}
		dst[i] = uint16(4 * sum / (step * step))
	}
}
