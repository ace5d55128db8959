package decode

import (
	"bytes"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"lares/nvr"
)

// every is an option that yields all pictures.
func every(w, h int) nvr.PictureOptions { return nvr.PictureOptions{MaxWidth: w, MaxHeight: h} }

// pictures decodes frames into copies of all pictures.
func pictures(t testing.TB, v *Video, frames []*nvr.Frame) []nvr.Grey {
	t.Helper()
	var all []nvr.Grey
	for _, f := range frames {
		err := v.Decode(f, func(g nvr.Grey) {
			g.Pix = slices.Clone(g.Pix)
			all = append(all, g)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func open(t testing.TB, p *nvr.Params, o nvr.PictureOptions) *Video {
	t.Helper()
	v, err := NewVideo(p, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// mean is the mean of the area that the pixel x, y of w*h covers of luma, which
// is srcW*srcH: the slow way.
func mean(luma []byte, srcW, srcH, x, y, w, h int) float64 {
	overlap := func(i, unit, from, to int) int { return max(0, min((i+1)*unit, to)-max(i*unit, from)) }
	sum := 0
	for i := y * srcH / h; i < srcH && i*h < (y+1)*srcH; i++ {
		for j := x * srcW / w; j < srcW && j*w < (x+1)*srcW; j++ {
			sum += int(luma[i*srcW+j]) * overlap(i, h, y*srcH, (y+1)*srcH) * overlap(j, w, x*srcW, (x+1)*srcW)
		}
	}
	return float64(sum) / float64(srcW*srcH)
}

// The pictures must be those that ffmpeg's own program decodes, shrunk by the
// plain arithmetic of mean.
func TestPicturesAreThoseOfFFmpeg(t *testing.T) {
	const w, h = 640, 360
	for _, c := range []struct{ name, coding, pixels string }{
		{"plain.mp4", "-c:v libx264 -preset veryfast -bf 0 -g 10 -pix_fmt yuv420p", "yuv420p"},
		{"reordered.mkv", "-c:v libx264 -preset medium -bf 3 -g 10 -pix_fmt yuv420p", "yuv420p"},
		{"full.mp4", "-c:v libx264 -preset veryfast -bf 0 -pix_fmt yuvj420p", "yuvj420p"},
		{"h265.mp4", "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=10 -pix_fmt yuv420p", "yuv420p"},
		{"h265.hevc", "-c:v libx265 -preset ultrafast -x265-params log-level=none:bframes=0 -pix_fmt yuv420p", "yuv420p"},
		{"bare.h264", "-c:v libx264 -preset veryfast -bf 0 -pix_fmt yuv420p", "yuv420p"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := clip(t, c.name, scene+",trim=duration=2", c.coding)
			raw := run(t, "-skip_loop_filter", "all", "-flags2", "+fast", "-i", path, "-fps_mode", "passthrough", "-pix_fmt", c.pixels, "-f", "rawvideo", "-")
			want := slices.Collect(slices.Chunk(raw, w*h*3/2))
			params, all := frames(t, path)
			if len(all) != 20 || len(want) != 20 {
				t.Fatalf("got %d frames and %d pictures of ffmpeg, want 20", len(all), len(want))
			}
			for _, size := range [][2]int{{320, 180}, {640, 360}, {100, 77}, {214, 120}, {160, 90}} {
				v := open(t, params, every(size[0], size[1]))
				got := append(pictures(t, v, all), drain(t, v)...)
				if len(got) != len(want) {
					t.Fatalf("got %d pictures at %v, want %d", len(got), size, len(want))
				}
				for i, g := range got {
					if pts := int64(i) * nvr.ClockRate / 10; g.PTS != pts {
						t.Errorf("picture %d has PTS %d, want %d", i, g.PTS, pts)
					}
					compare(t, g, want[i][:w*h], w, h)
				}
			}
		})
	}
}

// drain takes out of a decoder what it holds back.
func drain(t testing.TB, v *Video) (all []nvr.Grey) {
	t.Helper()
	if err := v.Drain(func(g nvr.Grey) {
		g.Pix = slices.Clone(g.Pix)
		all = append(all, g)
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func compare(t *testing.T, g nvr.Grey, luma []byte, w, h int) {
	t.Helper()
	if len(g.Pix) != g.Width*g.Height {
		t.Fatalf("%d bytes in a picture of %dx%d", len(g.Pix), g.Width, g.Height)
	}
	for y := range g.Height {
		for x := range g.Width {
			got, want := float64(g.Pix[y*g.Width+x]), mean(luma, w, h, x, y, g.Width, g.Height)
			if got-want > 0.51 || want-got > 0.51 {
				t.Fatalf("pixel %d,%d of %dx%d at %d: got %v, want %.2f", x, y, g.Width, g.Height, g.PTS, got, want)
			}
		}
	}
}

func TestTenBitPicturesBecomeGrey(t *testing.T) {
	path := clip(t, "ten.mp4", scene+",trim=duration=1", "-c:v libx265 -preset ultrafast -x265-params log-level=none:bframes=0 -pix_fmt yuv420p10le")
	raw := run(t, "-skip_loop_filter", "all", "-i", path, "-pix_fmt", "yuv420p10le", "-f", "rawvideo", "-")
	params, all := frames(t, path)
	got := pictures(t, open(t, params, every(320, 180)), all[:1])
	luma := make([]byte, 640*360)
	for i := range luma {
		luma[i] = byte((int(raw[2*i]) | int(raw[2*i+1])<<8) >> 2)
	}
	if len(got) != 1 {
		t.Fatalf("got %d pictures, want 1", len(got))
	}
	compare(t, got[0], luma, 640, 360)
}

func TestPicturesComeWhenDue(t *testing.T) {
	for _, coding := range []string{"-c:v libx264 -preset veryfast -bf 0 -g 20 -pix_fmt yuv420p", "-c:v libx264 -preset medium -bf 3 -g 20 -pix_fmt yuv420p"} {
		params, all := frames(t, clip(t, "a.mp4", scene+",trim=duration=4", coding))
		v := open(t, params, nvr.PictureOptions{MaxWidth: 320, MaxHeight: 180, Every: 200 * time.Millisecond})
		// The clock of a camera trembles.
		rng := rand.New(rand.NewPCG(1, 2))
		for _, f := range all {
			f.PTS += rng.Int64N(1000)
		}
		got := append(pictures(t, v, all), drain(t, v)...)
		if len(got) != 20 {
			t.Errorf("got %d pictures of 4 seconds, want 20", len(got))
		}
		for i := range len(got) - 1 {
			if d := nvr.TickDuration(got[i+1].PTS - got[i].PTS); d < 170*time.Millisecond || d > 230*time.Millisecond {
				t.Errorf("%v between pictures %d and %d", d, i, i+1)
			}
		}
	}
}

func TestTheFirstPictureComesAtOnce(t *testing.T) {
	params, all := frames(t, clip(t, "a.mp4", scene+",trim=duration=1", "-c:v libx264 -preset veryfast -bf 0 -pix_fmt yuv420p"))
	v := open(t, params, nvr.PictureOptions{MaxWidth: 320, MaxHeight: 180, Every: time.Second})
	if got := pictures(t, v, all[:1]); len(got) != 1 {
		t.Errorf("got %d pictures of the first frame, want 1", len(got))
	}
}

func TestKeysOnlyShowsEachKeyAtOnceAndGoesBackAtAKey(t *testing.T) {
	params, all := frames(t, clip(t, "a.mp4", scene+",trim=duration=4", "-c:v libx264 -preset medium -bf 2 -g 10 -sc_threshold 0 -pix_fmt yuv420p"))
	o := every(320, 180)
	o.KeysOnly = true
	v := open(t, params, o)
	for i, f := range all[:20] {
		want := 0
		if f.Key {
			want = 1
		}
		if got := pictures(t, v, []*nvr.Frame{f}); len(got) != want {
			t.Errorf("frame %d (key %v): got %d pictures", i, f.Key, len(got))
		}
	}
	v.Choose(0, false)
	if got := append(pictures(t, v, all[25:]), drain(t, v)...); len(got) != 10 {
		t.Errorf("got %d pictures from the next key on, want 10", len(got))
	}
}

func TestAfterAGapDecodingGoesOnAtAKey(t *testing.T) {
	params, all := frames(t, clip(t, "a.mp4", scene+",trim=duration=3", "-c:v libx264 -preset veryfast -bf 0 -g 10 -sc_threshold 0 -pix_fmt yuv420p"))
	v := open(t, params, every(320, 180))
	pictures(t, v, all[:5])
	v.Flush()
	got := pictures(t, v, all[8:])
	if len(got) != 20 || got[0].PTS != all[10].PTS {
		t.Fatalf("got %d pictures from %d on, want 20 from %d on", len(got), got[0].PTS, all[10].PTS)
	}
	if again := pictures(t, open(t, params, every(320, 180)), all[10:11]); !bytes.Equal(again[0].Pix, got[0].Pix) {
		t.Error("the picture after the gap differs from one that was decoded afresh")
	}
}

func TestGarbageIsAnErrorAndTheNextPictureComes(t *testing.T) {
	params, all := frames(t, clip(t, "a.mp4", scene+",trim=duration=2", "-c:v libx264 -preset veryfast -bf 0 -g 10 -sc_threshold 0 -pix_fmt yuv420p"))
	v := open(t, params, every(320, 180))
	bad := 0
	for _, data := range [][]byte{nil, {0}, {0, 0, 0, 1}, {0xff, 0xff, 0xff, 0xff, 1}, bytes.Repeat([]byte{0xa5}, 5000), make([]byte, maxData+1)} {
		f := *all[0]
		f.Data = data
		if err := v.Decode(&f, func(nvr.Grey) { t.Error("a picture of garbage") }); err != nil {
			bad++
		}
	}
	if bad != 6 {
		t.Errorf("%d of 6 pieces of garbage were refused", bad)
	}
	if got := pictures(t, v, all); len(got) != 20 {
		t.Errorf("got %d pictures after garbage, want 20", len(got))
	}
}

func TestHugePicturesAreRefused(t *testing.T) {
	params, all := frames(t, clip(t, "a.mp4", "color=size=8192x8192:rate=1,trim=duration=1", "-c:v libx264 -preset ultrafast -pix_fmt yuv420p"))
	v, err := NewVideo(params, every(320, 180))
	if err != nil {
		return
	}
	defer v.Close()
	if err := v.Decode(all[0], func(nvr.Grey) { t.Error("a picture of 8192x8192 was decoded") }); err == nil {
		t.Error("a picture of 8192x8192 was not refused")
	}
}

func TestWithoutParameterSetsThereIsNoDecoder(t *testing.T) {
	for _, p := range []*nvr.Params{
		{},
		{Video: nvr.AAC},
		{Video: nvr.H264},
		{Video: nvr.H264, SPS: []byte{0x67, 1, 2, 3}},
		{Video: nvr.H265, SPS: []byte{0x42}, PPS: []byte{0x44}},
		{Video: nvr.H264, SPS: bytes.Repeat([]byte{0x67}, 1<<17), PPS: []byte{0x68}},
	} {
		if v, err := NewVideo(p, every(320, 180)); err == nil {
			v.Close()
			t.Errorf("a decoder for %+v", p)
		}
	}
}

// What was allocated is freed: opening and closing does not grow the process.
func TestOpeningAndClosingKeepsMemoryFlat(t *testing.T) {
	params, all := frames(t, clip(t, "a.mp4", scene+",trim=duration=1", "-c:v libx264 -preset veryfast -bf 0 -pix_fmt yuv420p"))
	round := func() {
		v, err := NewVideo(params, every(320, 180))
		if err != nil {
			t.Fatal(err)
		}
		pictures(t, v, all)
		v.Close()
		if _, err := JPEG(all[:2], nvr.StillOptions{MaxWidth: 160, MaxHeight: 90}); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		round()
	}
	before := resident(t)
	for range 200 {
		round()
	}
	// One decoder of this size is 4 MB: 200 that leaked would be 800.
	if grown := resident(t) - before; grown > 16<<20 {
		t.Errorf("the process grew by %d MB", grown>>20)
	}
}

// resident returns the bytes of the process that are in memory.
func resident(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("this system does not say how much memory a process has")
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb := 0
			for _, c := range value {
				if c >= '0' && c <= '9' {
					kb = kb*10 + int(c-'0')
				}
			}
			return kb << 10
		}
	}
	t.Skip("this system does not say how much memory a process has")
	return 0
}

// The decoders read behind the end of the data: there must be zeros of ours.
func TestPacketsArePadded(t *testing.T) {
	p := newPacket()
	defer p.Free()
	for _, size := range []int{1000, 1, 63, 4096} {
		data := bytes.Repeat([]byte{0xff}, size)
		if err := p.fill(data); err != nil {
			t.Fatal(err)
		}
		if got := p.Data(); !bytes.Equal(got, data) {
			t.Errorf("a packet of %d bytes holds %d", size, len(got))
		}
		p.SetSize(size + padding)
		if got := p.Data(); !bytes.Equal(got[size:], make([]byte, padding)) {
			t.Errorf("no zeros behind a packet of %d bytes", size)
		}
		p.SetSize(size)
	}
}

// spoil overwrites the later part of each slice.
func spoil(all []*nvr.Frame, rng *rand.ChaCha8) []*nvr.Frame {
	spoilt := make([]*nvr.Frame, len(all))
	for i, f := range all {
		g := *f
		g.Data = bytes.Clone(f.Data)
		for unit := range layout(4).units(g.Data) {
			_, _ = rng.Read(unit[min(len(unit), 12):])
		}
		spoilt[i] = &g
	}
	return spoilt
}

func TestPicturesThatHadToBeMadeUpAreNotShown(t *testing.T) {
	for _, coding := range []string{
		"-c:v libx264 -preset veryfast -profile:v main -bf 0 -g 10 -sc_threshold 0 -pix_fmt yuv420p",
		"-c:v libx264 -preset veryfast -profile:v baseline -bf 0 -g 10 -sc_threshold 0 -pix_fmt yuv420p",
		"-c:v libx265 -preset ultrafast -x265-params log-level=none:bframes=0:keyint=10:scenecut=0 -pix_fmt yuv420p",
	} {
		params, all := frames(t, clip(t, "a.mp4", scene+",trim=duration=4", coding))
		v := open(t, params, every(320, 180))
		shown, refused := 0, 0
		for _, f := range spoil(all, rand.NewChaCha8([32]byte{})) {
			if err := v.Decode(f, func(nvr.Grey) { shown++ }); err != nil {
				refused++
			}
		}
		// The decoder of H.265 drops those that refer to one that is missing.
		if shown > 0 || refused < len(all)/2 {
			t.Errorf("%s: of %d pictures %d were shown and %d refused", coding, len(all), shown, refused)
		}
		if got := pictures(t, v, all); len(got) != len(all) {
			t.Errorf("%s: then %d of %d pictures were shown", coding, len(got), len(all))
		}
	}
}

func TestAfterADamagedPictureTheNextIsThatOfTheKeyFrame(t *testing.T) {
	for _, c := range []struct{ gop, want int }{{10, 10}, {100, 14}} { // of 10 a second; the fourth is damaged
		params, all := frames(t, clip(t, "a.mp4", scene+",trim=duration=3",
			"-c:v libx264 -preset veryfast -bf 0 -sc_threshold 0 -pix_fmt yuv420p -g "+strconv.Itoa(c.gop)))
		v := open(t, params, every(320, 180))
		pictures(t, v, all[:4])
		if err := v.Decode(spoil(all[4:5], rand.NewChaCha8([32]byte{}))[0], func(nvr.Grey) { t.Error("a damaged picture is shown") }); err == nil {
			t.Fatal("a damaged picture is no error")
		}
		if got := pictures(t, v, all[5:]); got[0].PTS != all[c.want].PTS {
			t.Errorf("with a key frame every %d it goes on at %d, want %d", c.gop, got[0].PTS, all[c.want].PTS)
		}
	}
}

// A camera that codes pictures in the order in which they are shown must not be
// seen a picture late.
func TestAPictureComesWithItsAccessUnit(t *testing.T) {
	for _, coding := range []string{
		"-c:v libx264 -preset veryfast -profile:v main -bf 0 -pix_fmt yuv420p",
		"-c:v libx264 -preset veryfast -profile:v baseline -bf 0 -refs 4 -pix_fmt yuv420p",
		"-c:v libx265 -preset ultrafast -x265-params log-level=none:bframes=0 -pix_fmt yuv420p",
	} {
		params, all := frames(t, clip(t, "a.mp4", scene+",trim=duration=2", coding))
		v := open(t, params, every(320, 180))
		for i, f := range all {
			if got := pictures(t, v, []*nvr.Frame{f}); len(got) != 1 || got[0].PTS != f.PTS {
				t.Fatalf("%s: access unit %d gave %d pictures", coding, i, len(got))
			}
		}
	}
}

func TestABrokenRemarkOfTheCameraCostsNoPicture(t *testing.T) {
	for _, c := range []struct {
		coding string
		remark []byte // SEI, user data that is too short (H.264 and H.265 annex D)
	}{
		{"-c:v libx264 -preset veryfast -bf 0 -pix_fmt yuv420p", []byte{0, 0, 0, 4, 0x06, 5, 1, 0}},
		{"-c:v libx265 -preset ultrafast -x265-params log-level=none:bframes=0 -pix_fmt yuv420p", []byte{0, 0, 0, 5, 0x4e, 1, 5, 1, 0}},
	} {
		params, all := frames(t, clip(t, "a.mp4", scene+",trim=duration=1", c.coding))
		for _, f := range all {
			f.Data = slices.Concat(c.remark, f.Data)
		}
		if got := pictures(t, open(t, params, every(320, 180)), all); len(got) != len(all) {
			t.Errorf("%d of %d pictures", len(got), len(all))
		}
	}
}
