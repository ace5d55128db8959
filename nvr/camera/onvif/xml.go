package onvif

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	maxAnswer = 1 << 20 // bytes
	maxDepth  = 48      // of elements; real answers stay below 20
)

// ErrMalformed: the answer is no XML that can be used.
var ErrMalformed = errors.New("the camera's answer cannot be read")

// parse reads an answer into out, whose tags name elements without namespaces.
// Errors: ErrMalformed.
func parse(raw []byte, out any) error {
	if len(raw) > maxAnswer {
		return fmt.Errorf("%w: too long", ErrMalformed)
	}
	inner := xml.NewDecoder(bytes.NewReader(raw))
	inner.CharsetReader = func(charset string, in io.Reader) (io.Reader, error) {
		if strings.EqualFold(charset, "us-ascii") || strings.EqualFold(charset, "utf8") {
			return in, nil
		}
		return nil, fmt.Errorf("charset %q", charset)
	}
	if err := xml.NewTokenDecoder(&shallow{in: inner}).Decode(out); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}

// shallow hands tokens on until they nest too deep.
type shallow struct {
	in    *xml.Decoder
	depth int
}

// Token implements xml.TokenReader.
func (s *shallow) Token() (xml.Token, error) {
	token, err := s.in.RawToken()
	switch token.(type) {
	case xml.StartElement:
		s.depth++
	case xml.EndElement:
		s.depth--
	}
	if s.depth > maxDepth {
		return nil, errors.New("too deep")
	}
	return token, err
}

// escape makes text safe between tags and in attributes.
func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder takes everything
	return b.String()
}
