package cmaf_test

import (
	"bytes"
	"reflect"
	"testing"

	"lares/nvr"
	"lares/nvr/cmaf"
)

func video(n int, key bool, durations ...uint32) cmaf.Track {
	t := cmaf.Track{ID: nvr.VideoTrack, Base: 160_000_000_000_123}
	for i := range n {
		t.Samples = append(t.Samples, cmaf.Sample{
			Duration: durations[i%len(durations)], Key: key && i == 0, Data: bytes.Repeat([]byte{byte(i + 1)}, 10+i),
		})
	}
	return t
}

func TestFragmentReadsBackAsWritten(t *testing.T) {
	reordered := video(4, true, 3600)
	for i := range reordered.Samples {
		reordered.Samples[i].Offset = []int32{3600, 10800, 0, -3600}[i]
	}
	sound := cmaf.Track{ID: nvr.AudioTrack, Base: 160_000_000_000_000, Samples: []cmaf.Sample{
		{Duration: 5760, Data: []byte{1, 2}}, {Duration: 5761, Data: []byte{3}},
	}}
	for name, tracks := range map[string][]cmaf.Track{
		"constant rate":        {video(25, true, 3600)},
		"variable rate":        {video(5, true, 3000, 4000)},
		"no key frame":         {video(3, false, 3600)},
		"one frame":            {video(1, true, 3600)},
		"B-frames":             {reordered},
		"pictures with sound":  {video(4, true, 3600), sound},
		"reordered with sound": {reordered, sound},
	} {
		t.Run(name, func(t *testing.T) {
			b := cmaf.AppendFragment([]byte("prefix"), 7, tracks...)[len("prefix"):]
			got, err := cmaf.ReadFragment(b, tracks[0].Samples[0].Key)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tracks) {
				t.Errorf("got  %+v\nwant %+v", got, tracks)
			}
		})
	}
}

func TestHeaderEndsWhereTheDataBegins(t *testing.T) {
	tracks := []cmaf.Track{video(3, true, 3600)}
	head := cmaf.AppendHeader(nil, 1, tracks...)
	whole := cmaf.AppendFragment(nil, 1, tracks...)
	if !bytes.HasPrefix(whole, head) {
		t.Fatal("AppendFragment does not begin with AppendHeader")
	}
	if !bytes.HasPrefix(whole[len(head):], tracks[0].Samples[0].Data) {
		t.Error("the first picture does not follow the header")
	}
}

func TestHeaderAllocatesNothing(t *testing.T) {
	tracks := []cmaf.Track{video(25, true, 3600)}
	buf := make([]byte, 0, 1<<10)
	if n := testing.AllocsPerRun(100, func() { buf = cmaf.AppendHeader(buf[:0], 1, tracks[0]) }); n > 1 {
		t.Errorf("%v allocations", n) // one: the variadic slice, where it escapes
	}
}

func TestHeaderCostsFourBytesAPicture(t *testing.T) {
	one, many := video(1, true, 3600), video(101, true, 3600)
	if got := len(cmaf.AppendHeader(nil, 1, many)) - len(cmaf.AppendHeader(nil, 1, one)); got != 400 {
		t.Errorf("100 more pictures cost %d bytes", got)
	}
}

func FuzzReadFragment(f *testing.F) {
	f.Add(cmaf.AppendFragment(nil, 1, video(3, true, 3600)))
	f.Fuzz(func(t *testing.T, b []byte) {
		tracks, err := cmaf.ReadFragment(b, true)
		if err != nil {
			return
		}
		total := 0
		for _, track := range tracks {
			for _, s := range track.Samples {
				total += len(s.Data)
			}
		}
		if total > len(b)*max(1, len(tracks)) {
			t.Errorf("%d bytes of samples out of %d bytes", total, len(b))
		}
	})
}

func TestFirstPictureNeedsTheKeyFrameOnly(t *testing.T) {
	tracks := []cmaf.Track{video(12, true, 3600, 3700), {ID: nvr.AudioTrack, Samples: []cmaf.Sample{{Duration: 1, Data: []byte{9}}}}}
	tracks[0].Samples[0].Offset, tracks[0].Samples[1].Offset = 7200, -3600
	for _, durations := range [][2]uint32{{3600, 3700}, {3600, 3600}} {
		for i := range tracks[0].Samples {
			tracks[0].Samples[i].Duration = durations[i%2]
		}
		keyBytes := len(cmaf.AppendHeader(nil, 1, tracks...)) + len(tracks[0].Samples[0].Data)
		whole := cmaf.AppendFragment(nil, 1, tracks...)
		got, err := cmaf.FirstPicture(whole[:keyBytes])
		if err != nil {
			t.Fatal(err)
		}
		want := cmaf.Track{ID: nvr.VideoTrack, Base: tracks[0].Base, Samples: tracks[0].Samples[:1]}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		for n := range keyBytes {
			if _, err := cmaf.FirstPicture(whole[:n]); err == nil {
				t.Errorf("no error for the first %d bytes", n)
			}
		}
	}
}

func FuzzFirstPicture(f *testing.F) {
	f.Add(cmaf.AppendFragment(nil, 1, video(3, true, 3600)))
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _ = cmaf.FirstPicture(b)
	})
}
