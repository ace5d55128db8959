package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"lares/cmd/lares/internal/console"
	"lares/nvr"
	"lares/nvr/camera/camsim"
)

// TestMain lets the test binary be 'lares' where it is called by that name, so
// that the processes that tests start and kill are the program under test.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"lares": main})
}

const (
	ownerName     = "Ada Owner"
	ownerPassword = "seven otters row upstream"
	patience      = 60 * time.Second // for what takes a second on an idle machine
)

// box is a data folder with what belongs to it, and the process that serves it.
type box struct {
	t        *testing.T
	home     string // of everything that the box owns
	data     string
	footage  string
	temp     string
	password string // file
	recovery string // file
	secrets  []string
	program  string   // what serves
	env      []string // further, for what serves

	mu      sync.Mutex
	said    bytes.Buffer // what all runs wrote
	process *exec.Cmd
	ended   chan struct{} // closed when process has ended
}

func newBox(t *testing.T) *box {
	t.Helper()
	home := t.TempDir()
	outside := t.TempDir()
	b := &box{
		t: t, home: home, data: filepath.Join(home, "data"), footage: filepath.Join(home, "footage"),
		temp: filepath.Join(home, "tmp"), password: filepath.Join(outside, "password"),
		recovery: filepath.Join(outside, "recovery"), secrets: []string{ownerPassword}, program: "lares",
	}
	for _, dir := range []string{b.data, b.footage, b.temp} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, b.password, ownerPassword+"\n")
	t.Cleanup(func() {
		b.kill()
		said := b.log()
		for _, secret := range b.secrets {
			if strings.Contains(said, secret) {
				t.Errorf("the output holds the secret %q", secret)
			}
		}
		if t.Failed() {
			t.Logf("output of all runs:\n%s", last(said, 6000))
		}
	})
	return b
}

// newOwnedBox is a box with an owner who has a password only.
func newOwnedBox(t *testing.T) *box {
	t.Helper()
	b := newBox(t)
	b.must("setup", "--owner", ownerName, "--password-file", b.password, "--recovery-out", b.recovery, "--without-second-factor")
	key, err := os.ReadFile(b.recovery)
	if err != nil {
		t.Fatal(err)
	}
	b.secrets = append(b.secrets, strings.TrimSpace(string(key)))
	return b
}

// Write implements io.Writer for what the box says.
func (b *box) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.said.Write(p)
}

func (b *box) log() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.said.String()
}

// lares runs a command of the box to its end and returns its exit code and
// what it wrote.
func (b *box) lares(args ...string) (code int, output string) {
	var out bytes.Buffer
	args = append([]string{args[0], "--data", b.data}, args[1:]...)
	if args[0] == "camera" {
		args[1], args[2], args[3] = args[3], "--data", b.data
	}
	code = run(b.t.Context(), args, &out, &out)
	_, _ = b.Write(out.Bytes())
	return code, out.String()
}

// must runs a command that has to succeed.
func (b *box) must(args ...string) string {
	b.t.Helper()
	code, output := b.lares(args...)
	if code != exitGood {
		b.t.Fatalf("lares %s: exit code %d\n%s", strings.Join(args, " "), code, output)
	}
	return output
}

// as are the flags that open footage with the owner's password.
func (b *box) as(args ...string) []string {
	return append(args, "--as", ownerName, "--password-file", b.password)
}

// start begins to serve and does not wait.
func (b *box) start() {
	b.t.Helper()
	// What is filtered belongs to another box, or to the service manager.
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "TMPDIR=") && !strings.HasPrefix(v, "CREDENTIALS_DIRECTORY=") {
			env = append(env, v)
		}
	}
	cmd := exec.Command(b.program, "serve", "--data", b.data, "--footage", b.footage, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0")
	cmd.Env = append(append(env, "TMPDIR="+b.temp), b.env...)
	cmd.Stdout, cmd.Stderr = b, b
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.process, b.ended = cmd, make(chan struct{})
	go func(ended chan struct{}) {
		_ = cmd.Wait() // the exit code is read from the process
		close(ended)
	}(b.ended)
}

// serve begins to serve and waits until the console answers.
func (b *box) serve() {
	b.t.Helper()
	b.start()
	b.eventually("the console answers", func() bool { _, ok := b.status(); return ok })
}

