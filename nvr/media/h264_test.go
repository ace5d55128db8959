package media

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"lares/nvr"
)

func h264Options() nvr.H264Options {
	return nvr.H264Options{MaxWidth: 640, MaxHeight: 360, Bitrate: 500, Rate: 15}
}

func TestPicturesBecomeH264(t *testing.T) {
	w := newTestWorker(t, nil)
	p, o := testParams(), h264Options()
	var params *nvr.Params
	step := func(name, want string, frames []*nvr.Frame) {
		t.Helper()
		var got []string
		err := w.H264(t.Context(), frames, o, func(f *nvr.Frame) {
			got = append(got, fmt.Sprintf("%d %v %s", f.PTS, f.Key, f.Data))
			params = f.Params
		})
		if err != nil || strings.Join(got, ", ") != want {
			t.Errorf("%s: got %q, %v, want %q", name, strings.Join(got, ", "), err, want)
		}
	}
	step("first", "9000 true a 500 flush, 27000 false c 500", testFrames(p, "a", "damaged", "c"))
	if params == nil || params.Video != nvr.H264 || params.Width != 640 || params.Height != 360 || len(params.SPS) == 0 {
		t.Errorf("params %+v", params)
	}
	same := params
	o.Key = true
	step("a key frame is asked for once", "9000 true a 500 key, 18000 false b 500", testFrames(p, "a", "b"))
	o.Key = false
	again := testFrames(p, "a")
	again[0].Run = 2
	step("a new run", "9000 true a 500 flush", again)
	if params != same {
		t.Error("the parameters changed without a reason")
	}
	o.Bitrate = 300
	step("other options", "9000 true a 300", again)
	if params == same {
		t.Error("the parameters of another encoder are those of the one before")
	}
	if s := w.Status(); s.Damaged != 1 || s.Restarts != 0 {
		t.Errorf("status %+v", s)
	}
}

func TestH264ThatCannotBeIsRefused(t *testing.T) {
	w := newTestWorker(t, nil)
	none := func(*nvr.Frame) { t.Error("a frame") }
	if err := w.H264(t.Context(), testFrames(testParams(), "a"), nvr.H264Options{}, none); !errors.Is(err, nvr.ErrInvalid) {
		t.Errorf("no options: %v", err)
	}
	p := testParams()
	p.SPS = nil
	if err := w.H264(t.Context(), testFrames(p, "a"), h264Options(), none); !errors.Is(err, ErrRefused) {
		t.Errorf("no parameter sets: %v", err)
	}
	for _, do := range []string{"wrong time", "wrong codec", "crash"} {
		if err := w.H264(t.Context(), testFrames(testParams(), do), h264Options(), none); !errors.Is(err, ErrRestarted) {
			t.Errorf("%s: %v", do, err)
		}
		elapse(w, 10*leastPause)
	}
	got := 0
	if err := w.H264(t.Context(), testFrames(testParams(), "a"), h264Options(), func(*nvr.Frame) { got++ }); err != nil || got != 1 {
		t.Errorf("then %d frames, %v", got, err)
	}
}
