package cert

import (
	"net"
	"net/http"
	"net/netip"
	"strconv"
)

// Plain returns the handler of the plain HTTP port. It serves the authority's
// certificate at /ca.crt and sends everything else to HTTPS on httpsPort. It
// never repeats a Host that is not a name of the box: then it uses the address
// that the browser really reached.
func (m *Manager) Plain(httpsPort int) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ca.crt", m.ServeCA)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		host := m.redirectHost(r)
		if host == "" || (r.Method != http.MethodGet && r.Method != http.MethodHead) {
			http.Error(w, "Open this page with https:// and the name or address of the box.", http.StatusMisdirectedRequest)
			return
		}
		target := "https://" + net.JoinHostPort(host, strconv.Itoa(httpsPort)) + r.URL.EscapedPath()
		if httpsPort == 443 {
			target = "https://" + bracketed(host) + r.URL.EscapedPath()
		}
		http.Redirect(w, r, target, http.StatusTemporaryRedirect) //nolint:gosec // redirectHost returns names of the certificate only
	})
	return mux
}

// ServeCA answers with the authority's certificate in PEM, with the type that
// makes phones offer to install it.
func (m *Manager) ServeCA(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/x-x509-ca-cert")
	h.Set("Content-Disposition", `attachment; filename="lares-ca.crt"`)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(m.PEM()) // a client that left is not our problem
}

// redirectHost is the host to send a browser to, empty if none is known.
func (m *Manager) redirectHost(r *http.Request) string {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if m.Serves(host) {
		return canonical(host)
	}
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		if ap, err := netip.ParseAddrPort(local.String()); err == nil && m.Serves(ap.Addr().Unmap().String()) {
			return ap.Addr().Unmap().String()
		}
	}
	return ""
}

func bracketed(host string) string {
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
		return "[" + host + "]"
	}
	return host
}
