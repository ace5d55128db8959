package main

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	_ "embed" // the script
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"lares/nvr/camera/camsim"
)

//go:embed live.mjs
var liveScript []byte

// liveGoal is how soon half of the visits must show a picture, ms.
const liveGoal = 300

// live measures how soon a browser shows the live picture, beside a page that
// plays pictures out of memory.
func (p *plan) live(ctx context.Context) error {
	p.title("Live: first picture in Chromium, %d visits, main stream", p.visits)
	main, err := clip(ctx, p.cache, mainClip())
	if err != nil {
		return err
	}
	floor, err := p.floorPage(ctx)
	if err != nil {
		return err
	}
	defer floor.Close() //nolint:errcheck // nobody is served any more
	return p.with(ctx, []*camsim.Clip{main}, nil, func(ctx context.Context, cs cameras) (err error) {
		b, err := newBox(ctx, p.lares, p.path("box-live"), cs, features{})
		if err != nil {
			return err
		}
		box, err := b.serve(ctx)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, box.stop()) }()
		if err := pause(ctx, p.warmUp); err != nil {
			return err
		}
		return p.visit(ctx, b, pageOf(box.printed()), floor.Addr)
	})
}

// pageOf finds the address that serve prints.
func pageOf(printed string) string {
	_, rest, _ := strings.Cut(printed, "Open")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return ""
	}
	return fields[0]
}

func (p *plan) visit(ctx context.Context, b box, page, floor string) error {
	var chromium string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil && chromium == "" {
			chromium = found
		}
	}
	driver, err := filepath.Abs(filepath.Join(p.root, "ui/e2e/browser.mjs"))
	if err != nil {
		return err
	}
	if chromium == "" || page == "" {
		return errors.New("no Chromium, or no page: 'make test' installs what is needed")
	}
	password, err := os.ReadFile(b.file("password"))
	if err != nil {
		return err
	}
	script := p.path("live.mjs")
	if err := os.WriteFile(script, liveScript, 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "node", script) //nolint:gosec // our own script
	cmd.Env = append(os.Environ(), "BENCH_DRIVER="+driver, "BENCH_CHROMIUM="+chromium, "BENCH_URL="+page, "BENCH_FLOOR="+floor,
		"BENCH_USER="+owner, "BENCH_PASSWORD="+string(password), "BENCH_VISITS="+strconv.Itoa(p.visits))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("drive the browser: %w", err)
	}
	var got struct{ Lares, Request, Floor, Glass, Begin, GlassFloor []float64 }
	if err := json.Unmarshal(out, &got); err != nil {
		return fmt.Errorf("read what the browser measured: %w", err)
	}
	p.say("  floor, a page that plays from memory   p50 %.0f ms, p95 %.0f ms  (%s)", median(got.Floor), quantile(got.Floor, 0.95), whole(got.Floor))
	p.say("  lares, from the navigation             p50 %.0f ms, p95 %.0f ms  (%s)", median(got.Lares), quantile(got.Lares, 0.95), whole(got.Lares))
	p.say("  lares, from the request for pictures   p50 %.0f ms, p95 %.0f ms", median(got.Request), quantile(got.Request, 0.95))
	p.bar("first picture p50 from the navigation, ms", median(got.Lares), liveGoal, "load "+load())
	p.say("Camera to glass, every picture shown, of a camera with 15 a second")
	for _, part := range []struct {
		name string
		all  []float64
	}{
		{"floor: a page that appends a picture when it is due", got.GlassFloor},
		{"lares, first two seconds of a visit", got.Begin},
		{"lares, from then on", got.Glass},
	} {
		p.say("  %-52s p50 %.0f ms, p95 %.0f ms  (%d pictures)", part.name, median(part.all), quantile(part.all, 0.95), len(part.all))
	}
	return nil
}

func whole(all []float64) string {
	words := make([]string, len(all))
	for i, n := range all {
		words[i] = fmt.Sprintf("%.0f", n)
	}
	return strings.Join(words, " ")
}

