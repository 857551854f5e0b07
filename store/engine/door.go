package engine

import (
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// A doorkeeper decides which requests the read-only listener answers at all.
// Pages of other origins must not use a browser to reach it.
type doorkeeper struct {
	names map[string]bool // host names, in lower case
}

func newDoorkeeper(allowed []string) doorkeeper {
	names := map[string]bool{"localhost": true}
	if name, err := os.Hostname(); err == nil {
		names[strings.ToLower(name)] = true
	}
	for _, name := range allowed {
		names[strings.ToLower(name)] = true
	}
	return doorkeeper{names}
}

// admit refuses requests under a name that is not ours, since a web page can let
// its own name point here (DNS rebinding), and requests that a browser makes for
// a page from elsewhere: it would not see the answer, but could keep us busy.
func (d doorkeeper) admit(r *http.Request) error {
	host := hostOf(r.Host)
	if net.ParseIP(host) == nil && !d.names[strings.ToLower(host)] && host != "" {
		return newException(codeAuthentication, "the host name %q is not known here: use an IP address, or add the name to http.allowed_hosts. (AUTHENTICATION_FAILED)", host)
	}
	site := r.Header.Get("Sec-Fetch-Site")
	if site != "" && site != "none" && site != "same-origin" {
		return newException(codeAuthentication, "requests of other web pages are not answered. (AUTHENTICATION_FAILED)")
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		if u, err := url.Parse(origin); err != nil || !strings.EqualFold(u.Host, r.Host) {
			return newException(codeAuthentication, "requests of other web pages are not answered. (AUTHENTICATION_FAILED)")
		}
	}
	return nil
}

// hostOf returns the host of a Host header without port and brackets.
func hostOf(header string) string {
	host, _, err := net.SplitHostPort(header)
	if err != nil {
		host = header
	}
	host, _, _ = strings.Cut(strings.Trim(host, "[]"), "%") // a zone
	return strings.TrimSuffix(host, ".")
}
