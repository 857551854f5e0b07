package httpui

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/nfstats/nfstats/snmp"
	"github.com/nfstats/nfstats/snmp/calibration"
	"github.com/nfstats/nfstats/store"
)

// calibrationAnswer is an interface in one direction.
type calibrationAnswer struct {
	Exporter      netip.Addr `json:"exporter"`
	ExporterName  string     `json:"exporter_name"`
	IfIndex       uint32     `json:"if_index"`
	Name          string     `json:"name"`
	Description   string     `json:"description"`
	Direction     string     `json:"direction"`
	Coverage      *float64   `json:"coverage"` // of the newest final bucket
	Factor        *float64   `json:"factor"`
	Status        string     `json:"status"`
	Reason        string     `json:"reason"`
	Kind          string     `json:"kind"` // of the diagnosis
	Diagnosis     string     `json:"diagnosis"`
	Fix           string     `json:"fix"`
	SuggestedRate uint32     `json:"suggested_sampling_rate"` // 0 for none
	SamplingRate  uint32     `json:"sampling_rate"`           // in force

	Buckets []bucketAnswer `json:"buckets"` // none unless an exporter is given
}

// bucketAnswer is five minutes.
type bucketAnswer struct {
	Time          int64    `json:"time"` // Unix seconds
	SNMPBps       *float64 `json:"snmp_bps"`
	FlowsBps      float64  `json:"flows_bps"` // scaled by the sampling rate, with the overhead of layer 2
	CalibratedBps float64  `json:"calibrated_bps"`
	Coverage      *float64 `json:"coverage"`
	Factor        *float64 `json:"factor"`
	Status        string   `json:"status"`
	Reason        string   `json:"reason"`
	Final         bool     `json:"final"`
}

// maxCalibrationDays bounds the time range of one answer.
const maxCalibrationDays = 31

// calibration answers GET /api/v1/calibration?exporter=&if_index=&direction=&from=&to=.
func (s *Server) calibration(r *http.Request) (any, error) {
	parameters := r.URL.Query()
	from, to, err := timeRange(parameters, time.Now())
	if err != nil {
		return nil, err
	}
	if to.Sub(from) > maxCalibrationDays*24*time.Hour {
		return nil, badRequest("The time range is longer than %d days.", maxCalibrationDays)
	}
	q := store.CalibrationQuery{From: from.Add(-calibration.BucketSeconds*time.Second + time.Second), To: to}
	if text := parameters.Get("exporter"); text != "" {
		if q.Exporter, err = exporterOf(text); err != nil {
			return nil, err
		}
	}
	if text := parameters.Get("if_index"); text != "" {
		if q.IfIndex, err = ifIndexOf(text); err != nil {
			return nil, err
		}
	}
	direction := parameters.Get("direction")
	if direction != "" && direction != "in" && direction != "out" {
		return nil, badRequest("direction=%s: want in or out", direction)
	}
	answers, err := s.describeCalibration(r.Context(), q, direction)
	return map[string]any{"from": from.Unix(), "to": to.Unix(), "bucket_seconds": calibration.BucketSeconds, "interfaces": answers}, err
}

// describeCalibration returns the interfaces that a query selects, in a
// direction ("": both).
func (s *Server) describeCalibration(ctx context.Context, q store.CalibrationQuery, direction string) ([]calibrationAnswer, error) {
	rows, err := s.deps.Inventory.Calibration(ctx, q)
	if err != nil {
		return nil, err
	}
	interfaces, err := s.deps.Inventory.Interfaces(ctx, q.Exporter)
	if err != nil {
		return nil, err
	}
	known := map[store.Way]store.Interface{}
	for _, i := range interfaces {
		known[store.Way{Exporter: i.Exporter, IfIndex: i.IfIndex}] = i
	}
	names, err := s.exporterNames(ctx)
	if err != nil {
		return nil, err
	}
	samples := map[store.Way][]calibration.Sample{}
	var order []store.Way
	byWay := map[store.Way][]store.CalibrationRow{}
	for _, row := range rows {
		if byWay[row.Way] == nil {
			order = append(order, row.Way)
		}
		byWay[row.Way] = append(byWay[row.Way], row)
		samples[row.Way] = append(samples[row.Way], snmp.SampleOf(row))
	}
	evidence := func(way store.Way, usual uint32) calibration.Evidence {
		opposite := way
		opposite.Direction = map[string]string{"in": "out", "out": "in"}[way.Direction]
		diagnosed := calibration.Recent(newest(samples[way]))
		first, last := time.Unix(diagnosed[0].Bucket, 0), time.Unix(diagnosed[len(diagnosed)-1].Bucket+calibration.BucketSeconds, 0)
		return calibration.Evidence{Samples: diagnosed, Opposite: newest(samples[opposite]), Outgoing: way.Direction == "out",
			Lost: s.deps.Lost(way.Exporter, first, last), System: names[way.Exporter].Description, Usual: usual}
	}
	suggestions := map[netip.Addr][]uint32{}
	for _, way := range order {
		suggestions[way.Exporter] = append(suggestions[way.Exporter], calibration.Diagnose(evidence(way, 0)).SuggestedRate)
	}
	answers := []calibrationAnswer{}
	for _, way := range order {
		if direction != "" && way.Direction != direction {
			continue
		}
		i := known[store.Way{Exporter: way.Exporter, IfIndex: way.IfIndex}]
		a := calibrationAnswer{Exporter: way.Exporter, ExporterName: names[way.Exporter].Name, IfIndex: way.IfIndex, Name: i.Name, Description: i.Description, Direction: way.Direction}
		a.diagnose(calibration.Diagnose(evidence(way, calibration.Usual(suggestions[way.Exporter]))), i.Edit.SamplingRate, names[way.Exporter].SamplingRate)
		a.buckets(byWay[way], q.Exporter.IsValid())
		answers = append(answers, a)
	}
	return answers, nil
}

