package main

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/pion/rtp"
)

// receive is the floor of recording: it receives the streams and drops them.
// At the end it prints the packets that came.
func receive(ctx context.Context, urls []string, out io.Writer) error {
	var packets atomic.Int64
	transport := gortsplib.TransportTCP
	for _, text := range urls {
		u, err := base.ParseURL(text)
		if err != nil {
			return fmt.Errorf("receive %s: %w", text, err)
		}
		c := &gortsplib.Client{Scheme: u.Scheme, Host: u.Host, Transport: &transport}
		if err := c.Start2(); err != nil {
			return fmt.Errorf("receive %s: %w", text, err)
		}
		defer c.Close()
		desc, _, err := c.Describe(u)
		if err != nil {
			return fmt.Errorf("receive %s: %w", text, err)
		}
		if err := c.SetupAll(desc.BaseURL, desc.Medias); err != nil {
			return fmt.Errorf("receive %s: %w", text, err)
		}
		c.OnPacketRTPAny(func(*description.Media, format.Format, *rtp.Packet) { packets.Add(1) })
		if _, err := c.Play(nil); err != nil {
			return fmt.Errorf("receive %s: %w", text, err)
		}
	}
	<-ctx.Done()
	_, err := fmt.Fprintf(out, "%d packets\n", packets.Load())
	return err
}
