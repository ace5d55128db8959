package camera

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/camera/camsim"
)

func impatient(s *Supervisor) { s.patience = time.Second }

func TestMisbehavingCamerasLoseNoPicture(t *testing.T) {
	for name, bad := range map[string]camsim.Misbehaviour{
		"annex b":        {AnnexB: true},
		"marker on SEI":  {MarkerOnSEI: true},
		"no marker":      {NoMarker: true},
		"foreign SSRC":   {ForeignSSRC: true},
		"variable rate":  {VariableRate: true},
		"no reports":     {Reports: camsim.Silent},
		"insane reports": {Reports: camsim.Insane},
		"all at once": {
			AnnexB: true, MarkerOnSEI: true, VariableRate: true, Reports: camsim.Insane, ForeignSSRC: true,
		},
	} {
		for _, file := range []string{"bframes_aac.mp4", "h265.mp4"} {
			t.Run(name+"/"+file, func(t *testing.T) {
				t.Parallel()
				sim := simulate(t, camsim.Config{Main: clip(t, file), Speed: 12})
				sim.Misbehave(bad)
				r := supervise(t, describe(sim, nvr.Main))
				reader := r.feeds[0].Stream().NewReader(nvr.ReaderOptions{Hold: true})
				defer reader.Close()
				before := time.Now()
				got, _ := pictures(t, reader, 150)
				same(t, got, sim.Sent(nvr.Main))
				if at := got[0].Time(); at.Before(before.Add(-time.Minute)) || at.After(time.Now().Add(time.Minute)) {
					t.Errorf("first picture is of %v", at)
				}
				if got[0].Run != got[len(got)-1].Run {
					t.Error("the run was broken")
				}
			})
		}
	}
}

func TestDroppedConnectionBeginsARunWithItsCause(t *testing.T) {
	t.Parallel()
	sim := simulate(t, camsim.Config{Main: clip(t, "plain.mp4"), Speed: 4})
	r := supervise(t, describe(sim, nvr.Main))
	news := r.bus.Subscribe()
	defer news.Close()
	reader := r.feeds[0].Stream().NewReader(nvr.ReaderOptions{Hold: true})
	defer reader.Close()
	first, _ := pictures(t, reader, 10)
	last := first[len(first)-1]
	sim.Drop()
	for {
		f := read(t, reader)
		if f.Run == last.Run {
			last = f
			continue
		}
		if !f.Key || f.Break == nil || f.Break.Cause != nvr.CameraOffline || f.Break.Detail == "" {
			t.Fatalf("first frame of the new run: key %v, break %+v", f.Key, f.Break)
		}
		if !f.Break.Since.Equal(nvr.TickTime(last.DTS)) {
			t.Errorf("break since %v, want the last frame's time %v", f.Break.Since, nvr.TickTime(last.DTS))
		}
		if f.Params != last.Params {
			t.Error("new params though nothing changed")
		}
		if f.DTS <= last.DTS {
			t.Error("time went back over the break")
		}
		break
	}
	var kinds []nvr.EventKind
	for len(kinds) < 2 {
		e, _, err := news.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == nvr.CameraDown || len(kinds) > 0 {
			kinds = append(kinds, e.Kind)
		}
	}
	if kinds[1] != nvr.CameraUp {
		t.Errorf("events %v", kinds)
	}
}

func TestFrozenCameraIsABreak(t *testing.T) {
	t.Parallel()
	sim := simulate(t, camsim.Config{Main: clip(t, "plain.mp4"), Speed: 4})
	r := supervise(t, describe(sim, nvr.Main), impatient)
	reader := r.feeds[0].Stream().NewReader(nvr.ReaderOptions{Hold: true})
	defer reader.Close()
	first, _ := pictures(t, reader, 3)
	sim.Misbehave(camsim.Misbehaviour{Frozen: true})
	wait(t, "the stream goes down", func() bool {
		s := r.feeds[0].Stream().State()
		return !s.Up && s.Down.Cause == nvr.CameraOffline
	})
	sim.Misbehave(camsim.Misbehaviour{})
	for f := first[0]; ; f = read(t, reader) {
		if f.Run > first[0].Run {
			if f.Break == nil || !strings.Contains(f.Break.Detail, "no pictures") {
				t.Errorf("break %+v", f.Break)
			}
			return
		}
	}
}

