package media

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"lares/nvr"
)

// script is a connection whose other end has said everything already.
type script struct {
	io.Reader
	bytes.Buffer
}

func (s *script) Read(b []byte) (int, error)  { return s.Reader.Read(b) }
func (s *script) Write(b []byte) (int, error) { return s.Buffer.Write(b) }

// harmless is a codec for bytes that may say anything.
func harmless() Codecs {
	c := testCodecs()
	c.Video = func(_ *nvr.Params, o nvr.PictureOptions) (Video, error) {
		return &harmlessVideo{testVideo{o: o, pix: make([]byte, o.MaxWidth*o.MaxHeight)}}, nil
	}
	c.JPEG = func(frames []*nvr.Frame, _ nvr.StillOptions) ([]byte, error) {
		return append([]byte{0xff, 0xd8, 0xff, 0xe0}, frames[0].Data...), nil
	}
	c.File = nil
	return c
}

type harmlessVideo struct{ testVideo }

func (v *harmlessVideo) Decode(f *nvr.Frame, yield func(nvr.Grey)) error {
	if len(f.Data) == 0 {
		return errors.New("empty")
	}
	yield(nvr.Grey{PTS: f.PTS, Width: v.o.MaxWidth, Height: v.o.MaxHeight, Pix: v.pix})
	return nil
}

// requests are those of a well-behaved client, one after the other.
func requests(t testing.TB) []byte {
	var conn script
	conn.Reader = strings.NewReader("")
	l := newLink(&conn)
	var f pictureFeed
	o := testOptions()
	o.MaxWidth, o.MaxHeight = 4, 2
	if _, _, err := f.ask(l, testFrames(testParams(), "a", "b"), o); err != nil {
		t.Fatal(err)
	}
	f.reset()
	if _, _, err := f.ask(l, testFrames(testParams(), "a"), o); err != nil {
		t.Fatal(err)
	}
	if err := l.flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := still(l, testFrames(testParams(), "a", "b"), nvr.StillOptions{Crop: nvr.Box{W: 1, H: 1}}); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	in := SoundFormat{Codec: "opus", Rate: 48000, Channels: 2}
	for _, o := range []OpusFormat{{}, {Rate: 16000, Bitrate: 24000, Frame: 20 * time.Millisecond}} {
		if _, err := encode(l, soundSetup{in, o}, []SoundBlock{{PTS: 1, Data: []byte("x")}}, nil); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
	}
	askFrames(t, l)
	if err := l.flush(); err != nil {
		t.Fatal(err)
	}
	return conn.Bytes()
}

// askFrames asks for frames of H.264.
func askFrames(t testing.TB, l *link) (f h264Feed) {
	t.Helper()
	o := nvr.H264Options{MaxWidth: 320, MaxHeight: 180, Bitrate: 100_000, Rate: 15, Key: true}
	if _, _, err := f.gather(l, testFrames(testParams(), "a", "b"), false, func(p *nvr.Params) error { return f.open(l, p, o) }); err != nil {
		t.Fatal(err)
	}
	return f
}

// answers are what a worker says to bytes of a client.
func answers(t testing.TB, asked []byte, c Codecs) []byte {
	conn := script{Reader: bytes.NewReader(asked)}
	s := &server{link: newLink(&conn), codecs: c}
	defer s.close()
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
	return conn.Bytes()
}

// FuzzServer feeds a worker what a client would never say.
func FuzzServer(f *testing.F) {
	f.Add(requests(f))
	f.Add([]byte{0, 0, 0, 1, byte(askStill), 0, 0, 0})
	f.Add([]byte{1, 0, 0, 0, byte(askFile), 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, asked []byte) {
		for _, r := range []io.Reader{bytes.NewReader(asked), iotest.OneByteReader(bytes.NewReader(asked))} {
			conn := script{Reader: r}
			s := &server{link: newLink(&conn), codecs: harmless()}
			err := s.run()
			s.close()
			if err == nil && len(asked) > 0 && conn.Len() == 0 {
				t.Error("a request is neither answered nor refused")
			}
			if len(s.link.in) > keptBuffer+2*len(asked) {
				t.Errorf("%d bytes of buffer for %d bytes of requests", len(s.link.in), len(asked))
			}
		}
	})
}

// FuzzClient feeds a client what a worker would never say.
func FuzzClient(f *testing.F) {
	f.Add(answers(f, requests(f), harmless()))
	f.Add([]byte{0, 0, 0, 0, byte(sayDone), 0, 0, 0})
	for _, k := range []kind{sayHello, sayPicture, sayJPEG, saySound, sayParams, sayFrame, sayDone} {
		f.Add([]byte{12, 0, 0, 0, byte(k), 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 1, 0, 1, 0})
	}
	o := testOptions()
	o.MaxWidth, o.MaxHeight = 4, 2
	f.Fuzz(func(t *testing.T, said []byte) {
		conn := script{Reader: bytes.NewReader(said)}
		l := newLink(&conn)
		var fd pictureFeed
		if _, _, err := fd.ask(l, testFrames(testParams(), "a", "b"), o); err != nil {
			t.Fatal(err)
		}
		_, _ = fd.pictures(l, func(g nvr.Grey) {
			if g.Width > o.MaxWidth || g.Height > o.MaxHeight || len(g.Pix) != g.Width*g.Height || g.PTS < 9000 || g.PTS > 18000 {
				t.Errorf("picture of %dx%d with %d bytes at %d", g.Width, g.Height, len(g.Pix), g.PTS)
			}
		})
		jpeg, err := still(l, testFrames(testParams(), "a"), nvr.StillOptions{})
		if (err == nil) != (len(jpeg) > 0) {
			t.Errorf("%d bytes of JPEG, %v", len(jpeg), err)
		}
		_, _ = encode(l, soundSetup{SoundFormat: SoundFormat{Codec: "opus", Rate: 48000, Channels: 2}}, nil, func(_ int64, unit []byte) {
			if len(unit) == 0 || len(unit) > maxUnit {
				t.Errorf("%d bytes of sound", len(unit))
			}
		})
		h264 := askFrames(t, l)
		_, _ = h264.receive(l, func(fr *nvr.Frame) {
			if fr.Params == nil || fr.Params.Video != nvr.H264 || fr.PTS < 9000 || fr.PTS > 18000 {
				t.Errorf("got %+v", fr)
			}
		})
		if h, err := parseHello(said); err == nil {
			_ = h.fence()
		}
	})
}

func TestAMessageThatWouldBeTooLongIsTakenBack(t *testing.T) {
	conn := script{Reader: strings.NewReader("")}
	l := newLink(&conn)
	l.begin(askStill)
	l.out = append(l.out, make([]byte, maxMessage+1)...)
	if err := l.end(); !errors.Is(err, errTooLong) || len(l.out) != 0 {
		t.Errorf("%v, %d bytes are left", err, len(l.out))
	}
}

func TestRandomBytesNeitherStopTheClientNorTheNextWorker(t *testing.T) {
	w := newTestWorker(t, nil)
	mustLook(t, w, testFrames(testParams(), ""), testOptions())
	// What a worker gets from a client that has gone mad: it ends, and the
	// client sees no more than that.
	w.proc.link.out = append(w.proc.link.out, strings.Repeat("not a message ", 10)...)
	if _, err := look(t, w, testFrames(testParams(), ""), testOptions()); !errors.Is(err, ErrRestarted) {
		t.Errorf("got %v", err)
	}
	elapse(w, 2*leastPause)
	mustLook(t, w, testFrames(testParams(), ""), testOptions())
}
