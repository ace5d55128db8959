package ui

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"

	"lares/nvr"
)

const (
	maxZones  = 16
	maxPoints = 32 // of a zone
)

// zoneJSON is a zone in the settings form: corners as x, y in parts of the
// picture.
type zoneJSON struct {
	Ignore bool         `json:"ignore"`
	Points [][2]float64 `json:"points"`
}

// zonesText writes zones for the form.
func zonesText(zones []nvr.Zone) (string, error) {
	list := []zoneJSON{}
	for _, z := range zones {
		v := zoneJSON{Ignore: z.Ignore, Points: [][2]float64{}}
		for _, p := range z.Points {
			v.Points = append(v.Points, [2]float64{p.X, p.Y})
		}
		list = append(list, v)
	}
	b, err := json.Marshal(list)
	if err != nil {
		return "", fmt.Errorf("write zones: %w", err)
	}
	return string(b), nil
}

// parseZones reads the zones of the form. The error wraps nvr.ErrInvalid.
func parseZones(text string) ([]nvr.Zone, error) {
	var list []struct {
		Ignore bool        `json:"ignore"`
		Points [][]float64 `json:"points"` // two numbers each, which an array would not insist on
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&list); err != nil {
		return nil, fmt.Errorf("zones are no JSON: %w", nvr.ErrInvalid)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("something follows the zones: %w", nvr.ErrInvalid)
	}
	if len(list) > maxZones {
		return nil, fmt.Errorf("%d zones: %w", len(list), nvr.ErrInvalid)
	}
	var zones []nvr.Zone
	for _, v := range list {
		if n := len(v.Points); n < 3 || n > maxPoints {
			return nil, fmt.Errorf("zone of %d corners: %w", n, nvr.ErrInvalid)
		}
		z := nvr.Zone{Ignore: v.Ignore}
		for _, p := range v.Points {
			if len(p) != 2 || !part(p[0]) || !part(p[1]) {
				return nil, fmt.Errorf("corner outside the picture: %w", nvr.ErrInvalid)
			}
			z.Points = append(z.Points, nvr.Point{X: p[0], Y: p[1]})
		}
		zones = append(zones, z)
	}
	return zones, nil
}

// part reports whether v is a part of the picture.
func part(v float64) bool { return !math.IsNaN(v) && v >= 0 && v <= 1 }