func TestJumpOfTheCameraClockBeginsARunAndLosesNoPicture(t *testing.T) {
	for name, jump := range map[string]time.Duration{"forwards": time.Hour, "backwards": -time.Hour, "over the wrap": 14 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := simulate(t, camsim.Config{Main: clip(t, "bframes_aac.mp4"), Speed: 4})
			r := supervise(t, describe(sim, nvr.Main))
			reader := r.feeds[0].Stream().NewReader(nvr.ReaderOptions{Hold: true})
			defer reader.Close()
			got, _ := pictures(t, reader, 30)
			sim.JumpClock(jump)
			more, _ := pictures(t, reader, 100)
			got = append(got, more...)
			sent := sim.Sent(nvr.Main)
			at := 0
			for got[0].Data == nil || !bytes.Equal(sum(got[0]), sent[at].Sum[:]) {
				at++
			}
			runs := 1
			for i, f := range got {
				if !bytes.Equal(sum(f), sent[at+i].Sum[:]) {
					t.Fatalf("frame %d is not the one that was sent", i)
				}
				if i == 0 {
					continue
				}
				if d := nvr.TickDuration(f.PTS - got[i-1].PTS).Abs(); d > 5*time.Second {
					t.Errorf("frame %d is %v away from the one before", i, d)
				}
				if f.Run != got[i-1].Run {
					runs++
					if !f.Key || f.Break == nil || f.Break.Cause != nvr.ClockStep {
						t.Errorf("run begins with key %v, break %+v", f.Key, f.Break)
					}
				} else if f.DTS <= got[i-1].DTS {
					t.Errorf("frame %d goes back in time", i)
				}
			}
			if runs != 2 {
				t.Errorf("%d runs, want 2", runs)
			}
		})
	}
}

func TestStepOfTheWallClockBeginsARun(t *testing.T) {
	t.Parallel()
	sim := simulate(t, camsim.Config{Main: clip(t, "plain.mp4"), Speed: 4})
	step := make(chan time.Duration, 1)
	var shift time.Duration
	base := systemClock()
	r := supervise(t, describe(sim, nvr.Main), func(s *Supervisor) {
		guard := make(chan struct{}, 1)
		s.clock = func() instant {
			guard <- struct{}{}
			defer func() { <-guard }()
			select {
			case shift = <-step:
			default:
			}
			now := base()
			now.wall = now.wall.Add(shift)
			return now
		}
	})
	reader := r.feeds[0].Stream().NewReader(nvr.ReaderOptions{Hold: true})
	defer reader.Close()
	got, _ := pictures(t, reader, 5)
	step <- -time.Hour
	for f := got[4]; ; f = read(t, reader) {
		if f.Run == got[0].Run {
			continue
		}
		if f.Break == nil || f.Break.Cause != nvr.ClockStep || !f.Key {
			t.Fatalf("new run with key %v, break %+v", f.Key, f.Break)
		}
		if d := time.Since(f.Time()); d < 59*time.Minute || d > 61*time.Minute {
			t.Errorf("pictures of %v ago after a step of an hour back", d)
		}
		return
	}
}

func TestChangedParameterSetsComeWithAKeyFrame(t *testing.T) {
	for name, files := range map[string][2]string{
		"same codec":    {"plain.mp4", "bframes_aac.mp4"},
		"another codec": {"plain.mp4", "h265.mp4"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := simulate(t, camsim.Config{Main: clip(t, files[0]), Speed: 4})
			r := supervise(t, describe(sim, nvr.Main))
			reader := r.feeds[0].Stream().NewReader(nvr.ReaderOptions{Hold: true})
			defer reader.Close()
			got, _ := pictures(t, reader, 10)
			old := got[0].Params
			sim.Switch(nvr.Main, clip(t, files[1]))
			for f := got[9]; ; f = read(t, reader) {
				if f.Params == old {
					continue
				}
				if !f.Key || f.Params.Width == old.Width {
					t.Errorf("changed with key %v to %+v", f.Key, f.Params)
				}
				if name == "same codec" && f.Run != got[0].Run {
					t.Error("changed parameter sets broke the run")
				}
				return
			}
		})
	}
}

