package main

import (
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
		b, err := newBox(ctx, p.lares, p.path("box-live"), cs, false)
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
	var got struct{ Lares, Request, Floor, Glass []float64 }
	if err := json.Unmarshal(out, &got); err != nil {
		return fmt.Errorf("read what the browser measured: %w", err)
	}
	p.say("  floor, a page that plays from memory   p50 %.0f ms, p95 %.0f ms  (%s)", median(got.Floor), quantile(got.Floor, 0.95), whole(got.Floor))
	p.say("  lares, from the navigation             p50 %.0f ms, p95 %.0f ms  (%s)", median(got.Lares), quantile(got.Lares, 0.95), whole(got.Lares))
	p.say("  lares, from the request for pictures   p50 %.0f ms, p95 %.0f ms", median(got.Request), quantile(got.Request, 0.95))
	p.bar("first picture p50 from the navigation, ms", median(got.Lares), liveGoal, "load "+load())
	p.say("  camera to glass, once it runs          p50 %.0f ms  (%s)", median(got.Glass), whole(got.Glass))
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

// floorPage serves a page that plays a group of pictures of the main clip, over
// HTTPS as Lares does. Close the server.
func (p *plan) floorPage(ctx context.Context) (*http.Server, error) {
	pictures, err := p.group(ctx)
	if err != nil {
		return nil, err
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
	mux.HandleFunc("GET /pictures", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", `video/mp4; codecs="avc1.640028"`)
		_, _ = w.Write(pictures) // the browser went away
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

// group returns the first group of pictures of the main clip as fragmented mp4.
func (p *plan) group(ctx context.Context) ([]byte, error) {
	s := mainClip()
	name := p.path("group.mp4")
	_, err := output(ctx, "ffmpeg", "-nostdin", "-loglevel", "error", "-i", s.file(p.cache), "-c", "copy", "-t", "2",
		"-movflags", "empty_moov+frag_every_frame+default_base_moof", name)
	if err != nil {
		return nil, fmt.Errorf("cut a group of pictures: %w", err)
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
