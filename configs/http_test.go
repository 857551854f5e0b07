package configs

import (
	"strings"
	"testing"
)

func TestWhoReachesTheUI(t *testing.T) {
	const hash = "$2a$04$gZEGZF3BVPPP5mvQmCDw4uJRHwmHkOVnpVQs6O3ftxQhXyoYLhN1i"
	digest := strings.Repeat("ab", 32)
	for _, c := range []struct {
		name   string
		change func(*HTTP)
		want   string // "": valid
	}{
		{"all addresses", func(h *HTTP) { h.Listen = ":8080" }, "http.insecure"},
		{"another address", func(h *HTTP) { h.Listen = "192.0.2.1:8080" }, "http.insecure"},
		{"a name", func(h *HTTP) { h.Listen = "localhost.example:8080" }, "http.insecure"},
		{"loopback", func(h *HTTP) { h.Listen = "[::1]:8080" }, ""},
		{"localhost", func(h *HTTP) { h.Listen = "localhost:8080" }, ""},
		{"insecure", func(h *HTTP) { h.Listen, h.Insecure = ":8080", true }, ""},
		{"user", func(h *HTTP) { h.Listen, h.Users = ":8080", []HTTPUser{{"ada", hash, "admin"}} }, ""},
		{"token", func(h *HTTP) { h.Listen, h.Tokens = ":8080", []HTTPToken{{"x", digest, "viewer"}} }, ""},
		{"user twice", func(h *HTTP) { h.Users = []HTTPUser{{"ada", hash, "admin"}, {"ada", hash, "viewer"}} }, "entry 2: needs a name of its own"},
		{"plain password", func(h *HTTP) { h.Users = []HTTPUser{{"ada", "secret words", "admin"}} }, "not a bcrypt hash"},
		{"role", func(h *HTTP) { h.Users = []HTTPUser{{"ada", hash, "root"}} }, `role "root"`},
		{"plain token", func(h *HTTP) { h.Tokens = []HTTPToken{{"x", "secret words", "viewer"}} }, "64 hexadecimal digits"},
		{"half of TLS", func(h *HTTP) { h.TLS.Key = "key.pem" }, "both certificate and key"},
	} {
		cfg := defaults(t)
		c.change(&cfg.HTTP)
		err := cfg.Validate()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if err != nil && (strings.Contains(err.Error(), "secret words") || strings.Contains(err.Error(), hash)) {
			t.Errorf("%s: the message tells a secret: %v", c.name, err)
		}
		var out strings.Builder
		if err := cfg.Print(&out); err != nil || strings.Contains(out.String(), hash) || strings.Contains(out.String(), digest) {
			t.Errorf("%s: printed with secrets: %v", c.name, err)
		}
	}
}
