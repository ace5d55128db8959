package homekit

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"time"
)

// cardKind is what a card shows in place of a picture.
type cardKind uint8

const (
	cardNeutral cardKind = iota // a camera
	cardPrivate                 // a camera that is crossed out
)

// Greys of cards: of the ground and of what is drawn on it.
const (
	cardBack = 34
	cardInk  = 150
)

// drawCard returns a JPEG of a camera's outline.
func drawCard(want size, kind cardKind) ([]byte, error) {
	img := image.NewGray(image.Rect(0, 0, want.width, want.height))
	draw.Draw(img, img.Bounds(), image.NewUniform(color.Gray{Y: cardBack}), image.Point{}, draw.Src)
	ink := color.Gray{Y: cardInk}
	unit := max(1, min(want.width, want.height)/40)
	x, y := want.width/2-6*unit, want.height/2-4*unit
	fill(img, ink, box(x, y, 9*unit, 8*unit))
	for i := range 4 * unit { // the lens hood, a triangle
		fill(img, ink, box(x+10*unit+i, y+4*unit-i, 1, 2*i))
	}
	if kind == cardPrivate {
		for i := range 14 * unit {
			fill(img, color.Gray{Y: cardBack}, box(x-2*unit+i, y-3*unit+i-unit, unit, unit))
			fill(img, ink, box(x-2*unit+i, y-3*unit+i, unit, unit))
		}
	}
	return encode(img)
}

// drawAway returns the last picture of a camera, darkened, with since when it is
// away.
func drawAway(last []byte, text string) ([]byte, error) {
	old, err := jpeg.Decode(bytes.NewReader(last))
	if err != nil {
		return nil, fmt.Errorf("read the last picture: %w", err)
	}
	img := image.NewRGBA(old.Bounds())
	draw.Draw(img, img.Bounds(), old, old.Bounds().Min, draw.Src)
	draw.Draw(img, img.Bounds(), image.NewUniform(color.Alpha{A: 150}), image.Point{}, draw.Over)
	write(img, text)
	return encode(img)
}

func encode(img image.Image) ([]byte, error) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 70}); err != nil {
		return nil, fmt.Errorf("write a card: %w", err)
	}
	return b.Bytes(), nil
}

// box is w wide and h high, from the top left corner x, y.
func box(x, y, w, h int) image.Rectangle { return image.Rect(x, y, x+w, y+h) }

func fill(img draw.Image, c color.Color, r image.Rectangle) {
	draw.Draw(img, r, image.NewUniform(c), image.Point{}, draw.Src)
}

// awaySince says since when a camera is away, in signs that write knows.
func awaySince(at time.Time) string { return at.Local().Format("OFFLINE SINCE 2006-01-02 15:04") }

// write puts text into the middle of a picture.
func write(img draw.Image, text string) {
	const wide, high = 4, 5 // of a sign, with the space beside it
	unit := max(1, img.Bounds().Dx()/(len(text)*wide+2*wide))
	x, y := (img.Bounds().Dx()-len(text)*wide*unit)/2, (img.Bounds().Dy()-high*unit)/2
	for _, sign := range text {
		for row, bits := range glyph(sign) {
			for column := range 3 {
				if (bits-'0')>>(2-column)&1 == 1 {
					fill(img, color.Gray{Y: 235}, box(x+column*unit, y+row*unit, unit, unit))
				}
			}
		}
		x += wide * unit
	}
}

// glyph returns the rows of a sign, three bits each, top first; empty for signs
// that are not needed.
func glyph(sign rune) string {
	switch sign {
	case 'O', '0':
		return "75557"
	case '1':
		return "26227"
	case '2':
		return "71747"
	case '3':
		return "71717"
	case '4':
		return "55711"
	case '5', 'S':
		return "74717"
	case '6':
		return "74757"
	case '7':
		return "71111"
	case '8':
		return "75757"
	case '9':
		return "75717"
	case 'C':
		return "74447"
	case 'E':
		return "74647"
	case 'F':
		return "74644"
	case 'I':
		return "72227"
	case 'L':
		return "44447"
	case 'N':
		return "65555"
	case ':':
		return "02020"
	case '-':
		return "00700"
	}
	return ""
}
