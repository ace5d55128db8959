package recorder_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/abema/go-mp4"

	"lares/nvr"
	"lares/recorder"
)

// talkie makes frames with sound, in the order in which a camera sends them,
// and shows pictures in another order than they are decoded: I P B B.
type talkie struct {
	*source
	sound int // blocks so far
}

func newTalkie(start time.Time) *talkie {
	t := &talkie{source: newSource(start)}
	p := *t.params
	p.Audio, p.AudioConfig, p.SampleRate, p.Channels = nvr.AAC, []byte{0x15, 0x88}, 8000, 1
	t.params = &p
	return t
}

// frames returns so many pictures with the sound between them.
func (t *talkie) frames(n int) []*nvr.Frame {
	const block = 1024 * nvr.ClockRate / 8000
	shown := [...]int64{1, 3, 0, 0} // in pictures after the time of decoding
	var out []*nvr.Frame
	for range n {
		f := t.next()
		if i := (t.n - 1) % 50; i < 48 {
			f.PTS += shown[i%4] * nvr.ClockRate / 25
		} else {
			f.PTS += nvr.ClockRate / 25
		}
		out = append(out, f)
		for at := t.start + int64(t.sound)*block; at < f.DTS+nvr.ClockRate/25; at += block {
			data := bytes.Repeat([]byte{byte(t.sound)}, 120+t.sound%30)
			out = append(out, &nvr.Frame{Track: nvr.AudioTrack, DTS: at, PTS: at, Run: t.run, Params: t.params, Data: data})
			t.sound++
		}
	}
	return out
}

func (h *house) send(frames []*nvr.Frame) {
	for _, f := range frames {
		h.main().Publish(f)
	}
	h.drained(h.main())
}

func only(frames []*nvr.Frame, track nvr.Track) (out []*nvr.Frame) {
	for _, f := range frames {
		if f.Track == track {
			out = append(out, f)
		}
	}
	return out
}

func (h *house) export(from, to time.Time) (*nvr.Clip, []byte) {
	h.t.Helper()
	clip := must[*nvr.Clip](h.t)(h.lib.Export(h.t.Context(), h.keys, nvr.MediaRequest{Stream: h.id(), From: from, To: to, Sound: true}))
	h.t.Cleanup(func() { _ = clip.Close() })
	all := must[[]byte](h.t)(io.ReadAll(clip))
	if int64(len(all)) != clip.Size {
		h.t.Errorf("read %d bytes of a clip of %d", len(all), clip.Size)
	}
	return clip, all
}

func TestExportHasEveryPictureAndSoundAtItsTime(t *testing.T) {
	t.Parallel()
	h := newHouse(t, t.TempDir(), testCamera(1), newKeys())
	start := time.Now().Add(-3 * time.Minute).Truncate(time.Second)
	sent := newTalkie(start).frames(25 * 100)
	h.send(sent)
	h.stopRecording() // so that all of it, over a segment border, is there
	clip, file := h.export(start.Add(-time.Second), time.Now())
	if !clip.From.Equal(start) {
		t.Errorf("it begins at %v, want %v", clip.From, start)
	}
	zero := sent[0].PTS
	for i, got := range readMovie(t, file) {
		want := only(sent, nvr.Track(i+1))
		if len(got) != len(want) {
			t.Errorf("track %d: %d samples, sent %d", i+1, len(got), len(want))
		}
		for j := range min(len(got), len(want)) {
			if g, w := got[j], want[j]; !bytes.Equal(g.data, w.Data) || g.pts != w.PTS-zero {
				t.Fatalf("track %d, sample %d: at %d, want %d; %d bytes, want %d", i+1, j, g.pts, w.PTS-zero, len(g.data), len(w.Data))
			}
		}
	}
	probeClip(t, file, sent)
}

