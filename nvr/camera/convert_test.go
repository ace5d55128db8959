package camera

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"

	"lares/nvr"
	"lares/nvr/camera/camsim"
)

// transcoder pretends: what it was given comes out as it went in.
type transcoder struct {
	mu      sync.Mutex
	formats []SoundFormat
	fails   error
	stays   bool // does not come back before the context ends
	shift   int64
	gate    chan struct{} // nil, or each call waits until it can be received from
}

func (f *transcoder) each(nvr.Quality) Transcoder { return f }

func (f *transcoder) set(fails error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fails = fails
}

func (f *transcoder) Sound(ctx context.Context, format SoundFormat, blocks []SoundBlock, yield func(int64, []byte)) ([]byte, error) {
	if f.gate != nil && len(blocks) > 0 {
		<-f.gate
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stays {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if f.fails != nil {
		return nil, f.fails
	}
	f.formats = append(f.formats, format)
	for _, b := range blocks {
		yield(b.PTS+f.shift, b.Data)
	}
	c := mpeg4audio.AudioSpecificConfig{
		Type: mpeg4audio.ObjectTypeAACLC, SampleRate: format.Rate, ChannelConfig: uint8(format.Channels),
	}
	return c.Marshal()
}

var errBusy = errors.New("out of order")

// tone is a clip with a tone.
func tone(t *testing.T, coding camsim.Coding, rate, channels int) *camsim.Clip {
	t.Helper()
	c, err := clip(t, "plain.mp4").WithTone(coding, rate, channels)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// opusLike is sound in packets that say that they are two frames of 20 ms of
// Opus each (RFC 6716 section 3.1).
func opusLike(t *testing.T) *camsim.Clip {
	s := &camsim.Sound{Coding: camsim.Opus, Rate: 48000, Channels: 2, Samples: 1920}
	for i := range byte(50) {
		s.Packets = append(s.Packets, []byte{31<<3 | 4 | 1, i, 2, 3, 4})
	}
	return clip(t, "plain.mp4").WithSound(s)
}

func TestSoundOfEachKindIsConverted(t *testing.T) {
	for name, c := range map[string]struct {
		clip func(*testing.T) *camsim.Clip
		want SoundFormat
		bad  camsim.Misbehaviour
	}{
		"A-law": {func(t *testing.T) *camsim.Clip { return tone(t, camsim.ALaw, 8000, 1) }, SoundFormat{"pcm_alaw", 8000, 1}, camsim.Misbehaviour{}},
		"µ-law": {func(t *testing.T) *camsim.Clip { return tone(t, camsim.MuLaw, 8000, 1) }, SoundFormat{"pcm_mulaw", 8000, 1}, camsim.Misbehaviour{}},
		"A-law, times backwards": {
			func(t *testing.T) *camsim.Clip { return tone(t, camsim.ALaw, 8000, 1) }, SoundFormat{"pcm_alaw", 8000, 1}, camsim.Misbehaviour{AudioBackwards: true},
		},
		"A-law, wide":  {func(t *testing.T) *camsim.Clip { return tone(t, camsim.ALaw, 16000, 2) }, SoundFormat{"pcm_alaw", 16000, 2}, camsim.Misbehaviour{}},
		"samples":      {func(t *testing.T) *camsim.Clip { return tone(t, camsim.Linear, 16000, 1) }, SoundFormat{"pcm_s16be", 16000, 1}, camsim.Misbehaviour{}},
		"samples, two": {func(t *testing.T) *camsim.Clip { return tone(t, camsim.Linear, 44100, 2) }, SoundFormat{"pcm_s16be", 44100, 2}, camsim.Misbehaviour{}},
		"Opus":         {opusLike, SoundFormat{"opus", 48000, 2}, camsim.Misbehaviour{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			played := c.clip(t)
			sim := simulate(t, camsim.Config{Main: played})
			sim.Misbehave(c.bad)
			camera := describe(sim, nvr.Main)
			camera.Audio = true
			fake := &transcoder{}
			r := superviseSound(t, camera, fake.each)
			reader := r.feeds[0].Stream().NewReader(nvr.ReaderOptions{Hold: true})
			defer reader.Close()
			video, sound := pictures(t, reader, 75) // three seconds, one and a half rounds of the clip
			same(t, video, sim.Sent(nvr.Main))
			p := video[0].Params
			if p.Audio != nvr.AAC || p.SampleRate != c.want.Rate || p.Channels != c.want.Channels || len(p.AudioConfig) == 0 {
				t.Errorf("params of the first picture: %+v", p)
			}
			if i := slices.IndexFunc(fake.formats, func(f SoundFormat) bool { return f != c.want }); i >= 0 {
				t.Errorf("asked to convert %+v", fake.formats[i])
			}
			evenly(t, sound, c.want.Rate)
			var heard []byte
			for _, f := range sound {
				heard = append(heard, f.Data...)
			}
			round := bytes.Join(played.Sound().Packets, nil)
			if at := bytes.Index(slices.Concat(round, round, round), heard); at < 0 || len(heard) < len(round) {
				t.Errorf("%d bytes of sound are not the ones that were sent", len(heard))
			}
			apart := nvr.TickDuration(sound[len(sound)-1].PTS - video[len(video)-1].PTS)
			if apart.Abs() > time.Second {
				t.Errorf("sound and pictures are %v apart", apart)
			}
			if notes := r.Status()[0].Notes; len(notes) > 0 {
				t.Errorf("notes %q", notes)
			}
		})
	}
}

// evenly fails unless sound follows sound without a gap.
func evenly(t *testing.T, sound []*nvr.Frame, rate int) {
	t.Helper()
	for i := 1; i < len(sound); i++ {
		d := nvr.TickDuration(sound[i].PTS - sound[i-1].PTS)
		if d <= 0 || d > 200*time.Millisecond || sound[i].Run != sound[0].Run {
			t.Fatalf("sound %d of %d Hz comes %v after the one before", i, rate, d)
		}
	}
}

func TestSoundThatCannotBeConvertedIsLeftOutUntilTheNextConnection(t *testing.T) {
	t.Parallel()
	sim := simulate(t, camsim.Config{Main: tone(t, camsim.ALaw, 8000, 1)})
	c := describe(sim, nvr.Main)
	c.Audio = true
	fake := &transcoder{fails: errBusy}
	r := superviseSound(t, c, fake.each)
	reader := r.feeds[0].Stream().NewReader(nvr.ReaderOptions{Hold: true})
	defer reader.Close()
	video, sound := pictures(t, reader, 20)
	if len(sound) > 0 || video[0].Params.Audio != nvr.NoCodec {
		t.Errorf("%d pieces of sound, params %+v", len(sound), video[0].Params)
	}
	if notes := r.Status()[0].Notes; !slices.Equal(notes, []string{unconverted}) {
		t.Errorf("notes %q", notes)
	}
	fake.set(nil)
	sim.Drop()
	for f := video[0]; ; f = read(t, reader) {
		if f.Track == nvr.AudioTrack {
			break
		}
		if f.Run > video[0].Run && f.Params.Audio != nvr.AAC {
			t.Fatal("no sound on the second connection")
		}
	}
	wait(t, "the note goes", func() bool { return len(r.Status()[0].Notes) == 0 })
}

func TestPicturesGoOnWhileSoundCannotBeConverted(t *testing.T) {
	t.Parallel()
	sim := simulate(t, camsim.Config{Main: tone(t, camsim.ALaw, 8000, 1)})
	c := describe(sim, nvr.Main)
	c.Audio = true
	fake := &transcoder{}
	r := superviseSound(t, c, fake.each)
	reader := r.feeds[0].Stream().NewReader(nvr.ReaderOptions{Hold: true})
	defer reader.Close()
	video, sound := pictures(t, reader, 25)
	if len(sound) == 0 {
		t.Error("no sound at first")
	}
	fake.set(errBusy)
	wait(t, "the note comes", func() bool { return slices.Equal(r.Status()[0].Notes, []string{unconverted}) })
	fake.set(nil)
	wait(t, "the note goes", func() bool { return len(r.Status()[0].Notes) == 0 })
	for sound = nil; len(sound) == 0 || sound[0].PTS < video[len(video)-1].PTS-nvr.ClockRate; {
		var more []*nvr.Frame
		more, sound = pictures(t, reader, 25)
		video = append(video, more...)
	}
	same(t, video, sim.Sent(nvr.Main))
	if video[0].Run != video[len(video)-1].Run {
		t.Error("the run was broken")
	}
}

func TestOnlyCamerasWithSoundOnAreConverted(t *testing.T) {
	t.Parallel()
	sim := simulate(t, camsim.Config{Main: tone(t, camsim.ALaw, 8000, 1), Speed: 1})
	none := func(nvr.Quality) Transcoder {
		t.Error("a transcoder was asked for")
		return nil
	}
	r := superviseSound(t, describe(sim, nvr.Main), none)
	reader := r.feeds[0].Stream().NewReader(nvr.ReaderOptions{Hold: true})
	defer reader.Close()
	video, sound := pictures(t, reader, 20)
	if len(sound) > 0 || video[0].Params.Audio != nvr.NoCodec || len(r.Status()[0].Notes) > 0 {
		t.Errorf("%d pieces of sound, params %+v, notes %q", len(sound), video[0].Params, r.Status()[0].Notes)
	}
}

func TestWithoutATranscoderSoundIsNamed(t *testing.T) {
	t.Parallel()
	sim := simulate(t, camsim.Config{Main: tone(t, camsim.MuLaw, 8000, 1)})
	c := describe(sim, nvr.Main)
	c.Audio = true
	r := supervise(t, c)
	reader := r.feeds[0].Stream().NewReader(nvr.ReaderOptions{Hold: true})
	defer reader.Close()
	if _, sound := pictures(t, reader, 10); len(sound) > 0 {
		t.Error("there is sound")
	}
	if notes := r.Status()[0].Notes; len(notes) != 1 || !strings.Contains(notes[0], "G.711") {
		t.Errorf("notes %q", notes)
	}
}

func TestProbeDoesNotComplainOfSoundThatWillBeConverted(t *testing.T) {
	t.Parallel()
	sim := simulate(t, camsim.Config{Main: tone(t, camsim.ALaw, 8000, 1)})
	f, _, _ := newFleet(t)
	f.cfg.Transcoder = func(nvr.CameraID, nvr.Quality) Transcoder {
		t.Error("a transcoder was asked for")
		return nil
	}
	c := describe(sim, nvr.Main)
	c.Audio = true
	report, err := f.Probe(t.Context(), c)
	if err != nil || len(report.Streams) != 1 || len(report.Streams[0].Notes) > 0 {
		t.Errorf("%+v, %v", report, err)
	}
}

// begun is a converter of sound of 8000 Hz on a feed with a run that began at
// tick 0, and a reader behind its first picture.
func begun(t *testing.T, fake *transcoder) (*converter, *Feed, *nvr.Reader) {
	t.Helper()
	feed := NewFeed(nvr.NewStream(nvr.NewID[nvr.Stream](), nvr.StreamConfig{}))
	reader := feed.Stream().NewReader(nvr.ReaderOptions{Hold: true})
	t.Cleanup(reader.Close)
	beginRun(t, feed, reader)
	c := newConverter(fake, feed, systemClock())
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { c.serve(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return c, feed, reader
}

func beginRun(t *testing.T, feed *Feed, reader *nvr.Reader) {
	feed.stepped("the test")
	feed.publishVideo(&nvr.Frame{Track: nvr.VideoTrack, Key: true, Data: []byte{1}}, &nvr.Params{Video: nvr.H264, Audio: nvr.AAC}, 0)
	if f := read(t, reader); f.Track != nvr.VideoTrack {
		t.Fatal("no picture")
	}
}

// second is a second of sound of 8000 Hz from a time on, in two blocks.
func second(c *converter, run uint64, from int64) {
	c.push(run, SoundBlock{PTS: from, Data: make([]byte, 4000)}, nvr.ClockRate/2)
	c.push(run, SoundBlock{PTS: from + nvr.ClockRate/2, Data: make([]byte, 4000)}, nvr.ClockRate/2)
}

var phone = SoundFormat{"pcm_alaw", 8000, 1}

func TestAskingWhatSoundBecomesTakesNoLongerThanPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, _ := begun(t, &transcoder{stays: true})
		for range 2 {
			from := time.Now()
			if _, ok := c.open(t.Context(), phone); ok {
				t.Error("it says what sound becomes")
			}
			if d := time.Since(from); d > soundPatience {
				t.Errorf("it took %v", d)
			}
		}
	})
}

func TestWaitingSoundIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &transcoder{gate: make(chan struct{})}
		c, _, reader := begun(t, fake)
		if f, ok := c.open(t.Context(), phone); !ok || f.rate != 8000 || f.channels != 1 {
			t.Fatalf("%+v, %v", f, ok)
		}
		const seconds = 100
		for i := range int64(seconds) {
			second(c, 1, i*nvr.ClockRate)
			synctest.Wait()
			c.mu.Lock()
			if c.bytes > maxSoundQueue || c.ticks > maxSoundWait {
				t.Fatalf("%d bytes, %d ticks wait", c.bytes, c.ticks)
			}
			c.mu.Unlock()
		}
		close(fake.gate)
		synctest.Wait()
		var newest *nvr.Frame
		for newest == nil || newest.PTS < (seconds-1)*nvr.ClockRate {
			newest = read(t, reader)
		}
		c.push(1, SoundBlock{PTS: seconds * nvr.ClockRate, Data: make([]byte, maxSoundQueue)}, nvr.ClockRate/10)
		c.push(1, SoundBlock{PTS: seconds * nvr.ClockRate, Data: make([]byte, maxSoundQueue)}, nvr.ClockRate/10)
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.bytes > maxSoundQueue {
			t.Errorf("%d bytes wait", c.bytes)
		}
	})
}

func TestConvertedSoundStaysInItsRunAndItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &transcoder{gate: make(chan struct{})}
		c, feed, reader := begun(t, fake)
		if _, ok := c.open(t.Context(), phone); !ok {
			t.Fatal("not opened")
		}
		second(c, 1, 0)
		synctest.Wait()
		beginRun(t, feed, reader)
		close(fake.gate)
		synctest.Wait()

		fake.shift = 10 * nvr.ClockRate // of another time line
		second(c, 2, 20*nvr.ClockRate)
		synctest.Wait()
		fake.shift = 0
		second(c, 2, 21*nvr.ClockRate)
		synctest.Wait()
		if f := read(t, reader); f.Run != 2 || f.PTS != 21*nvr.ClockRate {
			t.Errorf("the first sound of run 2 is of run %d, %v after its start", f.Run, nvr.TickDuration(f.PTS))
		}
	})
}

func TestSoundThatBecomesSomethingElseIsNotPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, feed, reader := begun(t, &transcoder{})
		if _, ok := c.open(t.Context(), phone); !ok {
			t.Fatal("not opened")
		}
		c.format.Rate = 16000
		second(c, 1, 0)
		synctest.Wait()
		if s := feed.status(nvr.Source{}, 0); !slices.Equal(s.Notes, []string{unconverted}) {
			t.Errorf("notes %q", s.Notes)
		}
		beginRun(t, feed, reader) // and reads the first picture, not the sound before it
	})
}

