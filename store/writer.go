package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/nfstats/nfstats/decoder"
)

// A flowColumn is one column of table flows as the writer sends it.
type flowColumn struct {
	name     string
	datatype string // as sent; ClickHouse converts String to LowCardinality(String)
	values   func(b *decoder.Batch) any
}

var flowColumns = []flowColumn{
	{"time_received", "DateTime64(3, 'UTC')", func(b *decoder.Batch) any { return b.TimeReceived[:b.Len()] }},
	{"time_flow_start", "DateTime64(3, 'UTC')", func(b *decoder.Batch) any { return b.TimeFlowStart[:b.Len()] }},
	{"time_flow_end", "DateTime64(3, 'UTC')", func(b *decoder.Batch) any { return b.TimeFlowEnd[:b.Len()] }},
	{"type", "Int8", func(b *decoder.Batch) any { return b.Type[:b.Len()] }},
	{"exporter_addr", "IPv6", func(b *decoder.Batch) any { return b.ExporterAddr[:b.Len()] }},
	{"observation_domain_id", "UInt32", func(b *decoder.Batch) any { return b.ObservationDomainID[:b.Len()] }},
	{"src_addr", "IPv6", func(b *decoder.Batch) any { return b.SrcAddr[:b.Len()] }},
	{"dst_addr", "IPv6", func(b *decoder.Batch) any { return b.DstAddr[:b.Len()] }},
	{"next_hop", "IPv6", func(b *decoder.Batch) any { return b.NextHop[:b.Len()] }},
	{"bgp_next_hop", "IPv6", func(b *decoder.Batch) any { return b.BGPNextHop[:b.Len()] }},
	{"src_net", "UInt8", func(b *decoder.Batch) any { return b.SrcNet[:b.Len()] }},
	{"dst_net", "UInt8", func(b *decoder.Batch) any { return b.DstNet[:b.Len()] }},
	{"in_if", "UInt32", func(b *decoder.Batch) any { return b.InIf[:b.Len()] }},
	{"out_if", "UInt32", func(b *decoder.Batch) any { return b.OutIf[:b.Len()] }},
	{"src_as", "UInt32", func(b *decoder.Batch) any { return b.SrcAS[:b.Len()] }},
	{"dst_as", "UInt32", func(b *decoder.Batch) any { return b.DstAS[:b.Len()] }},
	{"in_vrf", "UInt32", func(b *decoder.Batch) any { return b.InVRF[:b.Len()] }},
	{"out_vrf", "UInt32", func(b *decoder.Batch) any { return b.OutVRF[:b.Len()] }},
	{"bytes", "UInt64", func(b *decoder.Batch) any { return b.Bytes[:b.Len()] }},
	{"packets", "UInt64", func(b *decoder.Batch) any { return b.Packets[:b.Len()] }},
	{"sampling_rate", "UInt32", func(b *decoder.Batch) any { return b.SamplingRate[:b.Len()] }},
	{"etype", "UInt16", func(b *decoder.Batch) any { return b.EType[:b.Len()] }},
	{"proto", "UInt8", func(b *decoder.Batch) any { return b.Proto[:b.Len()] }},
	{"src_port", "UInt16", func(b *decoder.Batch) any { return b.SrcPort[:b.Len()] }},
	{"dst_port", "UInt16", func(b *decoder.Batch) any { return b.DstPort[:b.Len()] }},
	{"tcp_flags", "UInt16", func(b *decoder.Batch) any { return b.TCPFlags[:b.Len()] }},
	{"ip_tos", "UInt8", func(b *decoder.Batch) any { return b.IPTos[:b.Len()] }},
	{"ip_ttl", "UInt8", func(b *decoder.Batch) any { return b.IPTTL[:b.Len()] }},
	{"icmp_type", "UInt8", func(b *decoder.Batch) any { return b.ICMPType[:b.Len()] }},
	{"icmp_code", "UInt8", func(b *decoder.Batch) any { return b.ICMPCode[:b.Len()] }},
	{"flow_direction", "UInt8", func(b *decoder.Batch) any { return b.FlowDirection[:b.Len()] }},
	{"forwarding_status", "UInt8", func(b *decoder.Batch) any { return b.ForwardingStatus[:b.Len()] }},
	{"src_vlan", "UInt16", func(b *decoder.Batch) any { return b.SrcVLAN[:b.Len()] }},
	{"dst_vlan", "UInt16", func(b *decoder.Batch) any { return b.DstVLAN[:b.Len()] }},
	{"src_mac", "UInt64", func(b *decoder.Batch) any { return b.SrcMAC[:b.Len()] }},
	{"dst_mac", "UInt64", func(b *decoder.Batch) any { return b.DstMAC[:b.Len()] }},
	{"src_addr_xlate", "IPv6", func(b *decoder.Batch) any { return b.SrcAddrXlate[:b.Len()] }},
	{"dst_addr_xlate", "IPv6", func(b *decoder.Batch) any { return b.DstAddrXlate[:b.Len()] }},
	{"src_port_xlate", "UInt16", func(b *decoder.Batch) any { return b.SrcPortXlate[:b.Len()] }},
	{"dst_port_xlate", "UInt16", func(b *decoder.Batch) any { return b.DstPortXlate[:b.Len()] }},
	{"implausible", "UInt8", func(b *decoder.Batch) any { return b.Implausible[:b.Len()] }},
}

