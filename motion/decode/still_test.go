package decode

import (
	"bytes"
	"image"
	"image/jpeg"
	"testing"

	"lares/nvr"
)

// quarters is a picture of four colours: red, green, blue, white from the top left.
const quarters = "color=red:size=640x360:rate=10,drawbox=x=320:y=0:w=320:h=180:color=lime:t=fill,drawbox=x=0:y=180:w=320:h=180:color=blue:t=fill,drawbox=x=320:y=180:w=320:h=180:color=white:t=fill"

func still(t *testing.T, frames []*nvr.Frame, o nvr.StillOptions) image.Image {
	t.Helper()
	data, err := JPEG(frames, o)
	if err != nil {
		t.Fatal(err)
	}
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// near reports whether a pixel has about the colour rgb, 0 to 255 each.
func near(img image.Image, x, y int, rgb [3]int) bool {
	r, g, b, _ := img.At(x, y).RGBA()
	for i, v := range []uint32{r, g, b} {
		if d := int(v>>8) - rgb[i]; d < -25 || d > 25 {
			return false
		}
	}
	return true
}

func TestAStillHasTheColoursOfThePicture(t *testing.T) {
	colours := [4][3]int{{255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {255, 255, 255}}
	for _, coding := range []string{
		"-c:v libx264 -preset veryfast -pix_fmt yuv420p",
		"-c:v libx264 -preset veryfast -pix_fmt yuvj420p",
		"-c:v libx265 -preset ultrafast -x265-params log-level=none -pix_fmt yuv420p10le",
	} {
		_, all := frames(t, clip(t, "a.mp4", quarters+",trim=duration=1", coding))
		for _, c := range []struct {
			o    nvr.StillOptions
			w, h int
		}{
			{nvr.StillOptions{}, 640, 360},
			{nvr.StillOptions{MaxWidth: 320, MaxHeight: 320}, 320, 180},
			{nvr.StillOptions{MaxWidth: 4000, MaxHeight: 4000}, 640, 360},
			{nvr.StillOptions{Crop: nvr.Box{X: 0.25, Y: 0.25, W: 0.5, H: 0.5}}, 320, 180},
			{nvr.StillOptions{Crop: nvr.Box{X: 0.25, Y: 0.25, W: 0.5, H: 0.5}, MaxWidth: 80}, 80, 45},
		} {
			img := still(t, all[:1], c.o)
			if got := img.Bounds().Size(); got != image.Pt(c.w, c.h) {
				t.Errorf("%+v: the still is %v, want %dx%d", c.o, got, c.w, c.h)
			}
			for i, colour := range colours {
				if x, y := c.w/4+i%2*c.w/2, c.h/4+i/2*c.h/2; !near(img, x, y, colour) {
					t.Errorf("%s, %+v: at %d,%d is %v, want %v", coding, c.o, x, y, img.At(x, y), colour)
				}
			}
		}
	}
}

func TestAStillIsTheLastShownPicture(t *testing.T) {
	// The picture brightens from frame to frame.
	source := "color=black:size=320x180:rate=10,geq=lum='16+N*10':cb=128:cr=128,trim=duration=2"
	for _, coding := range []string{"-c:v libx264 -preset veryfast -bf 0 -pix_fmt yuv420p", "-c:v libx264 -preset medium -bf 3 -pix_fmt yuv420p"} {
		_, all := frames(t, clip(t, "a.mp4", source, coding))
		for n := 1; n <= len(all); n++ {
			last := int64(0)
			for _, f := range all[:n] {
				last = max(last, f.PTS)
			}
			luma := (int(last/(nvr.ClockRate/10)) * 10) * 255 / 219
			if img := still(t, all[:n], nvr.StillOptions{}); !near(img, 160, 90, [3]int{luma, luma, luma}) && luma < 250 {
				t.Errorf("%s: the still of %d frames is %v, want grey %d", coding, n, img.At(160, 90), luma)
			}
		}
	}
}

func TestACropAtTheEdgeStaysInThePicture(t *testing.T) {
	_, all := frames(t, clip(t, "a.mp4", quarters+",trim=duration=1", "-c:v libx264 -preset veryfast -pix_fmt yuv420p"))
	for _, box := range []nvr.Box{{X: 1, Y: 1}, {X: 0.99, Y: 0.99, W: 0.5, H: 0.5}, {X: -1, Y: -1, W: 3, H: 3}, {W: 1e-9, H: 1e-9}, {X: 1e300, Y: -1e300, W: 1e300, H: 1e300}} {
		size := still(t, all[:1], nvr.StillOptions{Crop: box}).Bounds().Size()
		if size.X < minCrop || size.Y < minCrop || size.X > 640 || size.Y > 360 {
			t.Errorf("the crop %+v is %v", box, size)
		}
	}
}

func TestNoStillOfNothing(t *testing.T) {
	_, all := frames(t, clip(t, "a.mp4", scene+",trim=duration=1", "-c:v libx264 -preset veryfast -bf 0 -pix_fmt yuv420p"))
	garbage := *all[0]
	garbage.Data = []byte{0, 0, 0, 2, 0x65, 0xff}
	for name, list := range map[string][]*nvr.Frame{"no frames": nil, "no key frame": all[1:3], "garbage": {&garbage}} {
		if data, err := JPEG(list, nvr.StillOptions{}); err == nil {
			t.Errorf("%s: a still of %d bytes", name, len(data))
		}
	}
	// One broken frame among good ones does no harm.
	broken := *all[2]
	broken.Data = []byte{1, 2, 3}
	if _, err := JPEG([]*nvr.Frame{all[0], all[1], &broken}, nvr.StillOptions{}); err != nil {
		t.Errorf("a still with a broken frame at the end: %v", err)
	}
}
