package guard

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/brutella/hap"
)

// prepared is the timed write that a connection announced (HAP specification
// 6.7.2.4).
type prepared struct {
	pid   uint64
	until time.Time // zero for none
}

// longestTimedWrite bounds the time that a controller may ask for.
const longestTimedWrite = time.Minute

// rewind returns a body that can be read again.
func rewind(b []byte) io.ReadCloser { return io.NopCloser(bytes.NewReader(b)) }

// prepare remembers a timed write and tells the library of it.
func (g *Guard) prepare(c *conn, r *http.Request) *answer {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return statusAnswer(http.StatusBadRequest, hap.JsonStatusInvalidValueInRequest)
	}
	var ask struct {
		TTL uint64 `json:"ttl"` // milliseconds
		PID uint64 `json:"pid"`
	}
	if json.Unmarshal(body, &ask) != nil || ask.TTL == 0 || ask.PID == 0 || ask.TTL > uint64(longestTimedWrite.Milliseconds()) {
		return statusAnswer(http.StatusBadRequest, hap.JsonStatusInvalidValueInRequest)
	}
	r.Body = rewind(body)
	a := g.pass(r)
	if a.status() == http.StatusOK {
		c.prepared = prepared{pid: ask.PID, until: g.now().Add(time.Duration(ask.TTL) * time.Millisecond)}
	}
	return a
}

// write is a request to change values or subscriptions.
type write struct {
	PID             *uint64 `json:"pid"`
	Characteristics []struct {
		id
		Value json.RawMessage `json:"value"`
	} `json:"characteristics"`
}

// put lets a write through to the library unless it is a timed write that was
// not prepared, or is too late, or has a value that is no plain one.
func (g *Guard) put(c *conn, r *http.Request) *answer {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return statusAnswer(http.StatusBadRequest, hap.JsonStatusInvalidValueInRequest)
	}
	var w write
	if json.Unmarshal(body, &w) != nil {
		return statusAnswer(http.StatusBadRequest, hap.JsonStatusInvalidValueInRequest)
	}
	announced := c.prepared
	c.prepared = prepared{}
	timed, plain, subscribes := w.PID != nil, true, false
	for _, ch := range w.Characteristics {
		timed = timed || (len(ch.Value) > 0 && g.timed[ch.id])
		subscribes = subscribes || g.timed[ch.id]
		// The library compares values with ==, which objects and lists cannot.
		plain = plain && !bytes.HasPrefix(ch.Value, []byte("{")) && !bytes.HasPrefix(ch.Value, []byte("["))
	}
	inTime := w.PID != nil && *w.PID == announced.pid && g.now().Before(announced.until)
	if !plain || timed && !inTime {
		return w.refuse()
	}
	if subscribes && !timed {
		// The library wants every request for such a value prepared, and falls over
		// when it is not; a subscription needs no preparation.
		g.server.SetTimedWrite(uint64(longestTimedWrite.Milliseconds()), 0, r)
	}
	r.Body = rewind(body)
	g.values.Lock()
	defer g.values.Unlock()
	return g.pass(r)
}

// refuse answers that none of the values was written.
func (w *write) refuse() *answer {
	type refused struct {
		id
		Status int `json:"status"`
	}
	list := make([]refused, 0, len(w.Characteristics))
	for _, ch := range w.Characteristics {
		list = append(list, refused{ch.id, hap.JsonStatusInvalidValueInRequest})
	}
	body, err := json.Marshal(struct {
		Characteristics []refused `json:"characteristics"`
	}{list})
	if err != nil {
		return statusAnswer(http.StatusInternalServerError, hap.JsonStatusServiceCommunicationFailure)
	}
	return jsonAnswer(http.StatusMultiStatus, string(body))
}
