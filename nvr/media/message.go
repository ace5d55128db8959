package media

import (
	"encoding/binary"
	"math"
	"time"

	"lares/nvr"
)

// Bounds of what messages carry, in bytes unless said otherwise.
const (
	maxSetID     = 64 << 10 // a parameter set
	maxSide      = 16384    // pixels of a coded picture
	maxSmall     = 4096     // pixels of a picture that is made
	maxCodecName = 16
	maxRate      = 192_000 // Hz
	maxChannels  = 8
	maxBitrate   = 1 << 20 // bit/s of sound
	maxVideoRate = 1 << 27 // bit/s of pictures
	maxConfig    = 256
	maxUnit      = 8 << 10 // of sound
	maxText      = 250
)

// hello is what a worker says first. landlock and seccomp are the version that
// is in force (seccomp: 1), or a negative errno that says why there is none.
type hello struct{ landlock, seccomp int32 }

func appendHello(b []byte, h hello) []byte {
	b = append(b, "lares"...)
	b = binary.LittleEndian.AppendUint16(b, protocolVersion)
	b = binary.LittleEndian.AppendUint32(b, uint32(h.landlock))
	return binary.LittleEndian.AppendUint32(b, uint32(h.seccomp))
}

func parseHello(body []byte) (hello, error) {
	f := fields{rest: body}
	if string(f.take(5)) != "lares" || f.u16() != protocolVersion {
		return hello{}, errProtocol
	}
	h := hello{landlock: int32(f.u32()), seccomp: int32(f.u32())}
	return h, f.end()
}

func appendShort(b, data []byte) []byte {
	return append(binary.LittleEndian.AppendUint16(b, uint16(len(data))), data...)
}

func appendLong(b, data []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(data))), data...)
}

// appendSetup says how pictures are made of a stream: what may not change
// without a new decoder.
func appendSetup(b []byte, p *nvr.Params, o nvr.PictureOptions) []byte {
	return appendSize(appendParams(b, p), o)
}

func parseSetup(body []byte) (*nvr.Params, nvr.PictureOptions, error) {
	f := fields{rest: body}
	p, o := f.params(), f.size()
	return p, o, f.end()
}

func appendParams(b []byte, p *nvr.Params) []byte {
	b = append(b, byte(p.Video))
	b = binary.LittleEndian.AppendUint32(b, uint32(p.Width))
	b = binary.LittleEndian.AppendUint32(b, uint32(p.Height))
	return appendShort(appendShort(appendShort(b, p.VPS), p.SPS), p.PPS)
}

// fitParams reports whether appendParams can say p.
func fitParams(p *nvr.Params) bool {
	return p != nil && (p.Video == nvr.H264 || p.Video == nvr.H265) && len(p.VPS) < maxSetID && len(p.SPS) < maxSetID && len(p.PPS) < maxSetID &&
		within(p.Width, 0, maxSide) && within(p.Height, 0, maxSide)
}

// params returns parameters that share no memory with the message.
func (f *fields) params() *nvr.Params {
	p := &nvr.Params{Video: nvr.Codec(f.u8()), Width: int(f.u32()), Height: int(f.u32())}
	p.VPS, p.SPS, p.PPS = clone(f.short()), clone(f.short()), clone(f.short())
	f.bad = f.bad || !fitParams(p)
	return p
}

func clone(b []byte) []byte { return append([]byte(nil), b...) }

func within(v, least, most int) bool { return v >= least && v <= most }

func fitPictureOptions(o nvr.PictureOptions) bool { return fitSize(o) && fitChoice(o) }

func appendSize(b []byte, o nvr.PictureOptions) []byte {
	b = binary.LittleEndian.AppendUint16(b, uint16(o.MaxWidth))
	return binary.LittleEndian.AppendUint16(b, uint16(o.MaxHeight))
}

func fitSize(o nvr.PictureOptions) bool {
	return within(o.MaxWidth, 1, maxSmall) && within(o.MaxHeight, 1, maxSmall)
}

func (f *fields) size() nvr.PictureOptions {
	o := nvr.PictureOptions{MaxWidth: int(f.u16()), MaxHeight: int(f.u16())}
	f.bad = f.bad || !fitSize(o)
	return o
}

// appendChoice says which pictures are made, which may change with each request.
func appendChoice(b []byte, o nvr.PictureOptions) []byte {
	var keys byte
	if o.KeysOnly {
		keys = 1
	}
	return binary.LittleEndian.AppendUint64(append(b, keys), uint64(o.Every))
}

func fitChoice(o nvr.PictureOptions) bool { return o.Every >= 0 && o.Every <= time.Hour }

// choice adds to o which pictures are made.
func (f *fields) choice(o nvr.PictureOptions) nvr.PictureOptions {
	keys := f.u8()
	o.KeysOnly, o.Every = keys == 1, time.Duration(f.i64())
	f.bad = f.bad || keys > 1 || !fitChoice(o)
	return o
}

func appendH264Options(b []byte, o nvr.H264Options) []byte {
	b = binary.LittleEndian.AppendUint16(b, uint16(o.MaxWidth))
	b = binary.LittleEndian.AppendUint16(b, uint16(o.MaxHeight))
	b = binary.LittleEndian.AppendUint32(b, uint32(o.Bitrate))
	return append(b, byte(o.Rate))
}

func fitH264Options(o nvr.H264Options) bool {
	return within(o.MaxWidth, 16, maxSmall) && within(o.MaxHeight, 16, maxSmall) && within(o.Bitrate, 1, maxVideoRate) && within(o.Rate, 1, 60)
}

func (f *fields) h264Options() nvr.H264Options {
	o := nvr.H264Options{MaxWidth: int(f.u16()), MaxHeight: int(f.u16()), Bitrate: int(f.u32()), Rate: int(f.u8())}
	f.bad = f.bad || !fitH264Options(o)
	return o
}

