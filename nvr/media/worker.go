package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"lares/nvr"
)

// WorkerConfig sets a worker up. The zero value of each field but Log is its
// default.
type WorkerConfig struct {
	// Name tells workers apart in the log.
	Name string
	Log  *slog.Logger
	// Command is the program of the worker and its arguments, the name of the
	// program included. Default: this program, with the argument "media-worker".
	Command func() (path string, args []string)
	// Deadline is how long a request may take before the worker counts as hung,
	// in [TryFile] how long it may be silent; it may be twice that until it is
	// noticed. Default: 10 s.
	Deadline time.Duration
	// Idle ends the worker when it had nothing to do for so long. Default: never.
	Idle time.Duration
	// Memory is how many bytes a worker may use before it is replaced. Default:
	// 512 MiB, which decodes 4K with as many reference pictures as there may be.
	Memory int64
}

// StillsIdle is the WorkerConfig.Idle of a worker that makes stills: long enough
// for a page of them, and its memory is free again when nobody looks.
const StillsIdle = 30 * time.Second

// Errors of a worker. All but ErrRefused and nvr.ErrInvalid pass by themselves.
var (
	// ErrRestarted: the worker died or had to be killed during this call, and a
	// later one starts another. Pictures are missing: they go on at a key frame.
	ErrRestarted = errors.New("the media worker died and is replaced")
	// ErrRefused: the worker is well and can make nothing of this input.
	ErrRefused = errors.New("cannot be decoded")
)

// BackoffError says that the worker is not used for what killed it (the pictures
// or the sound of a stream) before Until.
type BackoffError struct{ Until time.Time }

func (e *BackoffError) Error() string {
	return "the media worker pauses until " + e.Until.Format(time.RFC3339)
}

// Status is what the status page shows of a worker.
type Status struct {
	Running  bool
	Since    time.Time // when it was started; of the last one if none runs
	Restarts int       // how often one died or was killed for a reason
	// Cause says why the last one died, Until how long it pauses then.
	Cause   string
	Until   time.Time
	Damaged int64 // frames and blocks of sound that could not be decoded
	Memory  int64 // resident bytes, shared pages included, when last looked at
	// Fence is that of the last worker that ran; of none if Since is zero.
	Fence Fence
}

// Worker runs media workers, one after the other: one per camera for motion
// and sound, and one for the stills of all cameras.
type Worker struct {
	cfg WorkerConfig
	now func() time.Time

	// turn holds one token: who has it may use the process and what follows.
	turn    chan struct{}
	looked  time.Time // when memory was last looked at
	served  customer  // whose call was the last one
	grey    pictureFeed
	h264    h264Feed
	grudges grudges
	rest    *time.Timer // ends an idle process

	closed chan struct{}
	once   sync.Once

	mu sync.Mutex // guards what follows
	// proc may be replaced by the holder of the turn only.
	proc   *process
	status Status
}

// NewWorker returns a worker without a process; the first call starts one.
// Close it.
func NewWorker(cfg WorkerConfig) *Worker {
	w := &Worker{cfg: withDefaults(cfg), now: time.Now, turn: make(chan struct{}, 1), grudges: grudges{}, closed: make(chan struct{})}
	w.turn <- struct{}{}
	w.rest = time.AfterFunc(time.Hour, w.idle)
	w.rest.Stop()
	return w
}

func withDefaults(cfg WorkerConfig) WorkerConfig {
	if cfg.Command == nil {
		// Not its path: that may lead to another version by now, and this one
		// works even where the file is gone.
		cfg.Command = func() (string, []string) { return "/proc/self/exe", []string{"lares", "media-worker"} }
	}
	if cfg.Deadline == 0 {
		cfg.Deadline = 10 * time.Second
	}
	if cfg.Memory == 0 {
		cfg.Memory = 512 << 20
	}
	cfg.Log = cfg.Log.With(slog.String("worker", cfg.Name))
	return cfg
}

// Close kills the process, lets a call that uses it end with nvr.ErrClosed and
// waits for both.
func (w *Worker) Close() {
	w.once.Do(func() {
		close(w.closed)
		w.mu.Lock()
		if w.proc != nil {
			w.proc.kill()
		}
		w.mu.Unlock()
		<-w.turn // and it is never given back
		w.rest.Stop()
		_ = w.stop(nil)
	})
}

