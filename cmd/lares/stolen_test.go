package main

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lares/cmd/lares/internal/console"
	"lares/nvr"
	"lares/nvr/camera/camsim"
	"lares/nvr/vault"
)

const (
	cameraName     = "Quiet hallway upstairs"
	cameraUser     = "viewer-of-hallway"
	cameraPassword = "wicker basket 4711"
)

// trace is something that must not be found on a stolen box.
type trace struct {
	what  string
	bytes []byte
}

// texts are the forms in which a secret text might have been written down.
func texts(what, secret string) []trace {
	raw := []byte(secret)
	return []trace{
		{what, raw},
		{what + " in hexadecimal", []byte(hex.EncodeToString(raw))},
		{what + " in base64", []byte(base64.RawStdEncoding.EncodeToString(raw))[:len(raw)]},
		{what + " in UTF-16", []byte(strings.Join(strings.Split(secret, ""), "\x00"))},
	}
}

// pictures are samples of a clip's pictures and parameter sets.
func pictures(t *testing.T, file string) []trace {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const sample, step = 24, 61
	var all []trace
	at := bytes.Index(raw, []byte("mdat")) + 4
	for ; at+sample < len(raw); at += step {
		if varied(raw[at : at+sample]) {
			all = append(all, trace{"a sample of the pictures", raw[at : at+sample]})
		}
	}
	// avcC (ISO 14496-15, 5.3.3.1.2): the parameter sets begin 6 bytes in.
	sets := bytes.Index(raw, []byte("avcC")) + 4 + 8
	return append(all, trace{"a parameter set", raw[sets : sets+16]})
}

// varied reports whether bytes are so many different ones that nothing else
// looks like them by chance.
func varied(sample []byte) bool {
	seen := make(map[byte]bool)
	for _, b := range sample {
		seen[b] = true
	}
	return len(seen) > len(sample)*2/3
}

// marks are what every file of video or pictures begins with. The bytes around
// the names of boxes are what sizes and versions are, so that random bytes do
// not look like one.
func marks(content []byte) (found []string) {
	for _, box := range []string{"ftyp", "moof", "mdat", "moov", "avcC"} {
		for rest := content; ; {
			i := bytes.Index(rest, []byte(box))
			if i < 0 {
				break
			}
			if i >= 4 && rest[i-4] == 0 {
				found = append(found, "mp4 box "+box)
			}
			rest = rest[i+4:]
		}
	}
	// With the byte that follows: the headers of segments have small numbers in
	// front of random bytes as well.
	for magic, what := range map[string]string{
		"\xff\xd8\xff\xe0\x00\x10JFIF": "JPEG", "\x00\x00\x00\x01\x65\x88": "key frame", "\x00\x00\x00\x01\x40\x01\x0c": "H.265 parameter set",
		"\x00\x00\x00\x01\x67\x42": "baseline parameter set", "\x00\x00\x00\x01\x67\x64": "high parameter set",
	} {
		if bytes.Contains(content, []byte(magic)) {
			found = append(found, what)
		}
	}
	return found
}

// scan lists what is found in files.
func scan(all map[string][]byte, traces []trace) (found []string) {
	for name, content := range all {
		for _, what := range marks(content) {
			found = append(found, name+": "+what)
		}
		for _, one := range traces {
			if bytes.Contains(content, one.bytes) {
				found = append(found, name+": "+one.what)
			}
		}
	}
	return found
}