// readMovie returns the samples of both tracks of an mp4 file, at the times at
// which they are shown.
func readMovie(t *testing.T, file []byte) (tracks [2][]pictureRead) {
	t.Helper()
	movie := must[*mp4.ProbeInfo](t)(mp4.Probe(bytes.NewReader(file)))
	if len(movie.Tracks) != 2 || !movie.FastStart {
		t.Fatalf("%d tracks, tables first: %v", len(movie.Tracks), movie.FastStart)
	}
	for i, track := range movie.Tracks {
		n := 0
		var dts int64
		for _, e := range track.EditList {
			if e.MediaTime < 0 {
				dts += int64(e.SegmentDuration)
			} else {
				dts -= e.MediaTime
			}
		}
		for _, c := range track.Chunks {
			at := c.DataOffset
			for range c.SamplesPerChunk {
				s := track.Samples[n]
				tracks[i] = append(tracks[i], pictureRead{pts: dts + s.CompositionTimeOffset, data: file[at : at+uint64(s.Size)]})
				dts += int64(s.TimeDelta)
				at += uint64(s.Size)
				n++
			}
		}
	}
	return tracks
}

// stopRecording ends the recorder and starts another over the same folder, so
// that all that was sent lies in finished segments.
func (h *house) stopRecording() {
	h.t.Helper()
	h.stop()
	again := newHouse(h.t, h.dir, h.camera, h.keys)
	*h = *again
}

// probeClip compares with what ffprobe sees.
func probeClip(t *testing.T, file []byte, sent []*nvr.Frame) {
	t.Helper()
	probe, err := exec.LookPath("ffprobe")
	if err != nil {
		t.Log("not compared with ffprobe: it is not installed (apt install ffmpeg)")
		return
	}
	name := filepath.Join(t.TempDir(), "clip.mp4")
	if err := os.WriteFile(name, file, 0o600); err != nil {
		t.Fatal(err)
	}
	raw := must[[]byte](t)(exec.CommandContext(t.Context(), probe, "-v", "error", "-show_packets", "-of", "json", name).Output())
	var seen struct {
		Packets []struct {
			Stream int    `json:"stream_index"`
			Time   string `json:"pts_time"`
			Size   string `json:"size"`
			Flags  string `json:"flags"`
		} `json:"packets"`
	}
	if err := json.Unmarshal(raw, &seen); err != nil {
		t.Fatal(err)
	}
	for i, id := range []nvr.Track{nvr.VideoTrack, nvr.AudioTrack} {
		want, n := only(sent, id), 0
		for _, p := range seen.Packets {
			if p.Stream != i || n == len(want) {
				continue
			}
			at := must[float64](t)(strconv.ParseFloat(p.Time, 64))
			wantAt := float64(want[n].PTS-sent[0].PTS) / nvr.ClockRate
			if p.Size != strconv.Itoa(len(want[n].Data)) || at-wantAt > 0.0005 || wantAt-at > 0.0005 {
				t.Fatalf("ffprobe: stream %d packet %d at %v of %s bytes, want %v and %d", i, n, at, p.Size, wantAt, len(want[n].Data))
			}
			n++
		}
		if n != len(want) {
			t.Errorf("ffprobe: %d packets of stream %d, sent %d", n, i, len(want))
		}
	}
}

func TestRangesOfAnExportEqualTheWhole(t *testing.T) {
	t.Parallel()
	h := newHouse(t, t.TempDir(), testCamera(1), newKeys())
	start := time.Now().Add(-2 * time.Minute)
	h.send(newTalkie(start).frames(25 * 40))
	h.stopRecording()
	clip, file := h.export(start, time.Now())
	n := len(file)
	for _, r := range [][2]int{{0, n - 1}, {0, 0}, {n - 1, n - 1}, {100, 5000}, {n / 2, n/2 + 70_000}, {n / 3, n - 1}, {n - 100, n - 1}} {
		req := httptest.NewRequest(http.MethodGet, "/clip.mp4", nil)
		req.Header.Set("Range", "bytes="+strconv.Itoa(r[0])+"-"+strconv.Itoa(r[1]))
		answer := httptest.NewRecorder()
		http.ServeContent(answer, req, "clip.mp4", time.Time{}, clip)
		if answer.Code != http.StatusPartialContent || !bytes.Equal(answer.Body.Bytes(), file[r[0]:r[1]+1]) {
			t.Errorf("range %v: code %d, %d bytes", r, answer.Code, answer.Body.Len())
		}
	}
}

