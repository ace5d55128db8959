package homekit

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lares/nvr"
)

// interop skips a test that needs programs of others unless LARES_INTEROP is set:
// they are fetched and built.
func interop(t *testing.T, programs ...string) {
	t.Helper()
	if os.Getenv("LARES_INTEROP") == "" {
		t.Skip("LARES_INTEROP is not set: a controller that others wrote is not fetched")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%s is missing", p)
		}
	}
}

// command runs a program and returns what it printed.
func command(t *testing.T, limit time.Duration, dir, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// go2rtc is that program with one camera of the house in it.
type go2rtc struct {
	t         *testing.T
	api, rtsp string
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// startGo2rtc builds and runs go2rtc, and pairs it with an accessory.
func startGo2rtc(t *testing.T, h *house, a nvr.HomeAccessory) *go2rtc {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "go2rtc")
	if out, err := command(t, 10*time.Minute, "interop", "go", "build", "-o", program, "github.com/AlexxIT/go2rtc"); err != nil {
		t.Fatalf("build go2rtc: %v\n%s", err, out)
	}
	g := &go2rtc{t: t, api: fmt.Sprintf("127.0.0.1:%d", freePort(t)), rtsp: fmt.Sprintf("127.0.0.1:%d", freePort(t))}
	config := filepath.Join(dir, "go2rtc.yaml")
	text := fmt.Sprintf("api: {listen: %q}\nrtsp: {listen: %q}\nsrtp: {listen: \"127.0.0.1:%d\"}\nwebrtc: {listen: \"\"}\n", g.api, g.rtsp, freePort(t))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-config", config)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	h.until("go2rtc", func() bool {
		c, err := net.Dial("tcp", g.api)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	uuid, err := h.stores[a.Camera].Get("uuid")
	if err != nil {
		t.Fatal(err)
	}
	g.post(map[string]string{
		"id":  "door",
		"url": fmt.Sprintf("homekit://%s:%d?device_id=%s&feature=0&pin=%s", h.host, a.Port, uuid, a.Code),
	})
	return g
}

// post pairs.
func (g *go2rtc) post(fields map[string]string) {
	g.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, value := range fields {
		if err := form.WriteField(name, value); err != nil {
			g.t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		g.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(g.t.Context(), http.MethodPost, "http://"+g.api+"/api/homekit", &body)
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Content-Type", form.FormDataContentType())
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if text, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		g.t.Fatalf("pair go2rtc: %d %s, %v", answer.StatusCode, text, err)
	}
}

// first returns how long a view takes from the request to its first picture,
// decoded.
func (g *go2rtc) first() time.Duration {
	g.t.Helper()
	begin := time.Now()
	out, err := command(g.t, 20*time.Second, "", "ffmpeg", "-nostdin", "-v", "error", "-rtsp_transport", "tcp", "-analyzeduration", "0", "-probesize", "32",
		"-i", "rtsp://"+g.rtsp+"/door?video", "-frames:v", "1", "-f", "null", "-")
	if err != nil {
		g.t.Fatalf("view: %v\n%s", err, out)
	}
	return time.Since(begin)
}

// 20 views follow each other, none of which says that it ends. go2rtc asks mDNS
// first each time, which costs it three seconds unless the loopback interface
// passes multicast (see below).
func TestGo2rtcWatchesAgainAndAgain(t *testing.T) {
	interop(t, "ffmpeg")
	h := newHouseAt(t, "127.0.0.1") // which is what mDNS says of the loopback interface
	g := startGo2rtc(t, h, h.offer(nvr.ReachAway))
	out, err := command(t, 60*time.Second, "", "ffmpeg", "-nostdin", "-v", "error", "-rtsp_transport", "tcp", "-i", "rtsp://"+g.rtsp+"/door?video",
		"-t", "5", "-c", "copy", "-f", "mp4", "-y", filepath.Join(t.TempDir(), "live.mp4"))
	if err != nil {
		t.Fatalf("watch for 5 s: %v\n%s", err, out)
	}
	var times []time.Duration
	for range 20 {
		times = append(times, g.first())
	}
	slices.Sort(times)
	t.Logf("request to first decoded picture: p50 %v, worst %v", times[len(times)/2], times[len(times)-1])
	if strings.Contains(out, "error") {
		t.Errorf("ffmpeg says: %s", out)
	}
	h.until("the end of all streams", func() bool {
		for _, s := range h.serving(h.camera.ID).slots {
			if s.state()[2] != 0 {
				return false
			}
		}
		return true
	})
}

// hap-controller pairs, looks around and is told of motion. Where the loopback
// interface passes multicast (in a network namespace: ip link set lo up multicast
// on; ip route add 224.0.0.0/4 dev lo) it finds the camera by mDNS as well.
func TestHapControllerFindsAllItNeeds(t *testing.T) {
	interop(t, "node", "npm")
	h := newHouseAt(t, "127.0.0.1") // which is what mDNS says of the loopback interface
	a := h.offer(nvr.ReachAway)
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", "controller.mjs"} {
		b, err := os.ReadFile(filepath.Join("interop", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := command(t, 5*time.Minute, dir, "npm", "ci", "--ignore-scripts", "--omit=optional", "--prefer-offline"); err != nil {
		t.Fatalf("fetch hap-controller: %v\n%s", err, out)
	}
	args := []string{"controller.mjs", h.host, fmt.Sprint(a.Port), a.Code[:3] + "-" + a.Code[3:5] + "-" + a.Code[5:]}
	if lo, err := net.InterfaceByName("lo"); err == nil && lo.Flags&net.FlagMulticast != 0 {
		args = append(args, "discover")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", args...)
	cmd.Dir, cmd.Stderr = dir, t.Output()
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	steps := bufio.NewScanner(out)
	for steps.Scan() {
		t.Log(steps.Text())
		if strings.Contains(steps.Text(), "motion?") {
			h.bus.Publish(nvr.Event{Kind: nvr.Motion, Camera: h.camera.ID, Start: time.Now()})
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("hap-controller: %v", err)
	}
}
