package live_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"

	"lares/nvr"
	"lares/nvr/cmaf"
	"lares/ui/live"
)

// An SPS of 640x352 and its PPS, as x264 writes them.
var (
	sps = []byte{
		0x67, 0x64, 0x00, 0x1e, 0xac, 0xd9, 0x40, 0xa0, 0x2d, 0xa1, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00,
		0x00, 0x03, 0x00, 0x32, 0x0f, 0x16, 0x2d, 0x96,
	}
	pps = []byte{0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0}
)

const start = int64(1_800_000_000) * nvr.ClockRate

func params() *nvr.Params {
	return &nvr.Params{Video: nvr.H264, SPS: sps, PPS: pps, Width: 640, Height: 352}
}

func frame(p *nvr.Params, n int, key bool) *nvr.Frame {
	at := start + int64(n)*4500
	return &nvr.Frame{
		Track: nvr.VideoTrack, Key: key, DTS: at, PTS: at, Run: 1, Params: p,
		Data: append([]byte{0, 0, 0, 4, 0x65}, byte(n), byte(n), byte(n)),
	}
}

func publish(s *nvr.Stream, p *nvr.Params, from, to int) {
	for n := from; n < to; n++ {
		s.Publish(frame(p, n, n%10 == 0))
	}
}

// serve starts a server that streams s, and asks it.
func serve(t *testing.T, s *nvr.Stream, o live.Options) *http.Response {
	t.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := live.Send(r.Context(), w, s, o); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	resp, err := srv.Client().Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// box reads one ISO box.
func box(t *testing.T, r io.Reader) (name string, whole []byte) {
	t.Helper()
	head := make([]byte, 8)
	if _, err := io.ReadFull(r, head); err != nil {
		t.Fatalf("read box: %v", err)
	}
	whole = make([]byte, binary.BigEndian.Uint32(head))
	copy(whole, head)
	if _, err := io.ReadFull(r, whole[8:]); err != nil {
		t.Fatalf("read box %s: %v", head[4:], err)
	}
	return string(head[4:]), whole
}

// fragment reads moof and mdat.
func fragment(t *testing.T, r io.Reader) fmp4.PartTrack {
	t.Helper()
	_, moof := box(t, r)
	_, mdat := box(t, r)
	var parts fmp4.Parts
	if err := parts.Unmarshal(append(moof, mdat...)); err != nil {
		t.Fatal(err)
	}
	return *parts[0].Tracks[0]
}

func skipInit(t *testing.T, r io.Reader) []byte {
	t.Helper()
	_, ftyp := box(t, r)
	_, moov := box(t, r)
	return append(ftyp, moov...)
}

func TestBeginsWithTheCurrentGroupOfPictures(t *testing.T) {
	s := nvr.NewStream(nvr.NewID[nvr.Stream](), nvr.StreamConfig{})
	p := params()
	publish(s, p, 0, 15)
	resp := serve(t, s, live.Options{})
	if resp.ProtoMajor != 2 {
		t.Errorf("HTTP/%d, want 2", resp.ProtoMajor)
	}
	if got := resp.Header.Get(live.CodecsHeader); got != cmaf.Codecs(p) {
		t.Errorf("codecs %q, want %q", got, cmaf.Codecs(p))
	}
	want, err := cmaf.Init(p)
	if err != nil {
		t.Fatal(err)
	}
	if got := skipInit(t, resp.Body); !bytes.Equal(got, want) {
		t.Error("the init segment is another one")
	}
	for n := 10; n < 15; n++ {
		f := fragment(t, resp.Body)
		if want := uint64(start + int64(n)*4500); f.BaseTime != want || len(f.Samples) != 1 {
			t.Errorf("frame %d: time %d with %d samples, want %d with 1", n, f.BaseTime, len(f.Samples), want)
		}
	}
	publish(s, p, 15, 16)
	if f := fragment(t, resp.Body); f.Samples[0].Duration != 4500 || f.Samples[0].Payload[5] != 15 {
		t.Errorf("live frame: duration %d, payload %v", f.Samples[0].Duration, f.Samples[0].Payload)
	}
}

func TestEndsWhereTheCodingChanges(t *testing.T) {
	s := nvr.NewStream(nvr.NewID[nvr.Stream](), nvr.StreamConfig{})
	publish(s, params(), 0, 1)
	resp := serve(t, s, live.Options{})
	skipInit(t, resp.Body)
	fragment(t, resp.Body)
	publish(s, params(), 10, 12)
	if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) > 0 {
		t.Errorf("%d more bytes, %v; want the end", len(rest), err)
	}
}

