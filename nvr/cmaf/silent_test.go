package cmaf_test

import (
	"bytes"
	"reflect"
	"testing"

	"lares/nvr"
	"lares/nvr/cmaf"
)

// sound is a block that is found again wherever it is.
func sound(n int) cmaf.Track {
	t := cmaf.Track{ID: nvr.AudioTrack, Base: 160_000_000_000_000}
	for range n {
		t.Samples = append(t.Samples, cmaf.Sample{Duration: 5760, Data: []byte("sound of somebody who speaks")})
	}
	return t
}

func TestSilentFragmentHasThePicturesAndNothingElse(t *testing.T) {
	reordered := video(4, true, 3600)
	for i := range reordered.Samples {
		reordered.Samples[i].Offset = []int32{3600, 10800, 0, -3600}[i]
	}
	for name, pictures := range map[string]cmaf.Track{
		"key frame first": video(12, true, 3600), "no key frame": video(3, false, 3600),
		"variable rate": video(5, true, 3000, 4000), "B-frames": reordered,
	} {
		key := pictures.Samples[0].Key
		for _, tracks := range [][]cmaf.Track{{pictures, sound(3)}, {sound(3), pictures}, {pictures}} {
			got, err := cmaf.AppendSilent([]byte("prefix"), cmaf.AppendFragment(nil, 7, tracks...), key)
			if err != nil {
				t.Fatal(err)
			}
			if want := cmaf.AppendFragment([]byte("prefix"), 7, pictures); !bytes.Equal(got, want) {
				t.Errorf("%s: %d bytes, want %d", name, len(got), len(want))
			}
		}
	}
	got, err := cmaf.AppendSilent(nil, cmaf.AppendFragment(nil, 7, sound(3)), false)
	if err != nil || len(got) > 0 {
		t.Errorf("of sound alone: %d bytes, %v", len(got), err)
	}
}

func TestSilentInitIsThatOfTheSamePicturesWithoutSound(t *testing.T) {
	p := h264Params(t)
	want, err := cmaf.Init(p)
	if err != nil {
		t.Fatal(err)
	}
	p.Audio, p.AudioConfig, p.SampleRate, p.Channels = nvr.AAC, []byte{0x11, 0x90}, 48000, 2
	whole, err := cmaf.Init(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, init := range [][]byte{whole, want} {
		got, err := cmaf.SilentInit(init)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes, want %d; %v", len(got), len(want), err)
		}
	}
}

func FuzzSilent(f *testing.F) {
	f.Add(cmaf.AppendFragment(nil, 1, video(3, true, 3600), sound(2)))
	f.Fuzz(func(t *testing.T, b []byte) {
		silent, err := cmaf.AppendSilent(nil, b, true)
		if err != nil || len(silent) == 0 {
			return
		}
		tracks, err := cmaf.ReadFragment(silent, true)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		again, err := cmaf.AppendSilent(nil, silent, true)
		for _, track := range tracks {
			if track.ID != nvr.VideoTrack || err != nil || !reflect.DeepEqual(again, silent) {
				t.Errorf("track %d, %v", track.ID, err)
			}
		}
	})
}
