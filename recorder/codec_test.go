package recorder

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"lares/nvr"
)

// walk returns the maps of something that crosses the picture in so many seconds.
func walk(from int64, seconds int) []nvr.MotionSecond {
	all := make([]nvr.MotionSecond, seconds)
	for i := range all {
		all[i].Second = from + int64(i)
		x := float64(i) / float64(max(seconds, 2))
		all[i].Map.Mark(nvr.Box{X: x * 0.9, Y: 0.4 + 0.1*math.Sin(float64(i)), W: 0.08, H: 0.3})
	}
	return all
}

func TestMotionMapsComeBackAndAreSmall(t *testing.T) {
	seconds := walk(1_700_000_000, 60)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 40 { // two things, noise, everything, a hole in time
		s := nvr.MotionSecond{Second: seconds[len(seconds)-1].Second + 1 + rng.Int64N(1000)}
		s.Map.Mark(nvr.Box{X: rng.Float64(), Y: rng.Float64(), W: 0.2, H: 0.2})
		s.Map.Mark(nvr.Box{X: rng.Float64(), Y: rng.Float64(), W: 0.1, H: 0.1})
		s.Map[rng.IntN(nvr.MapRows)] ^= rng.Uint32()
		seconds = append(seconds, s)
	}
	everything := nvr.MotionSecond{Second: maxSecond}
	everything.Map.Mark(nvr.Box{W: 1, H: 1})
	seconds = append(seconds, everything)
	got, err := decodeMotion(encodeMotion(seconds))
	if err != nil || !reflect.DeepEqual(got, seconds) {
		t.Fatalf("%d seconds came back as %d, %v", len(seconds), len(got), err)
	}
	if n := len(encodeMotion(seconds[:60])); n > 60*10 {
		t.Errorf("a minute of one thing that moves takes %d bytes", n)
	}
}

func TestMotionMapsThatCannotBeAreRefused(t *testing.T) {
	good := encodeMotion(walk(1_700_000_000, 3))
	for name, b := range map[string][]byte{
		"nothing":              nil,
		"another version":      append([]byte{2}, good[1:]...),
		"cut off":              good[:len(good)-1],
		"more than 18 rows":    {1, 1, 0x80, 0x80, 0x10},
		"a run past the edge":  {1, 1, 1, 0xc2, 0x0f},
		"beyond the year 9999": {1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0},
	} {
		if _, err := decodeMotion(b); !errors.Is(err, nvr.ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt", name, err)
		}
	}
}

func FuzzMotionMap(f *testing.F) {
	f.Add(encodeMotion(walk(1_700_000_000, 60)))
	f.Add([]byte{1, 5, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		seconds, err := decodeMotion(b)
		if err != nil {
			return
		}
		again, err := decodeMotion(encodeMotion(seconds))
		if err != nil || !reflect.DeepEqual(again, seconds) {
			t.Fatalf("%v became %v, %v", seconds, again, err)
		}
	})
}

func someEvent() nvr.Event {
	start := time.UnixMilli(1_700_000_000_123).UTC()
	return nvr.Event{
		ID: nvr.NewID[nvr.Event](), Kind: nvr.Motion, Source: "motion", Camera: nvr.NewID[nvr.Camera](),
		Start: start, End: start.Add(12 * time.Second), Labels: []string{"person"}, Score: 0.75,
		Box: nvr.Box{X: 0.1, Y: 0.2, W: 0.3, H: 0.4}, Best: start.Add(3 * time.Second), Detail: "by the door",
		Path: []nvr.Sight{{At: start, Box: nvr.Box{X: 1, W: 0.5}}, {At: start.Add(time.Second), Box: nvr.Box{Y: 1, H: 0.25}}},
	}
}

