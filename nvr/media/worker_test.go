package media

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lares/nvr"
)

// seen is what the test looks at in a picture.
type seen struct {
	pts   int64
	count byte // of the decoder since its start or flush
	keys  byte
}

// spaced returns how far apart, in ms, the decoder was told to make a picture.
func spaced(t testing.TB, w *Worker, every time.Duration) (ms byte) {
	t.Helper()
	o := testOptions()
	o.Every = every
	if err := w.Pictures(t.Context(), testFrames(testParams(), ""), o, func(g nvr.Grey) { ms = g.Pix[2] }); err != nil {
		t.Fatal(err)
	}
	return ms
}

func look(t testing.TB, w *Worker, frames []*nvr.Frame, o nvr.PictureOptions) (got []seen, err error) {
	t.Helper()
	err = w.Pictures(t.Context(), frames, o, func(g nvr.Grey) {
		if g.Width != o.MaxWidth || g.Height != o.MaxHeight || len(g.Pix) != g.Width*g.Height {
			t.Errorf("picture of %dx%d with %d bytes", g.Width, g.Height, len(g.Pix))
		}
		got = append(got, seen{g.PTS, g.Pix[0], g.Pix[1]})
	})
	return got, err
}

func mustLook(t testing.TB, w *Worker, frames []*nvr.Frame, o nvr.PictureOptions) []seen {
	t.Helper()
	got, err := look(t, w, frames, o)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestPicturesComeBackInOrder(t *testing.T) {
	w := newTestWorker(t, nil)
	fr := testFrames(testParams(), "", "nothing", "", "damaged", "")
	got := mustLook(t, w, fr, testOptions())
	if want := "[{9000 1 0} {27000 2 0} {45000 3 0}]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if s := w.Status(); !s.Running || s.Damaged != 1 || s.Restarts != 0 || s.Memory == 0 || !s.Fence.Seccomp {
		t.Errorf("status %+v", s)
	}
}

func TestTheDecoderIsToldWhatChanged(t *testing.T) {
	w := newTestWorker(t, nil)
	p, o := testParams(), testOptions()
	key := func(run uint64, p *nvr.Params) []*nvr.Frame {
		f := testFrames(p, "", "")
		f[0].Run, f[1].Run = run, run
		return f
	}
	step := func(name, want string, got []seen) {
		if t.Helper(); fmt.Sprint(got) != want {
			t.Errorf("%s: got %v, want %s", name, got, want)
		}
	}
	step("first", "[{9000 1 0} {18000 2 0}]", mustLook(t, w, key(1, p), o))
	step("goes on", "[{9000 3 0} {18000 4 0}]", mustLook(t, w, key(1, p), o))
	step("a new run", "[{9000 1 0} {18000 2 0}]", mustLook(t, w, key(2, p), o))
	w.Reset()
	step("up to the next key frame", "[]", mustLook(t, w, key(2, p)[1:], o))
	step("after a reset", "[{9000 1 0} {18000 2 0}]", mustLook(t, w, key(2, p), o))
	q := testParams()
	q.SPS = []byte{0x67, 2}
	step("other parameters in one call", "[{9000 3 0} {18000 4 0} {9000 1 0} {18000 2 0}]", mustLook(t, w, append(key(2, p), key(2, q)...), o))
	o.KeysOnly = true
	step("key frames only", "[{9000 3 1}]", mustLook(t, w, key(2, q), o))
	o.KeysOnly = false
	step("others wait for a key frame", "[]", mustLook(t, w, key(2, q)[1:], o))
	step("all frames again", "[{9000 4 0} {18000 5 0}]", mustLook(t, w, key(2, q), o))
	o.MaxWidth = 160
	step("another size", "[{9000 1 0} {18000 2 0}]", mustLook(t, w, key(2, q), o))
	o.Every = 0
	step("all pictures of the same decoder", "[{9000 3 0} {18000 4 0}]", mustLook(t, w, key(2, q), o))
}

func TestTheTimeBetweenPicturesMayChangeWithEachCall(t *testing.T) {
	w := newTestWorker(t, nil)
	for _, every := range []time.Duration{180, 60, 0, 180} {
		if got := spaced(t, w, every*time.Millisecond); got != byte(every) {
			t.Errorf("the decoder makes pictures every %d ms, want %d", got, every)
		}
	}
}