const floorHTML = `<!DOCTYPE html><title>floor</title><video id="floor" muted playsinline width="1280"></video>
<script type="module">
const video = document.getElementById('floor'), source = new MediaSource();
const opened = new Promise((resolve) => source.addEventListener('sourceopen', resolve, { once: true }));
video.src = URL.createObjectURL(source);
const answer = await fetch('/pictures');
await opened;
const buffer = source.addSourceBuffer(answer.headers.get('Content-Type'));
buffer.appendBuffer(await answer.arrayBuffer());
video.play();
</script>`

// glassHTML appends one picture after the other, each when it is due, and keeps
// the time at which it did: the delay from there to the glass is the browser's own.
const glassHTML = `<!DOCTYPE html><title>floor</title><video id="floor" muted playsinline width="1280"></video>
<script type="module">
const video = document.getElementById('floor'), source = new MediaSource();
const opened = new Promise((resolve) => source.addEventListener('sourceopen', resolve, { once: true }));
video.src = URL.createObjectURL(source);
const answer = await fetch('/pictures?seconds=6');
const media = await answer.arrayBuffer(), view = new DataView(media);
await opened;
const buffer = source.addSourceBuffer(answer.headers.get('Content-Type'));
const parts = [];
let from = 0;
for (let at = 0; at < media.byteLength;) {
  at += view.getUint32(at);
  const next = at + 8 <= media.byteLength ? view.getUint32(at + 4) : 0x6d6f6f66;
  if (next === 0x6d6f6f66) { parts.push(media.slice(from, at)); from = at; } // moof: a picture begins
}
const append = (part) => new Promise((resolve) => {
  buffer.addEventListener('updateend', resolve, { once: true });
  buffer.appendBuffer(part);
});
window.due = [];
await append(parts.shift());
video.play();
const begin = performance.now();
for (const [i, part] of parts.entries()) {
  const due = begin + i * 1000 / PICTURES;
  while (performance.now() < due) await new Promise((resolve) => setTimeout(resolve, due - performance.now()));
  window.due.push(performance.now());
  await append(part);
}
</script>`

// floorPage serves, over HTTPS as Lares does, a page that plays a group of
// pictures of the main clip, and one that plays them as they come. Close the
// server.
func (p *plan) floorPage(ctx context.Context) (*http.Server, error) {
	pictures := make(map[string][]byte) // by their seconds
	for _, seconds := range []string{"2", "6"} {
		var err error
		if pictures[seconds], err = p.beginning(ctx, seconds); err != nil {
			return nil, err
		}
	}
	cert, err := ownCertificate()
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(floorHTML)) // the browser went away
	})
	mux.HandleFunc("GET /glass", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(strings.Replace(glassHTML, "PICTURES", strconv.Itoa(mainClip().rate), 1))) // the browser went away
	})
	mux.HandleFunc("GET /pictures", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", `video/mp4; codecs="avc1.640028"`)
		_, _ = w.Write(pictures[cmp.Or(r.FormValue("seconds"), "2")]) // the browser went away
	})
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{
		Addr: "https://" + listener.Addr().String() + "/", Handler: mux, ReadHeaderTimeout: stopWithin,
		ErrorLog:  slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // the browser does not know the certificate
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13},
	}
	go func() { _ = server.ServeTLS(listener, "", "") }() // ends with Close
	return server, nil
}

// beginning returns the first seconds of the main clip as mp4 with a fragment
// for each picture; two of them are a group of pictures.
func (p *plan) beginning(ctx context.Context, seconds string) ([]byte, error) {
	s := mainClip()
	name := p.path("beginning-" + seconds + ".mp4")
	_, err := output(ctx, "ffmpeg", "-nostdin", "-loglevel", "error", "-i", s.file(p.cache), "-c", "copy", "-t", seconds,
		"-movflags", "empty_moov+frag_every_frame+default_base_moof", name)
	if err != nil {
		return nil, fmt.Errorf("cut the beginning of the clip: %w", err)
	}
	return os.ReadFile(name)
}

func ownCertificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