// near reports whether two events say the same, places rounded as they are stored.
func near(a, b nvr.Event) bool {
	boxes := func(e *nvr.Event) (all []*nvr.Box) {
		e.Path = append([]nvr.Sight(nil), e.Path...)
		all = append(all, &e.Box)
		for i := range e.Path {
			all = append(all, &e.Path[i].Box)
		}
		return all
	}
	as, bs := boxes(&a), boxes(&b)
	for i := range min(len(as), len(bs)) {
		for _, d := range []float64{as[i].X - bs[i].X, as[i].Y - bs[i].Y, as[i].W - bs[i].W, as[i].H - bs[i].H} {
			if math.Abs(d) > 1e-5 {
				return false
			}
		}
		*as[i], *bs[i] = nvr.Box{}, nvr.Box{}
	}
	return reflect.DeepEqual(a, b)
}

func TestEventComesBack(t *testing.T) {
	e := someEvent()
	b, err := encodeEvent(e)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeEvent(b)
	if err != nil || !near(got, e) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, e)
	}
}

func TestLongPathIsThinnedOut(t *testing.T) {
	e := someEvent()
	e.Path = nil
	for i := range 1000 {
		e.Path = append(e.Path, nvr.Sight{At: e.Start.Add(time.Duration(i) * time.Millisecond)})
	}
	b, err := encodeEvent(e)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeEvent(b)
	if err != nil || len(got.Path) != nvr.MaxPath || !got.Path[0].At.Equal(e.Path[0].At) || !got.Path[nvr.MaxPath-1].At.Equal(e.Path[999].At) {
		t.Errorf("%d places, %v", len(got.Path), err)
	}
}

func TestEventsOutOfBoundsAreRefused(t *testing.T) {
	for name, change := range map[string]func(*nvr.Event){
		"ends before it begins": func(e *nvr.Event) { e.End = e.Start.Add(-time.Second) },
		"has not ended":         func(e *nvr.Event) { e.End = time.Time{} },
		"score":                 func(e *nvr.Event) { e.Score = 1.5 },
		"score is no number":    func(e *nvr.Event) { e.Score = math.NaN() },
		"too many labels":       func(e *nvr.Event) { e.Labels = make([]string, maxLabels+1) },
		"too long":              func(e *nvr.Event) { e.Detail = string(bytes.Repeat([]byte{'x'}, maxEvent)) },
	} {
		e := someEvent()
		change(&e)
		if _, err := encodeEvent(e); !errors.Is(err, nvr.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
	e := someEvent()
	e.Box = nvr.Box{X: math.NaN(), Y: -1, W: 7, H: math.Inf(-1)}
	b, err := encodeEvent(e)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := decodeEvent(b); err != nil || got.Box != (nvr.Box{W: 1}) {
		t.Errorf("a box that cannot be became %+v, %v", got.Box, err)
	}
}

func FuzzEvent(f *testing.F) {
	b, err := encodeEvent(someEvent())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"v":1,"start":1,"end":2,"score":0.5,"path":[[1,2,3,4,5]]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decodeEvent(b)
		if err != nil {
			if !errors.Is(err, nvr.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		stored, err := encodeEvent(e)
		if errors.Is(err, errEventBounds) {
			return // written more briefly than it is by us
		}
		if err != nil {
			t.Fatal(err)
		}
		if again, err := decodeEvent(stored); err != nil || !near(again, e) {
			t.Fatalf("%+v became %+v, %v", e, again, err)
		}
	})
}

func TestThumbnailBelongsToItsEvent(t *testing.T) {
	id := nvr.NewID[nvr.Event]()
	b := encodeThumbnail(id, []byte("jpeg"))
	if got, err := decodeThumbnail(b, id); err != nil || string(got) != "jpeg" {
		t.Errorf("got %q, %v", got, err)
	}
	for name, bad := range map[string][]byte{"empty": nil, "no picture": b[:thumbnailHead], "another version": append([]byte{2}, b[1:]...)} {
		if _, err := decodeThumbnail(bad, id); !errors.Is(err, nvr.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := decodeThumbnail(b, nvr.NewID[nvr.Event]()); !errors.Is(err, nvr.ErrCorrupt) {
		t.Errorf("another event: %v", err)
	}
}
