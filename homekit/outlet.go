package homekit

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

const (
	// packetBytes bounds an RTP packet with its authentication: larger ones are
	// lost in some networks, whatever the controller asks for.
	packetBytes = 1200
	// rtpOverhead is what of a packet is no payload: the header (RFC 3550, 5.1) and
	// the authentication tag (RFC 3711, 5.2), 80 bits.
	rtpOverhead = 12 + 10
	// leastPayload is the smallest payload that is sent, whatever is asked for.
	leastPayload = 256
)

// outlet sends one medium to a controller over SRTP and hears its reports. listen
// has a goroutine of its own; all else belongs to one other.
type outlet struct {
	conn *net.UDPConn
	ssrc uint32
	out  *srtp.Context
	in   *srtp.Context // belongs to listen

	params          rtpParams
	sequence        uint16
	packets, octets uint32
	stamp           uint32    // of the packet sent last
	stamped         time.Time // when that was
	taken           time.Time // when the camera took what is in it
	plain, sealed   []byte    // reused

	heard   atomic.Int64 // Unix nanoseconds of the last report of the controller, 0 before
	refused atomic.Int64 // since when packets are refused, 0 while they are not
	asked   atomic.Bool  // the controller misses pictures
}

// openOutlet opens a port at local for packets from and to remote alone.
func openOutlet(local netip.Addr, remote netip.AddrPort, s secret) (*outlet, error) {
	conn, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, 0)), net.UDPAddrFromAddrPort(remote))
	if err != nil {
		return nil, fmt.Errorf("open a port for a stream: %w", err)
	}
	o := &outlet{conn: conn}
	var seed [10]byte
	rand.Read(seed[:]) // never fails: crypto/rand, Go 1.24
	o.ssrc, o.stamp, o.sequence = binary.BigEndian.Uint32(seed[:])|1, binary.BigEndian.Uint32(seed[4:]), binary.BigEndian.Uint16(seed[8:])
	const suite = srtp.ProtectionProfileAes128CmHmacSha1_80
	if o.out, err = srtp.CreateContext(s.key, s.salt, suite); err == nil {
		o.in, err = srtp.CreateContext(s.key, s.salt, suite, srtp.SRTCPReplayProtection(64))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("encrypt a stream: %w", err), conn.Close())
	}
	return o, nil
}

// port returns the port of this box.
func (o *outlet) port() uint16 {
	if at, ok := o.conn.LocalAddr().(*net.UDPAddr); ok {
		return at.AddrPort().Port()
	}
	return 0
}

// host returns the address of this box.
func (o *outlet) host() netip.Addr {
	if at, ok := o.conn.LocalAddr().(*net.UDPAddr); ok {
		return at.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// room returns how many bytes of payload a packet may have.
func (o *outlet) room() int {
	most := packetBytes
	if o.params.mtu > 0 {
		most = min(most, o.params.mtu)
	}
	return max(most-rtpOverhead, leastPayload)
}

// send sends one packet of what the camera took at a time.
func (o *outlet) send(payload []byte, stamp uint32, taken time.Time, marker bool) error {
	header := rtp.Header{
		Version: 2, Marker: marker, PayloadType: o.params.payloadType,
		SequenceNumber: o.sequence, Timestamp: stamp, SSRC: o.ssrc,
	}
	o.plain = append(o.plain[:0], make([]byte, header.MarshalSize())...)
	if _, err := header.MarshalTo(o.plain); err != nil {
		return fmt.Errorf("pack a stream: %w", err)
	}
	o.plain = append(o.plain, payload...)
	sealed, err := o.out.EncryptRTP(o.sealed[:0], o.plain, &header)
	if err != nil {
		return fmt.Errorf("encrypt a stream: %w", err)
	}
	o.sealed = sealed
	o.sequence++
	o.packets++
	o.octets += uint32(len(payload))
	o.stamp, o.stamped, o.taken = stamp, time.Now(), taken
	return o.write(sealed)
}

// report tells the controller which time the stamp of a packet is (RFC 3550,
// 6.4.1): that of the camera, which pictures and sound share. rate is that of the
// stamps, a second.
func (o *outlet) report(now time.Time, rate int64) error {
	if o.packets == 0 {
		return nil
	}
	since := now.Sub(o.stamped)
	plain, err := (&rtcp.SenderReport{
		SSRC: o.ssrc, NTPTime: ntp(o.taken.Add(since)), RTPTime: o.stamp + uint32(int64(since)*rate/int64(time.Second)),
		PacketCount: o.packets, OctetCount: o.octets,
	}).Marshal()
	if err != nil {
		return fmt.Errorf("write a sender report: %w", err)
	}
	sealed, err := o.out.EncryptRTCP(nil, plain, nil)
	if err != nil {
		return fmt.Errorf("encrypt a sender report: %w", err)
	}
	return o.write(sealed)
}

// ntp returns a time as 32.32 bit seconds since 1900 (RFC 5905, 6).
func ntp(t time.Time) uint64 {
	const from1900 = 2208988800
	return uint64(t.Unix()+from1900)<<32 | uint64(t.Nanosecond())<<32/uint64(time.Second)
}

func (o *outlet) write(b []byte) error {
	if _, err := o.conn.Write(b); err != nil && !o.refusal(err) {
		return fmt.Errorf("send a stream: %w", err)
	}
	return nil
}

// refusal notes that the controller's port is shut, if that is what err says.
func (o *outlet) refusal(err error) bool {
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return false
	}
	o.refused.CompareAndSwap(0, time.Now().UnixNano())
	return true
}

// listen hears the controller's reports until the port is closed.
func (o *outlet) listen() {
	buf := make([]byte, 2048)
	for {
		n, err := o.conn.Read(buf)
		if err != nil {
			if o.refusal(err) {
				continue
			}
			return
		}
		if n < 8 || buf[1] < 192 || buf[1] > 223 { // RTP (RFC 5761, 4)
			continue
		}
		plain, err := o.in.DecryptRTCP(nil, buf[:n], nil)
		if err != nil {
			continue // not from the controller
		}
		o.refused.Store(0)
		o.heard.Store(time.Now().UnixNano())
		list, err := rtcp.Unmarshal(plain)
		if err != nil {
			continue
		}
		for _, p := range list {
			switch p.(type) {
			case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
				o.asked.Store(true)
			}
		}
	}
}

// gone returns why nobody listens any more, nil if somebody may.
func (o *outlet) gone(now, begin time.Time) error {
	last := begin
	if heard := o.heard.Load(); heard != 0 {
		last = time.Unix(0, heard)
	}
	if now.Sub(last) > silence {
		return errSilent
	}
	if since := o.refused.Load(); since != 0 && now.Sub(time.Unix(0, since)) > refusal {
		return errRefused
	}
	return nil
}

func (o *outlet) close() error {
	if err := o.conn.Close(); err != nil {
		return fmt.Errorf("close a port: %w", err)
	}
	return nil
}
