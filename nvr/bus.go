package nvr

import (
	"context"
	"sync"
)

// busQueue is how many events a subscriber may be behind.
const busQueue = 256

// Bus carries events from the parts that notice something to those that show
// or act on it. Publishing never blocks: a subscriber that is full loses the
// oldest events and is told how many.
type Bus struct {
	mu     sync.Mutex
	subs   map[*Subscription]struct{}
	closed bool
}

// NewBus returns a bus without subscribers.
func NewBus() *Bus { return &Bus{subs: make(map[*Subscription]struct{})} }

// Publish hands the event to every subscriber.
func (b *Bus) Publish(e Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for s := range b.subs {
		if len(s.queue) == busQueue {
			s.queue = append(s.queue[:0], s.queue[1:]...)
			s.missed++
		}
		s.queue = append(s.queue, e)
		s.signal()
	}
}

// Subscribe returns a subscription to all events from now on. Close it.
func (b *Bus) Subscribe() *Subscription {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &Subscription{bus: b, wake: make(chan struct{}, 1)}
	b.subs[s] = struct{}{}
	return s
}

// Close ends the bus: subscribers drain what is left and then get ErrClosed.
func (b *Bus) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for s := range b.subs {
		s.signal()
	}
}

// Subscription is one subscriber's queue. It belongs to one goroutine at a time.
type Subscription struct {
	bus  *Bus
	wake chan struct{}

	// Guarded by bus.mu.
	queue  []Event
	missed int
}

// Next returns the next event and how many were lost just before it. Errors:
// that of ctx, or ErrClosed.
func (s *Subscription) Next(ctx context.Context) (e Event, missed int, err error) {
	for {
		e, missed, ok, err := s.poll()
		if ok || err != nil {
			return e, missed, err
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return Event{}, 0, ctx.Err()
		}
	}
}

func (s *Subscription) poll() (e Event, missed int, ok bool, err error) {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	if len(s.queue) == 0 {
		if s.bus.closed {
			return Event{}, 0, false, ErrClosed
		}
		return Event{}, 0, false, nil
	}
	e, missed = s.queue[0], s.missed
	s.queue, s.missed = s.queue[1:], 0
	return e, missed, true, nil
}

func (s *Subscription) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Close ends the subscription.
func (s *Subscription) Close() {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	delete(s.bus.subs, s)
}