func appendStillOptions(b []byte, o nvr.StillOptions) []byte {
	b = binary.LittleEndian.AppendUint16(b, uint16(o.MaxWidth))
	b = binary.LittleEndian.AppendUint16(b, uint16(o.MaxHeight))
	for _, v := range [...]float64{o.Crop.X, o.Crop.Y, o.Crop.W, o.Crop.H} {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	return b
}

// fitStillOptions also refuses numbers that are not numbers.
func fitStillOptions(o nvr.StillOptions) bool {
	part := func(v float64) bool { return v >= 0 && v <= 1 }
	c := o.Crop
	return within(o.MaxWidth, 0, maxSide) && within(o.MaxHeight, 0, maxSide) && part(c.X) && part(c.Y) && part(c.W) && part(c.H)
}

func (f *fields) stillOptions() nvr.StillOptions {
	o := nvr.StillOptions{MaxWidth: int(f.u16()), MaxHeight: int(f.u16())}
	for _, v := range [...]*float64{&o.Crop.X, &o.Crop.Y, &o.Crop.W, &o.Crop.H} {
		*v = math.Float64frombits(uint64(f.i64()))
	}
	f.bad = f.bad || !fitStillOptions(o)
	return o
}

func appendFormat(b []byte, s SoundFormat) []byte {
	b = appendShort(b, []byte(s.Codec))
	b = binary.LittleEndian.AppendUint32(b, uint32(s.Rate))
	return appendShort(append(b, byte(s.Channels)), []byte(s.Config))
}

func fitFormat(s SoundFormat) bool {
	return within(len(s.Codec), 1, maxCodecName) && within(s.Rate, 1, maxRate) && within(s.Channels, 1, maxChannels) && len(s.Config) <= maxConfig
}

func (f *fields) format() SoundFormat {
	s := SoundFormat{Codec: string(f.short()), Rate: int(f.u32()), Channels: int(f.u8()), Config: string(f.short())}
	f.bad = f.bad || !fitFormat(s)
	return s
}

func appendOpus(b []byte, o OpusFormat) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(o.Rate))
	b = binary.LittleEndian.AppendUint32(b, uint32(o.Bitrate))
	return binary.LittleEndian.AppendUint64(b, uint64(o.Frame))
}

func fitOpus(o OpusFormat) bool {
	return within(o.Rate, 1, maxRate) && within(o.Bitrate, 1, maxBitrate) && o.Frame > 0 && o.Frame <= time.Second
}

func (f *fields) opus() OpusFormat {
	o := OpusFormat{Rate: int(f.u32()), Bitrate: int(f.u32()), Frame: time.Duration(f.i64())}
	f.bad = f.bad || !fitOpus(o)
	return o
}

// frameHead is what a frame takes beside its data.
const frameHead = 1 + 8 + 8 + 4

func appendFrame(b []byte, fr *nvr.Frame) []byte {
	var key byte
	if fr.Key {
		key = 1
	}
	b = append(b, key)
	b = binary.LittleEndian.AppendUint64(b, uint64(fr.DTS))
	b = binary.LittleEndian.AppendUint64(b, uint64(fr.PTS))
	return appendLong(b, fr.Data)
}

// frame reads one frame; its data is part of the message.
func (f *fields) frame(fr *nvr.Frame) {
	key := f.u8()
	f.bad = f.bad || key > 1
	*fr = nvr.Frame{Track: nvr.VideoTrack, Key: key == 1, DTS: f.i64(), PTS: f.i64(), Params: fr.Params, Data: f.long()}
}

func appendPictureHead(b []byte, g nvr.Grey) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(g.PTS))
	b = binary.LittleEndian.AppendUint16(b, uint16(g.Width))
	return binary.LittleEndian.AppendUint16(b, uint16(g.Height))
}

// parsePicture reads a picture and holds it against what was asked for; its
// pixels are part of the message.
func parsePicture(body []byte, o nvr.PictureOptions) (nvr.Grey, error) {
	f := fields{rest: body}
	g := nvr.Grey{PTS: f.i64(), Width: int(f.u16()), Height: int(f.u16())}
	if !within(g.Width, 1, o.MaxWidth) || !within(g.Height, 1, o.MaxHeight) {
		return nvr.Grey{}, errProtocol
	}
	g.Pix = f.take(g.Width * g.Height)
	return g, f.end()
}

// verdict is how a request ended.
type verdict struct {
	// refused: nothing was made of the request; payload says why.
	refused bool
	// damaged is how many frames or blocks could not be decoded.
	damaged int
	// payload is an AudioSpecificConfig where AAC was asked for.
	payload []byte
}

func appendVerdict(b []byte, v verdict) []byte {
	var refused byte
	if v.refused {
		refused = 1
	}
	b = append(b, refused)
	b = binary.LittleEndian.AppendUint32(b, uint32(v.damaged))
	return append(b, v.payload...)
}

func parseVerdict(body []byte) (verdict, error) {
	f := fields{rest: body}
	refused, damaged := f.u8(), f.u32()
	if f.bad || refused > 1 || damaged > maxMessage || len(f.rest) > maxConfig {
		return verdict{}, errProtocol
	}
	return verdict{refused: refused == 1, damaged: int(damaged), payload: f.rest}, nil
}

// plain makes text that a worker sent fit for a log or a page: one line of
// printable ASCII, bounded.
func plain(text []byte) string {
	text = text[:min(len(text), maxText)]
	out := make([]byte, len(text))
	for i, c := range text {
		if out[i] = c; c < ' ' || c > '~' {
			out[i] = ' '
		}
	}
	return string(out)
}
