package engine

import (
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// spec is what the daemon tells an engine process, as JSON in the environment
// variable specVariable. It holds no secret: the key comes on standard input.
type spec struct {
	Role         role
	Path         string // the folder that ClickHouse works in: its own, or the reader's scratch folder
	Data         string // of the reader: ClickHouse's folder, which it reads
	Config       string // ClickHouse's configuration file
	Users        string // the file with its users
	Library      string
	Database     string   // what users read
	Listens      bool     // the second inherited listener is the read-only address
	AllowedHosts []string // names under which it answers
	MaxMemory    int64    // bytes, of the whole process
	Unchecked    bool     // see Supervisor
}

const specVariable = "NFSTATS_ENGINE_SPEC"

// Inherited file descriptors of the listeners.
const (
	socketFD   = 3
	readOnlyFD = 4
)

// describeWriter writes the configuration of the writer.
func (s *Supervisor) describeWriter() (spec, error) {
	sp := spec{Role: writer, Path: s.clickhouseDir(), Library: s.library, Database: s.config.Database,
		MaxMemory: s.config.MaxMemory}
	sp.Config, sp.Users = filepath.Join(sp.Path, "config.xml"), filepath.Join(sp.Path, "users.xml")
	return sp, sp.write(sp.serverConfig(), usersConfig(userRoles(sp.Database)))
}

// describeReader empties the reader's scratch folder and writes its
// configuration, where the reader cannot change it.
func (s *Supervisor) describeReader() (spec, error) {
	sp := spec{Role: reader, Path: s.scratchDir(), Data: s.clickhouseDir(), Library: s.library,
		Database: s.config.Database, Listens: s.config.Listen != "", AllowedHosts: s.config.AllowedHosts,
		MaxMemory: readerMemory(s.config.MaxMemory), Unchecked: s.unchecked}
	if err := os.RemoveAll(sp.Path); err != nil {
		return sp, fmt.Errorf("empty the scratch folder: %w", err)
	}
	for _, dir := range []string{"tmp", "user_files", "format_schemas"} {
		if err := os.MkdirAll(filepath.Join(sp.Path, dir), 0o700); err != nil {
			return sp, fmt.Errorf("make the scratch folder: %w", err)
		}
	}
	run := runDir(s.config.DataDir)
	sp.Config, sp.Users = filepath.Join(run, "reader.xml"), filepath.Join(run, "reader-users.xml")
	config := sp.serverConfig()
	// ClickHouse ends a statement well before the supervisor ends the reader.
	config.MaxServerMemoryUsage = sp.MaxMemory / 4 * 3
	// It is kept by the names of parts, which may come back with other rows.
	config.QueryConditionCacheSize = 0
	config.Storage = &storageConfig{Type: "local", Path: sp.Data + "/", Policy: liveDisk}
	// With a check period ClickHouse tries at the start whether a disk can be
	// written. Where the kernel refuses, all of its tables are read-only.
	config.DiskCheckPeriod = 60_000
	return sp, sp.write(config, usersConfig(userRoles(sp.Database)))
}

// liveDisk is how the reader calls the disk, and the storage policy, that is
// ClickHouse's folder.
const liveDisk = "live"

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

	Storage         *storageConfig
	DiskCheckPeriod int `xml:"local_disk_check_period_ms,omitempty"` // milliseconds
}

// storageConfig adds a disk, and a policy of that disk alone.
type storageConfig struct {
	XMLName xml.Name `xml:"storage_configuration"`
	Type    string   `xml:"disks>live>type"`
	Path    string   `xml:"disks>live>path"`
	Policy  string   `xml:"policies>live>volumes>main>disk"`
}

// serverConfig returns ClickHouse's configuration of a process.
func (s spec) serverConfig() serverConfig {
	cache := s.MaxMemory / 16
	return serverConfig{
		Timezone:    "UTC",
		UsersConfig: s.Users,

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
	}
}

// write writes ClickHouse's configuration and users.
func (s spec) write(config serverConfig, users string) error {
	text, err := xml.MarshalIndent(config, "", "  ")
	if err != nil {
		return fmt.Errorf("write the configuration of the embedded ClickHouse: %w", err)
	}
	for path, text := range map[string][]byte{s.Config: append(text, '\n'), s.Users: []byte(users)} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return fmt.Errorf("write the configuration of the embedded ClickHouse: %w", err)
		}
	}
	return nil
}
