package camera

import (
	"bufio"
	"net"
	"time"
)

const (
	// receiveBuffer holds a picture of most cameras, for TCP.
	receiveBuffer = 64 << 10
	// collectFor is about how long what comes may wait in the kernel.
	collectFor   = 50 * time.Millisecond
	maxCollected = receiveBuffer / 2
	// collectTick is how often the pace of a camera is measured.
	collectTick = time.Second
)

// cameraConn takes all that has come in one read. gortsplib reads 4 KiB at a
// time, and with each read the kernel opens the TCP window a little.
type cameraConn struct {
	net.Conn
	r *bufio.Reader
}

func newCameraConn(conn net.Conn) *cameraConn {
	return &cameraConn{Conn: conn, r: bufio.NewReaderSize(conn, receiveBuffer)}
}

func (c *cameraConn) Read(b []byte) (int, error) { return c.r.Read(b) }

// collector lets the kernel collect a part of a picture, or some small ones,
// before it wakes us: to wake up is most of what receiving costs. The rest of a
// picture may then wait for the beginning of the next one, so it collects only
// while nobody watches. It is used under the lock of its session.
type collector struct {
	conn    net.Conn // nil: there is none yet
	since   time.Duration
	came    int  // bytes of pictures since then
	watched bool // at the last look
	least   int  // bytes for which the kernel wakes us; 0 is as good as 1
}

// look takes the bytes of pictures that came until now on the monotonic clock.
// It is called for each picture, and now and then while none comes.
func (c *collector) look(now time.Duration, came int, watched bool) {
	c.came += came
	elapsed := now - c.since
	if c.conn == nil || watched == c.watched && elapsed < collectTick {
		return
	}
	least := 0
	if !watched && elapsed >= collectTick {
		least = min(int(float64(c.came)*float64(collectFor)/float64(elapsed)), maxCollected)
	}
	if least != c.least && setReceiveLowWater(c.conn, max(least, 1)) {
		c.least = least
	}
	c.since, c.came, c.watched = now, 0, watched
}

// end wakes the reader for what was collected, and collects no more.
func (c *collector) end() {
	if c.least > 0 {
		setReceiveLowWater(c.conn, 1)
	}
	c.conn, c.least = nil, 0
}
