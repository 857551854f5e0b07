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
	Path       string // ClickHouse's own folder
	ConfigFile string // inside Path
	Library    string
	Database   string // default of the read-only listener
	ReadOnly   bool   // the second inherited listener is there
	MaxMemory  int64  // bytes, of the whole process

	ListenWithoutLandlock bool
}

const specVariable = "NFSTATS_ENGINE_SPEC"

// Inherited file descriptors of the listeners.
const (
	socketFD   = 3
	readOnlyFD = 4
)

// serverConfig is ClickHouse's configuration file.
type serverConfig struct {
	XMLName                          xml.Name `xml:"clickhouse"`
	Timezone                         string   `xml:"timezone"`
	MaxServerMemoryUsage             int64    `xml:"max_server_memory_usage"`
	MarkCacheSize                    int64    `xml:"mark_cache_size"`
	UncompressedCacheSize            int64    `xml:"uncompressed_cache_size"`
	BackgroundPoolSize               int      `xml:"background_pool_size"`
	BackgroundSchedulePoolSize       int      `xml:"background_schedule_pool_size"`
	BackgroundMovePoolSize           int      `xml:"background_move_pool_size"`
	BackgroundFetchesPoolSize        int      `xml:"background_fetches_pool_size"`
	BackgroundCommonPoolSize         int      `xml:"background_common_pool_size"`
	MaxConcurrentQueries             int      `xml:"max_concurrent_queries"`
	AsynchronousMetricsUpdatePeriodS int      `xml:"asynchronous_metrics_update_period_s"`
	UserFilesPath                    string   `xml:"user_files_path"`
	TmpPath                          string   `xml:"tmp_path"`
	FormatSchemaPath                 string   `xml:"format_schema_path"`
}

// writeServerConfig writes ClickHouse's configuration. System logs are not
// configured and so stay off: nothing in the database grows by itself.
func writeServerConfig(s spec) error {
	text, err := xml.MarshalIndent(serverConfig{
		Timezone:                         "UTC",
		MaxServerMemoryUsage:             s.MaxMemory,
		MarkCacheSize:                    s.MaxMemory / 16,
		UncompressedCacheSize:            0,
		BackgroundPoolSize:               max(2, runtime.NumCPU()),
		BackgroundSchedulePoolSize:       4,
		BackgroundMovePoolSize:           1,
		BackgroundFetchesPoolSize:        1,
		BackgroundCommonPoolSize:         2,
		MaxConcurrentQueries:             200,
		AsynchronousMetricsUpdatePeriodS: 60,
		UserFilesPath:                    filepath.Join(s.Path, "user_files") + "/",
		TmpPath:                          filepath.Join(s.Path, "tmp") + "/",
		FormatSchemaPath:                 filepath.Join(s.Path, "format_schemas") + "/",
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("write the configuration of the embedded ClickHouse: %w", err)
	}
	if err := os.WriteFile(s.ConfigFile, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the configuration of the embedded ClickHouse: %w", err)
	}
	return nil
}

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
	if text, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
			total = min(total, limit)
		}
	}
	return total / 2
}
