package configs

import (
	"strings"
	"testing"
)

func TestWhatIsOpenIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		want   string // keys
	}{
		"the default":           {func(*Config) {}, ""},
		"pages without login":   {func(c *Config) { c.HTTP.Listen, c.HTTP.Insecure = ":8080", true }, "http.insecure"},
		"insecure, on loopback": {func(c *Config) { c.HTTP.Insecure = true }, ""},
		"insecure, with a login": {func(c *Config) {
			c.HTTP.Listen, c.HTTP.Insecure, c.HTTP.Tokens = ":8080", true, make([]HTTPToken, 1)
		}, ""},
		"SQL on all addresses":         {func(c *Config) { c.Store.Embedded.Listen = ":8123" }, "store.embedded.listen"},
		"SQL on all, of IPv4":          {func(c *Config) { c.Store.Embedded.Listen = "0.0.0.0:8123" }, "store.embedded.listen"},
		"SQL on one address":           {func(c *Config) { c.Store.Embedded.Listen = "[2001:db8::1]:8123" }, "store.embedded.listen"},
		"SQL on a name":                {func(c *Config) { c.Store.Embedded.Listen = "flows.example.net:8123" }, "store.embedded.listen"},
		"SQL on loopback":              {func(c *Config) { c.Store.Embedded.Listen = "[::1]:8123" }, ""},
		"SQL off":                      {func(c *Config) { c.Store.Embedded.Listen = "" }, ""},
		"SQL unused, other ClickHouse": {func(c *Config) { c.Store.Embedded.Listen, c.Store.ClickHouse = ":8123", "http://db:8123" }, ""},
		"both": {func(c *Config) {
			c.HTTP.Listen, c.HTTP.Insecure, c.Store.Embedded.Listen = ":8080", true, ":8123"
		}, "http.insecure store.embedded.listen"},
	} {
		cfg, err := Load("", nil)
		if err != nil {
			t.Fatal(err)
		}
		c.change(cfg)
		var keys []string
		for _, warning := range cfg.Open() {
			key, _, _ := strings.Cut(warning, ":")
			keys = append(keys, key)
		}
		if got := strings.Join(keys, " "); got != c.want {
			t.Errorf("%s: %q is told, want %q", name, got, c.want)
		}
	}
}
