package decode

import (
	"bytes"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"lares/nvr"
)

// transcoded returns what becomes of frames.
func transcoded(t *testing.T, tc *Transcoder, all []*nvr.Frame) (made []*nvr.Frame) {
	t.Helper()
	for _, f := range all {
		if err := tc.Transcode(f, func(f *nvr.Frame) { made = append(made, f) }); err != nil {
			t.Fatal(err)
		}
	}
	return made
}

func openTranscoder(t *testing.T, p *nvr.Params, o nvr.H264Options) *Transcoder {
	t.Helper()
	tc, err := NewTranscoder(p, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tc.Close)
	return tc
}

// shown is what ffmpeg shows of frames of H.264: the luma of each picture, w*h.
func shown(t *testing.T, made []*nvr.Frame, w, h int) (luma [][]byte) {
	t.Helper()
	var b bytes.Buffer
	put := func(unit []byte) {
		b.Write([]byte{0, 0, 0, 1})
		b.Write(unit)
	}
	for _, f := range made {
		if f.Key {
			put(f.Params.SPS)
			put(f.Params.PPS)
		}
		for unit := range layout(4).units(f.Data) {
			put(unit)
		}
	}
	path := filepath.Join(t.TempDir(), "a.h264")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	raw := run(t, "-i", path, "-pix_fmt", "gray", "-f", "rawvideo", "-fps_mode", "passthrough", "-")
	for ; len(raw) >= w*h; raw = raw[w*h:] {
		luma = append(luma, raw[:w*h])
	}
	return luma
}

// likeness is the peak signal-to-noise ratio of two pictures, dB.
func likeness(a, b []byte) float64 {
	sum := 0.0
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		sum += d * d
	}
	return 10 * math.Log10(255*255*float64(len(a))/max(sum, 1e-9))
}

func TestH265BecomesH264ThatShowsTheSame(t *testing.T) {
	const source = "testsrc=size=640x360:rate=10,trim=duration=3"
	path := clip(t, "a.mp4", source, "-c:v libx265 -preset ultrafast -x265-params log-level=none:bframes=0:keyint=20 -pix_fmt yuv420p")
	params, all := frames(t, path)
	tc := openTranscoder(t, params, nvr.H264Options{MaxWidth: 320, MaxHeight: 240, Bitrate: 500_000, Rate: 10})
	made := transcoded(t, tc, all)
	if len(made) != len(all) {
		t.Fatalf("%d access units became %d", len(all), len(made))
	}
	size := 0
	for i, f := range made {
		size += len(f.Data)
		if f.PTS != all[i].PTS || f.DTS != f.PTS || f.Key != (i == 0) || f.Params != made[0].Params || f.Track != nvr.VideoTrack {
			t.Errorf("access unit %d: key %v, PTS %d, want %d", i, f.Key, f.PTS, all[i].PTS)
		}
		checkUnits(t, f.Params, f)
	}
	if p := made[0].Params; p.Video != nvr.H264 || p.Width != 320 || p.Height != 180 || len(p.SPS) < 4 || p.SPS[1] != 66 || len(p.PPS) == 0 {
		t.Errorf("params %+v", p)
	}
	if rate := size * 8 / 3; rate > 700_000 {
		t.Errorf("%d bit/s, want 500,000", rate)
	}
	got := shown(t, made, 320, 180)
	want := run(t, "-i", path, "-vf", "scale=320:180:flags=fast_bilinear", "-pix_fmt", "gray", "-f", "rawvideo", "-")
	if len(got) != len(all) {
		t.Fatalf("%d pictures are shown", len(got))
	}
	for i, g := range got {
		if db := likeness(g, want[i*320*180:][:320*180]); db < 25 {
			t.Errorf("picture %d differs: %.1f dB", i, db)
		}
	}
}

