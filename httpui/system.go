package httpui

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/nfstats/nfstats/snmp"
)

// systemAnswer is GET /api/v1/system.
type systemAnswer struct {
	Version   string              `json:"version"`
	StartedMs int64               `json:"started_ms"`
	UptimeS   int64               `json:"uptime_s"`
	Engine    map[string]string   `json:"engine"`
	Tables    []systemTableAnswer `json:"tables"`
	Disk      *systemDiskAnswer   `json:"disk"`    // null: not known
	Journal   *JournalStatus      `json:"journal"` // as in /api/v1/status
	LogLevel  string              `json:"log_level"`
}

type systemTableAnswer struct {
	Name        string `json:"name"`
	Rows        uint64 `json:"rows"`
	BytesOnDisk int64  `json:"bytes_on_disk"`
	OldestMs    *int64 `json:"oldest_ms"` // start of the oldest partition; null: it is empty
	TTLDays     int    `json:"ttl_days"`  // 0: for ever
}

type systemDiskAnswer struct {
	Free             int64 `json:"free"` // octets
	Total            int64 `json:"total"`
	UsedByNFStats    int64 `json:"used_by_nfstats"`
	MaxDisk          int64 `json:"max_disk"`           // 0: no limit
	ForecastFullDays *int  `json:"forecast_full_days"` // null: it does not get full
}

// system answers GET /api/v1/system: versions, tables, disk and journal.
func (s *Server) system(r *http.Request) (any, error) {
	known, err := s.deps.Flows.System(r.Context())
	if err != nil {
		return nil, err
	}
	answer := systemAnswer{Version: s.config.Version, StartedMs: s.started.UnixMilli(), UptimeS: int64(time.Since(s.started).Seconds()),
		Engine: map[string]string{"version": known.Version}, Tables: []systemTableAnswer{}, LogLevel: s.deps.LogLevel.String()}
	if s.deps.Journal != nil {
		journal := s.deps.Journal()
		answer.Journal = &journal
	}
	if s.deps.Retention == nil {
		return answer, nil
	}
	status, err := s.deps.Retention.Status(r.Context())
	if err != nil {
		return nil, err
	}
	answer.Disk = &systemDiskAnswer{Free: status.FreeBytes, Total: status.DiskBytes, UsedByNFStats: status.UsedBytes, MaxDisk: status.BudgetBytes}
	if status.FullInDays >= 0 {
		answer.Disk.ForecastFullDays = &status.FullInDays
	}
	for _, t := range status.Tables {
		table := systemTableAnswer{Name: t.Table, Rows: known.Rows[t.Table], BytesOnDisk: t.Bytes, TTLDays: t.Days}
		if !t.Oldest.IsZero() {
			oldest := t.Oldest.UnixMilli()
			table.OldestMs = &oldest
		}
		answer.Tables = append(answer.Tables, table)
	}
	return answer, nil
}

// logLevels are those that can be set.
var logLevels = []string{"debug", "info", "warn", "error"}

// changeLogLevel answers PUT /api/v1/system/log_level {"level"}: what is logged
// until the daemon stops; then log.level holds again.
func (s *Server) changeLogLevel(r *http.Request) (any, error) {
	var input struct {
		Level string `json:"level"`
	}
	if err := readInput(r, &input); err != nil {
		return nil, err
	}
	if !slices.Contains(logLevels, input.Level) {
		return nil, snmp.FieldErrors{"level": "want debug, info, warn or error"}
	}
	if err := s.deps.LogLevel.UnmarshalText([]byte(input.Level)); err != nil {
		return nil, fmt.Errorf("set the log level: %w", err)
	}
	return map[string]string{"log_level": input.Level}, nil
}
