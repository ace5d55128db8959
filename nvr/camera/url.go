package camera

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"lares/nvr"
)

// maxURL bounds the address of a stream, in bytes.
const maxURL = 2048

// CheckURL reports in plain words why an address cannot be that of a camera's
// stream. A name and password in it are refused: they would end up in places
// that are not sealed. The error wraps nvr.ErrInvalid and never repeats the
// address.
func CheckURL(raw string) error {
	bad := func(words string) error { return fmt.Errorf("%s: %w", words, nvr.ErrInvalid) }
	if len(raw) > maxURL {
		return bad("the address is too long")
	}
	for _, r := range raw {
		if r <= ' ' || r == 0x7F {
			return bad("the address has blanks or control characters in it")
		}
	}
	u, err := url.Parse(raw)
	if err != nil {
		return bad("this is not an address; it should look like rtsp://192.168.1.20/stream1")
	}
	switch {
	case u.Scheme != "rtsp" && u.Scheme != "rtsps":
		return bad("the address must begin with rtsp:// or rtsps://")
	case u.User != nil || strings.Contains(u.Host, "@"):
		return bad("leave the user name and password out of the address; they have their own fields")
	case u.Opaque != "" || u.Hostname() == "":
		return bad("the address names no camera; it should look like rtsp://192.168.1.20/stream1")
	case u.Fragment != "" || strings.HasSuffix(raw, "#"):
		return bad("the address must not have a # in it")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return bad("the port in the address must be a number from 1 to 65535")
		}
	}
	return nil
}
