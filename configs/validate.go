package configs

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap/zapcore"
)

var clusterName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// diskBudget is a number with a unit, or a share; the store reads it.
var diskBudget = regexp.MustCompile(`^(|[0-9]+(\.[0-9]+)? ?(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)?|(100|[0-9]{1,2}(\.[0-9]+)?) ?%)$`)

var databaseName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

// Validate reports every value that nfstats cannot work with, by its key.
func (c *Config) Validate() error {
	var problems []error
	check := func(key string, err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("key %s: %w", key, err))
		}
	}
	check("data_dir", notEmpty(c.DataDir))
	if len(c.Collector.Listen) == 0 {
		check("collector.listen", errors.New("needs at least one address"))
	}
	seen := map[string]bool{}
	for _, address := range c.Collector.Listen {
		check("collector.listen", listenAddress(address))
		if seen[address] {
			check("collector.listen", fmt.Errorf("%s stands twice", address))
		}
		seen[address] = true
	}
	check("collector.sockets", between(c.Collector.Sockets, 0, 64))
	check("collector.receive_buffer", sizeBetween(c.Collector.ReceiveBuffer, 64<<10, 1<<30))
	check("collector.block_size", sizeBetween(c.Collector.BlockSize, 128<<10, 256<<20))
	check("collector.journal.segment_size", sizeBetween(c.Collector.Journal.SegmentSize, 1<<20, 2<<30))
	check("collector.journal.max_size", sizeBetween(c.Collector.Journal.MaxSize, 4*c.Collector.Journal.SegmentSize, 1<<50))
	check("collector.journal.memory", sizeBetween(c.Collector.Journal.Memory, 1<<20, 1<<40))
	if c.Collector.Journal.SyncInterval < 0 {
		check("collector.journal.sync_interval", errors.New("is negative"))
	}
	if c.Collector.BlockAge < 10*time.Millisecond || c.Collector.BlockAge > time.Minute {
		check("collector.block_age", fmt.Errorf("%s is not between 10ms and 1m", c.Collector.BlockAge))
	}
	c.Decoder.validate(check)
	c.ASN.validate(check)
	c.SNMP.validate(check)
	c.HTTP.validate(check)
	if c.Import.Folder != "" && !filepath.IsAbs(c.Import.Folder) {
		check("import.folder", fmt.Errorf("%q is not an absolute path", c.Import.Folder))
	}
	if !databaseName.MatchString(c.Store.Database) {
		check("store.database", fmt.Errorf("%q is not a name of letters, digits and underscores", c.Store.Database))
	}
	check("store.clickhouse", clickhouseURL(c.Store.ClickHouse))
	c.Store.validateServer(check)
	if !diskBudget.MatchString(c.Store.MaxDisk) {
		check("store.max_disk", fmt.Errorf("%q is neither a size such as 200GB nor a share such as 80%%", c.Store.MaxDisk))
	}
	if c.Store.Embedded.Listen != "" {
		check("store.embedded.listen", listenAddress(c.Store.Embedded.Listen))
	}
	if m := c.Store.Embedded.MaxMemory; m != 0 && m < 512<<20 {
		check("store.embedded.max_memory", fmt.Errorf("%s is too little, ClickHouse needs 512MiB", m))
	}
	if _, err := zapcore.ParseLevel(c.Log.Level); err != nil {
		check("log.level", fmt.Errorf("%q is not debug, info, warn or error", c.Log.Level))
	}
	if c.Log.Format != "console" && c.Log.Format != "json" {
		check("log.format", fmt.Errorf("%q is not console or json", c.Log.Format))
	}
	check("log.output", notEmpty(c.Log.Output))
	return errors.Join(problems...)
}

func (d *Decoder) validate(check func(key string, err error)) {
	check("decoder.max_exporters", between(d.MaxExporters, 1, 1<<20))
	check("decoder.max_templates", between(d.MaxTemplates, 1, 1<<16))
	check("decoder.max_fields", between(d.MaxFields, 1, 4096))
	check("decoder.waiting_bytes", sizeBetween(d.WaitingBytes, 0, 1<<30))
	if d.TemplateExpiry < 0 || d.WaitingTime < 0 {
		check("decoder", errors.New("template_expiry and waiting_time cannot be negative"))
	}
	for i, o := range d.SamplingOverrides {
		if !o.Exporters.IsValid() || o.Rate == 0 {
			check("decoder.sampling_overrides", fmt.Errorf("entry %d needs exporters and a rate of at least 1", i+1))
		}
	}
}

// validateServer checks what needs a ClickHouse of the user's.
func (s *Store) validateServer(check func(key string, err error)) {
	if s.ClickHouse == "" {
		if s.Cluster != "" || s.PasswordFile != "" || s.TLS != (StoreTLS{}) {
			check("store", errors.New("cluster, password_file and tls are for a ClickHouse of yours, named in store.clickhouse"))
		}
		return
	}
	if s.Cluster != "" && !clusterName.MatchString(s.Cluster) {
		check("store.cluster", fmt.Errorf("%q is not a name of letters, digits, underscores and hyphens", s.Cluster))
	}
	if (s.TLS.Certificate == "") != (s.TLS.Key == "") {
		check("store.tls", errors.New("certificate and key go together"))
	}
}

func notEmpty(s string) error {
	if s == "" {
		return errors.New("is empty")
	}
	return nil
}

func between(n, low, high int) error {
	if n < low || n > high {
		return fmt.Errorf("%d is not between %d and %d", n, low, high)
	}
	return nil
}

func sizeBetween(n, low, high ByteSize) error {
	if n < low || n > high {
		return fmt.Errorf("%s is not between %s and %s", n, low, high)
	}
	return nil
}

func listenAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q is not host:port", address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q: %s is not a port number", address, port)
	} else if n == 0 && net.ParseIP(host) == nil {
		return fmt.Errorf("%q: port 0 needs a host address", address)
	}
	return nil
}

func clickhouseURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return errors.New("is not a URL such as clickhouse://user:password@host:9000") // the parse error would print the password
	}
	switch u.Scheme {
	case "clickhouse", "tcp", "http", "https":
	default:
		return fmt.Errorf("scheme %q is not clickhouse, http or https", u.Scheme)
	}
	if u.Host == "" {
		return errors.New("names no host")
	}
	if path := strings.Trim(u.Path, "/"); path != "" {
		return fmt.Errorf("names the database %q: set store.database instead", path)
	}
	return nil
}
