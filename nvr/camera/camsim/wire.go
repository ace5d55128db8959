package camsim

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strconv"
	"sync"
	"time"
)

// listenPair opens the two datagram ports of RTP and RTCP: an even one and the
// next (RFC 3550 section 11), on the address of the TCP listener.
func listenPair(addr net.Addr) ([2]net.PacketConn, error) {
	host, _, err := net.SplitHostPort(addr.String())
	if err != nil {
		return [2]net.PacketConn{}, fmt.Errorf("address of the listener: %w", err)
	}
	for range 100 {
		first, err := listenPacket(net.JoinHostPort(host, "0"))
		if err != nil {
			return [2]net.PacketConn{}, fmt.Errorf("listen for RTP: %w", err)
		}
		_, number, err := net.SplitHostPort(first.LocalAddr().String())
		if err != nil {
			return [2]net.PacketConn{}, errors.Join(err, first.Close())
		}
		if port, err := strconv.Atoi(number); err == nil && port%2 == 0 {
			second, err := listenPacket(net.JoinHostPort(host, strconv.Itoa(port+1)))
			if err == nil {
				return [2]net.PacketConn{first, second}, nil
			}
		}
		if err := first.Close(); err != nil {
			return [2]net.PacketConn{}, fmt.Errorf("close RTP port: %w", err)
		}
	}
	return [2]net.PacketConn{}, errors.New("no free pair of ports for RTP")
}

// listenPacket opens a datagram port; that waits for nothing.
func listenPacket(address string) (net.PacketConn, error) {
	return (&net.ListenConfig{}).ListenPacket(context.Background(), "udp", address)
}

// listener turns clients away while the camera refuses or bans them.
type listener struct {
	net.Listener
	camera *Camera
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if !l.camera.admit(conn.RemoteAddr()) {
			conn.Close() //nolint:errcheck // it is thrown out
			continue
		}
		return &wire{Conn: conn, camera: l.camera}, nil
	}
}

// admit counts a connection and reports whether it may stay.
func (c *Camera) admit(addr net.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opened++
	banned := c.bad.BanAfter > 0 && c.wrong[hostOf(addr)] >= c.bad.BanAfter
	return !c.bad.Refuse && !banned
}

func hostOf(addr net.Addr) string {
	host, _, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	return host
}

// wire is a connection that repeats RTP packets under another SSRC while the
// camera mixes sessions up. gortsplib writes one interleaved frame per call
// (RFC 2326 section 10.12: '$', channel, length, packet).
type wire struct {
	net.Conn
	camera *Camera
}

func (w *wire) Write(b []byte) (int, error) {
	n, err := w.Conn.Write(b)
	const header, ssrc = 4, 8
	if err != nil || w.camera.cfg.TLS || len(b) < header+12 || b[0] != '$' || b[1]%2 != 0 {
		return n, err
	}
	if w.camera.misbehaviour().ForeignSSRC {
		foreign := append([]byte(nil), b...)
		at := foreign[header+ssrc:]
		binary.BigEndian.PutUint32(at, binary.BigEndian.Uint32(at)^0x5A5A5A5A)
		if _, err := w.Conn.Write(foreign); err != nil {
			return n, err
		}
	}
	return n, nil
}

// certificate is the self-signed certificate of the camera.
type certificate struct {
	mu      sync.Mutex
	current *tls.Certificate
}

func newCertificate() (*certificate, error) {
	c := &certificate{}
	return c, c.renew()
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current, nil
}

func (c *certificate) renew() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make camera key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return fmt.Errorf("make camera serial number: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "simulated camera"},
		NotBefore:    time.Unix(0, 0),
		NotAfter:     time.Unix(1<<33, 0), // a camera does not know the time
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return fmt.Errorf("make camera certificate: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current = &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return nil
}
