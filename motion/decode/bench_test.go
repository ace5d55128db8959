package decode

import (
	"syscall"
	"testing"
	"time"

	"lares/nvr"
)

// BenchmarkPictures decodes a small stream like a camera's (640x360, 10 pictures
// a second, 400 kbit/s) into five grey pictures a second, and reports what an
// hour of it costs.
func BenchmarkPictures(b *testing.B) {
	const seconds = 60
	path := clip(b, "camera.mp4", scene+",trim=duration=60", "-c:v libx264 -preset veryfast -profile:v main -bf 0 -g 40 -b:v 400k -maxrate 400k -bufsize 400k -pix_fmt yuv420p")
	params, all := frames(b, path)
	size := 0
	for _, f := range all {
		size += len(f.Data)
	}
	for _, bench := range []struct {
		name string
		o    nvr.PictureOptions
	}{
		{"Scaled", nvr.PictureOptions{MaxWidth: 320, MaxHeight: 180, Every: 200 * time.Millisecond}},
		{"DecodedOnly", nvr.PictureOptions{MaxWidth: 320, MaxHeight: 180, Every: time.Hour}},
		{"OddSize", nvr.PictureOptions{MaxWidth: 300, MaxHeight: 180, Every: 200 * time.Millisecond}},
		{"KeysOnly", nvr.PictureOptions{MaxWidth: 320, MaxHeight: 180, Every: 200 * time.Millisecond, KeysOnly: true}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			v, err := NewVideo(params, bench.o)
			if err != nil {
				b.Fatal(err)
			}
			defer v.Close()
			pictures := 0
			before := cpu(b)
			b.ResetTimer()
			for range b.N {
				v.Flush()
				for _, f := range all {
					if err := v.Decode(f, func(nvr.Grey) { pictures++ }); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric((cpu(b)-before).Seconds()/float64(b.N)*3600/seconds, "CPU-s/h")
			b.ReportMetric(float64(pictures)/float64(b.N)/seconds, "pictures/s")
			b.ReportMetric(float64(size)*8/1000/seconds, "kbit/s")
		})
	}
}

// BenchmarkSound turns a minute of a camera's G.711 into AAC.
func BenchmarkSound(b *testing.B) {
	s, err := NewSound(SoundFormat{Codec: "pcm_alaw", Rate: 8000, Channels: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	const blocks = 60 * 50 // of 20 ms
	raw := run(b, "-f", "lavfi", "-i", "anoisesrc=duration=60:color=pink:amplitude=0.2:sample_rate=8000", "-f", "alaw", "-")
	before, size, pts := cpu(b), 0, int64(0)
	b.ResetTimer()
	for range b.N {
		for i := range blocks {
			if err := s.Encode(raw[i*160:(i+1)*160], pts, func(_ int64, aac []byte) { size += len(aac) }); err != nil {
				b.Fatal(err)
			}
			pts += nvr.ClockRate / 50
		}
	}
	b.ReportMetric((cpu(b)-before).Seconds()/float64(b.N)*60, "CPU-s/h")
	b.ReportMetric(float64(size)/float64(b.N)*8/1000/60, "kbit/s")
}

// BenchmarkJPEG makes a still of a key frame.
func BenchmarkJPEG(b *testing.B) {
	_, all := frames(b, clip(b, "a.mp4", "testsrc=size=1920x1080:rate=10,noise=alls=8:allf=t,trim=duration=1", "-c:v libx264 -preset veryfast -pix_fmt yuv420p"))
	size := 0
	b.ResetTimer()
	for range b.N {
		data, err := JPEG(all[:1], nvr.StillOptions{MaxWidth: 640, MaxHeight: 360})
		if err != nil {
			b.Fatal(err)
		}
		size = len(data)
	}
	b.ReportMetric(float64(size), "bytes")
}

func cpu(tb testing.TB) time.Duration {
	tb.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
