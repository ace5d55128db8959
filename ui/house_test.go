package ui_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/html"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/nvr/db"
	"lares/nvr/vault"
	"lares/ui"
	"lares/ui/cert"
)

const (
	anna     = "Anna"
	password = "four quiet herons paint"
	host     = "localhost"
)

// house is a web interface over the real household, with cameras and
// recordings of the test.
type house struct {
	t       *testing.T
	path    string
	machine *vault.MachineKey
	cfg     *db.Config
	auth    *auth.Service
	log     *brokenLog
	cert    *cert.Manager
	fleet   *fleet
	footage *footage
	moved   *moved
	decided *decided
	gadgets *gadgets
	curtain *curtain
	doorman *doorman
	bus     *nvr.Bus
	// protection is what the page of that name says.
	protection nvr.Protection
	*ui.Server
}

func newHouse(t *testing.T) *house {
	t.Helper()
	raw := make([]byte, vault.MachineKeySize)
	rand.Read(raw)
	key, err := vault.NewMachineKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{
		t: t, path: filepath.Join(t.TempDir(), "config.db"), machine: key,
		fleet: &fleet{streams: make(map[nvr.StreamID]*nvr.Stream)}, footage: &footage{}, decided: &decided{},
		moved: &moved{now: make(map[nvr.CameraID]nvr.Event), jpeg: func(nvr.EventRef) []byte { return []byte("jpeg") }}, bus: nvr.NewBus(),
		gadgets: &gadgets{report: nvr.DeviceReport{Problem: nvr.DeviceNoONVIF}}, curtain: newCurtain(), doorman: &doorman{},
	}
	h.start()
	t.Cleanup(h.stop)
	return h
}

