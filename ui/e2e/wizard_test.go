package e2e

import (
	"context"
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/camera/camsim"
	"lares/nvr/camera/onvif"
)

// TestWizardInABrowser adds three simulated cameras: one that is found and whose
// clock is wrong, one that bans after two wrong passwords, one with ONVIF off.
//
// The search asks all links of the machine, so the test runs itself again in a
// network of its own that has nothing but the loopback.
func TestWizardInABrowser(t *testing.T) {
	tools := needTools(t)
	if os.Getenv("LARES_ALONE") == "" {
		runAlone(t)
		return
	}
	_, clock := simulatedDevice(t, "longgop.mp4", camsim.ONVIFConfig{
		Name: "Wrong Clock", Maker: "Reolink", Model: "RLC-510", Group: onvif.Group, MaxMasks: 4, TLS: true,
	})
	clock.Misbehave(camsim.ONVIFMisbehaviour{ClockAhead: -5 * time.Hour, WrongHost: true})
	_, bans := simulatedDevice(t, "plain.mp4", camsim.ONVIFConfig{Name: "Bans", Maker: "Tapo", Digest: true})
	bans.Misbehave(camsim.ONVIFMisbehaviour{BanAfter: 2})
	silent, off := simulatedDevice(t, "plain.mp4", camsim.ONVIFConfig{Name: "ONVIF off", Group: onvif.Group})
	off.Misbehave(camsim.ONVIFMisbehaviour{Off: true})

	house := startDemo(t, build(t))
	out := t.TempDir()
	runScript(t, tools, "wizard.mjs", out,
		"LARES_URL="+house.url, "LARES_USER="+house.user, "LARES_PASSWORD="+house.password,
		"LARES_BANS="+hostOf(t, bans.Service()), "LARES_SILENT="+hostOf(t, off.Service()), "LARES_SILENT_STREAM="+silent.URL(nvr.Main))
	if n := bans.WrongPasswords(); n != 1 {
		t.Errorf("the wrong password was offered %d times", n)
	}
	if len(clock.Masks()) != 1 {
		t.Errorf("the camera keeps %d masks", len(clock.Masks()))
	}
	if t.Failed() || os.Getenv("LARES_KEEP") != "" {
		keepAll(t, out)
	}
}

// runAlone runs the test in a network namespace.
func runAlone(t *testing.T) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const network = `ip link set lo up multicast on && ip route add 224.0.0.0/4 dev lo && exec "$0" -test.v -test.run "^$1$"`
	cmd := exec.Command("/bin/sh", "-c", network, exe, t.Name())
	cmd.Env = append(os.Environ(), "LARES_ALONE=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) {
		t.Skip("needs the right to make a network namespace")
	}
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}

func hostOf(t *testing.T, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// simulatedDevice is a camera with an ONVIF side, and with a password for both,
// until the test ends.
func simulatedDevice(t *testing.T, clipName string, cfg camsim.ONVIFConfig) (*camsim.Camera, *camsim.ONVIF) {
	t.Helper()
	const user, secret = "admin", "sesam & söhne"
	clip, err := camsim.Load(filepath.Join("..", "..", "nvr", "camera", "camsim", "testdata", clipName))
	if err != nil {
		t.Fatal(err)
	}
	camera, err := camsim.New(camsim.Config{Main: clip, Auth: camsim.DigestMD5, User: user, Password: secret})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Camera, cfg.User, cfg.Password = camera, user, secret
	side, err := camsim.NewONVIF(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, run := range []func(context.Context) error{camera.Run, side.Run} {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- run(ctx) }()
		t.Cleanup(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("simulated camera: %v", err)
			}
		})
	}
	return camera, side
}