func TestManyFramesGoInSeveralRequests(t *testing.T) {
	w := newTestWorker(t, nil)
	large := strings.Repeat("x", 700<<10)
	fr := testFrames(testParams(), large, large, large, large, strings.Repeat("x", maxFrame+1), "", "")
	if got := mustLook(t, w, fr, testOptions()); len(got) != 4 {
		t.Errorf("%d pictures of 4 frames and those behind one that is too long", len(got))
	}
	if s := w.Status(); s.Damaged != 1 {
		t.Errorf("status %+v", s)
	}
}

func TestWhatCannotBeIsRefusedBeforeItIsSent(t *testing.T) {
	w := newTestWorker(t, nil)
	o := testOptions()
	o.MaxWidth = 0
	if _, err := look(t, w, testFrames(testParams(), ""), o); !errors.Is(err, nvr.ErrInvalid) {
		t.Errorf("no width: %v", err)
	}
	p := testParams()
	p.SPS = make([]byte, maxSetID)
	if _, err := look(t, w, testFrames(p, ""), testOptions()); !errors.Is(err, nvr.ErrInvalid) {
		t.Errorf("a parameter set of 64 KiB: %v", err)
	}
	if _, err := w.JPEG(t.Context(), nvr.StreamID{}, nil, nvr.StillOptions{}); !errors.Is(err, nvr.ErrInvalid) {
		t.Errorf("a still of nothing: %v", err)
	}
	large := testFrames(testParams(), "", "", "")
	for _, f := range large {
		f.Data = make([]byte, maxFrame-1)
	}
	if _, err := w.JPEG(t.Context(), nvr.StreamID{}, large, nvr.StillOptions{}); !errors.Is(err, nvr.ErrInvalid) {
		t.Errorf("a still of 24 MB: %v", err)
	}
	if _, err := w.Sound(t.Context(), SoundFormat{}, nil, nil); !errors.Is(err, nvr.ErrInvalid) {
		t.Errorf("no format: %v", err)
	}
	if s := w.Status(); s.Restarts != 0 {
		t.Errorf("status %+v", s)
	}
}

func TestWhatTheDecoderRefusesIsSaidOnOneLine(t *testing.T) {
	w := newTestWorker(t, nil)
	p := testParams()
	p.SPS = nil
	for range 2 {
		_, err := look(t, w, testFrames(p, ""), testOptions())
		if !errors.Is(err, ErrRefused) || !strings.HasSuffix(err.Error(), "no picture size in the stream") {
			t.Errorf("got %v", err)
		}
	}
	if got := mustLook(t, w, testFrames(testParams(), ""), testOptions()); len(got) != 1 {
		t.Errorf("then %v", got)
	}
	_, err := w.JPEG(t.Context(), nvr.StreamID{}, testFrames(testParams(), "no picture"), nvr.StillOptions{})
	if !errors.Is(err, ErrRefused) || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("got %q", err)
	}
	if _, err := w.JPEG(t.Context(), nvr.StreamID{}, testFrames(testParams(), "large"), nvr.StillOptions{}); !errors.Is(err, ErrRefused) {
		t.Errorf("a JPEG that is too large: %v", err)
	}
	if s := w.Status(); s.Restarts != 0 {
		t.Errorf("status %+v", s)
	}
}