func TestR1R2StolenBoxShowsNothing(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	outside := t.TempDir()
	totp, password := filepath.Join(outside, "totp"), filepath.Join(outside, "camera")
	writeFile(t, password, cameraPassword)
	b.secrets = append(b.secrets, cameraPassword)
	b.must("setup", "--owner", ownerName, "--password-file", b.password, "--recovery-out", b.recovery, "--totp-out", totp)
	sim := simulate(t, camsim.Config{
		Main: clip(t, "bframes_aac.mp4"), Sub: clip(t, "plain.mp4"), Auth: camsim.DigestMD5, User: cameraUser, Password: cameraPassword,
	})
	b.must("camera", "add", cameraName, sim.URL(nvr.Main), "--sub", sim.URL(nvr.Sub), "--user", cameraUser, "--password-file", password)
	traces := append(pictures(t, clipFile("bframes_aac.mp4")), pictures(t, clipFile("plain.mp4"))...)
	for what, secret := range b.stolenSecrets(totp, sim) {
		traces = append(traces, texts(what, secret)...)
	}
	began := time.Now()
	b.serve()
	b.waitRecording(cameraName, nvr.Main)
	b.waitRecording(cameraName, nvr.Sub)
	time.Sleep(3 * time.Second) // of footage
	b.mustStop()
	b.mustShowNothing(traces)
	b.serve()
	b.waitRecording(cameraName, nvr.Main)
	time.Sleep(3 * time.Second) // of footage
	b.kill()
	b.mustShowNothing(traces)
	b.mustOpenNothing()
	// The scan itself: with the recovery key the footage is what it looks for.
	out := filepath.Join(outside, "clip.mp4")
	b.must("export", "--camera", cameraName, "--from", rfc3339(began), "--to", rfc3339(time.Now()), "--recovery-file", b.recovery, "-o", out)
	if found := scan(files(t, outside), traces); len(found) < 20 {
		t.Errorf("the scan finds only %d things in an open clip", len(found))
	}
}

// stolenSecrets are the texts that the box knows or has seen.
func (b *box) stolenSecrets(totpFile string, sim *camsim.Camera) map[string]string {
	b.t.Helper()
	read := func(name string) string {
		raw, err := os.ReadFile(name)
		if err != nil {
			b.t.Fatal(err)
		}
		return strings.TrimSpace(string(raw))
	}
	otpauth, err := url.Parse(read(totpFile))
	if err != nil {
		b.t.Fatal(err)
	}
	secret := otpauth.Query().Get("secret")
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	if err != nil || len(raw) < 10 {
		b.t.Fatalf("the secret of the second factor is %d bytes: %v", len(raw), err)
	}
	address, err := url.Parse(sim.URL(nvr.Main))
	if err != nil {
		b.t.Fatal(err)
	}
	b.secrets = append(b.secrets, secret, read(b.recovery))
	return map[string]string{
		"camera name": cameraName, "camera user": cameraUser, "camera password": cameraPassword, "camera address": address.Host,
		"owner's password": ownerPassword, "recovery key": read(b.recovery),
		"second factor": secret, "second factor, raw": string(raw),
	}
}

func (b *box) mustShowNothing(traces []trace) {
	b.t.Helper()
	all := files(b.t, b.home)
	if len(all) < 6 {
		b.t.Errorf("the box has %d files only", len(all))
	}
	for _, found := range scan(all, traces) {
		b.t.Error(found)
	}
}

// mustOpenNothing tries to open the segments with everything that a thief has.
func (b *box) mustOpenNothing() {
	b.t.Helper()
	wrong := filepath.Join(b.t.TempDir(), "wrong")
	writeFile(b.t, wrong, "seven otters row downstream")
	if code, output := b.lares("check", "--level", "keys", "--as", ownerName, "--password-file", wrong); code != exitWrong || strings.Contains(output, " findings") {
		b.t.Errorf("check with a wrong password: exit code %d\n%s", code, output)
	}
	writeFile(b.t, wrong, vault.NewRecoveryKey().String())
	_, output := b.lares("check", "--json", "--level", "keys", "--recovery-file", wrong)
	var report console.CheckAnswer
	if err := json.Unmarshal([]byte(jsonLine.FindString(output)), &report); err != nil {
		b.t.Fatalf("check: %v\n%s", err, output)
	}
	if report.Segments == 0 || len(report.Findings) != report.Segments {
		b.t.Errorf("with a foreign recovery key %d of %d segments do not open", len(report.Findings), report.Segments)
	}
	b.mustHoldNoKey()
}

