#include "native.h"

#include <string.h>

#include <libavutil/error.h>
#include <libavutil/frame.h>
#include <libavutil/intreadwrite.h>
#include <libavutil/pixdesc.h>

// halve is the common case of lares_shrink: two by two pixels of 8 bits become
// one. Two neighbours are added as the halves of one 32-bit word, in whichever
// order the machine keeps them, so that the compiler can use vectors.
static void halve(const AVFrame *f, int plane, uint8_t *restrict dst, int dw, int dh)
{
    for (int y = 0; y < dh; y++, dst += dw) {
        const uint8_t *restrict a = f->data[plane] + (ptrdiff_t)2 * y * f->linesize[plane];
        const uint8_t *restrict b = a + f->linesize[plane];
        for (int x = 0; x < dw; x++) {
            uint16_t p, q;
            memcpy(&p, a + 2 * x, sizeof(p));
            memcpy(&q, b + 2 * x, sizeof(q));
            dst[x] = ((p & 255) + (p >> 8) + (q & 255) + (q >> 8) + 2) >> 2;
        }
    }
}

static void add8(uint32_t *restrict acc, const uint8_t *restrict row, int n, uint32_t weight)
{
    if (weight == 1) {
        for (int x = 0; x < n; x++)
            acc[x] += row[x];
        return;
    }
    for (int x = 0; x < n; x++)
        acc[x] += weight * row[x];
}

static void add16(uint32_t *restrict acc, const uint8_t *restrict row, int n, uint32_t weight, int shift)
{
    for (int x = 0; x < n; x++)
        acc[x] += weight * (AV_RN16(row + 2 * x) >> shift);
}

// across makes one row of dw pixels of n column sums. In units of 1/dw of a
// column each column is dw wide and each pixel n: it takes what the pixel before
// left of a column, then whole columns, then a part of one.
static void across(const uint32_t *restrict acc, uint8_t *restrict dst, int n, int dw, double scale)
{
    int rest = 0; // of the column before acc
    for (int x = 0; x < dw; x++) {
        int part = FFMIN(rest, n);
        uint64_t sum = part ? (uint64_t)acc[-1] * part : 0, whole = 0;
        int need = n - part;
        rest -= part;
        for (; need >= dw; need -= dw)
            whole += *acc++;
        sum += whole * dw;
        if (need) {
            sum += (uint64_t)*acc++ * need;
            rest = dw - need;
        }
        dst[x] = (uint8_t)((double)sum * scale + 0.5);
    }
}

int lares_shrink(const AVFrame *f, uint8_t *dst, int dw, int dh, uint32_t *acc)
{
    const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get(f->format);
    int w = f->width, h = f->height;
    if (!desc || desc->flags & (AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_BITSTREAM | AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_FLOAT | AV_PIX_FMT_FLAG_BE))
        return AVERROR(ENOSYS);
    const AVComponentDescriptor *luma = &desc->comp[0];
    int bytes = luma->depth > 8 ? 2 : 1, plane = luma->plane;
    if (luma->depth < 8 || luma->depth > 16 || luma->step != bytes || luma->offset || luma->shift || !f->data[plane])
        return AVERROR(ENOSYS);
    if (bytes == 1 && w == 2 * dw && h == 2 * dh) {
        halve(f, plane, dst, dw, dh);
        return 0;
    }
    // In units of 1/dh of a row each row of f is dh high and each of dst h. Where
    // rows are never split a weight of 1 does as well, and is cheaper.
    int unit = h % dh ? dh : 1, high = h % dh ? h : h / dh;
    double scale = 1.0 / ((double)w * high);
    const uint8_t *row = f->data[plane];
    int rest = unit;
    for (int y = 0; y < dh; y++, dst += dw) {
        memset(acc, 0, (size_t)w * sizeof(*acc));
        for (int need = high; need > 0;) {
            int part = FFMIN(rest, need);
            if (bytes == 1)
                add8(acc, row, w, part);
            else
                add16(acc, row, w, part, luma->depth - 8);
            need -= part;
            rest -= part;
            if (rest == 0) {
                row += f->linesize[plane];
                rest = unit;
            }
        }
        across(acc, dst, w, dw, scale);
    }
    return 0;
}

int lares_crop(AVFrame *f, int left, int top, int right, int bottom)
{
    f->crop_left = left;
    f->crop_top = top;
    f->crop_right = right;
    f->crop_bottom = bottom;
    return av_frame_apply_cropping(f, AV_FRAME_CROP_UNALIGNED);
}