func TestSaysThatThereIsNoPicture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := nvr.NewStream(nvr.NewID[nvr.Stream](), nvr.StreamConfig{})
		w := httptest.NewRecorder()
		if err := live.Send(t.Context(), w, s, live.Options{}); !errors.Is(err, live.ErrNoPicture) {
			t.Errorf("got %v, want ErrNoPicture", err)
		}
		if w.Body.Len() > 0 || w.Header().Get("Content-Type") != "" {
			t.Error("something was written")
		}
	})
}

func TestRefusedBeginningWritesNothing(t *testing.T) {
	s := nvr.NewStream(nvr.NewID[nvr.Stream](), nvr.StreamConfig{})
	publish(s, params(), 0, 1)
	w := httptest.NewRecorder()
	err := live.Send(t.Context(), w, s, live.Options{Begin: func() error { return nvr.ErrForbidden }})
	if !errors.Is(err, nvr.ErrForbidden) || w.Body.Len() > 0 {
		t.Errorf("%v with %d bytes", err, w.Body.Len())
	}
}

func TestEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := nvr.NewStream(nvr.NewID[nvr.Stream](), nvr.StreamConfig{})
		publish(s, params(), 0, 3)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		w := httptest.NewRecorder()
		if err := live.Send(ctx, w, s, live.Options{}); err != nil || w.Body.Len() == 0 {
			t.Errorf("%v with %d bytes", err, w.Body.Len())
		}
	})
}

func TestSoundIsLeftOutUnlessAskedFor(t *testing.T) {
	for _, sound := range []bool{false, true} {
		p := params()
		p.Audio, p.AudioConfig, p.SampleRate, p.Channels = nvr.AAC, []byte{0x14, 0x08}, 16000, 1
		s := nvr.NewStream(nvr.NewID[nvr.Stream](), nvr.StreamConfig{})
		s.Publish(frame(p, 0, true))
		s.Publish(&nvr.Frame{Track: nvr.AudioTrack, DTS: start, PTS: start, Run: 1, Params: p, Data: []byte{1, 2, 3}})
		s.Publish(frame(p, 1, false))
		s.Close()
		w := httptest.NewRecorder()
		if err := live.Send(t.Context(), w, s, live.Options{Sound: sound}); err != nil {
			t.Fatal(err)
		}
		got, err := cmaf.ReadInit(skipInit(t, w.Body))
		if err != nil {
			t.Fatal(err)
		}
		tracks := 0
		for w.Body.Len() > 0 {
			if fragment(t, w.Body).ID == int(nvr.AudioTrack) {
				tracks++
			}
		}
		if (got.Audio == nvr.AAC) != sound || (tracks == 1) != sound {
			t.Errorf("sound %v: init has %v, %d fragments of sound", sound, got.Audio, tracks)
		}
	}
}

func TestLateFrameKeepsItsTimeOfShowing(t *testing.T) {
	s := nvr.NewStream(nvr.NewID[nvr.Stream](), nvr.StreamConfig{})
	p := params()
	for _, n := range []int{0, 1, 2, 12, 13, 14, 15} { // half a second is missing after 2
		s.Publish(frame(p, n, n == 0))
	}
	s.Close()
	w := httptest.NewRecorder()
	if err := live.Send(t.Context(), w, s, live.Options{}); err != nil {
		t.Fatal(err)
	}
	skipInit(t, w.Body)
	var last, duration int64
	for i, n := range []int{0, 1, 2, 12, 13, 14, 15} {
		f := fragment(t, w.Body)
		dts := int64(f.BaseTime)
		if pts, want := dts+int64(f.Samples[0].PTSOffset), start+int64(n)*4500; pts != want {
			t.Errorf("frame %d is shown at %d, want %d", n, pts, want)
		}
		if i > 0 && (dts <= last || dts-last > 2*duration) {
			t.Errorf("frame %d: decoding time steps by %d after a duration of %d", n, dts-last, duration)
		}
		last, duration = dts, int64(f.Samples[0].Duration)
	}
}
