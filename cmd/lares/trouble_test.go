package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/camera/camsim"
)

// mjpeg is what a camera says that sends JPEG pictures (RFC 2435).
const mjpeg = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n" +
	"m=video 0 RTP/AVP 26\r\na=rtpmap:26 JPEG/90000\r\na=control:trackID=0\r\n"

// trouble is a camera that cannot be recorded, and the words that say why.
type trouble struct {
	name  string
	words []string
}

func troubles() []trouble {
	return []trouble{
		{"Rejecting", []string{"rejects the user name or the password", "Correct them in its settings"}},
		{"Without", []string{"asks for a user name and password"}},
		{"Unreachable", []string{"refuses the connection", "Is RTSP switched on in the camera"}},
		{"JPEG", []string{"Switch it to H.264 or H.265"}},
		{"Banning", []string{"closed the connection", "after wrong passwords"}},
	}
}

// TestCameraInTroubleSaysWhatToDo has one box with a camera for each trouble and
// one that works: nothing else is lost.
func TestCameraInTroubleSaysWhatToDo(t *testing.T) {
	t.Parallel()
	b := newOwnedBox(t)
	b.secrets = append(b.secrets, "wrong horse", cameraPassword)
	wrong, right := filepath.Join(t.TempDir(), "wrong"), filepath.Join(t.TempDir(), "right")
	writeFile(t, wrong, "wrong horse\n")
	writeFile(t, right, cameraPassword+"\n")
	guarded := func(main string) *camsim.Camera {
		return simulate(t, camsim.Config{
			Main: clip(t, main), Sub: clip(t, "plain.mp4"), Auth: camsim.DigestMD5, User: cameraUser, Password: cameraPassword,
		})
	}
	rejecting, banning, silent := guarded("plain.mp4"), guarded("plain.mp4"), guarded("h265.mp4")
	banning.Misbehave(camsim.Misbehaviour{BanAfter: 1})
	unfit := simulate(t, camsim.Config{Main: clip(t, "plain.mp4")})
	unfit.Misbehave(camsim.Misbehaviour{Description: mjpeg})
	works := simulate(t, camsim.Config{Main: clip(t, "plain.mp4")})

	b.must("camera", "add", "Rejecting", rejecting.URL(nvr.Main), "--sub", rejecting.URL(nvr.Sub), "--user", cameraUser, "--password-file", wrong)
	b.must("camera", "add", "Without", silent.URL(nvr.Main))
	b.must("camera", "add", "Unreachable", "rtsp://"+closedPort(t)+"/main")
	b.addCamera("JPEG", unfit, false)
	b.addCamera("Works", works, false)
	began := time.Now()
	b.serve()
	seen := b.waitRecording("Works", nvr.Main)
	if code, _ := b.lares("camera", "probe", banning.URL(nvr.Main), "--user", cameraUser, "--password-file", wrong); code != exitWrong {
		t.Errorf("probe with a wrong password: exit code %d", code)
	}
	b.must("camera", "add", "Banning", banning.URL(nvr.Main), "--user", cameraUser, "--password-file", right)
	for _, c := range troubles() {
		b.eventually(c.name+" says why", func() bool { return says(b.stream(c.name, nvr.Main).Detail, c.words) })
	}
	for _, args := range [][]string{{"status"}, {"camera", "list"}} {
		code, output := b.lares(args...)
		if want := map[bool]int{true: exitWrong, false: exitGood}[args[0] == "status"]; code != want {
			t.Errorf("lares %v: exit code %d, want %d", args, code, want)
		}
		for _, c := range troubles() {
			if !says(lineOf(output, c.name), append(c.words, "not recording")) {
				t.Errorf("lares %v does not say of %s %q:\n%s", args, c.name, c.words, output)
			}
		}
	}
	banning.Forgive()
	b.waitRecording("Banning", nvr.Main)
	if n := rejecting.WrongPasswords(); n != 1 {
		t.Errorf("the rejected password was sent %d times, want once", n)
	}
	if n := banning.WrongPasswords(); n != 0 {
		t.Errorf("after the ban %d wrong passwords were sent", n)
	}
	stopped := time.Now()
	b.mustStop()
	(&played{name: "Works", sim: works, q: nvr.Main, seen: seen}).compare(t, b, began, stopped)
}

func says(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// lineOf returns the first line that begins with a name.
func lineOf(output, name string) string {
	for line := range strings.Lines(output) {
		if strings.HasPrefix(line, name) {
			return line
		}
	}
	return ""
}
