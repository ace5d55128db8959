package guard_test

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

// controller is the other side of HAP: what a phone does.
type controller struct {
	id  string
	pub ed25519.PublicKey
	key ed25519.PrivateKey
}

func newController(t *testing.T, id string) *controller {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &controller{id, pub, key}
}

// wire is a connection to an accessory.
type wire struct {
	net.Conn
	r      *bufio.Reader
	out    [32]byte
	sealed bool
	count  uint64
	events []reply // that came while an answer was awaited
	eager  []byte  // a request to send together with the proof of pair-verify
}

// reply is an answer, or an event.
type reply struct {
	status int
	event  bool
	body   []byte
}

// patience is when a test gives up on an accessory that hangs.
const patience = 5 * time.Second

func dial(t *testing.T, addr string) *wire {
	t.Helper()
	c, err := (&net.Dialer{Timeout: patience}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &wire{Conn: c, r: bufio.NewReader(c)}
}

func nonce(n uint64) []byte {
	b := make([]byte, chacha20poly1305.NonceSize)
	binary.LittleEndian.PutUint64(b[4:], n)
	return b
}

func named(s string) []byte { return append(make([]byte, 4), s...) }

func seal(key, nonce, plain, add []byte) []byte {
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
		plain, err := open(f.key, nonce(f.count), b, head)
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

// frames returns b as it goes over the wire.
func (w *wire) frames(b []byte) []byte {
	if !w.sealed {
		return b
	}
	var out []byte
	for len(b) > 0 {
		part := b[:min(len(b), 1024)]
		b = b[len(part):]
		head := binary.LittleEndian.AppendUint16(nil, uint16(len(part)))
		out = append(append(out, head...), seal(w.out[:], nonce(w.count), part, head)...)
		w.count++
	}
	return out
}

func request(method, path string, body []byte) []byte {
	kind := "application/hap+json"
	if strings.HasPrefix(path, "/pair") {
		kind = "application/pairing+tlv8"
	}
	return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: lares\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", method, path, kind, len(body), body)
}

// next reads an answer or an event.
func (w *wire) next() (reply, error) {
	var m reply
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
	m.event = proto == "EVENT/1.0"
	if m.status, err = strconv.Atoi(rest[:min(len(rest), 3)]); err != nil {
		return m, err
	}
	head, err := text.ReadMIMEHeader()
	if err != nil {
		return m, err
	}
	switch {
	case head.Get("Transfer-Encoding") == "chunked":
		if m.body, err = io.ReadAll(httputil.NewChunkedReader(w.r)); err == nil {
			_, err = text.ReadLine()
		}
	case m.status != http.StatusNoContent:
		var n int
		if n, err = strconv.Atoi(head.Get("Content-Length")); err == nil {
			m.body = make([]byte, n)
			_, err = io.ReadFull(w.r, m.body)
		}
	}
	return m, err
}

// answer reads up to the next answer and keeps the events before it.
func (w *wire) answer() (reply, error) {
	for {
		m, err := w.next()
		if err != nil || !m.event {
			return m, err
		}
		w.events = append(w.events, m)
	}
}

func (w *wire) do(method, path string, body []byte) (reply, error) {
	if _, err := w.Write(w.frames(request(method, path, body))); err != nil {
		return reply{}, err
	}
	return w.answer()
}

// must is do for requests that have to be answered, with status.
func (w *wire) must(t *testing.T, status int, method, path, body string) []byte {
	t.Helper()
	m, err := w.do(method, path, []byte(body))
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	if m.status != status {
		t.Fatalf("%s %s: status %d and not %d: %s", method, path, m.status, status, m.body)
	}
	return m.body
}

// items is a TLV8 message in order.
type item struct {
	typ   byte
	value []byte
}

func pack(items ...item) []byte {
	var b []byte
	for _, it := range items {
		v := it.value
		for {
			part := v[:min(len(v), 255)]
			b = append(append(b, it.typ, byte(len(part))), part...)
			if v = v[len(part):]; len(v) == 0 {
				break
			}
		}
	}
	return b
}

func unpack(b []byte) map[byte][]byte {
	m := map[byte][]byte{}
	for len(b) >= 2 && len(b) >= 2+int(b[1]) {
		m[b[0]] = append(m[b[0]], b[2:2+int(b[1])]...)
		b = b[2+int(b[1]):]
	}
	return m
}

// refused is an error of a pairing message.
type refused byte

func (r refused) Error() string { return fmt.Sprintf("pairing error %d", byte(r)) }

// tell sends a pairing message and returns what the answer says.
func (w *wire) tell(path string, items ...item) (map[byte][]byte, error) {
	a, err := w.do("POST", path, pack(items...))
	if err != nil {
		return nil, err
	}
	m := unpack(a.body)
	if e := m[7]; len(e) > 0 && e[0] != 0 {
		return m, refused(e[0])
	}
	if len(m[6]) == 0 {
		return m, fmt.Errorf("%s: status %d without a state: %q", path, a.status, a.body)
	}
	return m, nil
}

// setup is a pair-setup in progress.
type setup struct {
	key  []byte // shared, after M4
	salt []byte
	b    []byte
}

// begin is M1 and M2 of pair-setup.
func (w *wire) begin() (*setup, error) {
	m, err := w.tell("/pair-setup", item{0, []byte{0}}, item{6, []byte{1}})
	return &setup{salt: m[2], b: m[3]}, err
}

// prove is M3 and M4.
func (w *wire) prove(s *setup, code string) error {
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
	m, err := w.tell("/pair-setup", item{6, []byte{3}}, item{3, client.GetA()}, item{4, client.ComputeAuthenticator()})
	if err != nil {
		return err
	}
	if !client.VerifyServerAuthenticator(m[4]) {
		return errors.New("the accessory does not know the code")
	}
	s.key = key
	return nil
}

// exchange is M5 and M6.
func (w *wire) exchange(s *setup, c *controller) error {
	key := derive(s.key, "Pair-Setup-Encrypt-Salt", "Pair-Setup-Encrypt-Info")
	return w.exchangeWith(s, c, key)
}

func (w *wire) exchangeWith(s *setup, c *controller, key []byte) error {
	x := derive(s.key, "Pair-Setup-Controller-Sign-Salt", "Pair-Setup-Controller-Sign-Info")
	info := append(append(x, c.id...), c.pub...)
	inner := pack(item{1, []byte(c.id)}, item{3, c.pub}, item{10, ed25519.Sign(c.key, info)})
	m, err := w.tell("/pair-setup", item{6, []byte{5}}, item{5, seal(key, named("PS-Msg05"), inner, nil)})
	if err != nil {
		return err
	}
	_, err = open(key, named("PS-Msg06"), m[5], nil)
	return err
}

// pair is a whole pair-setup.
func (w *wire) pair(c *controller, code string) error {
	s, err := w.begin()
	if err != nil {
		return err
	}
	if err := w.prove(s, code); err != nil {
		return err
	}
	return w.exchange(s, c)
}

// verify is pair-verify; the connection is encrypted then.
func (w *wire) verify(c *controller) error {
	var secret [32]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return err
	}
	public, err := curve25519.X25519(secret[:], curve25519.Basepoint)
	if err != nil {
		return err
	}
	m, err := w.tell("/pair-verify", item{6, []byte{1}}, item{3, public})
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
	info := append(append(bytes.Clone(public), c.id...), theirs...)
	inner := pack(item{1, []byte(c.id)}, item{10, ed25519.Sign(c.key, info)})
	proof := request("POST", "/pair-verify", pack(item{6, []byte{3}}, item{5, seal(key, named("PV-Msg03"), inner, nil)}))
	w.sealed = true
	copy(w.out[:], derive(shared, "Control-Salt", "Control-Write-Encryption-Key"))
	if _, err := w.Write(append(proof, w.frames(w.eager)...)); err != nil {
		return err
	}
	a, err := w.answer()
	if err != nil {
		return err
	}
	if m = unpack(a.body); m[7] != nil || len(m[6]) == 0 {
		w.sealed = false
		return fmt.Errorf("proof of pair-verify: status %d, %v", a.status, a.body)
	}
	w.r = bufio.NewReader(&frames{r: w.r, key: derive(shared, "Control-Salt", "Control-Read-Encryption-Key")})
	return nil
}

// values returns what an event or an answer says of characteristics.
func values(t *testing.T, body []byte) map[string]any {
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
