package recorder_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/cmaf"
)

// given is everything that the library hands out of a span: init segments,
// media, key frames, one fragment at a time, a clip read twice.
func (h *house) given(t *testing.T, from, to time.Time, sound bool) (codecs string, all []byte) {
	t.Helper()
	req := nvr.MediaRequest{Stream: h.id(), From: from, To: to, Sound: sound}
	var out bytes.Buffer
	index := must[nvr.PlayIndex](t)(h.lib.Index(t.Context(), h.keys, req))
	for _, init := range index.Inits {
		codecs += init.Codecs + " "
		out.Write(must[[]byte](t)(h.lib.Init(t.Context(), h.keys, h.id(), init.Segment, sound)))
	}
	media := func(req nvr.MediaRequest) {
		if err := h.lib.Media(t.Context(), h.keys, req, &out); err != nil {
			t.Fatal(err)
		}
	}
	media(req)
	req.KeysOnly = true
	media(req)
	req.KeysOnly = false
	for _, p := range index.Parts {
		one := req
		one.From, one.To = nvr.TickTime(p.Time), nvr.TickTime(p.Time).Add(12*time.Microsecond)
		media(one)
	}
	clip := must[*nvr.Clip](t)(h.lib.Export(t.Context(), h.keys, req))
	for range 2 {
		if _, err := clip.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(&out, clip); err != nil || n != clip.Size {
			t.Fatalf("%d bytes of a clip of %d: %v", n, clip.Size, err)
		}
	}
	if err := clip.Close(); err != nil {
		t.Fatal(err)
	}
	return codecs, out.Bytes()
}

// carries reports whether bytes hold sound: a block of it, or what describes it.
func carries(b []byte, sound []*nvr.Frame) bool {
	for _, f := range sound {
		if bytes.Contains(b, f.Data) {
			return true
		}
	}
	return bytes.Contains(b, []byte("mp4a")) || bytes.Contains(b, []byte("soun"))
}

func TestSoundStaysBehindUnlessItIsAskedFor(t *testing.T) {
	t.Parallel()
	h := newHouse(t, t.TempDir(), testCamera(1), newKeys())
	start := time.Now().Add(-5 * time.Minute)
	src := newTalkie(start)
	sent := src.frames(60 * 25)
	quiet := src.frames(10 * 25) // the camera goes on without pictures for a while
	sent = append(append(sent, only(quiet, nvr.AudioTrack)...), src.frames(15*25)...)
	sound, pictures := only(sent, nvr.AudioTrack), only(sent, nvr.VideoTrack)
	for i, f := range sound {
		f.Data = fmt.Appendf(nil, "block %d of somebody who speaks", i)
	}
	h.send(sent)
	check := func(what string) {
		t.Helper()
		codecs, all := h.given(t, start, time.Now(), false)
		if carries(all, sound) || strings.Contains(codecs, "mp4a") {
			t.Errorf("%s: sound without the right to it; codecs %s", what, codecs)
		}
		for _, f := range pictures[:100] {
			if !bytes.Contains(all, f.Data) {
				t.Fatalf("%s: a picture is missing without the sound", what)
			}
		}
		codecs, all = h.given(t, start, time.Now(), true)
		for _, f := range sound[:100] {
			if !bytes.Contains(all, f.Data) {
				t.Fatalf("%s: sound is missing; codecs %s", what, codecs)
			}
		}
		if !strings.Contains(codecs, "mp4a") || !bytes.Contains(all, []byte("mp4a")) {
			t.Errorf("%s: the sound is not described; codecs %s", what, codecs)
		}
	}
	eventually(t, "all is readable", func() bool { return len(h.recorded(h.id(), start, time.Now())) >= len(sent) })
	check("while it is recorded")
	h.stopRecording()
	check("from the disk")
}

func TestSilentFragmentsFitTheirSilentInit(t *testing.T) {
	t.Parallel()
	h := newHouse(t, t.TempDir(), testCamera(1), newKeys())
	start := time.Now().Add(-5 * time.Minute)
	h.send(newTalkie(start).frames(100))
	eventually(t, "it is readable", func() bool { return len(h.recorded(h.id(), start, time.Now())) > 50 })
	req := nvr.MediaRequest{Stream: h.id(), From: start, To: time.Now()}
	index := must[nvr.PlayIndex](t)(h.lib.Index(t.Context(), h.keys, req))
	init := must[[]byte](t)(h.lib.Init(t.Context(), h.keys, h.id(), index.Inits[0].Segment, false))
	if p := must[*nvr.Params](t)(cmaf.ReadInit(init)); p.Audio != nvr.NoCodec || p.Video != nvr.H264 {
		t.Errorf("init segment of %v and %v", p.Video, p.Audio)
	}
}
