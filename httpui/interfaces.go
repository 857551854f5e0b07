package httpui

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/nfstats/nfstats/snmp"
	"github.com/nfstats/nfstats/snmp/calibration"
	"github.com/nfstats/nfstats/store"
)

// inventory is what is known of devices; *store.Store in the program.
type inventory interface {
	Interfaces(ctx context.Context, exporter netip.Addr) ([]store.Interface, error)
	EditInterface(ctx context.Context, i store.Interface) error
	KnownExporters(ctx context.Context) ([]store.KnownExporter, error)
	ChangeExporter(ctx context.Context, exporter netip.Addr, change func(*store.KnownExporter)) error
	ForgetExporter(ctx context.Context, exporter netip.Addr) error
	Counters(ctx context.Context, exporter netip.Addr, from, to time.Time) ([]store.Counter, error)
	Calibration(ctx context.Context, q store.CalibrationQuery) ([]store.CalibrationRow, error)
	CalibrationSQL(ctx context.Context, q store.CalibrationQuery) (string, error)
}

// interfaceAnswer is one interface of GET /api/v1/interfaces.
type interfaceAnswer struct {
	Exporter     netip.Addr `json:"exporter"`
	ExporterName string     `json:"exporter_name"`
	IfIndex      uint32     `json:"if_index"`
	Name         string     `json:"name"`
	Description  string     `json:"description"`
	IfName       string     `json:"if_name"`  // the device's own
	IfAlias      string     `json:"if_alias"` // the device's own
	SpeedBps     uint64     `json:"speed_bps"`
	OperStatus   string     `json:"oper_status"`
	OperSince    int64      `json:"oper_since"` // Unix seconds, 0: not known

	Role             string `json:"role"`
	SuggestedRole    string `json:"suggested_role"`
	Sampled          *bool  `json:"sampled"`
	SuggestedSampled bool   `json:"suggested_sampled"`
	SamplingRate     uint32 `json:"sampling_rate"`          // the highest in force within a day, 0 for none
	RateOverride     uint32 `json:"sampling_rate_override"` // 0 for none
	Overhead         int32  `json:"overhead"`               // octets a packet
	OverheadIsSet    bool   `json:"overhead_is_set"`        // by an operator
	Force            bool   `json:"force"`
	Offered          bool   `json:"offered"` // has a description

	LastPollMs  int64    `json:"last_poll_ms"` // 0 for never within the last quarter of an hour
	SNMPInBps   *float64 `json:"snmp_in_bps"`
	SNMPOutBps  *float64 `json:"snmp_out_bps"`
	FlowInBps   *float64 `json:"flow_in_bps"` // scaled by the sampling rate
	FlowOutBps  *float64 `json:"flow_out_bps"`
	CoverageIn  *float64 `json:"coverage_in"`
	CoverageOut *float64 `json:"coverage_out"`
	StatusIn    string   `json:"status_in"`
	StatusOut   string   `json:"status_out"`
	ReasonIn    string   `json:"reason_in"`
	ReasonOut   string   `json:"reason_out"`
}

const (
	// freshCounters is how old readings may be that tell the rate now.
	freshCounters = 15 * time.Minute
	// freshCalibration is how old the newest bucket of an interface may be.
	freshCalibration = time.Hour
)

// operStatuses are those of RFC 2863.
var operStatuses = [...]string{"", "up", "down", "testing", "unknown", "dormant", "not present", "lower layer down"}

// interfaces answers GET /api/v1/interfaces?exporter=.
func (s *Server) interfaces(r *http.Request) (any, error) {
	var exporter netip.Addr
	if text := r.URL.Query().Get("exporter"); text != "" {
		var err error
		if exporter, err = exporterOf(text); err != nil {
			return nil, err
		}
	}
	answers, err := s.describeInterfaces(r.Context(), exporter, 0)
	return map[string]any{"interfaces": answers}, err
}

