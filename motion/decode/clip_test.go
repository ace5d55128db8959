package decode

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lares/nvr"
)

// scene is a picture that moves a little and trembles, as a camera's does.
const scene = "testsrc=size=640x360:rate=10,noise=alls=8:allf=t"

// run runs ffmpeg and returns what it writes.
func run(t testing.TB, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		t.Skip("there is no ffmpeg on this machine to make a clip with")
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "ffmpeg", append([]string{"-v", "error", "-nostdin", "-y", "-bitexact"}, args...)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ffmpeg %s: %v\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return out
}

// clip makes a video file of a scene; name's end says the format.
func clip(t testing.TB, name, source, coding string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	args := append([]string{"-f", "lavfi", "-i", source}, strings.Fields(coding)...)
	run(t, append(args, path)...)
	return path
}

// frames reads all frames of a video file.
func frames(t testing.TB, path string) (*nvr.Params, []*nvr.Frame) {
	t.Helper()
	r, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f, err := OpenFile(r)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []*nvr.Frame
	for {
		frame, err := f.Next()
		if errors.Is(err, io.EOF) {
			return f.Params(), all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, frame)
	}
}