func TestPicturesBecomeH264AtTheRateAndTheKeyFramesAskedFor(t *testing.T) {
	params, all := frames(t, clip(t, "a.mp4", scene+",trim=duration=6", "-c:v libx264 -preset veryfast -bf 2 -g 20 -pix_fmt yuv420p"))
	tc := openTranscoder(t, params, nvr.H264Options{MaxWidth: 640, MaxHeight: 360, Bitrate: 2_000_000, Rate: 5})
	made := transcoded(t, tc, all[:20])
	if len(made) < 8 || len(made) > 11 {
		t.Errorf("%d pictures of 2 s at 5 a second", len(made))
	}
	tc.WantKey()
	if more := transcoded(t, tc, all[20:30]); len(more) == 0 || !more[0].Key {
		t.Error("no key frame that was asked for")
	}
	tc.Flush()
	if after := transcoded(t, tc, all[35:60]); len(after) == 0 || !after[0].Key || after[0].PTS < all[40].PTS {
		t.Error("after a gap it does not go on at a key frame")
	}
}

func TestWhatCannotBecomeH264IsAnError(t *testing.T) {
	params, all := frames(t, clip(t, "a.mp4", scene+",trim=duration=1", "-c:v libx264 -preset veryfast -bf 0 -pix_fmt yuv420p"))
	good := nvr.H264Options{MaxWidth: 320, MaxHeight: 180, Bitrate: 500_000, Rate: 10}
	for _, o := range []nvr.H264Options{{}, {MaxWidth: 1 << 20, MaxHeight: 180, Bitrate: 1, Rate: 1}, {MaxWidth: 320, MaxHeight: 180, Bitrate: 500_000, Rate: 1 << 20}} {
		if tc, err := NewTranscoder(params, o); err == nil {
			tc.Close()
			t.Errorf("%+v was taken", o)
		}
	}
	tc := openTranscoder(t, params, good)
	bad := *all[0]
	for _, data := range [][]byte{nil, {0}, bytes.Repeat([]byte{0xa5}, 5000), make([]byte, maxData+1)} {
		bad.Data = data
		if err := tc.Transcode(&bad, func(*nvr.Frame) { t.Error("garbage became a picture") }); err == nil {
			t.Errorf("%d bytes of garbage were taken", len(data))
		}
	}
	for _, f := range spoil(all, rand.NewChaCha8([32]byte{})) {
		_ = tc.Transcode(f, func(*nvr.Frame) {})
	}
	tc.Flush()
	if got := transcoded(t, tc, all); len(got) != len(all) {
		t.Errorf("after garbage %d of %d pictures", len(got), len(all))
	}
}

// BenchmarkH264 turns a minute of H.265 into H.264.
func BenchmarkH264(b *testing.B) {
	const seconds = 20
	params, all := frames(b, clip(b, "a.mp4", "testsrc2=size=1920x1080:rate=15,noise=alls=8:allf=t,trim=duration="+strconv.Itoa(seconds),
		"-c:v libx265 -preset ultrafast -x265-params log-level=none:bframes=0:keyint=30 -b:v 2M -pix_fmt yuv420p"))
	before, size, pictures := cpu(b), 0, 0
	b.ResetTimer()
	for range b.N {
		tc, err := NewTranscoder(params, nvr.H264Options{MaxWidth: 1280, MaxHeight: 720, Bitrate: 1_000_000, Rate: 15})
		if err != nil {
			b.Fatal(err)
		}
		for _, f := range all {
			if err := tc.Transcode(f, func(f *nvr.Frame) { size, pictures = size+len(f.Data), pictures+1 }); err != nil {
				b.Fatal(err)
			}
		}
		tc.Close()
	}
	b.ReportMetric((cpu(b)-before).Seconds()/float64(b.N)*float64(time.Hour/time.Second)/seconds, "CPU-s/h")
	b.ReportMetric(float64(size)/float64(b.N)*8/1000/seconds, "kbit/s")
	b.ReportMetric(float64(pictures)/float64(b.N)/seconds, "pictures/s")
}
