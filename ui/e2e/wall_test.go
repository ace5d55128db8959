package e2e

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/camera/camsim"
)

const (
	// tiles is how many cameras the wall has, the demo's own among them.
	tiles = 12
	// before is how long the camera with the numbered pictures runs before it is
	// away for a moment, so that there is a gap.
	before = 14 * time.Second
	away   = 3 * time.Second
)

// TestWallInABrowser looks at many cameras at once, and at one whose pictures
// tell their number in bars: 12 bits, the lowest first, black or white.
func TestWallInABrowser(t *testing.T) {
	tools := needTools(t)
	clip := barcode(t)
	bin := build(t)
	house := startDemo(t, bin)
	numbered := startCamera(t, clip, "")
	add := func(name, url string) {
		cmd := exec.CommandContext(t.Context(), bin, "camera", "add", name, url, "--no-motion", "--data", house.data)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("add %s: %v\n%s", name, err, out)
		}
	}
	add("Numbers", numbered.url)
	began := time.Now()
	plain := simulatedCamera(t)
	for i := 3; i <= tiles; i++ {
		add(fmt.Sprintf("Camera %d", i), plain)
	}
	time.Sleep(time.Until(began.Add(before)))
	numbered.stop()
	time.Sleep(away)
	startCamera(t, clip, numbered.address)
	out := t.TempDir()
	runScript(t, tools, "wall.mjs", out,
		"LARES_URL="+house.url, "LARES_USER="+house.user, "LARES_PASSWORD="+house.password, fmt.Sprintf("LARES_TILES=%d", tiles))
	if t.Failed() || os.Getenv("LARES_KEEP") != "" {
		keepAll(t, out)
	}
}

// barcode draws 20 s of numbered pictures, 20 a second, a key frame every 2 s.
func barcode(t *testing.T) *camsim.Clip {
	t.Helper()
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skip("ffmpeg is not installed: it draws the pictures")
	}
	name := filepath.Join(t.TempDir(), "numbers.mp4")
	bars := "geq=lum='if(lt(Y,60)*lt(X,576),16+219*mod(floor(N/pow(2,floor(X/48))),2),90+40*sin(X/40+N/9))':cb=128:cr=128"
	cmd := exec.CommandContext(t.Context(), ffmpeg, "-v", "error", "-f", "lavfi", "-i", "color=black:s=640x360:r=20:d=20,format=yuv420p,"+bars,
		"-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "40", "-sc_threshold", "0", "-crf", "24", name)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("draw the pictures: %v\n%s", err, out)
	}
	clip, err := camsim.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	return clip
}

// simulation is a running camera.
type simulation struct {
	url, address string
	stop         func()
}

// startCamera plays a clip until it is stopped or the test ends; at an unused
// address if it is empty.
func startCamera(t *testing.T, clip *camsim.Clip, address string) simulation {
	t.Helper()
	camera, err := camsim.New(camsim.Config{Main: clip, Address: address})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- camera.Run(ctx) }()
	u, err := url.Parse(camera.URL(nvr.Main))
	if err != nil {
		t.Fatal(err)
	}
	s := simulation{url: u.String(), address: u.Host}
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("simulated camera: %v", err)
		}
	}
	t.Cleanup(s.stop)
	return s
}