func TestStills(t *testing.T) {
	w := newTestWorker(t, nil)
	o := nvr.StillOptions{MaxWidth: 320, Crop: nvr.Box{X: 0.5, W: 0.25, H: 1}}
	got, err := w.JPEG(t.Context(), nvr.StreamID{}, testFrames(testParams(), "a", "b"), o)
	if want := "\xff\xd8\xff2 320 {0.5 0 0.25 1} g\x01"; err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestAFileIsReadThroughItsDescriptor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clip")
	if err := os.WriteFile(path, []byte("\nnothing\ndamaged\n\nhold back"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var got []int64
	damaged, err := TryFile(t.Context(), testConfig(t.Output()), f, testOptions(), func(g nvr.Grey) { got = append(got, g.PTS) })
	if err != nil || damaged != 1 || fmt.Sprint(got) != "[0 27000 36000]" {
		t.Errorf("got %v, %d damaged, %v", got, damaged, err)
	}
}

func TestTryingAFileEndsWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clip")
	if err := os.WriteFile(path, []byte("\nhang"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if _, err := TryFile(ctx, testConfig(t.Output()), f, testOptions(), func(nvr.Grey) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestAWorkerThatMisbehavesIsReplacedWhileAnotherGoesOn(t *testing.T) {
	for _, c := range []struct {
		do, cause string
		change    func(*WorkerConfig)
	}{
		{"crash", "exit status 2", nil},
		{"hang", "no answer in time", func(c *WorkerConfig) { c.Deadline = time.Second }},
		{"eat", "", func(c *WorkerConfig) { c.Memory = 256 << 20 }},
		{"wrong time", "not asked for", nil},
		{"wrong size", "not understood", nil},
	} {
		t.Run(c.do, func(t *testing.T) {
			if c.do == "eat" && raced {
				t.Skip("memory cannot be limited under the race detector")
			}
			other := newTestWorker(t, nil)
			mustLook(t, other, testFrames(testParams(), ""), testOptions())
			calm := pid(other)

			w := newTestWorker(t, c.change)
			got, err := look(t, w, testFrames(testParams(), "", "", c.do), testOptions())
			if !errors.Is(err, ErrRestarted) || !strings.Contains(err.Error(), c.cause) {
				t.Fatalf("got %v after %v", err, got)
			}
			_, err = look(t, w, testFrames(testParams(), ""), testOptions())
			if pause, ok := errors.AsType[*BackoffError](err); !ok || !pause.Until.Equal(w.Status().Until) {
				t.Errorf("at once: %v", err)
			}
			if s := w.Status(); s.Running || s.Restarts != 1 || s.Cause == "" {
				t.Errorf("status %+v", s)
			}
			elapse(w, 2*time.Second)
			fr := testFrames(testParams(), "", "")
			if got := mustLook(t, w, append(fr[1:2:2], fr...), testOptions()); fmt.Sprint(got) != "[{9000 1 0} {18000 2 0}]" {
				t.Errorf("then %v", got)
			}
			mustLook(t, other, testFrames(testParams(), ""), testOptions())
			if now := pid(other); now != calm {
				t.Errorf("the other worker was replaced")
			}
		})
	}
}

func TestAWorkerThatGrewBetweenCallsIsReplaced(t *testing.T) {
	w := newTestWorker(t, func(c *WorkerConfig) {
		if !raced {
			c.Memory = 1 << 30
		}
	})
	one := func(do string) error {
		_, err := w.JPEG(t.Context(), nvr.StreamID{}, testFrames(testParams(), do), nvr.StillOptions{})
		return err
	}
	if err := one("hold"); err != nil {
		t.Fatal(err)
	}
	<-w.turn
	w.cfg.Memory, w.looked = 64<<20, time.Time{}
	w.turn <- struct{}{}
	if err := one(""); !errors.Is(err, ErrRestarted) || !strings.Contains(err.Error(), "MB of memory") {
		t.Errorf("got %v", err)
	}
}

func TestAStreamThatKillsTheWorkerIsMadeToWaitAlone(t *testing.T) {
	w := newTestWorker(t, nil)
	poison, good := nvr.NewID[nvr.Stream](), nvr.NewID[nvr.Stream]()
	still := func(stream nvr.StreamID, do string) error {
		_, err := w.JPEG(t.Context(), stream, testFrames(testParams(), do), nvr.StillOptions{})
		return err
	}
	for range 3 {
		if err := still(poison, "crash"); !errors.Is(err, ErrRestarted) {
			t.Fatalf("got %v", err)
		}
		if _, ok := errors.AsType[*BackoffError](still(poison, "")); !ok {
			t.Error("it is served at once")
		}
		if err := still(good, ""); err != nil {
			t.Errorf("another stream: %v", err)
		}
		elapse(w, 5*time.Second)
	}
}

func TestAWorkerThatDiesAfterItsAnswerIsBlamedOnItsStream(t *testing.T) {
	w := newTestWorker(t, nil)
	mustLook(t, w, testFrames(testParams(), "die later"), testOptions())
	<-w.proc.gone
	if w.Status().Running {
		t.Error("it counts as running")
	}
	_, err := look(t, w, testFrames(testParams(), ""), testOptions())
	if _, ok := errors.AsType[*BackoffError](err); !ok {
		t.Errorf("got %v", err)
	}
	if s := w.Status(); s.Restarts != 1 || !strings.Contains(s.Cause, "exit status 2") {
		t.Errorf("status %+v", s)
	}
}

func TestAnIdleWorkerIsGone(t *testing.T) {
	w := newTestWorker(t, func(c *WorkerConfig) { c.Idle = 50 * time.Millisecond })
	for range 2 {
		mustLook(t, w, testFrames(testParams(), ""), testOptions())
		w.mu.Lock()
		p := w.proc
		w.mu.Unlock()
		if p != nil { // not over already
			<-p.gone
		}
	}
	if s := w.Status(); s.Restarts != 0 {
		t.Errorf("status %+v", s)
	}
}

func TestCloseEndsACall(t *testing.T) {
	w := newTestWorker(t, nil)
	done := make(chan error)
	go func() {
		first := true
		done <- w.Pictures(context.Background(), append(testFrames(testParams(), ""), testFrames(testParams(), strings.Repeat("x", batch), "hang")...), testOptions(), func(nvr.Grey) {
			if first {
				first = false
				go w.Close()
			}
		})
	}()
	if err := <-done; !errors.Is(err, nvr.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if _, err := look(t, w, testFrames(testParams(), ""), testOptions()); !errors.Is(err, nvr.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if w.Close(); pid(w) != 0 {
		t.Error("a process is left")
	}
}

func TestWaitingForATurnEndsWithTheContext(t *testing.T) {
	w := newTestWorker(t, nil)
	<-w.turn
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Pictures(ctx, nil, testOptions(), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	w.turn <- struct{}{}
}

func TestTheEndOfTheContextEndsACallThatHangs(t *testing.T) {
	w := newTestWorker(t, nil) // whose own deadline is a minute
	mustLook(t, w, testFrames(testParams(), ""), testOptions())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	time.AfterFunc(50*time.Millisecond, cancel)
	began := time.Now()
	err := w.Pictures(ctx, testFrames(testParams(), "hang"), testOptions(), func(nvr.Grey) {})
	if took := time.Since(began); !errors.Is(err, ErrRestarted) || took > 20*time.Second {
		t.Errorf("got %v after %v", err, took)
	}
	elapse(w, 2*leastPause)
	mustLook(t, w, testFrames(testParams(), ""), testOptions())
}

func TestACallThatIsAnsweredOutlivesItsContext(t *testing.T) {
	w := newTestWorker(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	fr := append(testFrames(testParams(), ""), testFrames(testParams(), strings.Repeat("x", batch), "")...)
	if err := w.Pictures(ctx, fr, testOptions(), func(nvr.Grey) { n++; cancel() }); err != nil || n != 3 {
		t.Errorf("got %d pictures, %v", n, err)
	}
	calm := pid(w)
	mustLook(t, w, testFrames(testParams(), ""), testOptions())
	if pid(w) != calm || w.Status().Restarts != 0 {
		t.Error("the worker was replaced")
	}
}

func TestAProgramThatIsNoWorkerIsGivenUp(t *testing.T) {
	w := newTestWorker(t, func(c *WorkerConfig) { c.Command = func() (string, []string) { return "/bin/echo", []string{"echo"} } })
	if _, err := look(t, w, testFrames(testParams(), ""), testOptions()); !errors.Is(err, ErrRestarted) {
		t.Errorf("got %v", err)
	}
	w = newTestWorker(t, func(c *WorkerConfig) { c.Command = func() (string, []string) { return "/nowhere", []string{"x"} } })
	if _, err := look(t, w, testFrames(testParams(), ""), testOptions()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestAWorkerDiesWithItsParent(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.CommandContext(t.Context(), exe, asParent)
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.PidfdOpen(child, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	parent.Process.Kill()
	parent.Wait()
	// It is in the middle of a frame that never ends, so it does not see that
	// the socket is closed. pidfd_open(2): readable when the process has ended.
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
		if n == 1 {
			return
		}
		if !errors.Is(err, unix.EINTR) {
			t.Fatal(err)
		}
	}
}

// parentMain starts a worker, prints its process id and leaves it hanging.
func parentMain() error {
	w := NewWorker(testConfig(io.Discard))
	fr := append(testFrames(testParams(), ""), testFrames(testParams(), strings.Repeat("x", batch), "hang")...)
	return w.Pictures(context.Background(), fr, testOptions(), func(g nvr.Grey) {
		if g.PTS == 9000 {
			fmt.Fprintln(os.Stdout, pid(w))
		}
	})
}

func TestWhatAWorkerSaysIsBounded(t *testing.T) {
	var log strings.Builder
	s := &said{log: testConfig(&log).Log}
	for range 1000 {
		if n, err := s.Write([]byte("some \x1b[31mlong line " + strings.Repeat("x", 1000) + "\n")); err != nil || n < 1000 {
			t.Fatal(n, err)
		}
	}
	if log.Len() > 2*maxSaid || strings.Contains(log.String(), "\x1b") || !strings.Contains(log.String(), "long line xxx") {
		t.Errorf("%d bytes: %.300s", log.Len(), log.String())
	}
}
