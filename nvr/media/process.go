package media

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// startDeadline bounds the time until a worker says hello, on a box that is
	// busy starting all of them.
	startDeadline = 20 * time.Second
	// maxSaid is how much of what a worker writes to its standard error is
	// logged in its life, and maxLine how much of a line.
	maxSaid = 32 << 10
	maxLine = 250
)

// process is one life of a worker. It belongs to the holder of the Worker's
// turn, but for kill, which anybody may call.
type process struct {
	cmd     *exec.Cmd
	conn    *conn
	link    *link
	fence   Fence
	started time.Time
	statm   *os.File // /proc/PID/statm; nil where there is no /proc

	gone chan struct{} // closed when the process has ended
	exit error         // why; valid when gone is closed
}

// start begins a worker, which has to be greeted next and in time. extra becomes
// descriptor 4; it may be nil.
func start(cfg WorkerConfig, extra *os.File) (*process, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close() //nolint:errcheck // the child has its own
	path, args := cfg.Command()
	p := &process{conn: ours, link: newLink(ours), gone: make(chan struct{})}
	p.cmd = &exec.Cmd{
		Path:        path,
		Args:        args,
		Env:         environment(cfg.Memory),
		Dir:         "/",
		Stderr:      &said{log: cfg.Log},
		ExtraFiles:  []*os.File{theirs},
		SysProcAttr: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true},
		WaitDelay:   time.Second,
	}
	if extra != nil {
		p.cmd.ExtraFiles = append(p.cmd.ExtraFiles, extra)
		p.cmd.Env = append(p.cmd.Env, envFile+"=1")
	}
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start media worker: %w", err), ours.Close())
	}
	p.started = time.Now()
	p.statm, _ = os.Open(fmt.Sprintf("/proc/%d/statm", p.cmd.Process.Pid))
	go func() {
		p.exit = p.cmd.Wait()
		close(p.gone)
	}()
	if err := ours.allow(startDeadline); err != nil {
		return nil, p.end(err)
	}
	return p, nil
}

// environment is all that a worker is told: nothing of the parent's. One thread
// computes; the heap is small, so it may be collected often; one arena of
// malloc(3) is enough for one thread.
func environment(memory int64) []string {
	return []string{"GOMAXPROCS=1", "GOGC=50", "MALLOC_ARENA_MAX=1", envMemory + "=" + strconv.FormatInt(memory, 10)}
}

// socketPair returns our end and the worker's.
func socketPair() (ours *conn, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make socket pair: %w", err)
	}
	theirs = os.NewFile(uintptr(fds[1]), "media client")
	if ours, err = newConn(os.NewFile(uintptr(fds[0]), "media worker")); err != nil {
		return nil, nil, errors.Join(err, theirs.Close())
	}
	return ours, theirs, nil
}

// greet waits for the hello.
func (p *process) greet() error {
	k, body, err := p.link.next()
	if err != nil {
		return fmt.Errorf("hello of the media worker: %w", err)
	}
	h, err := parseHello(body)
	if err != nil || k != sayHello {
		return errProtocol
	}
	p.fence = h.fence()
	p.conn.until = time.Time{} // calls have deadlines of their own
	return nil
}

// kill ends the process, whatever it is doing; who reads from it gets an error.
func (p *process) kill() { _ = p.cmd.Process.Kill() }

// end kills the process and waits for it. It returns cause, or how the process
// ended if the cause is no more than that it went away.
func (p *process) end(cause error) error {
	lost := errors.Is(cause, io.EOF) || errors.Is(cause, io.ErrUnexpectedEOF) || errors.Is(cause, unix.EPIPE) || errors.Is(cause, unix.ECONNRESET)
	if lost {
		// It closed its end, so it is ending by itself: let it say how.
		select {
		case <-p.gone:
		case <-time.After(time.Second):
		}
	}
	p.kill()
	_ = p.conn.Close()
	<-p.gone
	if p.statm != nil {
		_ = p.statm.Close()
	}
	if lost && p.exit != nil {
		return p.exit
	}
	return cause
}

// alive reports whether the process has not ended.
func (p *process) alive() bool {
	select {
	case <-p.gone:
		return false
	default:
		return true
	}
}

// memory returns the resident memory in bytes, shared pages included; 0 where
// that cannot be known (proc_pid_statm(5)).
func (p *process) memory() int64 {
	var buf [128]byte
	if p.statm == nil {
		return 0
	}
	n, _ := p.statm.ReadAt(buf[:], 0)
	_, rest, _ := strings.Cut(string(buf[:n]), " ")
	resident, _, _ := strings.Cut(rest, " ")
	pages, err := strconv.ParseInt(resident, 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// said logs the lines that a worker writes to its standard error, up to a bound.
type said struct {
	log  *slog.Logger
	line []byte
	used int
}

// Write never fails: a worker shall not stop because nobody listens.
func (s *said) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 && s.used < maxSaid {
		text, rest, whole := bytes.Cut(b, []byte{'\n'})
		s.used += len(b) - len(rest)
		s.line = append(s.line, text[:min(len(text), maxLine-len(s.line))]...)
		if b = rest; whole {
			s.log.Debug("media worker says", slog.String("line", plain(s.line)))
			s.line = s.line[:0]
		}
	}
	return n, nil
}
