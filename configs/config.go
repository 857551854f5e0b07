package configs

import "time"

// Config is the whole configuration. nfstats.yaml explains each key.
type Config struct {
	DataDir   string    `mapstructure:"data_dir"`
	Collector Collector `mapstructure:"collector"`
	Decoder   Decoder   `mapstructure:"decoder"`
	ASN       ASN       `mapstructure:"asn"`
	SNMP      SNMP      `mapstructure:"snmp"`
	HTTP      HTTP      `mapstructure:"http"`
	Import    Import    `mapstructure:"import"`
	Store     Store     `mapstructure:"store"`
	Log       Log       `mapstructure:"log"`
}

// Collector configures the reception of flows.
type Collector struct {
	Listen        []string      `mapstructure:"listen"` // UDP host:port
	Name          string        `mapstructure:"name"`
	Allow         []Network     `mapstructure:"allow"`
	ReceiveBuffer ByteSize      `mapstructure:"receive_buffer"`
	Sockets       int           `mapstructure:"sockets"`
	BlockSize     ByteSize      `mapstructure:"block_size"`
	BlockAge      time.Duration `mapstructure:"block_age"`
	Journal       Journal       `mapstructure:"journal"`
}

// Journal configures the log of received datagrams.
type Journal struct {
	MaxSize      ByteSize      `mapstructure:"max_size"`
	SegmentSize  ByteSize      `mapstructure:"segment_size"`
	SyncInterval time.Duration `mapstructure:"sync_interval"`
	Memory       ByteSize      `mapstructure:"memory"`
}

// Decoder configures how datagrams are understood.
type Decoder struct {
	DefaultSamplingRate  uint32             `mapstructure:"default_sampling_rate"`
	SamplingOverrides    []SamplingOverride `mapstructure:"sampling_overrides"`
	SharedAddresses      []Network          `mapstructure:"shared_addresses"`
	LittleEndianSampling []Network          `mapstructure:"little_endian_sampling"`
	TemplateExpiry       time.Duration      `mapstructure:"template_expiry"`
	WaitingTime          time.Duration      `mapstructure:"waiting_time"`
	WaitingBytes         ByteSize           `mapstructure:"waiting_bytes"`
	MaxExporters         int                `mapstructure:"max_exporters"`
	MaxTemplates         int                `mapstructure:"max_templates"`
	MaxFields            int                `mapstructure:"max_fields"`
}

// SamplingOverride sets the sampling rate of exporters or of a part of them.
type SamplingOverride struct {
	Exporters Network `mapstructure:"exporters"`
	Domain    *uint32 `mapstructure:"domain"`
	Interface *uint32 `mapstructure:"interface"`
	Rate      uint32  `mapstructure:"rate"`
}

// HTTP configures the web UI and API.
type HTTP struct {
	Listen       string   `mapstructure:"listen"` // TCP host:port
	AllowedHosts []string `mapstructure:"allowed_hosts"`

	Users         []HTTPUser  `mapstructure:"users"`
	Tokens        []HTTPToken `mapstructure:"tokens"`
	Insecure      bool        `mapstructure:"insecure"`
	MetricsPublic bool        `mapstructure:"metrics_public"`
	Whois         string      `mapstructure:"whois"`       // host:port, "" for none
	ReverseDNS    bool        `mapstructure:"reverse_dns"` // ask the DNS for names of addresses
	TLS           TLS         `mapstructure:"tls"`
}

// Import configures the import of archives in the web UI.
type Import struct {
	Folder string `mapstructure:"folder"` // absolute path, "" for off
}

// Store configures ClickHouse.
type Store struct {
	ClickHouse   string    `mapstructure:"clickhouse"` // URL, "" for the embedded one
	Database     string    `mapstructure:"database"`
	Cluster      string    `mapstructure:"cluster"` // "" for one server
	PasswordFile string    `mapstructure:"password_file"`
	TLS          StoreTLS  `mapstructure:"tls"`
	Retention    Retention `mapstructure:"retention"`
	MaxDisk      string    `mapstructure:"max_disk"` // "80%", "200GB" or "" for no limit
	Embedded     Embedded  `mapstructure:"embedded"`
}

// StoreTLS configures TLS to the user's ClickHouse. Paths are of PEM files.
type StoreTLS struct {
	CA          string `mapstructure:"ca"` // "" for the system's
	Certificate string `mapstructure:"certificate"`
	Key         string `mapstructure:"key"`
	SkipVerify  bool   `mapstructure:"skip_verify"`
}

// Retention configures how long rows are kept.
type Retention struct {
	Flows       Days `mapstructure:"flows"`
	Flows1m     Days `mapstructure:"flows_1m"`
	Flows1h     Days `mapstructure:"flows_1h"`
	IfCounters  Days `mapstructure:"if_counters"`
	Calibration Days `mapstructure:"calibration"`
}

// Embedded configures the ClickHouse that nfstats runs itself.
type Embedded struct {
	Listen    string   `mapstructure:"listen"` // TCP host:port, "" for none
	Library   string   `mapstructure:"library"`
	MaxMemory ByteSize `mapstructure:"max_memory"` // 0: half of the machine's
}

// Log configures logging.
type Log struct {
	Level  string `mapstructure:"level"`
	Format string `mapstructure:"format"`
	Output string `mapstructure:"output"`
}