func TestExportOverAGapKeepsItsLength(t *testing.T) {
	t.Parallel()
	h := newHouse(t, t.TempDir(), testCamera(1), newKeys())
	start := time.Now().Add(-5 * time.Minute).Truncate(time.Second)
	src := newTalkie(start)
	sent := src.frames(100)
	h.send(sent)
	src.start, src.n, src.sound = src.start+nvr.DurationTicks(40*time.Second), 0, 0
	src.run++
	after := src.frames(100)
	h.send(after)
	h.stopRecording()
	clip, file := h.export(start, time.Now())
	if got := clip.To.Sub(clip.From).Round(time.Second); got != 44*time.Second {
		t.Errorf("the clip covers %v, want 44 s", got)
	}
	probeClip(t, file, append(sent, after...))
}

func TestExportFromAGapHasNothingOfBeforeTheGap(t *testing.T) {
	t.Parallel()
	h := newHouse(t, t.TempDir(), testCamera(1), newKeys())
	start := time.Now().Add(-5 * time.Minute).Truncate(time.Second)
	src := newTalkie(start)
	h.send(src.frames(100))
	src.start, src.n, src.sound = src.start+nvr.DurationTicks(40*time.Second), 0, 0
	src.run++
	after := src.frames(100)
	h.send(after)
	h.stopRecording()
	clip, file := h.export(start.Add(20*time.Second), time.Now())
	if clip.From.Before(start.Add(39 * time.Second)) {
		t.Errorf("the clip begins %v before what was asked for", start.Add(20*time.Second).Sub(clip.From))
	}
	probeClip(t, file, after)
}

func TestNewParametersBeginANewSegmentAndInit(t *testing.T) {
	t.Parallel()
	h := newHouse(t, t.TempDir(), testCamera(1), newKeys())
	start := time.Now().Add(-2 * time.Minute).Truncate(time.Second)
	src := newTalkie(start)
	sent := src.frames(100)
	mute := *src.params
	mute.Audio, mute.AudioConfig, mute.SampleRate, mute.Channels = nvr.NoCodec, nil, 0, 0
	src.params = &mute
	sent = append(sent, only(src.frames(100), nvr.VideoTrack)...)
	h.send(sent)
	h.stopRecording()
	index := must[nvr.PlayIndex](t)(h.lib.Index(t.Context(), h.keys, nvr.MediaRequest{Stream: h.id(), From: start, To: time.Now(), Sound: true}))
	if len(index.Inits) != 2 || len(h.rows()) != 2 {
		t.Fatalf("%d init segments in %d segments", len(index.Inits), len(h.rows()))
	}
	for i, x := range index.Inits {
		if _, err := h.lib.Init(t.Context(), h.keys, h.id(), x.Segment, true); err != nil {
			t.Errorf("init %d: %v", i, err)
		}
	}
	clip, _ := h.export(start, time.Now())
	if got := clip.To.Sub(start).Round(100 * time.Millisecond); got != 4*time.Second {
		t.Errorf("the clip ends after %v, want where the parameters change", got)
	}
	var out bytes.Buffer
	req := nvr.MediaRequest{Stream: h.id(), From: start, To: time.Now(), Sound: true}
	if err := h.lib.Media(t.Context(), h.keys, req, &out); err != nil || out.Len() == 0 {
		t.Errorf("media: %v", err)
	}
	video := only(h.allFrames(start, time.Now()), nvr.VideoTrack)
	if want := only(sent, nvr.VideoTrack); len(video) != len(want) {
		t.Errorf("%d pictures, sent %d", len(video), len(want))
	}
}