// labelColumn is sent only with batches that have labels: arrays are the one
// column type that costs a call for each row.
var labelColumn = flowColumn{"mpls_labels", "Array(UInt32)", func(b *decoder.Batch) any { return b.MPLSLabels[:b.Len()] }}

// A Block says where the rows of one insert come from.
type Block struct {
	// Token makes the insert idempotent: ClickHouse drops a block whose token it
	// has seen among the last 10,000 blocks.
	Token string

	Collector string // which nfstats received the flows
	Source    string // the archive's name, "" for live flows

	// Imported is when flows of another time come in, which are kept as long from
	// then on as live flows are from their reception; zero for live flows.
	Imported time.Time
}

// InsertFlows writes the rows of b into table flows as one block. It returns
// after ClickHouse has stored them, and does not retry.
func (s *Store) InsertFlows(ctx context.Context, block Block, b *decoder.Batch) error {
	if b.Len() == 0 {
		return nil
	}
	columns := append(slices.Clip(flowColumns),
		flowColumn{"collector", "String", func(b *decoder.Batch) any { return repeated(block.Collector, b.Len()) }})
	if block.Source != "" {
		columns = append(columns,
			flowColumn{"source", "String", func(b *decoder.Batch) any { return repeated(block.Source, b.Len()) }})
	}
	if !block.Imported.IsZero() {
		columns = append(columns,
			flowColumn{"time_imported", "DateTime('UTC')",
				func(b *decoder.Batch) any { return repeated(block.Imported, b.Len()) }})
	}
	if b.HasMPLSLabels() {
		columns = append(columns, labelColumn)
	}
	if err := s.insertColumns(ctx, "flows", block.Token, columns, b); err != nil {
		return fmt.Errorf("insert %d flows: %w", b.Len(), err)
	}
	return nil
}

// CountSource returns how many flows of an imported or replayed source are stored.
func (s *Store) CountSource(ctx context.Context, source string) (flows uint64, err error) {
	if err := s.conn.QueryRow(ctx, "SELECT count() FROM flows WHERE source = $1", source).Scan(&flows); err != nil {
		return 0, fmt.Errorf("count the flows of %s: %w", source, err)
	}
	return flows, nil
}

func (s *Store) insertColumns(ctx context.Context, table, token string, columns []flowColumn, b *decoder.Batch) error {
	names := make([]string, len(columns))
	types := make([]clickhouse.ColumnNameAndType, len(columns))
	for i, c := range columns {
		names[i] = c.name
		types[i] = clickhouse.ColumnNameAndType{Name: c.name, Type: c.datatype}
	}
	ctx = clickhouse.Context(ctx,
		clickhouse.WithColumnNamesAndTypes(types), // HTTP: spares a DESCRIBE for each insert
		clickhouse.WithSettings(clickhouse.Settings{
			"async_insert":               0,
			"insert_deduplicate":         1,
			"insert_deduplication_token": token,
			// One block in, one part out: the token covers the whole insert.
			"max_insert_block_size":      1 << 30,
			"min_insert_block_size_rows": 1 << 30, "min_insert_block_size_bytes": 1 << 40,
		}))
	batch, err := s.conn.PrepareBatch(ctx, "INSERT INTO "+table+" ("+strings.Join(names, ", ")+")", driver.WithReleaseConnection())
	if err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	defer batch.Close()
	for i, c := range columns {
		if err := batch.Column(i).Append(c.values(b)); err != nil {
			return fmt.Errorf("column %s: %w", c.name, err)
		}
	}
	return batch.Send()
}

func repeated[T any](value T, n int) []T {
	column := make([]T, n)
	for i := range column {
		column[i] = value
	}
	return column
}
