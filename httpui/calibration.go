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
	if err != nil {
		return nil, err
	}
	q.Direction = direction
	sql, err := s.deps.Inventory.CalibrationSQL(r.Context(), q)
	return map[string]any{"from": from.Unix(), "to": to.Unix(), "bucket_seconds": calibration.BucketSeconds, "interfaces": answers, "sql": sql}, err
}

// calibrationRows are rows of table calibration by way, the ways in order.
type calibrationRows struct {
	ways  []store.Way
	byWay map[store.Way][]store.CalibrationRow
}

func (s *Server) calibrationRows(ctx context.Context, q store.CalibrationQuery) (calibrationRows, error) {
	c := calibrationRows{byWay: map[store.Way][]store.CalibrationRow{}}
	rows, err := s.deps.Inventory.Calibration(ctx, q)
	for _, row := range rows {
		if c.byWay[row.Way] == nil {
			c.ways = append(c.ways, row.Way)
		}
		c.byWay[row.Way] = append(c.byWay[row.Way], row)
	}
	return c, err
}

// diagnosedBuckets are those that a diagnosis rests on: three hours.
const diagnosedBuckets = 36

func (c calibrationRows) newest(way store.Way) []calibration.Sample {
	rows := c.byWay[way]
	var samples []calibration.Sample
	for _, row := range rows[max(0, len(rows)-diagnosedBuckets):] {
		samples = append(samples, snmp.SampleOf(row))
	}
	return samples
}

// evidence returns what is known of a way: its own buckets, those of the other
// direction, and the rate that is usual at the exporter.
func (s *Server) evidence(c calibrationRows, way store.Way, system string, usual uint32) calibration.Evidence {
	opposite := way
	opposite.Direction = map[string]string{"in": "out", "out": "in"}[way.Direction]
	diagnosed := calibration.Recent(c.newest(way))
	first, last := time.Unix(diagnosed[0].Bucket, 0), time.Unix(diagnosed[len(diagnosed)-1].Bucket+calibration.BucketSeconds, 0)
	return calibration.Evidence{Samples: diagnosed, Opposite: c.newest(opposite), Outgoing: way.Direction == "out",
		Lost: s.deps.Lost(way.Exporter, first, last), System: system, Usual: usual}
}

// usualRates returns the sampling rate that most interfaces of an exporter
// suggest. All of them have a voice, whichever the query selects.
func (s *Server) usualRates(ctx context.Context, q store.CalibrationQuery, selected calibrationRows, names map[netip.Addr]store.KnownExporter) (map[netip.Addr]uint32, error) {
	if q.IfIndex != 0 {
		q.IfIndex = 0
		if newest := q.To.Add(-diagnosedBuckets * calibration.BucketSeconds * time.Second); newest.After(q.From) {
			q.From = newest
		}
		var err error
		if selected, err = s.calibrationRows(ctx, q); err != nil {
			return nil, err
		}
	}
	found := map[netip.Addr][]calibration.Diagnosis{}
	for _, way := range selected.ways {
		found[way.Exporter] = append(found[way.Exporter], calibration.Diagnose(s.evidence(selected, way, names[way.Exporter].Description, 0)))
	}
	usual := map[netip.Addr]uint32{}
	for exporter, diagnoses := range found {
		usual[exporter] = calibration.Usual(diagnoses)
	}
	return usual, nil
}

// describeCalibration returns the interfaces that a query selects, in a
// direction ("": both).
func (s *Server) describeCalibration(ctx context.Context, q store.CalibrationQuery, direction string) ([]calibrationAnswer, error) {
	selected, err := s.calibrationRows(ctx, q)
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
	usual, err := s.usualRates(ctx, q, selected, names)
	if err != nil {
		return nil, err
	}
	answers := []calibrationAnswer{}
	for _, way := range selected.ways {
		if direction != "" && way.Direction != direction {
			continue
		}
		i, exporter := known[store.Way{Exporter: way.Exporter, IfIndex: way.IfIndex}], names[way.Exporter]
		a := calibrationAnswer{Exporter: way.Exporter, ExporterName: exporter.Name, IfIndex: way.IfIndex, Name: i.Name, Description: i.Description, Direction: way.Direction}
		a.diagnose(calibration.Diagnose(s.evidence(selected, way, exporter.Description, usual[way.Exporter])), i.Edit.SamplingRate, exporter.SamplingRate)
		a.buckets(selected.byWay[way], q.Exporter.IsValid())
		answers = append(answers, a)
	}
	return answers, nil
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