func TestSoundGoesOnEvenly(t *testing.T) {
	for name, bad := range map[string]camsim.Misbehaviour{
		"good": {}, "times backwards": {AudioBackwards: true}, "insane reports": {Reports: camsim.Insane},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := simulate(t, camsim.Config{Main: clip(t, "bframes_aac.mp4")})
			sim.Misbehave(bad)
			c := describe(sim, nvr.Main)
			c.Audio = true
			r := supervise(t, c)
			reader := r.feeds[0].Stream().NewReader(nvr.ReaderOptions{Hold: true})
			defer reader.Close()
			video, sound := pictures(t, reader, 100) // more than one round of the clip
			if len(sound) < 45 {
				t.Fatalf("%d blocks of sound with 100 pictures", len(sound))
			}
			block := int64(1024 * nvr.ClockRate / 16000)
			for i := 1; i < len(sound); i++ {
				d := sound[i].DTS - sound[i-1].DTS
				if d < block-1 || d > block+nvr.DurationTicks(200*time.Millisecond) {
					t.Errorf("block %d comes %d ticks after the one before, want %d", i, d, block)
				}
			}
			apart := nvr.TickDuration(sound[len(sound)-1].PTS - video[len(video)-1].PTS)
			if apart.Abs() > 500*time.Millisecond {
				t.Errorf("sound and pictures are %v apart", apart)
			}
			if p := video[0].Params; p.Audio != nvr.AAC || p.SampleRate != 16000 || p.Channels != 1 || len(p.AudioConfig) == 0 {
				t.Errorf("params %+v", p)
			}
		})
	}
}

func TestR14SoundStaysOutUnlessSwitchedOn(t *testing.T) {
	t.Parallel()
	sim := simulate(t, camsim.Config{Main: clip(t, "bframes_aac.mp4")})
	r := supervise(t, describe(sim, nvr.Main))
	reader := r.feeds[0].Stream().NewReader(nvr.ReaderOptions{Hold: true})
	defer reader.Close()
	video, sound := pictures(t, reader, 30)
	if len(sound) > 0 || video[0].Params.Audio != nvr.NoCodec {
		t.Errorf("%d blocks of sound from a camera whose sound is off", len(sound))
	}
}

func TestPasswordsAreGivenInEveryWay(t *testing.T) {
	for name, auth := range map[string]camsim.Auth{
		"basic": camsim.Basic, "digest MD5": camsim.DigestMD5, "digest SHA-256": camsim.DigestSHA256,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			password := nvr.Secret(`p@ss:wörd/#?"%41 `)
			if auth == camsim.Basic {
				password = `p@sswörd/#?"%41 ` // the library of the simulated camera takes no colon here
			}
			sim := simulate(t, camsim.Config{Main: clip(t, "plain.mp4"), Speed: 4, Auth: auth, User: "admin", Password: password})
			c := describe(sim, nvr.Main)
			c.User, c.Password = "admin", password
			r := supervise(t, c)
			reader := r.feeds[0].Stream().NewReader(nvr.ReaderOptions{Hold: true})
			defer reader.Close()
			pictures(t, reader, 2)
		})
	}
}

func TestRejectedPasswordIsNotTriedAgainByItself(t *testing.T) {
	t.Parallel()
	sim := simulate(t, camsim.Config{
		Main: clip(t, "plain.mp4"), Sub: clip(t, "plain.h264"), Speed: 4, Auth: camsim.DigestMD5, User: "admin", Password: "right",
	})
	sim.Misbehave(camsim.Misbehaviour{BanAfter: 3})
	c := describe(sim, nvr.Main, nvr.Sub)
	c.User, c.Password = "admin", "wrong"
	r := supervise(t, c)
	for _, f := range r.feeds {
		wait(t, "refusal", func() bool { return f.Stream().State().Down.Cause == nvr.CameraRefused })
	}
	if n := sim.WrongPasswords(); n != 1 {
		t.Errorf("%d tries for two streams, want 1", n)
	}
	if words := r.feeds[1].Stream().State().Down.Detail; !strings.Contains(words, "rejects the user name or the password") {
		t.Errorf("says %q", words)
	}
	r.Retry()
	wait(t, "second try", func() bool { return sim.WrongPasswords() == 2 })
}

func TestCameraThatAsksGetsNoGuess(t *testing.T) {
	t.Parallel()
	sim := simulate(t, camsim.Config{Main: clip(t, "plain.mp4"), Auth: camsim.Basic, User: "admin", Password: "x"})
	r := supervise(t, describe(sim, nvr.Main))
	wait(t, "refusal", func() bool { return r.feeds[0].Stream().State().Down.Cause == nvr.CameraRefused })
	if n := sim.WrongPasswords(); n != 0 {
		t.Errorf("%d passwords were offered", n)
	}
}

