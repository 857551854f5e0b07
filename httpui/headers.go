package httpui

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// contentSecurityPolicy lets the page do exactly what it does. What is absent:
// inline script, inline style attributes, eval, any foreign origin. Trusted
// Types turn every assignment of a string to innerHTML into an error (see
// static/js/boot.js).
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; " +
	"img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; " +
	"frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types default"

func (s *Server) withSecurityHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentSecurityPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		h.Set("Cache-Control", "no-store") // pages and assets say otherwise
		if r.TLS != nil {
			h.Set("Strict-Transport-Security", "max-age=31536000") // browsers pass over it for addresses
		}
		next.ServeHTTP(w, r)
	})
}

// knownHosts refuses requests for host names that are not ours, so that a page
// elsewhere cannot point its own name at this server and read it (DNS rebinding).
// Known are localhost, the name in the listen address and the configured ones.
// Addresses cannot be rebound and are always accepted.
func (s *Server) knownHosts(next http.Handler) http.Handler {
	known := map[string]bool{"localhost": true}
	for _, name := range append([]string{s.config.Listen}, s.config.AllowedHosts...) {
		known[hostName(name)] = true
	}
	delete(known, "") // of a wildcard listen address
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := hostName(r.Host)
		if _, err := netip.ParseAddr(host); err != nil && !known[host] {
			s.fail(w, r, http.StatusMisdirectedRequest, "This host name is not known here. Add it to http.allowed_hosts in the configuration.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostName returns the name or address of host or host:port in lower case,
// without brackets and the root's dot.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}
