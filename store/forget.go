package store

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// ForgetExporter removes an exporter, its interfaces and what operators said of
// them from the inventory. Its flows stay, and with its next one it is an exporter
// again.
func (s *Store) ForgetExporter(ctx context.Context, exporter netip.Addr) error {
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"mutations_sync": 1}))
	for _, table := range []string{"interface_edits", "interface_names", "interfaces", "exporters"} {
		if err := s.conn.Exec(ctx, "ALTER TABLE "+table+" DELETE WHERE exporter_addr = toIPv6($1)", netip.AddrFrom16(exporter.As16()).String()); err != nil {
			return fmt.Errorf("forget exporter %s in %s: %w", exporter, table, err)
		}
	}
	s.reloadNames(ctx)
	return nil
}
