package guard

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/brutella/hap"
)

// answerBytes bounds the body of an answer: a picture is far smaller.
const answerBytes = 8 << 20

// errAnswer says that a handler answers with more than a controller is sent.
var errAnswer = errors.New("the answer is too long")

// answer collects what a handler answers, so that it leaves in one piece. It is
// used by one goroutine.
type answer struct {
	head  http.Header
	code  int
	body  bytes.Buffer
	last  bool   // the connection is closed after it
	after func() // what happens once it is sent, may be nil
}

func newAnswer() *answer { return &answer{head: http.Header{}} }

func tlvAnswer(b []byte) *answer {
	a := newAnswer()
	a.head.Set("Content-Type", hap.HTTPContentTypePairingTLV8)
	a.body.Write(b)
	return a
}

func jsonAnswer(code int, body string) *answer {
	a := newAnswer()
	a.code = code
	a.head.Set("Content-Type", hap.HTTPContentTypeHAPJson)
	a.body.WriteString(body)
	return a
}

// statusAnswer carries a HAP status code (HAP specification, table 6-11).
func statusAnswer(code, status int) *answer {
	return jsonAnswer(code, fmt.Sprintf(`{"status":%d}`, status))
}

// closing returns a, after which the connection is closed.
func (a *answer) closing() *answer {
	a.last = true
	return a
}

// Header, WriteHeader and Write make the answer an http.ResponseWriter.
func (a *answer) Header() http.Header { return a.head }

func (a *answer) WriteHeader(code int) {
	if a.code == 0 {
		a.code = code
	}
}

func (a *answer) Write(b []byte) (int, error) {
	if a.body.Len()+len(b) > answerBytes {
		return 0, errAnswer
	}
	return a.body.Write(b)
}

func (a *answer) status() int {
	if a.code == 0 {
		return http.StatusOK
	}
	return a.code
}

// statusUnverified is HAP's own status for requests that need pair-verify first
// (HAP specification, table 6-10).
const statusUnverified = 470

// bytes returns the whole answer as it goes over the wire.
func (a *answer) bytes() ([]byte, error) {
	text := http.StatusText(a.status())
	if a.status() == statusUnverified {
		text = "Connection Authorization Required"
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", a.status(), text)
	a.head.Del("Transfer-Encoding")
	a.head.Del("Content-Length")
	if a.status() != http.StatusNoContent {
		a.head.Set("Content-Length", strconv.Itoa(a.body.Len()))
	}
	if err := a.head.Write(&b); err != nil {
		return nil, fmt.Errorf("write the head of an answer: %w", err)
	}
	b.WriteString("\r\n")
	if a.status() != http.StatusNoContent {
		b.Write(a.body.Bytes())
	}
	return b.Bytes(), nil
}
