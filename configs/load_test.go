package configs

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func defaults(t *testing.T) *Config {
	t.Helper()
	cfg, err := Load("", nil)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestDefaults(t *testing.T) {
	want := &Config{
		DataDir: "data",
		Collector: Collector{
			Listen: []string{":2055", ":4739"}, ReceiveBuffer: 16 << 20,
			Allow:     []Network{},
			BlockSize: 5 << 20, BlockAge: time.Second,
			Journal: Journal{MaxSize: 10 << 30, SegmentSize: 64 << 20, SyncInterval: time.Second, Memory: 256 << 20},
		},
		Decoder: Decoder{SamplingOverrides: []SamplingOverride{}, SharedAddresses: []Network{}, LittleEndianSampling: []Network{},
			TemplateExpiry: 24 * time.Hour, WaitingTime: 5 * time.Minute, WaitingBytes: 128 << 10, MaxExporters: 4096, MaxTemplates: 512, MaxFields: 512},
		ASN: ASN{Source: "prefer-exporter"},
		SNMP: SNMP{Interval: time.Minute, DiscoveryInterval: time.Hour, Timeout: 3 * time.Second, Retries: 2, Concurrency: 32, ActiveTimeout: 5 * time.Minute,
			Credentials: []SNMPCredential{}, Devices: []SNMPDevice{}},
		HTTP:  HTTP{Listen: "127.0.0.1:8080", AllowedHosts: []string{}, Users: []HTTPUser{}, Tokens: []HTTPToken{}, Whois: "whois.iana.org:43"},
		Store: Store{Database: "nfstats", MaxDisk: "80%", Retention: Retention{Flows: 10, Flows1m: 30, Flows1h: 400, IfCounters: 400, Calibration: 400}, Embedded: Embedded{Listen: "127.0.0.1:8123"}},
		Log:   Log{Level: "info", Format: "console", Output: "stderr"},
	}
	got := defaults(t)
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b Network) bool { return a == b })); diff != "" {
		t.Errorf("defaults differ (-want +got):\n%s", diff)
	}
	if err := got.Validate(); err != nil {
		t.Errorf("the defaults do not validate: %v", err)
	}
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nfstats.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEnvironmentWinsOverFile(t *testing.T) {
	path := writeFile(t, "data_dir: /file\ncollector:\n  listen: [\"127.0.0.1:9995\"]\n  block_age: 2s\nlog: {level: warn}\n")
	cfg, err := Load(path, []string{
		"NFSTATS_COLLECTOR_LISTEN=127.0.0.1:2055, 127.0.0.1:4739",
		"NFSTATS_COLLECTOR_ALLOW=192.0.2.0/24,2001:db8::/32",
		"NFSTATS_COLLECTOR_SOCKETS=2",
		"NFSTATS_DECODER_SAMPLING_OVERRIDES=[{exporters: 192.0.2.1, rate: 1000}]",
		"NFSTATS_COLLECTOR_JOURNAL_MAX_SIZE=1GiB",
		"NFSTATS_STORE_EMBEDDED_LISTEN=",
		"NFSTATS_STORE_TLS_SKIP_VERIFY=true",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := defaults(t)
	want.DataDir = "/file"
	want.Collector.Listen = []string{"127.0.0.1:2055", "127.0.0.1:4739"}
	want.Collector.Allow = []Network{{netip.MustParsePrefix("192.0.2.0/24")}, {netip.MustParsePrefix("2001:db8::/32")}}
	want.Collector.Sockets = 2
	want.Decoder.SamplingOverrides = []SamplingOverride{{Exporters: Network{netip.MustParsePrefix("192.0.2.1/32")}, Rate: 1000}}
	want.Collector.Journal.MaxSize = 1 << 30
	want.Collector.BlockAge = 2 * time.Second
	want.Store.Embedded.Listen = ""
	want.Store.TLS.SkipVerify = true
	want.Log.Level = "warn"
	if diff := cmp.Diff(want, cfg, cmp.Comparer(func(a, b Network) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBadKeysAreNamed(t *testing.T) {
	for _, tc := range []struct {
		name, file, env string
		want            []string // parts of the message
	}{
		{"unknown key", "collector:\n  lisen: [x]\n", "", []string{"nfstats.yaml:2: unknown key collector.lisen"}},
		{"unknown section", "\n\nfoo: 1\n", "", []string{"nfstats.yaml:3: unknown key foo"}},
		{"section for a value", "log:\n  level:\n    x: 1\n", "", []string{"nfstats.yaml:3: unknown key log.level.x"}},
		{"list for text", "data_dir: [a, b]\n", "", []string{"nfstats.yaml:1: key data_dir:", "is not a text"}},
		{"number for text", "data_dir: 7\n", "", []string{"nfstats.yaml:1: key data_dir: 7 is not a text"}},
		{"text for number", "collector:\n  sockets: many\n", "", []string{"nfstats.yaml:2: key collector.sockets:"}},
		{"number for duration", "collector:\n  block_age: 5\n", "", []string{"key collector.block_age: 5 is not a duration"}},
		{"bad duration", "collector:\n  block_age: soon\n", "", []string{"key collector.block_age:", "soon"}},
		{"bad size", "collector:\n  block_size: 5 apples\n", "", []string{`key collector.block_size: "5 apples" is not a size`}},
		{"bad prefix", "collector:\n  allow: [1.2.3]\n", "", []string{"key collector.allow", "1.2.3"}},
		{"text for switch", "store:\n  tls:\n    skip_verify: perhaps\n", "", []string{`nfstats.yaml:3: key store.tls.skip_verify: "perhaps" is not true or false`}},
		{"unknown key of an override", "decoder:\n  sampling_overrides:\n    - {exporters: 192.0.2.1, rat: 5}\n", "", []string{"nfstats.yaml:2: key decoder.sampling_overrides", "rat"}},
		{"bad rate", "decoder:\n  sampling_overrides: [{exporters: 192.0.2.1, rate: many}]\n", "", []string{"nfstats.yaml:2: key decoder.sampling_overrides", `"many" is not a whole number`}},
		{"text for number", "store: {retention: {flows: ten}}\n", "", []string{`nfstats.yaml:1: key store.retention.flows: "ten" is not a whole number`}},
		{"too many days", "store:\n  retention:\n    flows: 36501\n", "", []string{`nfstats.yaml:3: key store.retention.flows: 36501 is not a whole number of days from 1 to 36500, nor 0 or forever`}},
		{"negative days", "store: {retention: {flows_1h: -1}}\n", "", []string{`nfstats.yaml:1: key store.retention.flows_1h: -1 is not a whole number of days from 1 to 36500`}},
		{"half a day", "store: {retention: {flows_1m: 1.5}}\n", "", []string{`nfstats.yaml:1: key store.retention.flows_1m: 1.5 is not a whole number of days from 1 to 36500`}},
		{"days without a value", "store:\n  retention:\n    calibration:\n", "", []string{`nfstats.yaml:3: key store.retention.calibration: nothing is not a whole number of days from 1 to 36500`}},
		{"empty days", "", "NFSTATS_STORE_RETENTION_FLOWS=", []string{`NFSTATS_STORE_RETENTION_FLOWS: key store.retention.flows: "" is not a whole number of days from 1 to 36500`}},
		{"bad variable", "", "NFSTATS_COLLECTOR_SOCKETS=x", []string{`NFSTATS_COLLECTOR_SOCKETS: key collector.sockets: "x" is not a whole number`}},
		{"syntax", "data_dir: [\n", "", []string{"nfstats.yaml", "line"}},
		{"all at once", "foo: 1\nlog: {level: [1]}\n", "", []string{"nfstats.yaml:1: unknown key foo", "nfstats.yaml:2: key log.level"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Load(writeFile(t, tc.file), []string{tc.env})
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range tc.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error lacks %q:\n%v", part, err)
				}
			}
		})
	}
}

func TestValidate(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   string // "" for no error
	}{
		{"OK", func(*Config) {}, ""},
		{"no listener", func(c *Config) { c.Collector.Listen = nil }, "key collector.listen: needs at least one"},
		{"twice", func(c *Config) { c.Collector.Listen = []string{":1", ":1"} }, "stands twice"},
		{"no port", func(c *Config) { c.Collector.Listen = []string{"127.0.0.1"} }, "is not host:port"},
		{"port name", func(c *Config) { c.HTTP.Listen = "127.0.0.1:http" }, "key http.listen"},
		{"database", func(c *Config) { c.Store.Database = "a;b" }, "key store.database"},
		{"url", func(c *Config) { c.Store.ClickHouse = "ftp://x" }, `scheme "ftp"`},
		{"url with database", func(c *Config) { c.Store.ClickHouse = "http://x:1/db" }, "set store.database"},
		{"OK two hosts", func(c *Config) { c.Store.ClickHouse = "clickhouse://u:p@a:9000,b:9000" }, ""},
		{"journal", func(c *Config) { c.Collector.Journal.MaxSize = 1 << 20 }, "key collector.journal.max_size"},
		{"override without rate", func(c *Config) { c.Decoder.SamplingOverrides = make([]SamplingOverride, 1) }, "key decoder.sampling_overrides: entry 1"},
		{"relative folder of imports", func(c *Config) { c.Import.Folder = "archives" }, "key import.folder"},
		{"AS source", func(c *Config) { c.ASN.Source = "whois" }, "key asn.source"},
		{"no AS database", func(c *Config) { c.ASN.Source = "database" }, "key asn.database: is empty"},
		{"fields", func(c *Config) { c.Decoder.MaxFields = 0 }, "key decoder.max_fields"},
		{"level", func(c *Config) { c.Log.Level = "loud" }, "key log.level"},
		{"format", func(c *Config) { c.Log.Format = "xml" }, "key log.format"},
		{"OK cluster", func(c *Config) { c.Store.ClickHouse, c.Store.Cluster = "https://a:8443", "prod-1" }, ""},
		{"cluster name", func(c *Config) { c.Store.ClickHouse, c.Store.Cluster = "https://a:8443", "a'b" }, "key store.cluster"},
		{"cluster of the embedded", func(c *Config) { c.Store.Cluster = "prod" }, "key store: cluster, password_file and tls are for"},
		{"half a certificate", func(c *Config) { c.Store.ClickHouse, c.Store.TLS.Key = "https://a:8443", "k.pem" }, "go together"},
		{"memory", func(c *Config) { c.Store.Embedded.MaxMemory = 1 << 20 }, "key store.embedded.max_memory"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := defaults(t)
			tc.change(cfg)
			err := cfg.Validate()
			if tc.want == "" {
				if err != nil {
					t.Error(err)
				}
			} else if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestPrintMasksSecretsAndLoadsAgain(t *testing.T) {
	cfg := defaults(t)
	cfg.Store.ClickHouse = "clickhouse://user:hunter2@db:9000?password=hunter3"
	cfg.Collector.Allow = []Network{{netip.MustParsePrefix("192.0.2.0/24")}}
	domain, ifIndex := uint32(7), uint32(17)
	cfg.Decoder.SamplingOverrides = []SamplingOverride{
		{Exporters: Network{netip.MustParsePrefix("192.0.2.1/32")}, Rate: 1000},
		{Exporters: Network{netip.MustParsePrefix("2001:db8::/32")}, Domain: &domain, Interface: &ifIndex, Rate: 4096},
	}
	var out strings.Builder
	if err := cfg.Print(&out); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "hunter") {
		t.Errorf("a password is printed:\n%s", out.String())
	}
	again, err := Load(writeFile(t, out.String()), nil)
	if err != nil {
		t.Fatalf("what Print writes does not load: %v\n%s", err, out.String())
	}
	again.Store.ClickHouse = cfg.Store.ClickHouse
	if diff := cmp.Diff(cfg, again, cmp.Comparer(func(a, b Network) bool { return a == b })); diff != "" {
		t.Errorf("(-printed +loaded):\n%s", diff)
	}
}

func TestUnknownVariables(t *testing.T) {
	got := UnknownVariables([]string{"NFSTATS_LOG_LEVEL=x", "NFSTATS_CONFIG=y", "NFSTATS_SERVICE_HOST=z", "HOME=h"})
	if diff := cmp.Diff([]string{"NFSTATS_SERVICE_HOST"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestDiskBudget(t *testing.T) {
	for text, valid := range map[string]bool{"": true, "80%": true, "12.5 %": true, "100%": true, "200GB": true, "1.5 TiB": true, "4096": true, "7kB": true,
		"1.2.3GB": false, "101%": false, "-1%": false, "80 percent": false, "200kb": false, "200KB": false, ".GB": false, "GB": false} {
		if diskBudget.MatchString(text) != valid {
			t.Errorf("%q: valid is not %v", text, valid)
		}
	}
}
