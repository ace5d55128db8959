package main

import (
	"log/slog"
	"testing"

	"lares/nvr"
	"lares/nvr/auth"
)

// TestOwnersHearOfACameraThatMoved: nobody did it, so the box says it itself.
func TestOwnersHearOfACameraThatMoved(t *testing.T) {
	t.Parallel()
	b := newOwnedBox(t)
	h, err := openHouse(t.Context(), b.data, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.close(); err != nil {
			t.Error(err)
		}
	}()
	camera, err := h.fleet.Add(t.Context(), nvr.Camera{Name: "Gate", Streams: []nvr.Source{{URL: "rtsp://192.168.1.20/main"}}})
	if err != nil {
		t.Fatal(err)
	}
	h.tellMove(t.Context(), camera.ID, "192.168.1.21")
	s, _, err := h.auth.Login(t.Context(), auth.LoginRequest{Name: ownerName, Password: ownerPassword, Addr: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	notices, err := h.auth.Notices(t.Context(), s, 10)
	if err != nil || len(notices) == 0 || notices[len(notices)-1].Kind != cameraMoved || notices[len(notices)-1].Camera != camera.ID {
		t.Errorf("notices %+v, %v", notices, err)
	}
	lines, _, err := h.auth.ReadLog(t.Context(), s, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		if l.Action == cameraMoved && l.Camera == camera.ID && l.Detail == "192.168.1.21" {
			return
		}
	}
	t.Errorf("no entry among %d", len(lines))
}