func TestSamplesOfHikvisionAreTurnedRound(t *testing.T) {
	o := parseOffer([]byte("m=audio 0 RTP/AVP 11\r\na=rtpmap:11 PCM/48000\r\n"))
	if o.sound == nil || o.sound.heard.SoundFormat != (SoundFormat{"pcm_s16be", 48000, 1}) {
		t.Fatalf("%+v", o.sound)
	}
	if got := o.sound.heard.own([]byte{1, 2, 3, 4}); !bytes.Equal(got, []byte{2, 1, 4, 3}) {
		t.Errorf("%v", got)
	}
}

func TestSoundFormatsAreRead(t *testing.T) {
	for text, want := range map[string]SoundFormat{
		"RTP/AVP 8":                               {"pcm_alaw", 8000, 1},
		"RTP/AVP 0":                               {"pcm_mulaw", 8000, 1},
		"RTP/AVP 10":                              {"pcm_s16be", 44100, 2},
		"RTP/AVP 11":                              {"pcm_s16be", 44100, 1},
		"RTP/AVP 97\r\na=rtpmap:97 pcmu/16000/2":  {"pcm_mulaw", 16000, 2},
		"RTP/AVP 97\r\na=rtpmap:97 L16/48000/2":   {"pcm_s16be", 48000, 2},
		"RTP/AVP 97\r\na=rtpmap:97 L16":           {},
		"RTP/AVP 97\r\na=rtpmap:97 L16/48000/6":   {},
		"RTP/AVP 97\r\na=rtpmap:97 G726-32/8000":  {},
		"RTP/AVP 97\r\na=rtpmap:97 PCMA/99999999": {},
		"RTP/AVP 97\r\na=rtpmap:97 opus/48000/2":  {"opus", 48000, 1},
		"RTP/AVP 97\r\na=rtpmap:97 opus/48000/2\r\na=fmtp:97 sprop-stereo=1": {"opus", 48000, 2},
		// AAC needs no conversion, so it is taken wherever it stands.
		"RTP/AVP 8 97\r\na=rtpmap:97 MPEG4-GENERIC/16000\r\na=fmtp:97 config=1408": {},
	} {
		o := parseOffer([]byte("m=audio 0 " + text + "\r\n"))
		if strings.Contains(text, "MPEG4") {
			if o.sound == nil || o.sound.converted() || o.sound.payload != 97 {
				t.Errorf("%q: %+v", text, o.sound)
			}
			continue
		}
		if want == (SoundFormat{}) {
			if o.sound != nil || len(o.notes) != 1 {
				t.Errorf("%q: %+v, notes %q", text, o.sound, o.notes)
			}
		} else if o.sound == nil || o.sound.heard.SoundFormat != want || len(o.notes) > 0 {
			t.Errorf("%q: %+v, notes %q", text, o.sound, o.notes)
		}
	}
}
