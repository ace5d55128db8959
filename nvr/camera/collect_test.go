package camera

import (
	"context"
	"net"
	"testing"
	"time"
)

// connected returns both ends of a TCP connection: that of the camera first.
func connected(t *testing.T) (far, near net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err = (&net.Dialer{}).DialContext(context.Background(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return far, near
}

func TestCollectsWhileNobodyWatches(t *testing.T) {
	_, near := connected(t)
	c := &collector{conn: near}
	if !setReceiveLowWater(near, 1) {
		t.Skip("this system does not collect")
	}
	for _, step := range []struct {
		after   time.Duration
		came    int
		watched bool
		want    int
	}{
		{500 * time.Millisecond, 50_000, false, 0},     // not known yet how much comes
		{500 * time.Millisecond, 50_000, false, 5_000}, // 100 kB a second
		{100 * time.Millisecond, 50_000, true, 0},      // at once
		{2 * time.Second, 200_000, true, 0},            // as long as somebody watches
		{100 * time.Millisecond, 10_000, false, 0},     // the time began anew
		{time.Second, 90_000, false, 4_500},            // and is over
		{time.Second, 10 << 20, false, maxCollected},   // a key frame of a very good camera
		{time.Second, 0, false, 0},                     // nothing comes: nothing is left to lie
	} {
		c.since -= step.after
		c.look(0, step.came, step.watched)
		if c.least != step.want {
			t.Errorf("after %v with %d bytes, watched %v: collects %d bytes, want %d", step.after, step.came, step.watched, c.least, step.want)
		}
	}
}

func TestWatchingHandsOverWhatWasCollected(t *testing.T) {
	far, near := connected(t)
	c := &collector{conn: near}
	c.look(time.Second, 1<<20, false)
	if c.least == 0 {
		t.Skip("this system does not collect")
	}
	got := make(chan int, 1)
	go func() {
		n, _ := newCameraConn(near).Read(make([]byte, 100))
		got <- n
	}()
	if _, err := far.Write(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	c.look(time.Second, 0, true)
	if n := <-got; n != 10 {
		t.Errorf("read %d bytes, want 10", n)
	}
}
