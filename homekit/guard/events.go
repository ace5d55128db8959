package guard

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/brutella/hap/characteristic"
)

// id names a characteristic.
type id struct {
	AID uint64 `json:"aid"`
	IID uint64 `json:"iid"`
}

// change is a new value of a characteristic.
type change struct {
	id
	Value any `json:"value"`
}

// events are the changes that a connection has not been told yet: the newest
// value of each characteristic, in the order of their first change. Their number
// is bounded by that of the characteristics.
type events struct {
	wake chan struct{} // has a token when there is something to tell
	rush chan struct{} // has a token when it cannot wait

	mu      sync.Mutex // guards what follows
	waiting []change
}

func (e *events) init() {
	e.wake, e.rush = make(chan struct{}, 1), make(chan struct{}, 1)
}

// add remembers a change and never blocks.
func (e *events) add(ch change, urgent bool) {
	e.mu.Lock()
	known := false
	for i := range e.waiting {
		if e.waiting[i].id == ch.id {
			e.waiting[i], known = ch, true
		}
	}
	if !known {
		e.waiting = append(e.waiting, ch)
	}
	e.mu.Unlock()
	signal(e.wake)
	if urgent {
		signal(e.rush)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// takeAll returns the changes and forgets them.
func (e *events) takeAll() []change {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := e.waiting
	e.waiting = nil
	return list
}

// tell sends the events of a connection until it is closed: collected over a
// while, but at once when one of them is urgent.
func (c *conn) tell() {
	for {
		select {
		case <-c.done:
			return
		case <-c.events.wake:
		}
		pause := time.NewTimer(c.guard.limits.collect)
		select {
		case <-c.done:
			pause.Stop()
			return
		case <-c.events.rush:
			pause.Stop()
		case <-pause.C:
		}
		list := c.events.takeAll()
		if len(list) == 0 {
			continue
		}
		b, err := eventMessage(list)
		if err == nil {
			err = c.write(b)
		}
		if err != nil {
			c.guard.log.Debug("event to a controller failed", slog.String("remote", c.remote), slog.Any("error", err))
			return
		}
	}
}

// eventMessage returns changes as HAP sends them (HAP specification 6.8): an HTTP
// answer that nobody asked for, with a name of its own.
func eventMessage(list []change) ([]byte, error) {
	body, err := json.Marshal(struct {
		Characteristics []change `json:"characteristics"`
	}{list})
	if err != nil {
		return nil, fmt.Errorf("write an event: %w", err)
	}
	a := jsonAnswer(http.StatusOK, string(body))
	b, err := a.bytes()
	return bytes.Replace(b, []byte("HTTP/1.1"), []byte("EVENT/1.0"), 1), err
}

// observe queues every change of c for the connections that subscribed to it.
func (g *Guard) observe(aid uint64, c *characteristic.C) {
	// A press of a doorbell or a switch (characteristic "Programmable Switch
	// Event") is over when it is told late.
	urgent := c.Type == characteristic.TypeProgrammableSwitchEvent
	c.OnCValueUpdate(func(c *characteristic.C, value, _ any, r *http.Request) {
		for _, conn := range g.list() {
			if conn.verifiedAs() == "" || !c.HasEventsEnabled(conn.remote) || (r != nil && r.RemoteAddr == conn.remote) {
				continue
			}
			conn.events.add(change{id{aid, c.Id}, value}, urgent)
		}
	})
}
