package onvif

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"lares/nvr"
)

// maxMasks bounds what a camera may say to have.
const maxMasks = 32

// mask is a privacy mask of Media2. Places are from -1, left and bottom, to 1
// (ONVIF Media2, section 5.2.9; tt:Polygon).
type mask struct {
	Token  string `xml:"token,attr"`
	Type   string
	Points []struct {
		X float64 `xml:"x,attr"`
		Y float64 `xml:"y,attr"`
	} `xml:"Polygon>Point"`
}

// Masks asks for the masks of a source, as the camera keeps them. A camera that
// can keep none gives a zero value. config is Profile.SourceConfig.
func (c *Client) Masks(ctx context.Context, config string) (nvr.Masks, error) {
	service, err := c.service(ctx, media2Service)
	if err != nil || service == "" {
		return nvr.Masks{}, err
	}
	var can struct {
		Options struct {
			Rectangles bool `xml:"RectangleOnly,attr"`
			Most       int  `xml:"MaxMasks"`
			Corners    int  `xml:"MaxPoints"`
		} `xml:"Body>GetMaskOptionsResponse>Options"`
	}
	named := `<tr2:ConfigurationToken>` + escape(config) + `</tr2:ConfigurationToken>`
	if err := c.ask(ctx, service, `<tr2:GetMaskOptions>`+named+`</tr2:GetMaskOptions>`, &can); err != nil {
		return nvr.Masks{}, err
	}
	all := nvr.Masks{
		Possible: can.Options.Most > 0, Most: min(can.Options.Most, maxMasks),
		Corners: can.Options.Corners, Rectangles: can.Options.Rectangles,
	}
	if !all.Possible {
		return nvr.Masks{}, nil
	}
	var r struct {
		Masks []mask `xml:"Body>GetMasksResponse>Masks"`
	}
	if err := c.ask(ctx, service, `<tr2:GetMasks>`+named+`</tr2:GetMasks>`, &r); err != nil {
		return nvr.Masks{}, err
	}
	for _, m := range r.Masks[:min(len(r.Masks), maxMasks)] {
		out := nvr.Mask{Token: m.Token}
		for _, p := range m.Points {
			out.Points = append(out.Points, nvr.Point{X: clamp((p.X + 1) / 2), Y: clamp((1 - p.Y) / 2)})
		}
		all.List = append(all.List, out)
	}
	return all, nil
}

func clamp(v float64) float64 { return max(0, min(1, v)) }

// SetMask makes a mask, or changes the one whose token m has.
func (c *Client) SetMask(ctx context.Context, config string, m nvr.Mask) error {
	service, err := c.service(ctx, media2Service)
	if err != nil || service == "" {
		return orUnsupported(err)
	}
	place := func(v float64) string { return strconv.FormatFloat(v, 'f', 4, 64) }
	var b strings.Builder
	for _, p := range m.Points {
		fmt.Fprintf(&b, `<tt:Point x="%s" y="%s"/>`, place(2*p.X-1), place(1-2*p.Y))
	}
	question := "CreateMask"
	if m.Token != "" {
		question = "SetMask"
	}
	// Black, in YCbCr.
	body := `<tr2:` + question + `><tr2:Mask token="` + escape(m.Token) + `"><tr2:ConfigurationToken>` + escape(config) +
		`</tr2:ConfigurationToken><tr2:Polygon>` + b.String() + `</tr2:Polygon><tr2:Type>Color</tr2:Type>` +
		`<tr2:Color X="16" Y="128" Z="128" Colorspace="http://www.onvif.org/ver10/colorspace/YCbCr"/>` +
		`<tr2:Enabled>true</tr2:Enabled></tr2:Mask></tr2:` + question + `>`
	return c.ask(ctx, service, body, nil)
}

// DeleteMask takes a mask away.
func (c *Client) DeleteMask(ctx context.Context, token string) error {
	service, err := c.service(ctx, media2Service)
	if err != nil || service == "" {
		return orUnsupported(err)
	}
	return c.ask(ctx, service, `<tr2:DeleteMask><tr2:Token>`+escape(token)+`</tr2:Token></tr2:DeleteMask>`, nil)
}

func orUnsupported(err error) error {
	if err == nil {
		return ErrUnsupported
	}
	return err
}
