package ui

// Route is a line of the table for tests.
type Route struct {
	Pattern string
	Open    bool // anybody, or anybody until the box is claimed
	Page    bool
}

// Routes lists the table.
func (s *Server) Routes() []Route {
	var list []Route
	for _, rt := range s.routes() {
		list = append(list, Route{Pattern: rt.pattern, Open: rt.rule != loggedIn, Page: rt.kind == page})
	}
	return list
}

// LocalPath, ParseTime and ParseAddress are what reads foreign bytes.
var (
	LocalPath = localPath
	ParseTime = parseTime
)

// ParseAddress returns the parts of an address that somebody typed.
func ParseAddress(s string) (url, user, password string, path, ok bool) {
	a, ok := parseAddress(s)
	return a.url, a.user, a.password, a.path, ok
}