// describeInterfaces returns what is known of the interfaces of an exporter
// (zero: all), or of one of them.
func (s *Server) describeInterfaces(ctx context.Context, exporter netip.Addr, only uint32) ([]interfaceAnswer, error) {
	now := time.Now()
	interfaces, err := s.deps.Inventory.Interfaces(ctx, exporter)
	if err != nil {
		return nil, err
	}
	names, err := s.exporterNames(ctx)
	if err != nil {
		return nil, err
	}
	counters, err := s.deps.Inventory.Counters(ctx, exporter, now.Add(-freshCounters), now.Add(time.Minute))
	if err != nil {
		return nil, err
	}
	rows, err := s.deps.Inventory.Calibration(ctx, store.CalibrationQuery{Exporter: exporter, IfIndex: only, From: now.Add(-freshCalibration), To: now})
	if err != nil {
		return nil, err
	}
	newest := map[store.Way]store.CalibrationRow{}
	for _, row := range rows {
		if row.SNMPOctets >= 0 {
			newest[row.Way] = row
		}
	}
	readings := map[store.Way][]store.Counter{}
	for _, c := range counters {
		way := store.Way{Exporter: c.Exporter, IfIndex: c.IfIndex}
		readings[way] = append(readings[way], c)
	}
	answers := []interfaceAnswer{}
	for _, i := range interfaces {
		if only != 0 && i.IfIndex != only {
			continue
		}
		a := s.describe(i)
		a.ExporterName = names[i.Exporter].Name
		a.rates(i, readings[store.Way{Exporter: i.Exporter, IfIndex: i.IfIndex}])
		a.FlowInBps, a.CoverageIn, a.StatusIn, a.ReasonIn = calibrated(newest, i, "in")
		a.FlowOutBps, a.CoverageOut, a.StatusOut, a.ReasonOut = calibrated(newest, i, "out")
		answers = append(answers, a)
	}
	return answers, nil
}

// describe returns what the inventory knows of an interface.
func (s *Server) describe(i store.Interface) interfaceAnswer {
	seen, role := s.deps.Seen(i.Exporter, i.IfIndex)
	a := interfaceAnswer{Exporter: i.Exporter, IfIndex: i.IfIndex, Name: i.Name, Description: i.Description, IfName: i.IfName, IfAlias: i.IfAlias,
		SpeedBps: i.Speed, Role: i.Edit.Role, SuggestedRole: role, SuggestedSampled: seen.SamplingRate > 1, SamplingRate: seen.SamplingRate,
		RateOverride: i.Edit.SamplingRate, OperSince: i.OperSince, Overhead: snmp.Overhead(i), OverheadIsSet: i.Edit.Overhead >= 0, Force: i.Edit.Force, Offered: i.Description != ""}
	if int(i.OperStatus) < len(operStatuses) {
		a.OperStatus = operStatuses[i.OperStatus]
	}
	if i.Edit.Sampled >= 0 {
		sampled := i.Edit.Sampled == 1
		a.Sampled = &sampled
	}
	return a
}

// rates sets the rates by SNMP: those between the newest two readings.
func (a *interfaceAnswer) rates(i store.Interface, counters []store.Counter) {
	if len(counters) == 0 {
		return
	}
	a.LastPollMs = counters[len(counters)-1].AtMs
	intervals := calibration.Deltas(snmp.ReadingsOf(counters[max(0, len(counters)-2):]), i.Speed)
	if len(intervals) == 0 || intervals[0].Gap != "" {
		return
	}
	seconds := float64(intervals[0].ToMs-intervals[0].FromMs) / 1000
	in, out := intervals[0].In*8/seconds, intervals[0].Out*8/seconds
	a.SNMPInBps, a.SNMPOutBps = &in, &out
}

// calibrated returns what the newest bucket of an interface tells.
func calibrated(newest map[store.Way]store.CalibrationRow, i store.Interface, direction string) (flow, coverage *float64, status, reason string) {
	row, ok := newest[store.Way{Exporter: i.Exporter, IfIndex: i.IfIndex, Direction: direction}]
	if !ok {
		return nil, nil, string(calibration.None), calibration.ReasonNoSNMP
	}
	bps := (row.FlowOctets + row.FlowOverhead) * 8 / calibration.BucketSeconds
	return &bps, &row.Coverage, row.Status, row.Reason
}

func (s *Server) exporterNames(ctx context.Context) (map[netip.Addr]store.KnownExporter, error) {
	known, err := s.deps.Inventory.KnownExporters(ctx)
	if err != nil {
		return nil, err
	}
	names := map[netip.Addr]store.KnownExporter{}
	for _, e := range known {
		names[e.Address] = e
	}
	return names, nil
}

