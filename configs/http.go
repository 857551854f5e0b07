package configs

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/crypto/bcrypt"
)

// HTTPUser logs in to the web UI.
type HTTPUser struct {
	Name           string `mapstructure:"name"`
	PasswordBcrypt string `mapstructure:"password_bcrypt"`
	Role           string `mapstructure:"role"` // viewer or admin
}

// String returns the user with the hash masked.
func (u HTTPUser) String() string {
	return fmt.Sprintf("{name: %q, password_bcrypt: xxxxx, role: %q}", u.Name, u.Role)
}

// GoString is String: %#v shows no hash either.
func (u HTTPUser) GoString() string { return u.String() }

// HTTPToken opens the API to a program.
type HTTPToken struct {
	Name   string `mapstructure:"name"`
	SHA256 string `mapstructure:"sha256"` // of the token, 64 hexadecimal digits
	Role   string `mapstructure:"role"`   // viewer or admin
}

// String returns the token with the digest masked.
func (t HTTPToken) String() string {
	return fmt.Sprintf("{name: %q, sha256: xxxxx, role: %q}", t.Name, t.Role)
}

// GoString is String: %#v shows no digest either.
func (t HTTPToken) GoString() string { return t.String() }

// TLS names PEM files; both or none.
type TLS struct {
	Certificate string `mapstructure:"certificate"`
	Key         string `mapstructure:"key"`
}

func (h *HTTP) validate(check func(key string, err error)) {
	address := listenAddress(h.Listen)
	check("http.listen", address)
	names := map[string]bool{}
	for i, u := range h.Users {
		entry := func(message string) { check("http.users", fmt.Errorf("entry %d: %s", i+1, message)) }
		if u.Name == "" || len(u.Name) > 128 || names[u.Name] {
			entry("needs a name of its own, of at most 128 octets")
		}
		names[u.Name] = true
		if cost, err := bcrypt.Cost([]byte(u.PasswordBcrypt)); err != nil || cost > 15 {
			entry("password_bcrypt is not a bcrypt hash of a cost up to 15; nfstats password makes one")
		}
		if u.Role != "viewer" && u.Role != "admin" {
			entry(fmt.Sprintf("role %q is not viewer or admin", u.Role))
		}
	}
	for i, t := range h.Tokens {
		entry := func(message string) { check("http.tokens", fmt.Errorf("entry %d: %s", i+1, message)) }
		if t.Name == "" {
			entry("needs a name")
		}
		if sum, err := hex.DecodeString(t.SHA256); err != nil || len(sum) != 32 {
			entry("sha256 is not 64 hexadecimal digits; nfstats password makes them")
		}
		if t.Role != "viewer" && t.Role != "admin" {
			entry(fmt.Sprintf("role %q is not viewer or admin", t.Role))
		}
	}
	if _, _, err := net.SplitHostPort(h.Whois); h.Whois != "" && err != nil {
		check("http.whois", errors.New("is not host:port"))
	}
	if (h.TLS.Certificate == "") != (h.TLS.Key == "") {
		check("http.tls", errors.New("needs both certificate and key"))
	}
	if address == nil && len(h.Users) == 0 && len(h.Tokens) == 0 && !h.Insecure && !loopback(h.Listen) {
		check("http.listen", fmt.Errorf("%s can be reached from other machines, and nobody needs a login: add http.users, or listen on 127.0.0.1, or set http.insecure: true where something else keeps strangers out", h.Listen))
	}
}

// loopback reports that an address is reached from this machine only. A name
// other than localhost may mean anything.
func loopback(listen string) bool {
	host, _, _ := net.SplitHostPort(listen)
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.Unmap().IsLoopback()
}
