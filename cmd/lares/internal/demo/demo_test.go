package demo_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/formats/mp4/codecs"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/pmp4"

	"lares/cmd/lares/internal/demo"
)

// loop is how long both clips last.
const loop = time.Minute

func TestClipsAreLoopsOfOneMinuteInStep(t *testing.T) {
	for name, clip := range map[string]struct {
		file []byte
		fps  int
	}{
		"main": {demo.Main(), 15},
		"sub":  {demo.Sub(), 10},
	} {
		t.Run(name, func(t *testing.T) {
			track := onlyTrack(t, clip.file)
			if got, want := len(track.Samples), int(loop/time.Second)*clip.fps; got != want {
				t.Errorf("frames: got %d, want %d", got, want)
			}
			var ticks int64
			for i, s := range track.Samples {
				ticks += int64(s.Duration)
				if s.PTSOffset != 0 {
					t.Errorf("frame %d is shown out of order: the clip must have no B-frames", i)
				}
				if got, want := !s.IsNonSyncSample, i%(2*clip.fps) == 0; got != want {
					t.Errorf("frame %d: key frame %v, want %v", i, got, want)
				}
			}
			if got, want := ticks, int64(loop/time.Second)*int64(track.TimeScale); got != want {
				t.Errorf("duration: got %d ticks of 1/%d s, want %d", got, track.TimeScale, want)
			}
		})
	}
}

func TestClipsAreSmall(t *testing.T) {
	if got, limit := len(demo.Main())+len(demo.Sub()), 3_000_000; got > limit {
		t.Errorf("both clips have %d bytes, more than %d", got, limit)
	}
}

// onlyTrack reads an mp4 file that must hold one H.264 track and nothing else.
func onlyTrack(t *testing.T, file []byte) *pmp4.Track {
	t.Helper()
	var p pmp4.Presentation
	if err := p.Unmarshal(bytes.NewReader(file)); err != nil {
		t.Fatalf("read the clip: %v", err)
	}
	if len(p.Tracks) != 1 {
		t.Fatalf("the clip has %d tracks, want 1", len(p.Tracks))
	}
	if _, ok := p.Tracks[0].Codec.(*codecs.H264); !ok {
		t.Fatalf("the clip is %T, want H.264", p.Tracks[0].Codec)
	}
	return p.Tracks[0]
}
