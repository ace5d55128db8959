// Package text is the catalogue of everything that the web UI says. Pages and
// scripts name a text by its id; a translation is one more file like en.json.
//
// It owns no state: a [Catalogue] never changes after it was read and may be
// used from any goroutine.
package text

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

//go:embed en.json
var english []byte

// Catalogue holds the texts of one language by id. A text may have places in
// braces: "Not recording since {time}".
type Catalogue struct {
	lang  string
	texts map[string]string
}

// English returns the texts that Lares is written in.
func English() (*Catalogue, error) { return Read("en", english) }

// Read reads a catalogue: a JSON object of ids and texts. lang is its BCP 47 tag.
func Read(lang string, data []byte) (*Catalogue, error) {
	c := &Catalogue{lang: lang}
	if err := json.Unmarshal(data, &c.texts); err != nil {
		return nil, fmt.Errorf("read texts in %s: %w", lang, err)
	}
	return c, nil
}

// Lang returns the BCP 47 tag of the language.
func (c *Catalogue) Lang() string { return c.lang }

// T returns a text. args are pairs of the name of a place and what stands
// there. A text that is missing shows its id, so that it is noticed.
func (c *Catalogue) T(id string, args ...string) string {
	s, ok := c.texts[id]
	if !ok {
		return id
	}
	for pair := range slices.Chunk(args, 2) {
		if len(pair) == 2 {
			s = strings.ReplaceAll(s, "{"+pair[0]+"}", pair[1])
		}
	}
	return s
}

// Around returns what stands before and after the place in a text, for a page
// that puts an element there.
func (c *Catalogue) Around(id, place string, args ...string) (before, after string) {
	before, after, _ = strings.Cut(c.T(id, args...), "{"+place+"}")
	return before, after
}

// Script returns the texts that scripts need: those with one of the prefixes.
func (c *Catalogue) Script(prefixes ...string) map[string]string {
	out := make(map[string]string)
	for id, s := range c.texts {
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(id, p) }) {
			out[id] = s
		}
	}
	return out
}

// IDs lists all ids in order.
func (c *Catalogue) IDs() []string { return slices.Sorted(maps.Keys(c.texts)) }
