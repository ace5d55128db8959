package media

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"lares/nvr"
)

// What the test binary is started as, beside a test.
const (
	asWorker     = "media-worker-of-a-test"
	asParent     = "parent-of-a-worker"
	asNoLandlock = "box-without-landlock"
)

func TestMain(m *testing.M) {
	if len(os.Args) < 2 {
		os.Exit(m.Run()) //nolint:forbidigo // that is how TestMain ends
	}
	switch os.Args[1] {
	case asWorker:
		mustNot(workerMain())
	case asParent:
		mustNot(parentMain())
	case asNoLandlock:
		mustNot(noLandlockMain())
	default:
		os.Exit(m.Run()) //nolint:forbidigo // that is how TestMain ends
	}
}

func mustNot(err error) {
	if err != nil {
		panic(err)
	}
}

// testConfig starts the test binary as a worker.
func testConfig(log io.Writer) WorkerConfig {
	cfg := WorkerConfig{
		Name:     "test",
		Log:      slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Command:  func() (string, []string) { return "/proc/self/exe", []string{"lares", asWorker} },
		Deadline: time.Minute,
	}
	if raced {
		cfg.Memory = 1 << 46
	}
	return cfg
}

func newTestWorker(t testing.TB, change func(*WorkerConfig)) *Worker {
	t.Helper()
	cfg := testConfig(t.Output())
	if change != nil {
		change(&cfg)
	}
	w := NewWorker(cfg)
	t.Cleanup(w.Close)
	return w
}

// elapse lets the worker's pauses be over.
func elapse(w *Worker, d time.Duration) {
	<-w.turn
	before := w.now
	w.now = func() time.Time { return before().Add(d) }
	w.turn <- struct{}{}
}

func pid(w *Worker) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.proc == nil {
		return 0
	}
	return w.proc.cmd.Process.Pid
}

// params are shared by the frames of a stream.
func testParams() *nvr.Params {
	return &nvr.Params{Video: nvr.H264, SPS: []byte{0x67, 1}, PPS: []byte{0x68}, Width: 640, Height: 360}
}

// frames makes frames of a stream, the first one a key frame, that tell the test
// codec what to do.
func testFrames(p *nvr.Params, does ...string) []*nvr.Frame {
	var list []*nvr.Frame
	for i, do := range does {
		at := int64(i+1) * 9000
		list = append(list, &nvr.Frame{Track: nvr.VideoTrack, Key: i == 0, DTS: at, PTS: at, Run: 1, Params: p, Data: []byte(do)})
	}
	return list
}

func testOptions() nvr.PictureOptions {
	return nvr.PictureOptions{MaxWidth: 320, MaxHeight: 180, Every: 200 * time.Millisecond}
}

// testCodecs do what the data of frames says.
func testCodecs() Codecs {
	return Codecs{
		Video: func(p *nvr.Params, o nvr.PictureOptions) (Video, error) {
			if len(p.SPS) == 0 {
				return nil, errors.New("no picture size\nin the stream")
			}
			return &testVideo{o: o, pix: make([]byte, o.MaxWidth*o.MaxHeight)}, nil
		},
		JPEG:  testJPEG,
		Sound: func(f SoundFormat) (Sound, error) { return &testSound{f: f}, nil },
		Opus:  func(f SoundFormat, o OpusFormat) (Sound, error) { return &testSound{f, o}, nil },
		H264: func(p *nvr.Params, o nvr.H264Options) (H264, error) {
			if len(p.SPS) == 0 {
				return nil, errors.New("no picture size")
			}
			return &testH264{o: o, params: &nvr.Params{Video: nvr.H264, SPS: p.SPS, PPS: []byte{1}, Width: o.MaxWidth, Height: o.MaxHeight}}, nil
		},
		File: func(f *os.File) (File, error) { return &testFile{f: f, p: testParams()}, nil },
	}
}

type testVideo struct {
	o     nvr.PictureOptions
	pix   []byte
	count byte // pictures since the start or the last flush
	held  []nvr.Grey
}

func (v *testVideo) Choose(every time.Duration, keysOnly bool) {
	v.o.Every, v.o.KeysOnly = every, keysOnly
}
func (v *testVideo) Flush() { v.count = 0 }
func (v *testVideo) Close() {}

func (v *testVideo) Drain(yield func(nvr.Grey)) error {
	for _, g := range v.held {
		yield(g)
	}
	return nil
}

