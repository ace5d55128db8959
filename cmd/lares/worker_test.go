package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"lares/motion/decode"
	"lares/nvr"
	"lares/nvr/media"
)

// fenced returns a worker of the program itself.
func fenced(t testing.TB) *media.Worker {
	t.Helper()
	w := media.NewWorker(media.WorkerConfig{Name: "test", Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	t.Cleanup(w.Close)
	return w
}

// framesOf reads the frames of a video file.
func framesOf(t testing.TB, name string) (all []*nvr.Frame) {
	t.Helper()
	r, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	file, err := decode.OpenFile(r)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for {
		f, err := file.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
}

func TestAWorkerMakesH264BehindItsFence(t *testing.T) {
	t.Parallel()
	w, all := fenced(t), framesOf(t, filepath.Join("testdata", "walk.mp4"))[:50]
	var made []*nvr.Frame
	o := nvr.H264Options{MaxWidth: 320, MaxHeight: 180, Bitrate: 1_000_000, Rate: 10}
	for _, f := range all {
		if err := w.H264(t.Context(), []*nvr.Frame{f}, o, func(f *nvr.Frame) { made = append(made, f) }); err != nil {
			t.Fatal(err)
		}
	}
	if len(made) < len(all)*9/10 || !made[0].Key || made[0].Params.Width != 320 || made[len(made)-1].PTS != all[len(all)-1].PTS {
		t.Errorf("%d pictures became %d", len(all), len(made))
	}
	if s := w.Status(); s.Restarts != 0 || s.Damaged != 0 || !s.Fence.Seccomp {
		t.Errorf("status %+v", s)
	}
}

func TestAWorkerMakesOpusBehindItsFence(t *testing.T) {
	t.Parallel()
	const rate, seconds = 8000, 3
	var pcm []byte
	for i := range rate * seconds {
		pcm = binary.BigEndian.AppendUint16(pcm, uint16(int16(8000*math.Sin(float64(i)*2*math.Pi*440/rate))))
	}
	w := fenced(t)
	var units []media.SoundBlock
	config, err := w.Sound(t.Context(), media.SoundFormat{Codec: "pcm_s16be", Rate: rate, Channels: 1}, []media.SoundBlock{{Data: pcm}}, func(pts int64, aac []byte) {
		units = append(units, media.SoundBlock{PTS: pts, Data: bytes.Clone(aac)})
	})
	if err != nil {
		t.Fatal(err)
	}
	in := media.SoundFormat{Codec: "aac", Rate: rate, Channels: 1, Config: string(config)}
	o := media.OpusFormat{Rate: 16000, Bitrate: 24000, Frame: 20 * time.Millisecond}
	var times []int64
	for _, u := range units {
		if err := w.Opus(t.Context(), in, o, []media.SoundBlock{u}, func(pts int64, _ []byte) { times = append(times, pts) }); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(times); n < 50*seconds*9/10 || n > 50*seconds+5 {
		t.Fatalf("%d packets of 20 ms of %d s", n, seconds)
	}
	for i := 1; i < len(times); i++ {
		if apart := nvr.TickDuration(times[i] - times[i-1]); apart != o.Frame {
			t.Fatalf("%v between packets %d and %d", apart, i-1, i)
		}
	}
	if s := w.Status(); s.Restarts != 0 || s.Damaged != 0 {
		t.Errorf("status %+v", s)
	}
}

// BenchmarkStillsWorker makes stills of key frames of 1920x1080 and 3840x2160, and
// reports the private memory of the worker that did.
func BenchmarkStillsWorker(b *testing.B) {
	for _, size := range []string{"1920x1080", "3840x2160"} {
		b.Run(size, func(b *testing.B) {
			name := filepath.Join(b.TempDir(), "a.mp4")
			draw := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size="+size+":rate=1:duration=1", "-c:v", "libx264", "-pix_fmt", "yuv420p", name)
			if out, err := draw.CombinedOutput(); err != nil {
				b.Skipf("ffmpeg draws nothing: %v: %s", err, out)
			}
			key, w := framesOf(b, name)[:1], fenced(b)
			b.ResetTimer()
			for range b.N {
				if _, err := w.JPEG(b.Context(), nvr.StreamID{}, key, nvr.StillOptions{MaxWidth: 640, MaxHeight: 360}); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			b.ReportMetric(privateMemory(b), "private-MB")
		})
	}
}

// privateMemory returns that of the only child of this process.
func privateMemory(b *testing.B) (mb float64) {
	b.Helper()
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		b.Fatal(err)
	}
	for _, list := range lists {
		pids, _ := os.ReadFile(list)
		for pid := range strings.FieldsSeq(string(pids)) {
			rollup, _ := os.ReadFile(filepath.Join("/proc", pid, "smaps_rollup"))
			for line := range strings.Lines(string(rollup)) {
				if words := strings.Fields(line); strings.HasPrefix(line, "Private_") && len(words) == 3 {
					kb, _ := strconv.ParseFloat(words[1], 64)
					mb += kb * 1024 / 1e6
				}
			}
		}
	}
	return mb
}
