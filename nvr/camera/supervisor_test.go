package camera

import (
	"testing"

	"lares/nvr"
	"lares/nvr/camera/camsim"
)

func TestEveryPictureIsPublishedOnce(t *testing.T) {
	for _, name := range []string{"bframes_aac.mp4", "plain.mp4", "plain.h264", "h265.mp4", "plain.h265", "vfr.mp4", "longgop.mp4"} {
		for transport, label := range map[nvr.Transport]string{nvr.TCP: "tcp", nvr.UDP: "udp"} {
			t.Run(name+"/"+label, func(t *testing.T) {
				t.Parallel()
				sim := simulate(t, camsim.Config{Main: clip(t, name), Speed: 8})
				c := describe(sim, nvr.Main)
				c.Transport = transport
				r := supervise(t, c)
				reader := r.feeds[0].Stream().NewReader(nvr.ReaderOptions{Hold: true})
				defer reader.Close()
				got, _ := pictures(t, reader, 120)
				same(t, got, sim.Sent(nvr.Main))
				if !got[0].Key || got[0].Run == 0 || got[0].Break != nil {
					t.Errorf("first frame: key %v, run %d, break %v", got[0].Key, got[0].Run, got[0].Break)
				}
				if p := got[0].Params; p.Width == 0 || p.Height == 0 || len(p.SPS) == 0 || len(p.PPS) == 0 {
					t.Errorf("params: %+v", p)
				}
				for i, f := range got {
					if f.Params != got[0].Params || f.Run != got[0].Run {
						t.Fatalf("frame %d: other params or run", i)
					}
				}
			})
		}
	}
}

func TestRealFootageIsPublishedPictureByPicture(t *testing.T) {
	for _, name := range []string{
		"motorway.mp4", "motorway_vfr.mp4", "shop_door.mp4", "street_cars.mp4", "night_yard_person.mp4", "carpark_topdown.mp4",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := camsim.Load(shared(t, "footage", name))
			if err != nil {
				t.Fatal(err)
			}
			sim := simulate(t, camsim.Config{Main: c, Speed: 12})
			r := supervise(t, describe(sim, nvr.Main))
			reader := r.feeds[0].Stream().NewReader(nvr.ReaderOptions{Hold: true})
			defer reader.Close()
			got, _ := pictures(t, reader, c.Frames()+10) // over the seam of the loop
			same(t, got, sim.Sent(nvr.Main))
			if got[0].Run != got[len(got)-1].Run {
				t.Error("the run was broken")
			}
		})
	}
}
