package decode

// #cgo CFLAGS: -O3 -Wall
// #cgo pkg-config: libavcodec libavutil
// #include "native.h"
import "C"

import (
	"fmt"
	"unsafe"

	"github.com/asticode/go-astiav"
)

// padding is how many zero bytes have to lie behind the data of a packet: the
// decoders read ahead.
const padding = C.AV_INPUT_BUFFER_PADDING_SIZE

// setSkip says which pictures the decoder leaves out from now on.
func setSkip(cc *astiav.CodecContext, d astiav.Discard) {
	(*C.AVCodecContext)(cc.UnsafePointer()).skip_frame = C.enum_AVDiscard(d)
}

// flush forgets the pictures that later ones would refer to.
func flush(cc *astiav.CodecContext) {
	C.avcodec_flush_buffers((*C.AVCodecContext)(cc.UnsafePointer()))
}

// damaged reports whether the decoder made a part of the picture up, because the
// data for it were missing or nonsense.
func damaged(f *astiav.Frame) bool {
	n := (*C.AVFrame)(f.UnsafePointer())
	return n.decode_error_flags != 0 || n.flags&C.AV_FRAME_FLAG_CORRUPT != 0
}

// reorders reports whether pictures are coded in another order than shown.
func reorders(cc *astiav.CodecContext) bool {
	return (*C.AVCodecContext)(cc.UnsafePointer()).has_b_frames > 0
}

// shrink makes a grey picture of w*h pixels in pix. columns is scratch memory
// of at least the frame's width.
func shrink(f *astiav.Frame, pix []byte, w, h int, columns []uint32) error {
	if w < 1 || h < 1 || w > f.Width() || h > f.Height() || len(pix) < w*h || len(columns) < f.Width() {
		return fmt.Errorf("shrink a picture of %dx%d to %dx%d: out of bounds", f.Width(), f.Height(), w, h)
	}
	if C.lares_shrink((*C.AVFrame)(f.UnsafePointer()), (*C.uint8_t)(unsafe.Pointer(&pix[0])), C.int(w), C.int(h), (*C.uint32_t)(unsafe.Pointer(&columns[0]))) < 0 {
		return fmt.Errorf("pictures of the kind %s have no grey part", f.PixelFormat())
	}
	return nil
}

// crop cuts a frame to the rectangle of w*h pixels at x, y.
func crop(f *astiav.Frame, x, y, w, h int) error {
	if C.lares_crop((*C.AVFrame)(f.UnsafePointer()), C.int(x), C.int(y), C.int(f.Width()-x-w), C.int(f.Height()-y-h)) < 0 {
		return fmt.Errorf("cut %dx%d out of %dx%d", w, h, f.Width(), f.Height())
	}
	return nil
}
