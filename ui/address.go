package ui

import (
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"lares/ui/text"
	"lares/ui/view"
)

// maker is where the cameras of a maker have their streams.
type maker struct {
	id, name  string
	main, sub string // path and query
}

// makers lists the usual paths, as the makers' manuals give them.
func makers() []maker {
	return []maker{
		{"reolink", "Reolink", "/h264Preview_01_main", "/h264Preview_01_sub"},
		{"tapo", "TP-Link Tapo, VIGI", "/stream1", "/stream2"},
		{"hikvision", "Hikvision, Annke, EZVIZ", "/Streaming/Channels/101", "/Streaming/Channels/102"},
		{"dahua", "Dahua, Amcrest, Lorex", "/cam/realmonitor?channel=1&subtype=0", "/cam/realmonitor?channel=1&subtype=1"},
		{"axis", "Axis", "/axis-media/media.amp", ""},
		{"foscam", "Foscam", "/videoMain", "/videoSub"},
	}
}

// makerOther is the choice of those who type the whole address.
const makerOther = "other"

func makerChoices(t *text.Catalogue) []view.Maker {
	list := []view.Maker{{ID: makerOther, Name: t.T("new.maker_other")}}
	for _, m := range makers() {
		list = append(list, view.Maker{ID: m.id, Name: m.name})
	}
	return list
}

// paths returns the streams of a maker's cameras; empty for an unknown one.
func paths(id string) (main, sub string) {
	for _, m := range makers() {
		if m.id == id {
			return m.main, m.sub
		}
	}
	return "", ""
}

// address is what somebody typed, taken apart.
type address struct {
	url            string // rtsp:// or rtsps://, without user info
	user, password string
	path           bool // a stream was named, not only a camera
}

// hostName is a DNS name; browsers and cameras agree on no more than this.
var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,252}[A-Za-z0-9])?$`)

// parseAddress reads an address as people type it: 192.168.1.20, a name, with
// a port or a path, or a whole URL. User info in it is taken out.
func parseAddress(typed string) (a address, ok bool) {
	scheme, rest, found := strings.Cut(strings.TrimSpace(typed), "://")
	if !found {
		scheme, rest = "rtsp", strings.TrimSpace(typed)
	}
	scheme = strings.ToLower(scheme)
	if scheme != "rtsp" && scheme != "rtsps" {
		return address{}, false
	}
	authority, path := rest, ""
	// A password may hold a slash: the host begins behind the last @ before a path can begin.
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	if i := strings.LastIndex(authority, "@"); i >= 0 {
		a.user, a.password, _ = strings.Cut(authority[:i], ":")
		a.user, a.password = unescape(a.user), unescape(a.password)
		authority = authority[i+1:]
	}
	if !validHost(authority) {
		return address{}, false
	}
	u, err := url.Parse(scheme + "://" + authority + path)
	if err != nil || u.User != nil || u.Fragment != "" {
		return address{}, false
	}
	a.path = (u.Path != "" && u.Path != "/") || u.RawQuery != ""
	a.url = u.String()
	return a, true
}

// validHost reports whether s is an address or a name, with or without a port.
func validHost(s string) bool {
	host := s
	if h, port, err := net.SplitHostPort(s); err == nil {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return false
		}
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Zone() == "" && (ip.Is4() || strings.HasPrefix(s, "["))
	}
	return hostName.MatchString(host)
}

// host is the address without scheme and path, with its port if one was typed.
func (a address) host() string {
	u, err := url.Parse(a.url)
	if err != nil {
		return "" // parseAddress wrote it, so it parses
	}
	if u.Port() == "" {
		return u.Hostname()
	}
	return u.Host
}

func unescape(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

// makerOf finds the maker in what a camera calls itself; empty for an unknown one.
func makerOf(words string) string {
	words = strings.ToLower(words)
	for _, m := range makers() {
		for name := range strings.SplitSeq(strings.ToLower(m.name), ",") {
			for word := range strings.FieldsSeq(name) {
				if strings.Contains(words, word) {
					return m.id
				}
			}
		}
	}
	return ""
}

// withPath replaces path and query of an address.
func (a address) withPath(path string) string {
	u, err := url.Parse(a.url)
	if err != nil {
		return a.url // parseAddress wrote it, so it parses
	}
	return u.Scheme + "://" + u.Host + path
}
