package e2e

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"lares/nvr/camera/camsim"
)

func TestFirstRunInABrowser(t *testing.T) {
	tools := needTools(t)
	camera := simulatedCamera(t)
	url, code := startServe(t, build(t))
	out := t.TempDir()
	runScript(t, tools, "firstrun.mjs", out, "LARES_URL="+url, "LARES_CODE="+code, "LARES_CAMERA="+camera)
	if t.Failed() || os.Getenv("LARES_KEEP") != "" {
		keepAll(t, out)
	}
}

// simulatedCamera plays a small clip until the test ends and returns its URL.
func simulatedCamera(t *testing.T) string {
	t.Helper()
	clip, err := camsim.Load(filepath.Join("..", "..", "nvr", "camera", "camsim", "testdata", "plain.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	return startCamera(t, clip, "").url
}

// startServe starts the program in an empty folder and returns what it prints:
// the address of the page and the one-time code.
func startServe(t *testing.T, bin string) (url, code string) {
	t.Helper()
	d := &demo{done: make(chan error, 1)}
	d.cmd = exec.Command(bin, "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0")
	log := &logLines{t: t}
	d.cmd.Stderr = log
	stdout, err := d.cmd.StdoutPipe()
	if err == nil {
		err = d.cmd.Start()
	}
	if err != nil {
		t.Fatalf("start the program: %v", err)
	}
	t.Cleanup(func() { d.stop(t) })
	read := make(chan error, 1)
	go func() {
		line := regexp.MustCompile(`^(Open|One-time code)\s+(\S+)`)
		in := bufio.NewScanner(stdout)
		for (url == "" || code == "") && in.Scan() {
			if m := line.FindStringSubmatch(in.Text()); m != nil {
				*map[string]*string{"Open": &url, "One-time code": &code}[m[1]] = m[2]
			}
		}
		if code == "" {
			read <- errors.New("it printed no address and one-time code")
		}
		close(read)
		_, _ = io.Copy(log, stdout)
		d.done <- d.cmd.Wait()
		close(d.done)
	}()
	select {
	case err = <-read:
	case <-time.After(time.Minute):
		err = os.ErrDeadlineExceeded
	}
	if err != nil {
		t.Fatalf("start the program: %v", err)
	}
	return url, code
}