// status asks the running process; ok says that it answered.
func (b *box) status() (s console.Status, ok bool) {
	ctx, cancel := context.WithTimeout(b.t.Context(), 10*time.Second)
	defer cancel()
	err := console.Dial(filepath.Join(b.data, socketName)).Call(ctx, http.MethodGet, "/status", nil, &s)
	return s, err == nil && s.Running
}

// stream returns the state of a camera's stream.
func (b *box) stream(name string, q nvr.Quality) console.StreamState {
	s, _ := b.status()
	for _, camera := range s.Cameras {
		for _, state := range camera.State {
			if camera.Name == name && state.Quality == q.String() {
				return state
			}
		}
	}
	return console.StreamState{}
}

func (b *box) recording(name string, q nvr.Quality) bool { return b.stream(name, q).Recording }

// waitRecording waits until a stream is recorded and returns when that was seen.
func (b *box) waitRecording(name string, q nvr.Quality) time.Time {
	b.t.Helper()
	b.eventually(name+" is recorded", func() bool { return b.recording(name, q) })
	return time.Now()
}

// stop ends the process as systemd does and returns its exit code and how long
// it took.
func (b *box) stop() (code int, took time.Duration) {
	b.t.Helper()
	asked := time.Now()
	if err := b.process.Process.Signal(syscall.SIGTERM); err != nil {
		b.t.Fatal(err)
	}
	select {
	case <-b.ended:
	case <-time.After(patience):
		b.kill()
		b.t.Fatal("SIGTERM did not end the process")
	}
	return b.process.ProcessState.ExitCode(), time.Since(asked)
}

func (b *box) mustStop() {
	b.t.Helper()
	if code, _ := b.stop(); code != exitGood {
		b.t.Fatalf("serve ended with exit code %d", code)
	}
}

// kill ends the process as a crash does. A process that has ended stays so.
func (b *box) kill() {
	if b.process == nil {
		return
	}
	_ = b.process.Process.Kill() // it may have ended
	<-b.ended
}

// eventually waits for a condition.
func (b *box) eventually(what string, condition func() bool) {
	b.t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("waited %v in vain until %s", patience, what)
		}
	}
}

// simulate runs a camera until the test ends.
func simulate(t *testing.T, cfg camsim.Config) *camsim.Camera {
	t.Helper()
	cfg.Record = true
	sim, err := camsim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- sim.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("simulated camera: %v", err)
		}
	})
	return sim
}

// clip loads a small clip of the simulated camera.
func clip(t *testing.T, name string) *camsim.Clip {
	t.Helper()
	c, err := camsim.Load(clipFile(name))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func clipFile(name string) string {
	return filepath.Join("..", "..", "nvr", "camera", "camsim", "testdata", name)
}

// sharedFootage returns a real recording, or "" where there is none.
func sharedFootage(name string) string {
	dir := os.Getenv("LARES_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared")
	}
	file := filepath.Join(dir, "footage", name)
	if _, err := os.Stat(file); err != nil {
		return ""
	}
	return file
}

// addCamera adds a simulated camera without password.
func (b *box) addCamera(name string, sim *camsim.Camera, sub bool) {
	b.t.Helper()
	args := []string{"camera", "add", name, sim.URL(nvr.Main)}
	if sub {
		args = append(args, "--sub", sim.URL(nvr.Sub))
	}
	b.must(args...)
}

// files lists all regular files below some folders, with what is in them.
func files(t *testing.T, dirs ...string) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return err
			}
			all[name], err = os.ReadFile(name)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func writeFile(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func last(s string, n int) string { return s[max(0, len(s)-n):] }

// rfc3339 is a time as flags take it.
func rfc3339(t time.Time) string { return t.Format(time.RFC3339Nano) }

// checkClean fails the test where 'lares check' finds anything.
func (b *box) checkClean(args ...string) {
	b.t.Helper()
	code, output := b.lares(append([]string{"check", "--json"}, args...)...)
	var report console.CheckAnswer
	if err := json.Unmarshal([]byte(jsonLine.FindString(output)), &report); err != nil {
		b.t.Fatalf("check: %v\n%s", err, output)
	}
	if code != exitGood || len(report.Findings) > 0 || report.Log != "" || report.Segments == 0 {
		b.t.Errorf("lares check %s: exit code %d, %d segments\n%s", strings.Join(args, " "), code, report.Segments, output)
	}
}

// jsonLine finds the answer between lines of the log.
var jsonLine = regexp.MustCompile(`(?m)^\{.*\}$`)

// closedPort returns an address of this machine where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr())
}
