// Package e2e drives the built program in a real browser, as a newcomer would:
// it starts the demo, logs in, watches, plays back and saves a clip.
//
// It owns the scenario in scenario.mjs and the browser driver of package.json.
// It needs node, Chromium and ffprobe, which `make test` installs. The test
// runs one program and one browser at a time.
package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// stopsWithin is how long the program may take to stop.
const stopsWithin = 10 * time.Second

func TestDemoInABrowser(t *testing.T) {
	tools := needTools(t)
	house := startDemo(t, build(t))
	out := t.TempDir()
	runScenario(t, tools, house, out)
	if !t.Failed() {
		t.Run("the clip is whole", func(t *testing.T) { checkClip(t, tools, filepath.Join(out, "clip.mp4")) })
		t.Run("the program stops by itself", func(t *testing.T) { house.stop(t) })
	}
	if t.Failed() {
		keepAll(t, out)
	} else {
		keepPictures(t, out)
	}
}

// tools are the programs that the test needs, by their paths.
type tools struct{ node, chromium, ffprobe string }

// needTools finds the programs. Where they are missing the test is skipped with
// words, or fails where it must run (CI=true or LARES_E2E=1).
func needTools(t *testing.T) tools {
	t.Helper()
	var missing []string
	find := func(names ...string) string {
		for _, name := range names {
			if path, err := exec.LookPath(name); err == nil {
				return path
			}
		}
		missing = append(missing, names[0])
		return ""
	}
	found := tools{
		node:     find("node"),
		chromium: find("chromium", "chromium-browser", "google-chrome"),
		ffprobe:  find("ffprobe"),
	}
	if _, err := os.Stat("node_modules/playwright-core"); err != nil {
		missing = append(missing, "the browser driver (playwright-core)")
	}
	if len(missing) == 0 {
		return found
	}
	text := fmt.Sprintf("missing: %s. `make test` installs what the tests need.", strings.Join(missing, ", "))
	if os.Getenv("CI") == "true" || os.Getenv("LARES_E2E") == "1" {
		t.Fatal(text)
	}
	t.Skip(text)
	return tools{}
}

// build builds the program as `make build` does and returns its path.
func build(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "lares")
	cmd := exec.CommandContext(t.Context(), "packaging/ffmpeg/env", "go", "build", "-trimpath", "-buildvcs=false", "-o", bin, "./cmd/lares")
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	return bin
}

// demo is a running `lares demo` and what it printed about itself.
type demo struct {
	url, user, password string
	data                string // its folder
	cmd                 *exec.Cmd
	done                chan error // gets the result of the program, once
}

// startDemo starts the demo in an empty folder and waits until it says where it
// can be opened. It is ended with the test.
func startDemo(t *testing.T, bin string) *demo {
	t.Helper()
	d := &demo{done: make(chan error, 1), data: t.TempDir()}
	d.cmd = exec.Command(bin, "demo", "--data", d.data, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0")
	log := &logLines{t: t}
	d.cmd.Stderr = log
	stdout, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatalf("open the output of the program: %v", err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatalf("start the program: %v", err)
	}
	t.Cleanup(func() { d.stop(t) })
	opened := make(chan error, 1)
	go func() {
		opened <- d.readLines(stdout)
		_, _ = io.Copy(log, stdout)
		d.done <- d.cmd.Wait()
		close(d.done)
	}()
	select {
	case err = <-opened:
	case <-time.After(time.Minute):
		err = errors.New("it printed no address within a minute")
	}
	if err != nil {
		t.Fatalf("start the demo: %v", err)
	}
	return d
}

// readLines reads the lines 'Open  URL', 'User  NAME' and 'Password  WORD', in
// whatever order, and returns when it has all.
func (d *demo) readLines(r io.Reader) error {
	line := regexp.MustCompile(`^\s*(Open|User|Password):?\s+(\S+)`)
	into := map[string]*string{"Open": &d.url, "User": &d.user, "Password": &d.password}
	for in := bufio.NewScanner(r); in.Scan(); {
		if m := line.FindStringSubmatch(in.Text()); m != nil {
			*into[m[1]] = m[2]
		}
		if d.url != "" && d.user != "" && d.password != "" {
			return nil
		}
	}
	return errors.New("it ended before it printed its address, user and password")
}

// stop interrupts the program and checks that it ends well and soon. Stopping
// again does nothing.
func (d *demo) stop(t *testing.T) {
	t.Helper()
	_ = d.cmd.Process.Signal(os.Interrupt) // it may have ended already
	select {
	case err, first := <-d.done:
		if first && err != nil {
			t.Errorf("the program ended with %v", err)
		}
	case <-time.After(stopsWithin):
		t.Errorf("the program did not stop within %v", stopsWithin)
		_ = d.cmd.Process.Kill()
		<-d.done
	}
}

// step is one line that the scenario writes.
type step struct {
	Step string `json:"step"`
	OK   bool   `json:"ok"`
	Note string `json:"note"`
	MS   int    `json:"ms"`
}

// runScenario runs the scenario of the demo.
func runScenario(t *testing.T, with tools, house *demo, out string) {
	t.Helper()
	runScript(t, with, "scenario.mjs", out,
		"LARES_URL="+house.url, "LARES_USER="+house.user, "LARES_PASSWORD="+house.password)
}

// runScript runs a scenario in the browser and reports each of its steps as a
// test of its own.
func runScript(t *testing.T, with tools, script, out string, env ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, with.node, script)
	cmd.Env = append(append(os.Environ(), "LARES_CHROMIUM="+with.chromium, "LARES_OUT="+out), env...)
	cmd.Stderr = &logLines{t: t}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatalf("open the output of the scenario: %v", err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start the scenario: %v", err)
	}
	steps := 0
	for in := json.NewDecoder(stdout); ; steps++ {
		var s step
		if err := in.Decode(&s); err != nil {
			break
		}
		t.Run(s.Step, func(t *testing.T) {
			if !s.OK {
				t.Error(s.Note)
				return
			}
			t.Logf("%d ms. %s", s.MS, s.Note)
		})
	}
	if err := cmd.Wait(); err != nil && !t.Failed() {
		t.Errorf("the scenario ended with %v", err)
	}
	if steps == 0 {
		t.Error("the scenario took no step")
	}
}