// Status returns how the worker does.
func (w *Worker) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.status
	s.Running = w.proc != nil && w.proc.alive()
	if !w.now().Before(s.Until) {
		s.Until = time.Time{}
	}
	return s
}

// call runs do with a process, when it is this caller's turn. What do returns
// ends the process, unless it is about the input.
func (w *Worker) call(ctx context.Context, who customer, do func(*process) error) error {
	select {
	case <-w.closed:
		return nvr.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	case <-w.turn:
	}
	select {
	case <-w.closed:
		w.turn <- struct{}{}
		return nvr.ErrClosed
	default:
	}
	defer w.done()
	if w.proc != nil && !w.proc.alive() {
		// It died since: most likely of what it was given last.
		_ = w.fail(w.served, io.EOF)
	}
	if until, ok := w.grudges.wait(who, w.now()); ok {
		return &BackoffError{Until: until}
	}
	w.served = who
	p, err := w.ready(ctx)
	if err == nil {
		err = p.conn.urged(ctx, func() error { return do(p) })
	}
	if err == nil {
		err = w.weigh(p)
	}
	if err == nil || errors.Is(err, ErrRefused) || errors.Is(err, nvr.ErrInvalid) {
		return err
	}
	return w.fail(who, err)
}

// done ends a turn.
func (w *Worker) done() {
	if w.cfg.Idle > 0 {
		w.rest.Reset(w.cfg.Idle)
	}
	w.turn <- struct{}{}
}

// ready returns the process that runs, or a new one.
func (w *Worker) ready(ctx context.Context) (*process, error) {
	if w.proc == nil {
		p, err := start(w.cfg, nil)
		if err != nil {
			return nil, err
		}
		w.grey, w.h264 = pictureFeed{}, h264Feed{}
		if err := p.conn.urged(ctx, func() error { return w.greet(p) }); err != nil {
			return nil, err
		}
	}
	return w.proc, w.proc.conn.allow(w.cfg.Deadline)
}

// greet makes p the process of the worker and waits for its hello.
func (w *Worker) greet(p *process) error {
	w.mu.Lock()
	w.proc, w.status.Since = p, p.started
	select {
	case <-w.closed: // Close found no process to kill
		p.kill()
	default:
	}
	w.mu.Unlock()
	if err := p.greet(); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status.Fence = p.fence
	return nil
}

// stop ends the process if there is one and returns cause, or what is known
// better.
func (w *Worker) stop(cause error) error {
	w.mu.Lock()
	p := w.proc
	w.proc = nil
	w.mu.Unlock()
	if p == nil {
		return cause
	}
	return p.end(cause)
}

// fail gives the process up and makes who killed it wait.
func (w *Worker) fail(who customer, cause error) error {
	cause = w.stop(cause)
	select {
	case <-w.closed:
		return nvr.ErrClosed
	default:
	}
	if errors.Is(cause, os.ErrDeadlineExceeded) {
		cause = fmt.Errorf("no answer in time: %w", cause)
	}
	now, text := w.now(), plain([]byte(cause.Error()))
	pause := w.grudges.fail(who, now)
	w.mu.Lock()
	w.status.Restarts++
	w.status.Cause, w.status.Until = text, now.Add(pause)
	w.mu.Unlock()
	w.cfg.Log.Warn("media worker is replaced", slog.String("cause", text), slog.Duration("pause", pause))
	return fmt.Errorf("%w: %w", ErrRestarted, cause)
}

// weigh looks once a second whether the worker has grown too large. Its own
// limit (RLIMIT_DATA) stops it within a call; this one replaces it.
func (w *Worker) weigh(p *process) error {
	if now := w.now(); now.Sub(w.looked) < time.Second {
		return nil
	} else {
		w.looked = now
	}
	size := p.memory()
	w.mu.Lock()
	w.status.Memory = size
	w.mu.Unlock()
	if size > w.cfg.Memory*3/4 {
		return fmt.Errorf("it uses %d MB of memory: %w", size>>20, errTooLarge)
	}
	return nil
}

var errTooLarge = errors.New("too much")

// idle ends the process unless a call is going on, which starts the wait anew.
func (w *Worker) idle() {
	select {
	case <-w.turn:
		_ = w.stop(nil)
		w.turn <- struct{}{}
	default:
	}
}

func (w *Worker) countDamaged(n int) {
	if n == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status.Damaged += int64(n)
}
