package engine

import (
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// spec is what the daemon tells the engine process, as JSON in the environment
// variable specVariable. It holds no secret: the key comes on standard input.
type spec struct {
	Path         string // ClickHouse's own folder
	Library      string
	Database     string   // default of the read-only listener
	ReadOnly     bool     // the second inherited listener is there
	AllowedHosts []string // names under which the read-only listener answers
	MaxMemory    int64    // bytes, of the whole process

	ListenWithoutLandlock bool
}

const specVariable = "NFSTATS_ENGINE_SPEC"

// Inherited file descriptors of the listeners.
const (
	socketFD   = 3
	readOnlyFD = 4
)

func (s spec) configFile() string { return filepath.Join(s.Path, "config.xml") }
func (s spec) usersFile() string  { return filepath.Join(s.Path, "users.xml") }

// serverConfig is ClickHouse's configuration file. Sizes are in bytes. There are
// no system log tables in it, so nothing in the database grows by itself.
type serverConfig struct {
	XMLName     xml.Name `xml:"clickhouse"`
	Timezone    string   `xml:"timezone"`
	UsersConfig string   `xml:"users_config"`

	MaxServerMemoryUsage       int64 `xml:"max_server_memory_usage"`
	MergesMemoryUsageSoftLimit int64 `xml:"merges_mutations_memory_usage_soft_limit"`
	MaxTemporaryDataOnDiskSize int64 `xml:"max_temporary_data_on_disk_size"`
	MarkCacheSize              int64 `xml:"mark_cache_size"`
	PrimaryIndexCacheSize      int64 `xml:"primary_index_cache_size"`
	IndexMarkCacheSize         int64 `xml:"index_mark_cache_size"`
	UncompressedCacheSize      int64 `xml:"uncompressed_cache_size"`
	QueryConditionCacheSize    int64 `xml:"query_condition_cache_size"`
	CompiledExpressionCache    int64 `xml:"compiled_expression_cache_size"`
	TextIndexTokensCacheSize   int64 `xml:"text_index_tokens_cache_size"`
	TextIndexHeaderCacheSize   int64 `xml:"text_index_header_cache_size"`
	TextIndexPostingsCacheSize int64 `xml:"text_index_postings_cache_size"`
	ParquetMetadataCacheSize   int64 `xml:"parquet_metadata_cache_size"`
	VectorIndexCacheSize       int64 `xml:"vector_similarity_index_cache_size"`

	BackgroundPoolSize               int `xml:"background_pool_size"`
	BackgroundSchedulePoolSize       int `xml:"background_schedule_pool_size"`
	BackgroundMovePoolSize           int `xml:"background_move_pool_size"`
	BackgroundFetchesPoolSize        int `xml:"background_fetches_pool_size"`
	BackgroundCommonPoolSize         int `xml:"background_common_pool_size"`
	MaxConcurrentQueries             int `xml:"max_concurrent_queries"`
	AsynchronousMetricsUpdatePeriodS int `xml:"asynchronous_metrics_update_period_s"`

	UserFilesPath    string `xml:"user_files_path"`
	TmpPath          string `xml:"tmp_path"`
	FormatSchemaPath string `xml:"format_schema_path"`
}

// writeConfig writes ClickHouse's configuration and users.
func (s spec) writeConfig() error {
	cache := s.MaxMemory / 16
	text, err := xml.MarshalIndent(serverConfig{
		Timezone:    "UTC",
		UsersConfig: s.usersFile(),

		MaxServerMemoryUsage:       s.MaxMemory,
		MergesMemoryUsageSoftLimit: s.MaxMemory / 2,
		MaxTemporaryDataOnDiskSize: 4 * s.MaxMemory,
		MarkCacheSize:              cache,
		PrimaryIndexCacheSize:      cache,
		IndexMarkCacheSize:         cache / 4,
		UncompressedCacheSize:      0, // the kernel's page cache does better on one machine
		QueryConditionCacheSize:    cache / 8,
		CompiledExpressionCache:    cache / 8,
		TextIndexTokensCacheSize:   cache / 16,
		TextIndexHeaderCacheSize:   cache / 16,
		TextIndexPostingsCacheSize: cache / 16,
		ParquetMetadataCacheSize:   cache / 16,
		VectorIndexCacheSize:       cache / 16,

		BackgroundPoolSize:               max(2, runtime.NumCPU()),
		BackgroundSchedulePoolSize:       4,
		BackgroundMovePoolSize:           1,
		BackgroundFetchesPoolSize:        1,
		BackgroundCommonPoolSize:         2,
		MaxConcurrentQueries:             200,
		AsynchronousMetricsUpdatePeriodS: 60,

		UserFilesPath:    filepath.Join(s.Path, "user_files") + "/",
		TmpPath:          filepath.Join(s.Path, "tmp") + "/",
		FormatSchemaPath: filepath.Join(s.Path, "format_schemas") + "/",
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("write the configuration of the embedded ClickHouse: %w", err)
	}
	for path, text := range map[string][]byte{s.configFile(): append(text, '\n'), s.usersFile(): []byte(usersConfig)} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return fmt.Errorf("write the configuration of the embedded ClickHouse: %w", err)
		}
	}
	return nil
}

// readerRole is what connections of the read-only listener are confined to.
const readerRole = "reader"

// usersConfig has libchdb's one user, default. Its rights come from roles alone,
// of which a new connection has all: choosing reader gives up the rest.
const usersConfig = `<clickhouse>
  <profiles><default/></profiles>
  <quotas><default/></quotas>
  <roles>
    <owner><grants><query>GRANT ALL ON *.*</query></grants></owner>
    <` + readerRole + `><grants>
      <query>GRANT SELECT ON *.*</query>
      <query>GRANT SHOW ON *.*</query>
      <query>GRANT dictGet ON *.*</query>
    </grants></` + readerRole + `>
  </roles>
  <users>
    <default>
      <password></password>
      <networks><ip>::/0</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
      <grants><query>GRANT owner</query><query>GRANT ` + readerRole + `</query></grants>
    </default>
  </users>
</clickhouse>
`

// halfOfMemory is the default memory limit: half of what the machine, or the
// process's control group, has.
func halfOfMemory() int64 {
	total := int64(4 << 30)
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		if fields := strings.Fields(string(text)); len(fields) > 1 { // MemTotal: n kB
			if kB, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
				total = kB << 10
			}
		}
	}
	return min(total, cgroupMemory()) / 2
}

// cgroupMemory is the lowest memory limit of the process's control group and
// those around it, version 2 (cgroups(7)) or 1.
func cgroupMemory() int64 {
	lowest := int64(1) << 62
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return lowest
	}
	for line := range strings.Lines(string(text)) { // hierarchy:controllers:path
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		root, file := "/sys/fs/cgroup", "memory.max"
		if parts[1] == "memory" {
			root, file = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		} else if parts[1] != "" {
			continue
		}
		for path := filepath.Join("/", parts[2]); ; path = filepath.Dir(path) {
			if text, err := os.ReadFile(filepath.Join(root, path, file)); err == nil {
				if limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && limit > 0 {
					lowest = min(lowest, limit)
				}
			}
			if path == "/" {
				break
			}
		}
	}
	return lowest
}