// checkClip looks at a saved clip with a program that is not ours.
func checkClip(t *testing.T, with tools, name string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), with.ffprobe, "-v", "error", "-count_frames", "-of", "json",
		"-show_entries", "stream=codec_name,width,height,nb_read_frames:format=duration", name)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("ffprobe: %v\n%s", err, out)
	}
	var clip struct {
		Streams []struct {
			Codec  string `json:"codec_name"`
			Width  int    `json:"width"`
			Frames string `json:"nb_read_frames"`
		} `json:"streams"`
		Format struct {
			Duration string `json:"duration"`
		} `json:"format"`
	}
	if err := json.Unmarshal(out, &clip); err != nil {
		t.Fatalf("read the answer of ffprobe: %v\n%s", err, out)
	}
	if len(clip.Streams) != 1 || clip.Streams[0].Codec != "h264" || clip.Streams[0].Width != 1280 {
		t.Fatalf("the clip is not one H.264 stream of the demo camera:\n%s", out)
	}
	frames, _ := strconv.Atoi(clip.Streams[0].Frames)
	seconds, _ := strconv.ParseFloat(clip.Format.Duration, 64)
	// Twelve seconds were asked for; a clip begins at the key frame before, and
	// key frames are two seconds apart. The demo has 15 frames a second.
	if seconds < 11.5 || seconds > 15.5 {
		t.Errorf("the clip lasts %v s, want 12 and up to a key frame more", seconds)
	}
	if want := int(seconds*15 + 0.5); frames < want-2 || frames > want+2 {
		t.Errorf("the clip has %d frames in %v s, want about %d", frames, seconds, want)
	}
}

// keepPictures copies the pictures of the pages to the folder that
// LARES_SCREENSHOTS names, if any, under the names that the README uses.
func keepPictures(t *testing.T, out string) {
	t.Helper()
	dir := os.Getenv("LARES_SCREENSHOTS")
	if dir == "" {
		return
	}
	for from, to := range map[string]string{
		"camera-desktop-light.png": "desktop.png", "camera-desktop-dark.png": "desktop-dark.png",
		"camera-phone-light.png": "phone.png", "camera-phone-dark.png": "phone-dark.png",
	} {
		picture, err := os.ReadFile(filepath.Join(out, from))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, to), picture, 0o644)
		}
		if err != nil {
			t.Errorf("keep %s: %v", to, err)
		}
	}
}

// keepAll leaves what a failed scenario made in the folder out, to look at.
func keepAll(t *testing.T, out string) {
	t.Helper()
	err := os.RemoveAll("out")
	if err == nil {
		err = os.CopyFS("out", os.DirFS(out))
	}
	if err != nil {
		t.Errorf("keep what the scenario made: %v", err)
		return
	}
	t.Log("ui/e2e/out has what the scenario made, failed.png among it")
}

// logLines sends what a program writes to the log of the test.
type logLines struct{ t *testing.T }

func (l *logLines) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}
