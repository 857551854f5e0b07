package httpui

import (
	"net"
	"net/http"
	"strings"
)

// contentSecurityPolicy lets the page do exactly what it does. What is absent:
// inline script, inline style attributes, eval, any foreign origin. Trusted
// Types turn every assignment of a string to innerHTML into an error (see
// static/js/boot.js).
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; " +
	"img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; " +
	"frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types default"

func withSecurityHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentSecurityPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		next.ServeHTTP(w, r)
	})
}

// withKnownHosts refuses requests for host names that are not ours, so that a
// page elsewhere cannot point its own name at this server and read it (DNS
// rebinding). Addresses cannot be rebound and are always accepted.
func withKnownHosts(allowed []string, next http.Handler) http.Handler {
	known := map[string]bool{"localhost": true}
	for _, name := range allowed {
		known[strings.ToLower(name)] = true
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		host = strings.ToLower(strings.Trim(host, "[]"))
		if !known[host] && net.ParseIP(host) == nil {
			http.Error(w, "This host name is not known here. Add it to http.allowed_hosts in the configuration.", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}
