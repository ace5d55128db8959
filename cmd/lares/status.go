package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"lares/cmd/lares/internal/console"
	"lares/nvr"
)

func (p *program) status(ctx context.Context, args []string) error {
	var data string
	var asJSON bool
	fs := p.flags("status", &data)
	fs.BoolVar(&asJSON, "json", false, "print JSON")
	if _, err := parse(fs, args); err != nil {
		return err
	}
	return p.with(ctx, data, func(c *console.Client) error {
		var out console.Status
		if err := c.Call(ctx, http.MethodGet, "/status", nil, &out); err != nil {
			return err
		}
		if asJSON {
			return json.NewEncoder(p.stdout).Encode(out)
		}
		return p.showStatus(out)
	})
}

func (p *program) showStatus(s console.Status) error {
	switch {
	case !s.Running:
		fmt.Fprintln(p.stdout, "Lares is not running.")
	case !s.Claimed:
		fmt.Fprintln(p.stdout, "Lares waits for an owner: open the page and finish the set-up.")
	default:
		fmt.Fprintln(p.stdout, "Lares is running.")
	}
	healthy := s.Running && s.Claimed && len(s.Alarms) == 0
	for _, alarm := range s.Alarms {
		fmt.Fprintln(p.stdout, "Warning:", alarmText(alarm))
	}
	if s.Running && s.Protection.Swap == nvr.SwapOpen {
		fmt.Fprintln(p.stdout, "Warning: keys in memory may be written to the swap space of this box. Switch swap off or encrypt it, or run Lares as the service of its package.")
	}
	if s.Running {
		fmt.Fprintln(p.stdout, egressText(s.Protection.Egress))
	}
	p.table(s.Cameras)
	for _, camera := range s.Cameras {
		private := false // as somebody wants
		for _, state := range camera.State {
			private = private || state.Cause == nvr.Privacy.String()
			healthy = healthy && (state.Recording || state.Waits || private)
		}
		healthy = healthy && (camera.Motion == nil || camera.Motion.Works || private)
	}
	const gb = 1e9
	for _, d := range s.Disks {
		fmt.Fprintf(p.stdout, "%s  %.1f GB of footage, %.1f of %.1f GB free  %s\n",
			d.Path, float64(d.Used)/gb, float64(d.Free)/gb, float64(d.Total)/gb, d.Detail)
		healthy = healthy && (d.OK || !s.Running)
	}
	if !healthy {
		return errFound
	}
	return nil
}
