package store

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// KnownExporter is an exporter of the inventory.
type KnownExporter struct {
	Address     netip.Addr
	Name        string // the operator's, else SystemName
	Description string // sysDescr
	SystemName  string // sysName
	EditedName  string

	SamplingRate uint32 // set by an operator for all interfaces, 0 for none
}

// KnownExporters returns all exporters that ever sent flows or were polled.
func (s *Store) KnownExporters(ctx context.Context) ([]KnownExporter, error) {
	rows, err := s.conn.Query(limited(ctx), "SELECT exporter_addr, name, description, system_name, edited_name, sampling_rate "+
		"FROM exporters FINAL ORDER BY name = '' AND sampling_rate = 0, exporter_addr LIMIT 100000")
	if err != nil {
		return nil, fmt.Errorf("read the inventory of exporters: %w", err)
	}
	defer rows.Close()
	all := []KnownExporter{}
	for rows.Next() {
		var e KnownExporter
		if err := rows.Scan(&e.Address, &e.Name, &e.Description, &e.SystemName, &e.EditedName, &e.SamplingRate); err != nil {
			return nil, fmt.Errorf("read the inventory of exporters: %w", err)
		}
		e.Address = e.Address.Unmap()
		all = append(all, e)
	}
	return all, rows.Err()
}

// ChangeExporter changes what is known of an exporter, made if it is new.
func (s *Store) ChangeExporter(ctx context.Context, exporter netip.Addr, change func(*KnownExporter)) error {
	all, err := s.KnownExporters(ctx)
	if err != nil {
		return err
	}
	old := KnownExporter{Address: exporter.Unmap()}
	known := false
	for _, e := range all {
		if e.Address == old.Address {
			old, known = e, true
		}
	}
	e := old
	change(&e)
	if e.Name = e.EditedName; e.Name == "" {
		e.Name = e.SystemName
	}
	if known && e == old {
		return nil
	}
	const query = "INSERT INTO exporters (exporter_addr, name, description, system_name, edited_name, sampling_rate) VALUES ($1, $2, $3, $4, $5, $6)"
	if err := s.conn.Exec(ctx, query, netip.AddrFrom16(e.Address.As16()).String(), e.Name, e.Description, e.SystemName, e.EditedName, e.SamplingRate); err != nil {
		return fmt.Errorf("change exporter %s: %w", exporter, err)
	}
	if e.EditedName != old.EditedName {
		s.reloadNames(ctx)
	}
	return nil
}

// How much the inventory takes from flows: their addresses and ifIndexes can be
// forged, and every interface is in memory for its name.
const (
	maxSeenExporters  = 100_000
	maxSeenInterfaces = 20_000 // of an exporter
)

// AddSeen adds the exporters and interfaces that flows since a time name and
// that the inventory does not have, those with most traffic first.
func (s *Store) AddSeen(ctx context.Context, since time.Time) error {
	ctx = clickhouse.Context(ctx, clickhouse.WithParameters(clickhouse.Parameters{"since": strconv.FormatInt(since.Unix(), 10)}))
	// The oldest version there is: a walk at the same time wins.
	for what, query := range map[string]string{
		"exporters": `INSERT INTO exporters (exporter_addr, updated_at)
SELECT exporter_addr, toDateTime64(0, 3, 'UTC') FROM flows_1m_in
WHERE time >= toDateTime({since:Int64}, 'UTC') AND exporter_addr NOT IN (SELECT exporter_addr FROM exporters)
    AND (SELECT uniqExact(exporter_addr) FROM exporters) < ` + strconv.Itoa(maxSeenExporters) + `
GROUP BY exporter_addr ORDER BY sum(bytes_scaled) DESC LIMIT ` + strconv.Itoa(maxSeenExporters),
		"interfaces": `INSERT INTO interfaces (exporter_addr, if_index, updated_at)
SELECT exporter_addr, if_index, toDateTime64(0, 3, 'UTC') FROM flows_1m ARRAY JOIN [in_if, out_if] AS if_index
WHERE time >= toDateTime({since:Int64}, 'UTC') AND if_index != 0 AND (exporter_addr, if_index) NOT IN (SELECT exporter_addr, if_index FROM interfaces)
    AND exporter_addr NOT IN (SELECT exporter_addr FROM interfaces GROUP BY exporter_addr HAVING uniqExact(if_index) >= ` + strconv.Itoa(maxSeenInterfaces) + `)
GROUP BY exporter_addr, if_index ORDER BY sum(bytes_scaled) DESC LIMIT ` + strconv.Itoa(maxSeenInterfaces) + ` BY exporter_addr`,
	} {
		if err := s.conn.Exec(ctx, query); err != nil {
			return fmt.Errorf("add %s that flows name: %w", what, err)
		}
	}
	return nil
}

// SetRate is a sampling rate that an operator set.
type SetRate struct {
	Exporter netip.Addr
	IfIndex  uint32 // 0: all interfaces
	Rate     uint32
}

// SamplingRates returns the sampling rates that operators set.
func (s *Store) SamplingRates(ctx context.Context) ([]SetRate, error) {
	rows, err := s.conn.Query(limited(ctx), `
SELECT exporter_addr, toUInt32(0) AS if_index, sampling_rate FROM exporters FINAL WHERE sampling_rate > 0
UNION ALL
SELECT i.exporter_addr, i.if_index, e.sampling_rate
FROM (SELECT exporter_addr, if_index, if(if_name = '', concat('#', toString(if_index)), if_name) AS if_key FROM interfaces FINAL WHERE (exporter_addr, if_index) NOT IN (`+leftIfIndexes+`)) AS i
JOIN (SELECT exporter_addr, if_key, sampling_rate FROM interface_edits FINAL WHERE sampling_rate > 0) AS e ON i.exporter_addr = e.exporter_addr AND i.if_key = e.if_key
ORDER BY exporter_addr, if_index`)
	if err != nil {
		return nil, fmt.Errorf("read the sampling rates that operators set: %w", err)
	}
	defer rows.Close()
	var all []SetRate
	for rows.Next() {
		var r SetRate
		if err := rows.Scan(&r.Exporter, &r.IfIndex, &r.Rate); err != nil {
			return nil, fmt.Errorf("read the sampling rates that operators set: %w", err)
		}
		r.Exporter = r.Exporter.Unmap()
		all = append(all, r)
	}
	return all, rows.Err()
}
