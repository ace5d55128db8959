// Package haptest is the other side of HAP for tests: a controller that pairs,
// verifies itself and speaks to an accessory, as a phone does, and that can do so
// wrongly. A Wire belongs to one goroutine.
package haptest

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha512"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tadglines/go-pkgs/crypto/srp"
	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/curve25519"
)

// Controller is the other side of HAP: what a phone does.
type Controller struct {
	ID  string
	Pub ed25519.PublicKey
	key ed25519.PrivateKey
}

// NewController makes a controller with a key pair of its own.
func NewController(t *testing.T, id string) *Controller {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &Controller{id, pub, key}
}

// Wire is a connection to an accessory.
type Wire struct {
	net.Conn
	r      *bufio.Reader
	Out    [32]byte
	sealed bool
	Count  uint64
	Events []Reply // that came while an answer was awaited
	Eager  []byte  // a request to send together with the proof of pair-verify
}

// Reply is an answer, or an event.
type Reply struct {
	Status int
	Event  bool
	Body   []byte
}

// patience is when a test gives up on an accessory that hangs.
const patience = 5 * time.Second

// Dial connects to an accessory until the test ends.
func Dial(t *testing.T, addr string) *Wire {
	t.Helper()
	c, err := (&net.Dialer{Timeout: patience}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &Wire{Conn: c, r: bufio.NewReader(c)}
}

// Nonce returns that of the n-th frame of a direction.
func Nonce(n uint64) []byte {
	b := make([]byte, chacha20poly1305.NonceSize)
	binary.LittleEndian.PutUint64(b[4:], n)
	return b
}

func named(s string) []byte { return append(make([]byte, 4), s...) }

// Seal encrypts with ChaCha20-Poly1305.
func Seal(key, nonce, plain, add []byte) []byte {
	a, err := chacha20poly1305.New(key)
	if err != nil {
		panic(err)
	}
	return a.Seal(nil, nonce, plain, add)
}

func open(key, nonce, sealed, add []byte) ([]byte, error) {
	a, err := chacha20poly1305.New(key)
	if err != nil {
		return nil, err
	}
	return a.Open(nil, nonce, sealed, add)
}

func derive(secret []byte, salt, info string) []byte {
	b, err := hkdf.Key(sha512.New, secret, []byte(salt), info, 32)
	if err != nil {
		panic(err)
	}
	return b
}

// frames decrypts what comes in.
type frames struct {
	r     *bufio.Reader
	key   []byte
	count uint64
	rest  []byte
}

func (f *frames) Read(p []byte) (int, error) {
	if len(f.rest) == 0 {
		head := make([]byte, 2)
		if _, err := io.ReadFull(f.r, head); err != nil {
			return 0, err
		}
		b := make([]byte, int(binary.LittleEndian.Uint16(head))+16)
		if _, err := io.ReadFull(f.r, b); err != nil {
			return 0, err
		}
		plain, err := open(f.key, Nonce(f.count), b, head)
		if err != nil {
			return 0, fmt.Errorf("frame %d: %w", f.count, err)
		}
		f.count++
		f.rest = plain
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

// Frames returns b as it goes over the wire.
func (w *Wire) Frames(b []byte) []byte {
	if !w.sealed {
		return b
	}
	var out []byte
	for len(b) > 0 {
		part := b[:min(len(b), 1024)]
		b = b[len(part):]
		head := binary.LittleEndian.AppendUint16(nil, uint16(len(part)))
		out = append(append(out, head...), Seal(w.Out[:], Nonce(w.Count), part, head)...)
		w.Count++
	}
	return out
}

// Request returns a request as it goes over the wire, in clear.
func Request(method, path string, body []byte) []byte {
	kind := "application/hap+json"
	if strings.HasPrefix(path, "/pair") {
		kind = "application/pairing+tlv8"
	}
	return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: lares\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", method, path, kind, len(body), body)
}

// Next reads an answer or an event.
func (w *Wire) Next() (Reply, error) {
	var m Reply
	if err := w.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return m, err
	}
	text := textproto.NewReader(w.r)
	line, err := text.ReadLine()
	if err != nil {
		return m, fmt.Errorf("read an answer: %w", err)
	}
	proto, rest, _ := strings.Cut(line, " ")
	if proto != "HTTP/1.1" && proto != "EVENT/1.0" {
		return m, fmt.Errorf("no answer and no event begins with %.40q", line)
	}
	m.Event = proto == "EVENT/1.0"
	if m.Status, err = strconv.Atoi(rest[:min(len(rest), 3)]); err != nil {
		return m, err
	}
	head, err := text.ReadMIMEHeader()
	if err != nil {
		return m, err
	}
	switch {
	case head.Get("Transfer-Encoding") == "chunked":
		if m.Body, err = io.ReadAll(httputil.NewChunkedReader(w.r)); err == nil {
			_, err = text.ReadLine()
		}
	case m.Status != http.StatusNoContent:
		var n int
		if n, err = strconv.Atoi(head.Get("Content-Length")); err == nil {
			m.Body = make([]byte, n)
			_, err = io.ReadFull(w.r, m.Body)
		}
	}
	return m, err
}

// Answer reads up to the next answer and keeps the events before it.
func (w *Wire) Answer() (Reply, error) {
	for {
		m, err := w.Next()
		if err != nil || !m.Event {
			return m, err
		}
		w.Events = append(w.Events, m)
	}
}

// Do sends a request and reads the answer.
func (w *Wire) Do(method, path string, body []byte) (Reply, error) {
	if _, err := w.Write(w.Frames(Request(method, path, body))); err != nil {
		return Reply{}, err
	}
	return w.Answer()
}

// Must is Do for requests that have to be answered, with status.
func (w *Wire) Must(t *testing.T, status int, method, path, body string) []byte {
	t.Helper()
	m, err := w.Do(method, path, []byte(body))
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	if m.Status != status {
		t.Fatalf("%s %s: status %d and not %d: %s", method, path, m.Status, status, m.Body)
	}
	return m.Body
}

// Item is one item of a TLV8 message.
type Item struct {
	Type  byte
	Value []byte
}

// Pack writes a TLV8 message.
func Pack(items ...Item) []byte {
	var b []byte
	for _, it := range items {
		v := it.Value
		for {
			part := v[:min(len(v), 255)]
			b = append(append(b, it.Type, byte(len(part))), part...)
			if v = v[len(part):]; len(v) == 0 {
				break
			}
		}
	}
	return b
}

// Unpack reads a TLV8 message without separators.
func Unpack(b []byte) map[byte][]byte {
	m := map[byte][]byte{}
	for len(b) >= 2 && len(b) >= 2+int(b[1]) {
		m[b[0]] = append(m[b[0]], b[2:2+int(b[1])]...)
		b = b[2+int(b[1]):]
	}
	return m
}

// Refused is an error of a pairing message.
type Refused byte

func (r Refused) Error() string { return fmt.Sprintf("pairing error %d", byte(r)) }

// Tell sends a pairing message and returns what the answer says.
func (w *Wire) Tell(path string, items ...Item) (map[byte][]byte, error) {
	a, err := w.Do("POST", path, Pack(items...))
	if err != nil {
		return nil, err
	}
	m := Unpack(a.Body)
	if e := m[7]; len(e) > 0 && e[0] != 0 {
		return m, Refused(e[0])
	}
	if len(m[6]) == 0 {
		return m, fmt.Errorf("%s: status %d without a state: %q", path, a.Status, a.Body)
	}
	return m, nil
}

// Setup is a pair-setup in progress.
type Setup struct {
	key  []byte // shared, after M4
	salt []byte
	b    []byte
}

// Begin is M1 and M2 of pair-setup.
func (w *Wire) Begin() (*Setup, error) {
	m, err := w.Tell("/pair-setup", Item{0, []byte{0}}, Item{6, []byte{1}})
	return &Setup{salt: m[2], b: m[3]}, err
}

// Prove is M3 and M4.
func (w *Wire) Prove(s *Setup, code string) error {
	group, err := srp.NewSRP("rfc5054.3072", sha512.New, func(salt, code []byte) []byte {
		inner := sha512.Sum512(append([]byte("Pair-Setup:"), code...))
		x := sha512.Sum512(append(append([]byte{}, salt...), inner[:]...))
		return x[:]
	})
	if err != nil {
		return err
	}
	client := group.NewClientSession([]byte("Pair-Setup"), []byte(code))
	key, err := client.ComputeKey(s.salt, s.b)
	if err != nil {
		return err
	}
	m, err := w.Tell("/pair-setup", Item{6, []byte{3}}, Item{3, client.GetA()}, Item{4, client.ComputeAuthenticator()})
	if err != nil {
		return err
	}
	if !client.VerifyServerAuthenticator(m[4]) {
		return errors.New("the accessory does not know the code")
	}
	s.key = key
	return nil
}

// Exchange is M5 and M6.
func (w *Wire) Exchange(s *Setup, c *Controller) error {
	key := derive(s.key, "Pair-Setup-Encrypt-Salt", "Pair-Setup-Encrypt-Info")
	return w.ExchangeWith(s, c, key)
}

// ExchangeWith is Exchange with a key that may be wrong.
func (w *Wire) ExchangeWith(s *Setup, c *Controller, key []byte) error {
	x := derive(s.key, "Pair-Setup-Controller-Sign-Salt", "Pair-Setup-Controller-Sign-Info")
	info := append(append(x, c.ID...), c.Pub...)
	inner := Pack(Item{1, []byte(c.ID)}, Item{3, c.Pub}, Item{10, ed25519.Sign(c.key, info)})
	m, err := w.Tell("/pair-setup", Item{6, []byte{5}}, Item{5, Seal(key, named("PS-Msg05"), inner, nil)})
	if err != nil {
		return err
	}
	_, err = open(key, named("PS-Msg06"), m[5], nil)
	return err
}

// Pair is a whole pair-setup.
func (w *Wire) Pair(c *Controller, code string) error {
	s, err := w.Begin()
	if err != nil {
		return err
	}
	if err := w.Prove(s, code); err != nil {
		return err
	}
	return w.Exchange(s, c)
}

// Verify is pair-verify; the connection is encrypted then.
func (w *Wire) Verify(c *Controller) error {
	var secret [32]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return err
	}
	public, err := curve25519.X25519(secret[:], curve25519.Basepoint)
	if err != nil {
		return err
	}
	m, err := w.Tell("/pair-verify", Item{6, []byte{1}}, Item{3, public})
	if err != nil {
		return err
	}
	theirs := m[3]
	shared, err := curve25519.X25519(secret[:], theirs)
	if err != nil {
		return err
	}
	key := derive(shared, "Pair-Verify-Encrypt-Salt", "Pair-Verify-Encrypt-Info")
	if _, err := open(key, named("PV-Msg02"), m[5], nil); err != nil {
		return fmt.Errorf("open M2: %w", err)
	}
	info := append(append(bytes.Clone(public), c.ID...), theirs...)
	inner := Pack(Item{1, []byte(c.ID)}, Item{10, ed25519.Sign(c.key, info)})
	proof := Request("POST", "/pair-verify", Pack(Item{6, []byte{3}}, Item{5, Seal(key, named("PV-Msg03"), inner, nil)}))
	w.sealed = true
	copy(w.Out[:], derive(shared, "Control-Salt", "Control-Write-Encryption-Key"))
	if _, err := w.Write(append(proof, w.Frames(w.Eager)...)); err != nil {
		return err
	}
	a, err := w.Answer()
	if err != nil {
		return err
	}
	if m = Unpack(a.Body); m[7] != nil || len(m[6]) == 0 {
		w.sealed = false
		return fmt.Errorf("proof of pair-verify: status %d, %v", a.Status, a.Body)
	}
	w.r = bufio.NewReader(&frames{r: w.r, key: derive(shared, "Control-Salt", "Control-Read-Encryption-Key")})
	return nil
}

// Values returns what an event or an answer says of characteristics.
func Values(t *testing.T, body []byte) map[string]any {
	t.Helper()
	var m struct {
		Characteristics []struct {
			Aid, Iid uint64
			Value    any
			Status   *int
		}
	}
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatalf("%v in %q", err, body)
	}
	all := map[string]any{}
	for _, c := range m.Characteristics {
		key := fmt.Sprintf("%d.%d", c.Aid, c.Iid)
		all[key] = c.Value
		if c.Status != nil {
			all[key+" status"] = *c.Status
		}
	}
	return all
}