// newest returns the samples that a diagnosis rests on: those of three hours.
func newest(samples []calibration.Sample) []calibration.Sample {
	return samples[max(0, len(samples)-36):]
}

// diagnose fills in a diagnosis. A rate that is set already, at the interface or
// the exporter, is not suggested again.
func (a *calibrationAnswer) diagnose(d calibration.Diagnosis, set ...uint32) {
	a.Kind, a.Diagnosis, a.Fix, a.SuggestedRate = string(d.Kind), d.Words, d.Fix, d.SuggestedRate
	if d.SuggestedRate > 0 && slices.Contains(set, d.SuggestedRate) {
		a.Diagnosis += " That rate is set now; the next buckets show it."
		a.Fix, a.SuggestedRate = "", 0
	}
}

// buckets fills in the buckets, if they are wanted, and what the newest final one tells.
func (a *calibrationAnswer) buckets(rows []store.CalibrationRow, wanted bool) {
	a.Buckets = []bucketAnswer{}
	newest := rows[0]
	for _, row := range rows {
		if row.Final || !newest.Final {
			newest = row
		}
		if row.SamplingRate > 0 {
			a.SamplingRate = row.SamplingRate
		}
		if wanted {
			a.Buckets = append(a.Buckets, describeBucket(row))
		}
	}
	b := describeBucket(newest)
	a.Coverage, a.Factor, a.Status, a.Reason = b.Coverage, b.Factor, b.Status, b.Reason
}

func describeBucket(row store.CalibrationRow) bucketAnswer {
	bps := func(octets float64) float64 { return octets * 8 / calibration.BucketSeconds }
	flows := bps(row.FlowOctets + row.FlowOverhead)
	b := bucketAnswer{Time: row.Bucket, FlowsBps: flows, CalibratedBps: flows, Status: row.Status, Reason: row.Reason, Final: row.Final}
	if row.SNMPOctets >= 0 {
		octets := bps(row.SNMPOctets)
		b.SNMPBps = &octets
	}
	if row.SNMPOctets > 0 {
		b.Coverage = &row.Coverage
	}
	if row.Factor > 0 {
		b.Factor = &row.Factor
		if row.Status == string(calibration.Applied) || row.Status == string(calibration.Amber) {
			b.CalibratedBps = bps(row.FlowOctets * row.Factor)
		}
	}
	return b
}

// acceptInput is what POST /api/v1/calibration/accept takes.
type acceptInput struct {
	Exporter     string `json:"exporter"`
	IfIndex      uint32 `json:"if_index"`
	Direction    string `json:"direction"`
	SamplingRate uint32 `json:"sampling_rate"`
}

// acceptRate answers POST /api/v1/calibration/accept. A rate found at traffic
// that leaves by an interface is one of the interfaces where it entered, so it is
// set for the whole exporter.
func (s *Server) acceptRate(r *http.Request) (any, error) {
	var in acceptInput
	if err := readInput(r, &in); err != nil {
		return nil, err
	}
	exporter, err := exporterOf(in.Exporter)
	if err != nil {
		return nil, snmp.FieldErrors{"exporter": "is not an address"}
	}
	switch {
	case in.Direction != "in" && in.Direction != "out":
		return nil, snmp.FieldErrors{"direction": "is neither in nor out"}
	case in.SamplingRate < 1 || in.SamplingRate > maxSamplingRate:
		return nil, snmp.FieldErrors{"sampling_rate": "is no whole number within its bounds"}
	}
	i, err := s.findInterface(r.Context(), exporter, in.IfIndex)
	if err != nil {
		return nil, err
	}
	scope := "interface"
	if in.Direction == "in" {
		i.Edit.SamplingRate = in.SamplingRate
		err = s.deps.Inventory.EditInterface(r.Context(), i)
	} else {
		scope = "exporter"
		err = s.deps.Inventory.ChangeExporter(r.Context(), exporter, func(e *store.KnownExporter) { e.SamplingRate = in.SamplingRate })
	}
	if err != nil {
		return nil, err
	}
	if err := s.deps.RatesChanged(r.Context()); err != nil {
		return nil, err
	}
	return map[string]any{"exporter": exporter, "if_index": in.IfIndex, "sampling_rate": in.SamplingRate, "applies_to": scope}, nil
}