// allFrames reads back what was recorded, with the track of each frame.
func (h *house) allFrames(from, to time.Time) (out []*nvr.Frame) {
	h.t.Helper()
	for _, p := range h.recorded(h.id(), from, to) {
		track := nvr.VideoTrack
		if len(p.data) < 1000 {
			track = nvr.AudioTrack
		}
		out = append(out, &nvr.Frame{Track: track, DTS: p.dts, Data: p.data})
	}
	return out
}

func TestBitFlipsCostOnlyTheFragmentsInTheirSlot(t *testing.T) {
	t.Parallel()
	h := newHouse(t, t.TempDir(), testCamera(1), newKeys())
	start := time.Now().Add(-2 * time.Minute).Truncate(time.Second)
	sent := newTalkie(start).frames(25 * 40)
	h.send(sent)
	h.stopRecording()
	row := h.rows()[0]
	name := filepath.Join(h.footage(), recorder.SegmentName(row))
	if report := must[recorder.CheckReport](t)(h.lib.Check(t.Context(), recorder.Keys, h.keys)); len(report.Findings) != 0 || report.Segments == 0 {
		t.Fatalf("before: %+v", report)
	}
	raw := must[[]byte](t)(os.ReadFile(name))
	raw[len(raw)/2] ^= 4
	if err := os.WriteFile(name, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	whole := len(must[nvr.PlayIndex](t)(h.lib.Index(t.Context(), h.keys, nvr.MediaRequest{Stream: h.id(), From: start, To: time.Now(), Sound: true})).Parts)
	var media bytes.Buffer
	if err := h.lib.Media(t.Context(), h.keys, nvr.MediaRequest{Stream: h.id(), From: start, To: time.Now(), Sound: true}, &media); err != nil {
		t.Fatalf("media: %v", err)
	}
	if n := bytes.Count(media.Bytes(), []byte("moof")); n < whole-2 || n >= whole {
		t.Errorf("media: %d of %d fragments", n, whole)
	}
	_, file := h.export(start, time.Now())
	if got, want := len(readMovie(t, file)[0]), len(only(sent, nvr.VideoTrack)); got < want-30 || got >= want {
		t.Errorf("export: %d of %d pictures", got, want)
	}
	for level, found := range map[recorder.CheckLevel]bool{recorder.Sizes: false, recorder.CRC: true} {
		report := must[recorder.CheckReport](t)(h.lib.Check(t.Context(), level, nil))
		if (len(report.Findings) > 0) != found {
			t.Errorf("level %d: %+v", level, report.Findings)
		}
	}
}

func TestPlaybackPassesOverWhatTheCallerHasNoKeyFor(t *testing.T) {
	t.Parallel()
	h := newHouse(t, t.TempDir(), testCamera(1), newKeys())
	midnight := time.Now().Truncate(day)
	src := newSource(midnight.Add(-10 * time.Second))
	h.send(publishOnly(src, 25*20))
	h.stopRecording()
	rows := h.rows()
	if len(rows) != 2 || rows[0].Vault == rows[1].Vault {
		t.Fatalf("segments: %+v, want one for each day", rows)
	}
	h.keys.mu.Lock()
	h.keys.foreign = rows[0].Vault
	h.keys.mu.Unlock()
	index := must[nvr.PlayIndex](t)(h.lib.Index(t.Context(), h.keys, nvr.MediaRequest{Stream: h.id(), From: midnight.Add(-time.Minute), To: midnight.Add(time.Minute)}))
	if len(index.Parts) == 0 || index.Parts[0].Time < nvr.Ticks(rows[1].Start) {
		t.Errorf("%d parts", len(index.Parts))
	}
	if _, err := h.lib.Index(t.Context(), h.keys, nvr.MediaRequest{Stream: h.id(), From: midnight.Add(-time.Minute), To: midnight}); !errors.Is(err, nvr.ErrForbidden) {
		t.Errorf("only what is forbidden: %v", err)
	}
}

func publishOnly(src *source, n int) (out []*nvr.Frame) {
	for range n {
		out = append(out, src.next())
	}
	return out
}