func (h *house) start() {
	h.t.Helper()
	ctx, log := h.t.Context(), slog.New(slog.DiscardHandler)
	var err error
	if h.cfg, err = db.OpenConfig(ctx, h.path, h.machine, log); err != nil {
		h.t.Fatal(err)
	}
	h.log = &brokenLog{LogStore: h.cfg}
	h.auth, err = auth.New(ctx, auth.Config{
		Store: auth.Store{
			PeopleStore: h.cfg, RosterStore: h.cfg, VaultStore: h.cfg, SessionStore: h.cfg,
			ThrottleStore: h.cfg, LogStore: h.log, SettingStore: h.cfg,
		},
		Machine: h.machine, Log: log, KDF: vault.KDFParams{Version: 1, Time: 1, MemoryKiB: 8, Threads: 1},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.cert, err = cert.New(ctx, cert.Config{
		Store: secrets{h.cfg}, Hostname: "attic", Log: log,
		Addresses: func() ([]netip.Addr, error) { return nil, nil },
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.Server, err = ui.New(ui.Config{
		Auth: h.auth, Cameras: h.fleet, Control: h.fleet, Recordings: h.footage, Status: h.fleet, Cert: h.cert, Log: log,
		Erasure: h.decided, Evidence: h.decided, SegmentKeys: h.decided,
		Events: h.moved, Detection: h.moved, Privacy: h.curtain, HomeKit: h.doorman, Bus: h.bus, Devices: h.gadgets, Stills: h.gadgets, Protection: func() nvr.Protection { return h.protection },
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) stop() {
	h.auth.Close()
	if err := h.cfg.Close(); err != nil {
		h.t.Error(err)
	}
}

// restart is what a power cut does to logins: sessions stay, keys do not.
func (h *house) restart() {
	h.t.Helper()
	h.stop()
	h.start()
}

type secrets struct{ *db.Config }

func (s secrets) Load(ctx context.Context, name string) ([]byte, error) { return s.Setting(ctx, name) }

func (s secrets) Save(ctx context.Context, name string, b []byte) error {
	return s.SetSetting(ctx, name, b)
}

// brokenLog can be told to fail like a full disk.
type brokenLog struct {
	auth.LogStore
	mu     sync.Mutex // guards what follows
	broken bool
}

func (b *brokenLog) AppendLog(ctx context.Context, e nvr.LogEntry, state []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.broken {
		return errors.New("disk full")
	}
	return b.LogStore.AppendLog(ctx, e, state)
}

// claim makes Anna the owner and returns her session's token.
func (h *house) claim() string {
	h.t.Helper()
	_, token, err := h.auth.Claim(h.t.Context(), auth.ClaimRequest{
		Console: true, Name: anna, Password: password, WaiveSecondFactor: true, Recovery: auth.NewRecoveryKey(), Told: true,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return token
}

// entries counts the entries of an action in the record of who looked.
func (h *house) entries(token, action string) int {
	h.t.Helper()
	sess, err := h.auth.Resume(h.t.Context(), token, "192.0.2.1")
	if err != nil {
		h.t.Fatal(err)
	}
	lines, _, err := h.auth.ReadLog(h.t.Context(), sess, 0, 1000)
	if err != nil {
		h.t.Fatal(err)
	}
	n := 0
	for _, l := range lines {
		if l.Action == action {
			n++
		}
	}
	return n
}

// browser keeps cookies and asks the handler.
type browser struct {
	h       http.Handler
	t       *testing.T
	cookies map[string]string
}

func (h *house) browser(token string) *browser {
	b := &browser{h: h, t: h.t, cookies: make(map[string]string)}
	if token != "" {
		b.cookies["__Host-lares"] = token
	}
	return b
}

func (b *browser) do(r *http.Request) *httptest.ResponseRecorder {
	b.t.Helper()
	r.Host = host
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	b.h.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" {
			b.t.Errorf("cookie %v is not closed enough", c)
		}
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	return w
}

func (b *browser) get(path string) *httptest.ResponseRecorder {
	b.t.Helper()
	return b.do(httptest.NewRequestWithContext(b.t.Context(), http.MethodGet, path, nil))
}

// post sends a form as a browser does from a page of this box.
func (b *browser) post(path string, pairs ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	r := httptest.NewRequestWithContext(b.t.Context(), http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.do(r)
}

func wantStatus(t *testing.T, w *httptest.ResponseRecorder, want int) {
	t.Helper()
	if w.Code != want {
		t.Errorf("status %d, want %d: %.300s", w.Code, want, w.Body)
	}
}

func wantRedirect(t *testing.T, w *httptest.ResponseRecorder, want string) {
	t.Helper()
	if got := w.Header().Get("Location"); w.Code != http.StatusSeeOther || got != want {
		t.Errorf("status %d to %q, want 303 to %q: %.300s", w.Code, got, want, w.Body)
	}
}

// page parses an HTML answer.
func page(t *testing.T, w *httptest.ResponseRecorder) *html.Node {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(w.Body.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// all returns the elements for which ok is true, in order.
func all(root *html.Node, ok func(*html.Node) bool) []*html.Node {
	var found []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && ok(n) {
			found = append(found, n)
		}
	}
	return found
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func tag(name string) func(*html.Node) bool {
	return func(n *html.Node) bool { return n.Data == name }
}

func class(name string) func(*html.Node) bool {
	return func(n *html.Node) bool { return strings.Contains(" "+attr(n, "class")+" ", " "+name+" ") }
}

func words(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// fleet is a house of cameras without cameras.
type fleet struct {
	mu      sync.Mutex // guards what follows
	cameras []nvr.Camera
	streams map[nvr.StreamID]*nvr.Stream
	probed  []nvr.Camera
	report  nvr.ProbeReport

	replaced int
	down     nvr.RecordingStatus
}

// add puts a camera with two streams into the house.
func (f *fleet) add(name string) nvr.Camera {
	c := nvr.Camera{
		Name: name, User: "admin", Password: "camera-secret",
		Streams: []nvr.Source{{Quality: nvr.Main, URL: "rtsp://192.168.1.9/main"}, {Quality: nvr.Sub, URL: "rtsp://192.168.1.9/sub"}},
	}
	c, _ = f.Add(context.Background(), c)
	return c
}

func (f *fleet) List() []nvr.CameraStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []nvr.CameraStatus
	for _, c := range f.cameras {
		st := nvr.CameraStatus{Camera: c}
		for _, src := range c.Streams {
			st.Streams = append(st.Streams, nvr.StreamStatus{Source: src})
		}
		list = append(list, st)
	}
	return list
}

func (f *fleet) Camera(id nvr.CameraID) (nvr.Camera, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.cameras {
		if c.ID == id {
			return c, nil
		}
	}
	return nvr.Camera{}, nvr.ErrNotFound
}

func (f *fleet) Add(_ context.Context, c nvr.Camera) (nvr.Camera, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c.ID = nvr.NewID[nvr.Camera]()
	for i := range c.Streams {
		id := nvr.NewID[nvr.Stream]()
		c.Streams[i].Stream = id
		f.streams[id] = nvr.NewStream(id, nvr.StreamConfig{})
	}
	f.cameras = append(f.cameras, c)
	return c, nil
}

func (f *fleet) Update(_ context.Context, c nvr.Camera) (nvr.Camera, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.cameras {
		if f.cameras[i].ID == c.ID {
			f.cameras[i] = c
			return c, nil
		}
	}
	return c, nvr.ErrNotFound
}

func (f *fleet) Remove(_ context.Context, id nvr.CameraID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.cameras {
		if f.cameras[i].ID == id {
			f.cameras = append(f.cameras[:i], f.cameras[i+1:]...)
			return nil
		}
	}
	return nvr.ErrNotFound
}

func (f *fleet) Probe(_ context.Context, c nvr.Camera) (nvr.ProbeReport, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.probed = append(f.probed, c)
	r := f.report
	if r.Problem == nvr.CauseUnknown {
		for _, src := range c.Streams {
			p := &nvr.Params{Video: nvr.H264, Width: 1920, Height: 1080}
			r.Streams = append(r.Streams, nvr.ProbedStream{Source: src, Params: p, FrameRate: 20, Key: &nvr.Frame{Key: true, Params: p}})
		}
	}
	return r, nil
}

func (f *fleet) Retry(nvr.CameraID) error { return nil }

func (f *fleet) Stream(id nvr.StreamID) *nvr.Stream {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.streams[id]
}

func (f *fleet) Recording(nvr.StreamID) nvr.RecordingStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down.Cause != nvr.CauseUnknown {
		return f.down
	}
	return nvr.RecordingStatus{Recording: true}
}

func (f *fleet) Disks(context.Context) ([]nvr.DiskStatus, error) {
	return []nvr.DiskStatus{
		{Disk: nvr.Disk{Path: "/mnt/a"}, Used: 5e9, Free: 3e12, Total: 4e12},
		{Disk: nvr.Disk{Path: "/mnt/b"}, State: nvr.DiskLost},
	}, nil
}

// footage answers as the recorder does: nothing before the keys are there.
type footage struct {
	mu       sync.Mutex // guards what follows
	timeline nvr.Timeline
	index    nvr.PlayIndex
	media    []byte
	midway   error // after the media
	asked    []nvr.MediaRequest
	lines    []nvr.Span // of time lines that were asked for
}

func (f *footage) locked(o nvr.Opener) error {
	if l, ok := o.(interface{ Locked() bool }); ok && l.Locked() {
		return nvr.ErrLocked
	}
	return nil
}

func (f *footage) Timeline(_ context.Context, _ nvr.StreamID, from, to time.Time) (nvr.Timeline, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lines = append(f.lines, nvr.Span{From: from, To: to})
	return f.timeline, nil
}

func (f *footage) Index(_ context.Context, o nvr.Opener, req nvr.MediaRequest) (nvr.PlayIndex, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, req)
	return f.index, f.locked(o)
}

func (f *footage) Init(_ context.Context, o nvr.Opener, stream nvr.StreamID, _ nvr.SegmentID, sound bool) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, nvr.MediaRequest{Stream: stream, Sound: sound})
	return []byte("init"), f.locked(o)
}

func (f *footage) Media(_ context.Context, o nvr.Opener, req nvr.MediaRequest, w io.Writer) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.locked(o); err != nil {
		return err
	}
	f.asked = append(f.asked, req)
	if _, err := w.Write(f.media); err != nil {
		return err
	}
	return f.midway
}

type clipReader struct{ *bytes.Reader }

func (clipReader) Close() error { return nil }

func (f *footage) Export(_ context.Context, o nvr.Opener, req nvr.MediaRequest) (*nvr.Clip, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.locked(o); err != nil {
		return nil, err
	}
	f.asked = append(f.asked, req)
	r := clipReader{bytes.NewReader(f.media)}
	return &nvr.Clip{ReadSeekCloser: r, Size: int64(len(f.media)), From: req.From, To: req.To}, nil
}

func everything(*html.Node) bool { return true }

type node = html.Node
