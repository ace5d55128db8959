package db_test

import (
	"context"
	"path/filepath"
	"testing"

	"lares/nvr"
)

func TestIdentitySurvivesAndIsSealed(t *testing.T) {
	ctx, path, m := context.Background(), filepath.Join(t.TempDir(), "config.db"), newMachine(t)
	c := openConfig(t, path, m)
	door := camera("Haustür", 1)
	door.Identity = nvr.Identity{
		Endpoint: "urn:uuid:5f5a69c2-e0ae-504f-829b-001122334455", Maker: "Reolink", Model: "RLC-510", Serial: "SN-4711",
		MAC: "ec:71:db:00:11:22", Service: "https://192.168.1.20/onvif/device_service", Pin: []byte{1, 2, 3},
	}
	must(t, c.SaveCamera(ctx, door))
	must(t, c.Close())
	assertAbsent(t, rawFiles(t, path), map[string][]byte{"the serial number": []byte("SN-4711"), "the hardware address": []byte("ec:71:db")})
	c = openConfig(t, path, m)
	want(t, "cameras", []nvr.Camera{door})(c.Cameras(ctx))
}
