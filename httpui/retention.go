package httpui

import (
	"context"
	"net/http"
	"time"

	"github.com/nfstats/nfstats/snmp"
	"github.com/nfstats/nfstats/store"
)

// retention keeps rows for as long as operators want; *store.Retention in the
// program.
type retention interface {
	Status(ctx context.Context) (*store.RetentionStatus, error)
	Set(ctx context.Context, settings store.RetentionSettings) error
}

// retentionSettings are days by table, 0 for forever, and the disk budget. In the input, what is
// missing stays as it is.
type retentionSettings struct {
	Flows       *int    `json:"flows"`
	Flows1m     *int    `json:"flows_1m"`
	Flows1h     *int    `json:"flows_1h"`
	IfCounters  *int    `json:"if_counters"`
	Calibration *int    `json:"calibration"`
	MaxDisk     *string `json:"max_disk"`
}

// retentionAnswer is GET and PUT /api/v1/system/retention.
type retentionAnswer struct {
	Settings    retentionSettings `json:"settings"`
	Configured  retentionSettings `json:"configured"`
	UsedBytes   int64             `json:"used_bytes"`
	BudgetBytes int64             `json:"budget_bytes"` // 0: no limit
	DiskBytes   int64             `json:"disk_bytes"`
	FreeBytes   int64             `json:"free_bytes"`
	FullInDays  *int              `json:"full_in_days"` // null: it does not get full
	Tables      []tableAnswer     `json:"tables"`
	Warnings    []string          `json:"warnings"`
}

type tableAnswer struct {
	Table       string `json:"table"`
	Days        int    `json:"days"` // 0: forever
	Bytes       int64  `json:"bytes"`
	BytesPerDay int64  `json:"bytes_per_day"`
	Oldest      int64  `json:"oldest"` // Unix seconds, 0 when it is empty
}

func (s *Server) retention(r *http.Request) (any, error) {
	if s.deps.Retention == nil {
		return nil, notFound("This program keeps no retention.")
	}
	status, err := s.deps.Retention.Status(r.Context())
	if err != nil {
		return nil, err
	}
	answer := retentionAnswer{Settings: settingsAnswer(status.Settings), Configured: settingsAnswer(status.Configured),
		UsedBytes: status.UsedBytes, BudgetBytes: status.BudgetBytes, DiskBytes: status.DiskBytes, FreeBytes: status.FreeBytes, Warnings: status.Warnings}
	if status.FullInDays >= 0 {
		answer.FullInDays = &status.FullInDays
	}
	for _, t := range status.Tables {
		row := tableAnswer{Table: t.Table, Days: t.Days, Bytes: t.Bytes, BytesPerDay: t.BytesPerDay}
		if !t.Oldest.IsZero() {
			row.Oldest = t.Oldest.Unix()
		}
		answer.Tables = append(answer.Tables, row)
	}
	return answer, nil
}

func (s *Server) changeRetention(r *http.Request) (any, error) {
	if s.deps.Retention == nil {
		return nil, notFound("This program keeps no retention.")
	}
	var input retentionSettings
	if err := readInput(r, &input); err != nil {
		return nil, err
	}
	status, err := s.deps.Retention.Status(r.Context())
	if err != nil {
		return nil, err
	}
	settings := status.Settings
	for table, days := range map[string]*int{"flows": input.Flows, "flows_1m": input.Flows1m, "flows_1h": input.Flows1h, "if_counters": input.IfCounters, "calibration": input.Calibration} {
		if days != nil {
			settings.Days[table] = *days
		}
	}
	if input.MaxDisk != nil {
		settings.MaxDisk = *input.MaxDisk
	}
	if problems := settings.Check(); len(problems) > 0 {
		return nil, snmp.FieldErrors(problems)
	}
	if err := s.deps.Retention.Set(r.Context(), settings); err != nil {
		return nil, err
	}
	return s.retention(r)
}

func settingsAnswer(settings store.RetentionSettings) retentionSettings {
	days := func(table string) *int { n := settings.Days[table]; return &n }
	return retentionSettings{Flows: days("flows"), Flows1m: days("flows_1m"), Flows1h: days("flows_1h"),
		IfCounters: days("if_counters"), Calibration: days("calibration"), MaxDisk: &settings.MaxDisk}
}

// retentionWarnings returns what an operator should know of the disk.
func (s *Server) retentionWarnings(ctx context.Context) []string {
	if s.deps.Retention == nil {
		return nil
	}
	asking, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	status, err := s.deps.Retention.Status(asking)
	if err != nil {
		s.lacking(ctx, "the disk", err)
		return nil
	}
	return status.Warnings
}