// mustHoldNoKey tries all that lies in the data folder as the key of a segment.
func (b *box) mustHoldNoKey() {
	b.t.Helper()
	var segment *vault.Segment
	for name, content := range files(b.t, b.footage) {
		if strings.HasSuffix(name, ".seg") || strings.HasSuffix(name, ".part") {
			opened, err := vault.Open(bytes.NewReader(content), int64(len(content)))
			if err != nil {
				b.t.Fatal(err)
			}
			segment = opened
		}
	}
	if segment == nil {
		b.t.Fatal("there is no segment")
	}
	tried := files(b.t, b.data)
	const key = 32
	for name, content := range tried {
		base := filepath.Base(name)
		if strings.HasPrefix(base, indexName) || base == configName+"-wal" || base == configName+".reserve" {
			continue // what the files or the database hold, and room that is set aside
		}
		for at := 0; at+key <= len(content); at++ {
			window := content[at : at+key]
			if !varied(window) {
				continue
			}
			if _, err := segment.Unlock(window); err == nil {
				b.t.Fatalf("%s holds the key of a segment", name)
			}
		}
	}
}

func TestR25FootageDiskAndRecoveryKeyAreEnough(t *testing.T) {
	t.Parallel()
	b := newOwnedBox(t)
	sim := simulate(t, camsim.Config{Main: clip(t, "vfr.mp4")})
	b.addCamera("Gate", sim, false)
	began := time.Now()
	b.serve()
	b.waitRecording("Gate", nvr.Main)
	time.Sleep(2 * time.Second) // of footage
	b.mustStop()
	b.serve()
	seen := b.waitRecording("Gate", nvr.Main)
	time.Sleep(3 * time.Second) // of footage
	killed := time.Now()
	b.kill()
	if b.open() == 0 {
		t.Fatal("the kill left no open segment: the test shows nothing")
	}
	if err := os.RemoveAll(b.data); err != nil {
		t.Fatal(err)
	}
	b.checkClean("--level", "keys", "--recovery-file", b.recovery, "--footage", b.footage)
	// Nobody knows the camera's name any more. The answer says what there is.
	out := filepath.Join(t.TempDir(), "clip.mp4")
	rescue := []string{"--recovery-file", b.recovery, "--footage", b.footage}
	span := []string{"export", "--from", rfc3339(began), "--to", rfc3339(killed)}
	code, output := b.lares(append(append(span, "--camera", "Gate", "-o", out), rescue...)...)
	streams, err := filepath.Glob(filepath.Join(b.footage, "s*"))
	if err != nil || len(streams) != 1 {
		t.Fatalf("%d streams on the disk, %v", len(streams), err)
	}
	stream := strings.TrimPrefix(filepath.Base(streams[0]), "s")
	if code != exitWrong || !strings.Contains(output, stream) {
		t.Errorf("export of an unknown name: exit code %d, no word of %s\n%s", code, stream, output)
	}
	sent := sim.Sent(nvr.Main)
	kept := match(t, b.export(stream, nvr.Main, began, killed, rescue...), sent)
	life{started: began, recording: seen, killed: killed}.compareAfter(t, seen, sent, kept)
	left, err := os.ReadDir(os.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		if strings.HasPrefix(e.Name(), "lares-footage-") {
			t.Errorf("the throw-away folder %s is still there", e.Name())
		}
	}
}

// compareAfter looks whether all that was sent after a time was kept, until
// shortly before the kill.
func (l life) compareAfter(t *testing.T, from time.Time, sent []camsim.SentFrame, kept []bool) {
	t.Helper()
	for i, f := range sent {
		if f.Time.After(from) && f.Time.Before(l.killed.Add(-lossBound)) && !kept[i] {
			t.Errorf("a picture from %v before the kill is missing", l.killed.Sub(f.Time))
		}
	}
}

func TestRunningBoxIsNotDisturbedByALookAtItsFootage(t *testing.T) {
	t.Parallel()
	b := newOwnedBox(t)
	sim := simulate(t, camsim.Config{Main: clip(t, "plain.mp4")})
	b.addCamera("Gate", sim, false)
	began := time.Now()
	b.serve()
	p := &played{name: "Gate", sim: sim, q: nvr.Main, seen: b.waitRecording("Gate", nvr.Main)}
	time.Sleep(2 * time.Second) // of footage
	code, output := b.lares("check", "--level", "crc", "--footage", b.footage)
	if code != exitGood || !strings.Contains(output, "another Lares is writing it") {
		t.Errorf("check of footage in use: exit code %d\n%s", code, output)
	}
	time.Sleep(time.Second) // of footage
	stopped := time.Now()
	b.mustStop()
	p.compare(t, b, began, stopped)
	b.checkClean(b.as("--level", "keys")...)
}
