package decode

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"lares/nvr"
)

func TestAFileGivesItsFramesAsACameraDoes(t *testing.T) {
	for _, c := range []struct {
		name, coding string
		codec        nvr.Codec
	}{
		{"a.mp4", "-c:v libx264 -preset veryfast -bf 2 -g 10 -pix_fmt yuv420p", nvr.H264},
		{"a.mov", "-c:v libx264 -preset veryfast -bf 0 -g 10 -pix_fmt yuv420p -x264-params aud=1", nvr.H264},
		{"a.mkv", "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=10 -pix_fmt yuv420p", nvr.H265},
		{"a.h264", "-c:v libx264 -preset veryfast -bf 0 -g 10 -pix_fmt yuv420p -x264-params aud=1", nvr.H264},
		{"a.h265", "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=10:bframes=0:aud=1 -pix_fmt yuv420p", nvr.H265},
		{"parts.mp4", "-c:v libx264 -preset veryfast -bf 0 -g 10 -pix_fmt yuv420p -movflags frag_keyframe+empty_moov", nvr.H264},
	} {
		t.Run(c.name, func(t *testing.T) {
			params, all := frames(t, clip(t, c.name, scene+",trim=duration=2", c.coding))
			if params.Video != c.codec || params.Width != 640 || params.Height != 360 || len(params.SPS) == 0 || len(params.PPS) == 0 || (len(params.VPS) > 0) != (c.codec == nvr.H265) {
				t.Errorf("params %+v", params)
			}
			if len(all) != 20 || !all[0].Key || all[0].PTS != 0 {
				t.Fatalf("%d frames, the first %+v", len(all), all[0])
			}
			keys := 0
			for i, f := range all {
				if f.Track != nvr.VideoTrack || f.Params != params || f.PTS < f.DTS || i > 0 && f.DTS <= all[i-1].DTS {
					t.Errorf("frame %d: track %d, PTS %d, DTS %d", i, f.Track, f.PTS, f.DTS)
				}
				if f.Key {
					keys++
				}
				checkUnits(t, params, f)
			}
			if keys < 2 {
				t.Errorf("%d key frames, want 2 at least", keys)
			}
		})
	}
}

// checkUnits checks that a frame is whole NAL units without what Params has.
func checkUnits(t *testing.T, p *nvr.Params, f *nvr.Frame) {
	t.Helper()
	size, key := 0, false
	for unit := range layout(4).units(f.Data) {
		size += 4 + len(unit)
		k := kindOf(p.Video, unit)
		key = key || k == keyPicture
		if set := setOf(p, k); k == delimiter || set != nil && bytes.Equal(*set, unit) {
			t.Errorf("a unit of kind %d in the data", k)
		}
	}
	if size != len(f.Data) || key != f.Key {
		t.Errorf("%d of %d bytes are units; key %v, want %v", size, len(f.Data), f.Key, key)
	}
}

func TestAFileMayComeThroughAPipe(t *testing.T) {
	path := clip(t, "a.mkv", scene+",trim=duration=1", "-c:v libx264 -preset veryfast -bf 0 -pix_fmt yuv420p")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer w.Close()
		_, _ = w.Write(data)
	}()
	f, err := OpenFile(r)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for {
		if _, err := f.Next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		n++
	}
	<-done
	if n != 10 {
		t.Errorf("%d frames, want 10", n)
	}
}

func TestWhatIsNoVideoIsRefused(t *testing.T) {
	for name, path := range map[string]string{
		"sound only":    clip(t, "a.mp4", "sine=duration=1", "-c:a aac"),
		"another codec": clip(t, "b.mp4", scene+",trim=duration=1", "-c:v mpeg4"),
		"out of order":  clip(t, "c.h264", scene+",trim=duration=1", "-c:v libx264 -preset medium -bf 3 -pix_fmt yuv420p"),
		"text":          write(t, []byte("this is not a video\n")),
		"empty":         write(t, nil),
	} {
		r, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := OpenFile(r)
		if err == nil {
			f.Close()
			t.Errorf("%s: opened", name)
		}
		r.Close()
	}
}

func write(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpeningFilesKeepsMemoryFlat(t *testing.T) {
	path := clip(t, "a.mp4", scene+",trim=duration=1", "-c:v libx264 -preset veryfast -pix_fmt yuv420p")
	bad := write(t, bytes.Repeat([]byte{7}, 5000))
	round := func() {
		frames(t, path)
		r, err := os.Open(bad)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if f, err := OpenFile(r); err == nil {
			f.Close()
			t.Fatal("garbage was opened")
		}
		s, err := NewSound(SoundFormat{Codec: "pcm_alaw", Rate: 8000, Channels: 1})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Encode(make([]byte, 8000), 0, func(int64, []byte) {}); err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
	for range 20 {
		round()
	}
	before := resident(t)
	for range 200 {
		round()
	}
	if grown := resident(t) - before; grown > 16<<20 {
		t.Errorf("the process grew by %d MB", grown>>20)
	}
}

// Footage of real cameras, where it is there, opens and decodes without an error.
func TestRealFootageDecodes(t *testing.T) {
	shared := os.Getenv("LARES_SHARED")
	if shared == "" {
		shared = "../../../shared"
	}
	paths, err := filepath.Glob(filepath.Join(shared, "footage", "*.mp4"))
	if err != nil || len(paths) == 0 {
		t.Skip("there is no footage: LARES_SHARED names no folder that has some")
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			params, all := frames(t, path)
			all = all[:min(len(all), 100)]
			v := open(t, params, every(320, 180))
			got := append(pictures(t, v, all), drain(t, v)...)
			if len(got) != len(all) {
				t.Errorf("%d pictures of %d frames", len(got), len(all))
			}
			for i := 1; i < len(got); i++ {
				if got[i].PTS <= got[i-1].PTS {
					t.Fatalf("picture %d is at %d, after %d", i, got[i].PTS, got[i-1].PTS)
				}
			}
		})
	}
}