func TestCertificateIsPinnedOnFirstUse(t *testing.T) {
	t.Parallel()
	sim := simulate(t, camsim.Config{
		Main: clip(t, "plain.mp4"), Speed: 4, TLS: true, Auth: camsim.DigestSHA256, User: "u", Password: "p",
	})
	c := describe(sim, nvr.Main)
	c.User, c.Password = "u", "p"
	r := supervise(t, c)
	reader := r.feeds[0].Stream().NewReader(nvr.ReaderOptions{Hold: true})
	defer reader.Close()
	got, _ := pictures(t, reader, 2)
	pin := <-r.pins
	if len(pin) != 32 {
		t.Errorf("pin of %d bytes", len(pin))
	}
	sim.Drop()
	for f := got[0]; f.Run == got[0].Run; f = read(t, reader) {
	}
	if err := sim.RenewCertificate(); err != nil {
		t.Fatal(err)
	}
	sim.Drop()
	wait(t, "refusal", func() bool { return r.feeds[0].Stream().State().Down.Cause == nvr.CameraRefused })
	if words := r.feeds[0].Stream().State().Down.Detail; !strings.Contains(words, "another certificate") {
		t.Errorf("says %q", words)
	}
	if len(r.pins) > 0 {
		t.Error("the new certificate was pinned")
	}
}

func TestUnreachableCamerasSayWhatToDo(t *testing.T) {
	t.Parallel()
	sim := simulate(t, camsim.Config{Main: clip(t, "plain.mp4")})
	sim.Misbehave(camsim.Misbehaviour{Refuse: true})
	closed := nvr.Camera{Streams: []nvr.Source{{URL: "rtsp://127.0.0.1:1/x"}}}
	plain := describe(sim, nvr.Main)
	for words, c := range map[string]nvr.Camera{
		"closed the connection":  plain,
		"refuses the connection": closed,
	} {
		r := supervise(t, c)
		wait(t, words, func() bool { return strings.Contains(r.feeds[0].Stream().State().Down.Detail, words) })
		if s := r.feeds[0].Stream().State(); s.Up || s.Down.Cause != nvr.CameraOffline || s.Down.Since.IsZero() {
			t.Errorf("state %+v", s)
		}
	}
}

func TestPlainCameraBehindASecureAddressSaysSo(t *testing.T) {
	t.Parallel()
	sim := simulate(t, camsim.Config{Main: clip(t, "plain.mp4")})
	c := describe(sim, nvr.Main)
	c.Streams[0].URL = strings.Replace(c.Streams[0].URL, "rtsp:", "rtsps:", 1)
	r := supervise(t, c, impatient)
	wait(t, "words", func() bool { return r.feeds[0].Stream().State().Down.Cause != nvr.CauseUnknown })
	if words := r.feeds[0].Stream().State().Down.Detail; !strings.Contains(words, "rtsp:// instead") {
		t.Errorf("says %q", words)
	}
}

func TestStalledReaderCostsNobodyAPicture(t *testing.T) {
	t.Parallel()
	sim := simulate(t, camsim.Config{Main: clip(t, "plain.mp4"), Speed: 16})
	r := supervise(t, describe(sim, nvr.Main))
	stalled := r.feeds[0].Stream().NewReader(nvr.ReaderOptions{Hold: true})
	defer stalled.Close()
	reader := r.feeds[0].Stream().NewReader(nvr.ReaderOptions{Hold: true})
	defer reader.Close()
	got, _ := pictures(t, reader, 1000)
	same(t, got, sim.Sent(nvr.Main))
}

func TestHealthIsMeasured(t *testing.T) {
	t.Parallel()
	sim := simulate(t, camsim.Config{Main: clip(t, "plain.mp4")})
	r := supervise(t, describe(sim, nvr.Main))
	var s nvr.StreamStatus
	wait(t, "rates", func() bool {
		s = r.Status()[0]
		return s.FrameRate > 0 && s.GOP > 0
	})
	if s.FrameRate < 15 || s.FrameRate > 35 || s.BitRate <= 0 || s.GOP < 500*time.Millisecond || s.GOP > 2*time.Second {
		t.Errorf("%.1f pictures a second, %.0f bit/s, GOP %v", s.FrameRate, s.BitRate, s.GOP)
	}
	if !s.State.Up || s.Params == nil {
		t.Errorf("status %+v", s)
	}
}