// interfaceInput is what PATCH /api/v1/interfaces/{exporter}/{ifIndex} takes:
// what is left out stays, null is as if nobody had said anything.
type interfaceInput struct {
	Name         json.RawMessage `json:"name"`
	Description  json.RawMessage `json:"description"`
	Role         json.RawMessage `json:"role"`
	Overhead     json.RawMessage `json:"overhead"`
	Sampled      json.RawMessage `json:"sampled"`
	RateOverride json.RawMessage `json:"sampling_rate_override"`
	Force        json.RawMessage `json:"force"`
}

var roles = []string{"", "uplink", "peer", "customer", "internal"}

// maxSamplingRate is what exporters can express in 24 bits, with room to spare.
const maxSamplingRate = 1 << 24

// apply changes an edit and returns what is wrong with the input.
func (in interfaceInput) apply(edit *store.InterfaceEdit) snmp.FieldErrors {
	wrong := snmp.FieldErrors{}
	text := func(field string, raw json.RawMessage, into *string) {
		if raw == nil {
			return
		}
		value := ""
		if json.Unmarshal(raw, &value) != nil || len(value) > 255 || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			wrong[field] = "is no text of at most 255 characters on one line"
		}
		*into = strings.TrimSpace(value)
	}
	number := func(field string, raw json.RawMessage, high, otherwise int64, set func(int64)) {
		if raw == nil {
			return
		}
		value := otherwise
		if string(raw) != "null" && (json.Unmarshal(raw, &value) != nil || value < 0 || value > high) {
			wrong[field] = "is no whole number within its bounds"
			return
		}
		set(value)
	}
	text("name", in.Name, &edit.Name)
	text("description", in.Description, &edit.Description)
	text("role", in.Role, &edit.Role)
	if !slices.Contains(roles, edit.Role) {
		wrong["role"] = "is none of uplink, peer, customer, internal"
	}
	number("overhead", in.Overhead, 200, -1, func(n int64) { edit.Overhead = int32(n) })
	number("sampling_rate_override", in.RateOverride, maxSamplingRate, 0, func(n int64) { edit.SamplingRate = uint32(n) })
	if in.Sampled != nil {
		var sampled *bool
		if json.Unmarshal(in.Sampled, &sampled) != nil {
			wrong["sampled"] = "is neither true, false nor null"
		}
		switch {
		case sampled == nil:
			edit.Sampled = -1
		case *sampled:
			edit.Sampled = 1
		default:
			edit.Sampled = 0
		}
	}
	if in.Force != nil && json.Unmarshal(in.Force, &edit.Force) != nil {
		wrong["force"] = "is neither true nor false"
	}
	return wrong
}

// changeInterface answers PATCH /api/v1/interfaces/{exporter}/{ifIndex}.
func (s *Server) changeInterface(r *http.Request) (any, error) {
	exporter, err := exporterOf(r.PathValue("exporter"))
	if err != nil {
		return nil, err
	}
	ifIndex, err := ifIndexOf(r.PathValue("ifIndex"))
	if err != nil {
		return nil, err
	}
	var in interfaceInput
	if err := readInput(r, &in); err != nil {
		return nil, err
	}
	i, err := s.findInterface(r.Context(), exporter, ifIndex)
	if err != nil {
		return nil, err
	}
	rate := i.Edit.SamplingRate
	if wrong := in.apply(&i.Edit); len(wrong) > 0 {
		return nil, wrong
	}
	if err := s.deps.Inventory.EditInterface(r.Context(), i); err != nil {
		return nil, err
	}
	if i.Edit.SamplingRate != rate {
		if err := s.deps.RatesChanged(r.Context()); err != nil {
			return nil, err
		}
	}
	answers, err := s.describeInterfaces(r.Context(), exporter, ifIndex)
	if err != nil || len(answers) == 0 {
		return nil, err
	}
	return answers[0], nil
}

// findInterface returns an interface of the inventory.
func (s *Server) findInterface(ctx context.Context, exporter netip.Addr, ifIndex uint32) (store.Interface, error) {
	all, err := s.deps.Inventory.Interfaces(ctx, exporter)
	if err != nil {
		return store.Interface{}, err
	}
	at := slices.IndexFunc(all, func(i store.Interface) bool { return i.IfIndex == ifIndex })
	if at < 0 {
		return store.Interface{}, notFound("This exporter has no such interface.")
	}
	return all[at], nil
}
