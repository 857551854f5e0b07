package configs

import "fmt"

// Open tells, by key, what this configuration shows without a login to whoever
// reaches an address that other machines can reach.
func (c *Config) Open() []string {
	var open []string
	if c.HTTP.Insecure && len(c.HTTP.Users) == 0 && len(c.HTTP.Tokens) == 0 && !loopback(c.HTTP.Listen) {
		open = append(open, fmt.Sprintf("http.insecure: whoever reaches the web UI at %s from elsewhere "+
			"is an admin without login; add http.users, or let a firewall or a proxy keep strangers out", c.HTTP.Listen))
	}
	if e := c.Store.Embedded; c.Store.ClickHouse == "" && e.Listen != "" && !loopback(e.Listen) {
		open = append(open, fmt.Sprintf("store.embedded.listen: whoever reaches %s from elsewhere "+
			"reads all flows without login; listen on 127.0.0.1, or let a firewall keep strangers out", e.Listen))
	}
	return open
}
