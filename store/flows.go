package store

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// FlowsPage is a part of the flows that are selected.
type FlowsPage struct {
	Answer
	Rows  []Flow     `json:"rows"`
	More  bool       `json:"more"` // there are rows behind these
	Total FlowsTotal `json:"total"`
}

// FlowsTotal sums up all flows that are selected, whole, as exported. Implausible ones
// are in no sum. Sums are exact up to 2⁵³.
type FlowsTotal struct {
	Flows         uint64  `json:"flows"`
	Implausible   uint64  `json:"implausible"` // of them
	Bytes         float64 `json:"bytes"`
	Packets       float64 `json:"packets"`
	BytesScaled   float64 `json:"bytes_scaled"` // times the sampling rate
	PacketsScaled float64 `json:"packets_scaled"`
}

// Flow is a flow record as it was exported. Times are Unix milliseconds.
type Flow struct {
	TimeReceived  int64    `json:"time_received_ms"`
	TimeFlowStart int64    `json:"time_flow_start_ms"`
	TimeFlowEnd   int64    `json:"time_flow_end_ms"`
	Type          string   `json:"type"`
	Exporter      string   `json:"exporter"`
	ExporterName  string   `json:"exporter_name"`
	InIf          uint32   `json:"in_if"`
	InIfName      string   `json:"in_if_name"`
	OutIf         uint32   `json:"out_if"`
	OutIfName     string   `json:"out_if_name"`
	SrcAddr       string   `json:"src_addr"`
	DstAddr       string   `json:"dst_addr"`
	SrcPort       uint16   `json:"src_port"`
	DstPort       uint16   `json:"dst_port"`
	Proto         uint8    `json:"proto"`
	TCPFlags      uint16   `json:"tcp_flags"`
	Bytes         uint64   `json:"bytes"`
	Packets       uint64   `json:"packets"`
	SamplingRate  uint32   `json:"sampling_rate"`
	SrcAS         uint32   `json:"src_as"`
	SrcASName     string   `json:"src_as_name"`
	DstAS         uint32   `json:"dst_as"`
	DstASName     string   `json:"dst_as_name"`
	SrcNet        uint8    `json:"src_net"`
	DstNet        uint8    `json:"dst_net"`
	NextHop       string   `json:"next_hop"`
	SrcVLAN       uint16   `json:"src_vlan"`
	DstVLAN       uint16   `json:"dst_vlan"`
	IPTos         uint8    `json:"ip_tos"`
	ICMPType      uint8    `json:"icmp_type"`
	ICMPCode      uint8    `json:"icmp_code"`
	FlowDirection uint8    `json:"flow_direction"`
	EType         uint16   `json:"etype"`
	Collector     string   `json:"collector"`
	Source        string   `json:"source"`
	MPLSLabels    []uint32 `json:"mpls_labels"`
	Implausible   bool     `json:"implausible"` // no network can have carried it; it is in no chart
}

// flowFields are the columns of Flow, in order, with their SQL where that is not
// the name.
var flowFields = [][2]string{
	{"time_received", "toUnixTimestamp64Milli(time_received)"}, {"time_flow_start", "toUnixTimestamp64Milli(time_flow_start)"}, {"time_flow_end", "toUnixTimestamp64Milli(time_flow_end)"},
	{"type", "toString(type)"}, {"exporter_addr", fmt.Sprintf(plainAddress, "exporter_addr")}, {"exporter_name", ""},
	{"in_if", ""}, {"in_if_name", ""}, {"out_if", ""}, {"out_if_name", ""}, {"src_addr", "src_ip"}, {"dst_addr", "dst_ip"},
	{"src_port", ""}, {"dst_port", ""}, {"proto", ""}, {"tcp_flags", ""}, {"bytes", ""}, {"packets", ""}, {"sampling_rate", ""},
	{"src_as", ""}, {"src_as_name", ""}, {"dst_as", ""}, {"dst_as_name", ""}, {"src_net", ""}, {"dst_net", ""},
	{"next_hop", fmt.Sprintf(plainAddress, "next_hop")}, {"src_vlan", ""}, {"dst_vlan", ""}, {"ip_tos", ""}, {"icmp_type", ""}, {"icmp_code", ""},
	{"flow_direction", ""}, {"etype", ""}, {"collector", ""}, {"source", ""}, {"mpls_labels", ""}, {"implausible", "toBool(implausible)"},
}

// destinations returns where to scan flowFields to.
func (f *Flow) destinations() []any {
	return []any{&f.TimeReceived, &f.TimeFlowStart, &f.TimeFlowEnd, &f.Type, &f.Exporter, &f.ExporterName,
		&f.InIf, &f.InIfName, &f.OutIf, &f.OutIfName, &f.SrcAddr, &f.DstAddr,
		&f.SrcPort, &f.DstPort, &f.Proto, &f.TCPFlags, &f.Bytes, &f.Packets, &f.SamplingRate,
		&f.SrcAS, &f.SrcASName, &f.DstAS, &f.DstASName, &f.SrcNet, &f.DstNet,
		&f.NextHop, &f.SrcVLAN, &f.DstVLAN, &f.IPTos, &f.ICMPType, &f.ICMPCode,
		&f.FlowDirection, &f.EType, &f.Collector, &f.Source, &f.MPLSLabels, &f.Implausible}
}

// flowSorts are what flows can be sorted by.
var flowSorts = []string{"time_received", "time_flow_start", "time_flow_end", "bytes", "packets", "src_addr", "dst_addr", "src_port", "dst_port", "proto",
	"src_as", "dst_as", "in_if", "out_if", "exporter_addr", "tcp_flags", "sampling_rate"}

