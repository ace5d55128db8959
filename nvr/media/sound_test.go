package media

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"lares/nvr"
)

func TestSoundBecomesAAC(t *testing.T) {
	w := newTestWorker(t, nil)
	var got []string
	for _, rate := range []int{8000, 16000} {
		blocks := []SoundBlock{{PTS: 1, Data: []byte("a")}, {}, {PTS: 3, Data: []byte("b")}}
		config, err := w.Sound(t.Context(), SoundFormat{Codec: "pcm_alaw", Rate: rate, Channels: 1}, blocks, func(pts int64, aac []byte) {
			got = append(got, fmt.Sprint(pts, string(aac)))
		})
		if err != nil || string(config) != fmt.Sprintf("pcm_alaw %d", rate) {
			t.Errorf("config %q, %v", config, err)
		}
	}
	if fmt.Sprint(got) != "[1A 3B 1A 3B]" && fmt.Sprint(got) != "[1 A 3 B 1 A 3 B]" {
		t.Errorf("got %v", got)
	}
	if s := w.Status(); s.Damaged != 2 {
		t.Errorf("status %+v", s)
	}
}

func TestSoundBecomesOpus(t *testing.T) {
	w := newTestWorker(t, nil)
	in := SoundFormat{Codec: "aac", Rate: 16000, Channels: 1, Config: "\x14\x08"}
	var got []string
	convert := func(in SoundFormat, o OpusFormat) error {
		return w.Opus(t.Context(), in, o, []SoundBlock{{PTS: 1, Data: []byte("a")}, {PTS: 3}}, func(pts int64, opus []byte) {
			got = append(got, fmt.Sprintf("%d %q", pts, opus))
		})
	}
	for _, rate := range []int{16000, 24000} {
		if err := convert(in, OpusFormat{rate, 24000, 20 * time.Millisecond}); err != nil {
			t.Fatal(err)
		}
	}
	if want := `[1 "A \x14\b 16000 24000 20MS" 1 "A \x14\b 24000 24000 20MS"]`; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if s := w.Status(); s.Damaged != 2 {
		t.Errorf("status %+v", s)
	}
	if config, err := w.Sound(t.Context(), in, nil, nil); err != nil || len(config) == 0 {
		t.Errorf("AAC after Opus: config %q, %v", config, err)
	}
	if err := convert(in, OpusFormat{}); !errors.Is(err, nvr.ErrInvalid) {
		t.Errorf("no format: %v", err)
	}
}

func TestSoundGoesOnWhilePicturesThatKillTheWorkerWait(t *testing.T) {
	w := newTestWorker(t, nil)
	if _, err := look(t, w, testFrames(testParams(), "crash"), testOptions()); !errors.Is(err, ErrRestarted) {
		t.Fatalf("got %v", err)
	}
	blocks := []SoundBlock{{PTS: 1, Data: []byte("a")}}
	if _, err := w.Sound(t.Context(), SoundFormat{Codec: "pcm_alaw", Rate: 8000, Channels: 1}, blocks, func(int64, []byte) {}); err != nil {
		t.Errorf("sound: %v", err)
	}
	_, err := look(t, w, testFrames(testParams(), ""), testOptions())
	if _, ok := errors.AsType[*BackoffError](err); !ok {
		t.Errorf("pictures at once: %v", err)
	}
}