func (v *testVideo) Decode(f *nvr.Frame, yield func(nvr.Grey)) error {
	g := nvr.Grey{PTS: f.PTS, Width: v.o.MaxWidth, Height: v.o.MaxHeight, Pix: v.pix}
	switch string(f.Data) {
	case "crash":
		panic("of bad input")
	case "hang":
		time.Sleep(time.Hour)
	case "eat":
		eat()
	case "die later":
		go func() {
			time.Sleep(time.Millisecond)
			panic("a moment later")
		}()
	case "damaged":
		return errors.New("damaged")
	case "wrong time":
		g.PTS += 1 << 40
	case "wrong size":
		g.Width, g.Height = g.Height, g.Width
	case "nothing":
		return nil
	case "hold back":
		v.held = append(v.held, g)
		return nil
	}
	v.count++
	v.pix[0], v.pix[1], v.pix[2] = v.count, 0, byte(v.o.Every/time.Millisecond)
	if v.o.KeysOnly {
		v.pix[1] = 1
	}
	yield(g)
	return nil
}

// eat uses memory until there is none.
func eat() {
	var all [][]byte
	for {
		b := make([]byte, 8<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		all = append(all, b)
		runtime.KeepAlive(all)
	}
}

var held [][]byte

func testJPEG(frames []*nvr.Frame, o nvr.StillOptions) ([]byte, error) {
	head := []byte{0xff, 0xd8, 0xff}
	switch last := frames[len(frames)-1]; string(last.Data) {
	case "crash":
		panic("of bad input")
	case "no picture":
		return nil, errors.New("no \x1b[31mpicture")
	case "hold":
		b := make([]byte, 64<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		held = append(held, b)
	case "probe":
		return append(head, probeThreads()...), nil
	case "not a jpeg":
		return []byte("GIF89a"), nil
	case "large":
		return append(head, make([]byte, maxMessage)...), nil
	}
	return fmt.Appendf(head, "%d %d %v %s", len(frames), o.MaxWidth, o.Crop, frames[0].Params.SPS), nil
}

type testSound struct {
	f SoundFormat
	o OpusFormat
}

func (s *testSound) Config() []byte { return fmt.Appendf(nil, "%s %d", s.f.Codec, s.f.Rate) }
func (s *testSound) Close()         {}
func (s *testSound) Encode(data []byte, pts int64, yield func(int64, []byte)) error {
	if len(data) == 0 {
		return errors.New("empty")
	}
	if s.o != (OpusFormat{}) {
		data = fmt.Appendf(nil, "%s %s %d %d %v", data, s.f.Config, s.o.Rate, s.o.Bitrate, s.o.Frame)
	}
	yield(pts, bytes.ToUpper(data))
	return nil
}

// testH264 says in its frames what it was told.
type testH264 struct {
	o      nvr.H264Options
	params *nvr.Params
	told   string // since the last frame
}

func (h *testH264) WantKey() { h.told += " key" }
func (h *testH264) Flush()   { h.told += " flush" }
func (h *testH264) Close()   {}

func (h *testH264) Transcode(f *nvr.Frame, yield func(*nvr.Frame)) error {
	out := &nvr.Frame{Track: nvr.VideoTrack, Key: f.Key, DTS: f.PTS, PTS: f.PTS, Params: h.params, Data: fmt.Appendf(nil, "%s %d%s", f.Data, h.o.Bitrate, h.told)}
	h.told = ""
	switch string(f.Data) {
	case "crash":
		panic("of bad input")
	case "damaged":
		return errors.New("damaged")
	case "wrong time":
		out.PTS += 1 << 40
	case "wrong codec":
		out.Params = &nvr.Params{Video: nvr.H265}
	}
	yield(out)
	return nil
}

// testFile is a frame for each line of a file.
type testFile struct {
	f     *os.File
	p     *nvr.Params
	lines []string
	n     int64
}

func (f *testFile) Params() *nvr.Params { return f.p }
func (f *testFile) Close()              {}
func (f *testFile) Next() (*nvr.Frame, error) {
	if f.lines == nil {
		b, err := io.ReadAll(f.f)
		if err != nil {
			return nil, err
		}
		f.lines = strings.Split(string(b), "\n")
	}
	if len(f.lines) == 0 {
		return nil, io.EOF
	}
	fr := &nvr.Frame{Track: nvr.VideoTrack, Key: f.n == 0, PTS: f.n * 9000, DTS: f.n * 9000, Params: f.p, Data: []byte(f.lines[0])}
	f.n++
	f.lines = f.lines[1:]
	return fr, nil
}

// probes are what threads of the worker are asked to try. They lie here because
// threads must exist before the fence does.
var probes = make(chan chan string)

// openedInLandlock is what opening a file says under Landlock alone.
var openedInLandlock error

const threadsBefore = 3

// workerMain is the worker of these tests.
func workerMain() error {
	for range threadsBefore {
		go answerProbes()
	}
	if _, again := fencedBefore(); again {
		var f *os.File
		if f, openedInLandlock = os.Open("/etc/passwd"); openedInLandlock == nil {
			f.Close()
		}
	}
	return Serve(os.NewFile(socketDescriptor, "client"), testCodecs())
}

func answerProbes() {
	runtime.LockOSThread()
	answer := <-probes
	answer <- probe()
	<-answer // for ever: another thread takes the next one
}

// probeThreads lets threads from before and after the fence, and this one, try.
func probeThreads() []byte {
	for range 3 {
		go answerProbes()
	}
	report := map[string][]string{"threads": {probe()}, "landlock": {fmt.Sprint(openedInLandlock)}}
	for range threadsBefore + 3 {
		answer := make(chan string)
		probes <- answer
		report["threads"] = append(report["threads"], <-answer)
	}
	b, err := json.Marshal(report)
	mustNot(err)
	return b
}

// probe tries what must fail by raw system calls, and says how each ended.
func probe() string {
	path, program := []byte("/etc/passwd\x00"), []byte("/bin/true\x00")
	argv := []*byte{&program[0], nil}
	address := unix.RawSockaddrUnix{Family: unix.AF_UNIX}
	page := make([]byte, 8192)
	self := uintptr(unix.Getpid())
	at := ^uintptr(99) // AT_FDCWD
	ptr := func(p *byte) uintptr { return uintptr(unsafe.Pointer(p)) }
	var said []string
	try := func(name string, call uintptr, a ...uintptr) {
		a = append(a, make([]uintptr, 6-len(a))...)
		r, _, errno := unix.RawSyscall6(call, a[0], a[1], a[2], a[3], a[4], a[5])
		if errno == 0 && r == 0 && (call == unix.SYS_CLONE) {
			unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
		}
		said = append(said, fmt.Sprintf("%s=%d", name, errno))
	}
	try("openat", unix.SYS_OPENAT, at, ptr(&path[0]), unix.O_RDONLY)
	try("openat2", unix.SYS_OPENAT2, at, ptr(&path[0]), ptr(&page[0]), 24)
	try("unlinkat", unix.SYS_UNLINKAT, at, ptr(&program[0]))
	try("newfstatat", sysStatAt, at, ptr(&path[0]), ptr(&page[0]))
	try("socket", unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM)
	try("socket", unix.SYS_SOCKET, unix.AF_UNIX, unix.SOCK_STREAM)
	try("socketpair", unix.SYS_SOCKETPAIR, unix.AF_UNIX, unix.SOCK_STREAM, 0, ptr(&page[0]))
	try("connect", unix.SYS_CONNECT, socketDescriptor, uintptr(unsafe.Pointer(&address)), unix.SizeofSockaddrUnix)
	try("recvmsg", unix.SYS_RECVMSG, socketDescriptor, ptr(&page[0]))
	try("sendmsg", unix.SYS_SENDMSG, socketDescriptor, ptr(&page[0]))
	try("execve", unix.SYS_EXECVE, ptr(&program[0]), uintptr(unsafe.Pointer(&argv[0])))
	try("execveat", unix.SYS_EXECVEAT, at, ptr(&program[0]), uintptr(unsafe.Pointer(&argv[0])))
	try("fork", unix.SYS_CLONE, uintptr(unix.SIGCHLD))
	try("unshare", unix.SYS_UNSHARE, unix.CLONE_NEWUSER)
	try("ptrace", unix.SYS_PTRACE, unix.PTRACE_TRACEME)
	try("kill", unix.SYS_KILL, self, 0)
	try("tgkill of another", unix.SYS_TGKILL, 1, 1, 0)
	try("process_vm_readv", unix.SYS_PROCESS_VM_READV, self)
	try("mmap that executes", unix.SYS_MMAP, 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON, ^uintptr(0))
	try("mprotect that executes", unix.SYS_MPROTECT, (ptr(&page[0])+4095)&^4095, 0, unix.PROT_EXEC)
	try("memfd_create", unix.SYS_MEMFD_CREATE, ptr(&path[0]))
	try("ioctl", unix.SYS_IOCTL, socketDescriptor, unix.TCGETS, ptr(&page[0]))
	try("dup", unix.SYS_DUP, socketDescriptor)
	try("prlimit64", unix.SYS_PRLIMIT64, 0, unix.RLIMIT_FSIZE, ptr(&page[0]))
	try("prctl", unix.SYS_PRCTL, unix.PR_GET_DUMPABLE)
	try("bpf", unix.SYS_BPF)
	try("io_uring_setup", unix.SYS_IO_URING_SETUP, 1, ptr(&page[0]))
	try("mount", unix.SYS_MOUNT)
	try("setuid", unix.SYS_SETUID, 0)
	runtime.KeepAlive([]any{path, program, argv, page, address})
	return strings.Join(said, ";")
}