// Order is what flows are sorted by: a column, "-" before it for the largest first.
type Order string

// Validate reports what flows cannot be sorted by.
func (o Order) Validate() error {
	_, err := o.sql()
	return err
}

func (o Order) sql() (string, error) {
	column, descending := strings.CutPrefix(string(o), "-")
	if column == "exporter" {
		column = "exporter_addr"
	}
	if !slices.Contains(flowSorts, column) {
		return "", fmt.Errorf("flows cannot be sorted by %q", column)
	}
	order := column
	if descending {
		order += " DESC"
	}
	return order + ", time_received, src_addr, dst_addr, src_port, dst_port", nil
}

// Flows returns the flows that lived in the range, by the same measure of their
// lifetime as everywhere.
func (s *Store) Flows(ctx context.Context, selection Selection, order Order, limit, offset int) (*FlowsPage, error) {
	q, by, err := s.planFlows(ctx, selection, order)
	if err != nil {
		return nil, err
	}
	where := q.flowsWhere()
	page := &FlowsPage{Rows: []Flow{}}
	const totals = `SELECT count(), countIf(implausible), sumIf(toFloat64(bytes), NOT implausible), sumIf(toFloat64(packets), NOT implausible),
    sum(bytes_scaled), sum(packets_scaled) FROM flows WHERE `
	err = s.ask(ctx, q, totals+where, func(rows driver.Rows) error {
		t := &page.Total
		return rows.Scan(&t.Flows, &t.Implausible, &t.Bytes, &t.Packets, &t.BytesScaled, &t.PacketsScaled)
	})
	if err != nil {
		return nil, fmt.Errorf("sum up flows: %w", err)
	}
	var selected []string
	for _, f := range flowFields {
		selected = append(selected, cmp.Or(f[1], f[0]))
	}
	text := fmt.Sprintf("SELECT %s FROM flows WHERE %s ORDER BY %s LIMIT %d OFFSET %d", strings.Join(selected, ", "), where, by, limit, offset)
	err = s.ask(ctx, q, text, func(rows driver.Rows) error {
		page.Rows = append(page.Rows, Flow{})
		return rows.Scan(page.Rows[len(page.Rows)-1].destinations()...)
	})
	if err != nil {
		return nil, fmt.Errorf("read flows: %w", err)
	}
	page.More = uint64(offset+len(page.Rows)) < page.Total.Flows
	page.Answer = q.answer(text, page.Total.Flows, 0, 0)
	return page, nil
}

// FlowsCSV writes all flows that are selected, with a header line, and nothing
// where ClickHouse refuses. A text that a spreadsheet would take for a formula
// gets an apostrophe before it.
func (s *Store) FlowsCSV(ctx context.Context, selection Selection, order Order, w io.Writer) error {
	q, by, err := s.planFlows(ctx, selection, order)
	if err != nil {
		return err
	}
	var selected []string
	for _, f := range flowFields {
		expression := cmp.Or(f[1], f[0])
		switch {
		case strings.HasPrefix(f[0], "time_"):
			expression = f[0]
		case strings.HasSuffix(f[0], "_name"), f[0] == "collector", f[0] == "source":
			expression = fmt.Sprintf(`if(match(%[1]s, '^[-=+@\\t\\r\\n]'), concat('''', %[1]s), %[1]s)`, f[0])
		}
		selected = append(selected, expression+" AS column_"+f[0])
	}
	var header []string
	for _, f := range flowFields {
		header = append(header, f[0])
	}
	text := fmt.Sprintf("SELECT %s FROM flows WHERE %s ORDER BY %s", strings.Join(selected, ", "), q.flowsWhere(), by)
	out := &headed{header: strings.Join(header, ",") + "\r\n", w: w}
	err = s.rawWith(ctx, text, "CSV", q.parameters, clickhouse.Settings{"max_memory_usage": 4 << 30, "max_bytes_before_external_sort": 1 << 30, "output_format_csv_crlf_end_of_line": 1}, out)
	if err == nil {
		_, err = out.Write(nil) // without any flow there has been no header
	}
	if err != nil {
		return fmt.Errorf("write flows as CSV: %w", err)
	}
	return nil
}

// headed writes a header before the first octet, so that nothing is written for
// a query that ClickHouse refuses.
type headed struct {
	header string
	w      io.Writer
}

// Write writes the header, once, and p.
func (h *headed) Write(p []byte) (int, error) {
	if h.header != "" {
		if _, err := io.WriteString(h.w, h.header); err != nil {
			return 0, err
		}
		h.header = ""
	}
	return h.w.Write(p)
}

func (s *Store) planFlows(ctx context.Context, selection Selection, order Order) (*query, string, error) {
	if err := selection.Validate(); err != nil {
		return nil, "", err
	}
	by, err := order.sql()
	if err != nil {
		return nil, "", err
	}
	q := newQuery(selection, choice{table: "flows", from: selection.From.Unix(), to: selection.To.Unix()})
	ids, err := s.Identities(ctx)
	if err != nil {
		return nil, "", err
	}
	q.follow(ids)
	return q, by, nil
}

// flowsWhere selects the flows that lived in the range.
func (q *query) flowsWhere() string {
	return fmt.Sprintf(`time_received >= toDateTime64({from:Int64}, 3, 'UTC') AND time_received < toDateTime64({to:Int64} + %d, 3, 'UTC') AND %s
    AND %s >= {from:Int64} * 1000 AND %s < {to:Int64} * 1000`, receptionWindow, q.flowsFilter(), endedSQL, startedSQL)
}
