// What go-astiav does not offer of FFmpeg.
#ifndef LARES_NATIVE_H
#define LARES_NATIVE_H

#include <libavcodec/avcodec.h>

// lares_shrink makes a grey picture of dw*dh pixels (1 <= dw <= width,
// 1 <= dh <= height) of the luma of f: each pixel is the mean of the area that
// it covers. acc has room for the width of f. Returns 0, or AVERROR(ENOSYS)
// where the picture has no luma plane of 8 to 16 bits.
int lares_shrink(const AVFrame *f, uint8_t *dst, int dw, int dh, uint32_t *acc);

// lares_crop moves the edges of f inwards, to whole chroma samples.
int lares_crop(AVFrame *f, int left, int top, int right, int bottom);

#endif
