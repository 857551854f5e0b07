package collector

import (
	"context"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/nfstats/nfstats/decoder/netflow"
)

// metrics are the collector's own counters. Those of single exporters are kept
// by the decoders and read when somebody asks.
type metrics struct {
	datagrams, bytes              prometheus.Counter
	notAllowed                    atomic.Uint64 // datagrams
	rows, inserts, insertErrors   prometheus.Counter
	refusedRows, refusedDatagrams prometheus.Counter
	refusedLost                   prometheus.Counter
	insertSeconds                 prometheus.Histogram
}

func newMetrics(registry prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		m := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		registry.MustRegister(m)
		return m
	}
	seconds := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "nfstats_store_insert_seconds",
		Help: "Duration of successful inserts.", Buckets: prometheus.ExponentialBuckets(0.005, 2, 13)})
	registry.MustRegister(seconds)
	return &metrics{
		datagrams:        counter("nfstats_collector_datagrams_total", "Datagrams received."),
		bytes:            counter("nfstats_collector_bytes_total", "UDP payload received from allowed exporters, in bytes."),
		rows:             counter("nfstats_store_flows_total", "Flow records stored."),
		inserts:          counter("nfstats_store_inserts_total", "Blocks of flows stored."),
		insertErrors:     counter("nfstats_store_insert_errors_total", "Inserts that ClickHouse refused or did not answer; they are tried again."),
		refusedRows:      counter("nfstats_store_refused_flows_total", "Flow records that ClickHouse refused for their content; their datagrams were set aside."),
		refusedDatagrams: counter("nfstats_store_refused_datagrams_total", "Datagrams that were set aside."),
		refusedLost:      counter("nfstats_store_refused_lost_flows_total", "Flow records that ClickHouse refused for their content, and that could not be set aside because the journal had reached its size."),
		insertSeconds:    seconds,
	}
}

// decoded exposes what the decoders count, which are asked at each scrape.
type decoded struct {
	collector *Collector
}

var (
	decodedDatagrams = prometheus.NewDesc("nfstats_decoder_datagrams_total", "Datagrams of exporters decoded.", nil, nil)
	decodedFlows     = prometheus.NewDesc("nfstats_decoder_flows_total", "Flow records decoded.", nil, nil)
	decodedProblems  = prometheus.NewDesc("nfstats_decoder_dropped_total", "Datagrams, sets, templates and records that were refused or lost, by reason.", []string{"reason"}, nil)
	decodedLost      = prometheus.NewDesc("nfstats_decoder_sequence_lost_total", "Flows (v5), export packets (v9) or data records (IPFIX) that the exporters' sequence numbers miss.", nil, nil)
	decodedClamped   = prometheus.NewDesc("nfstats_decoder_times_clamped_total", "Flow records with an absurd start or end.", nil, nil)
	decodedResets    = prometheus.NewDesc("nfstats_decoder_sequence_resets_total", "Restarts of exporters, as their sequence numbers and uptimes tell.", nil, nil)
	decodedUnknown   = prometheus.NewDesc("nfstats_decoder_sampling_rate_unknown_total", "Flow records whose sampling rate nothing told; they count as unsampled.", nil, nil)

	decodedImplausible = prometheus.NewDesc("nfstats_decoder_implausible_total",
		"Flow records whose counters no network can have carried; they are stored, and left out of charts and totals.", nil, nil)

	exporterDatagrams   = prometheus.NewDesc("nfstats_exporter_datagrams_total", "Datagrams of an exporter decoded.", []string{"exporter"}, nil)
	exporterFlows       = prometheus.NewDesc("nfstats_exporter_flows_total", "Flow records of an exporter decoded.", []string{"exporter"}, nil)
	exporterLost        = prometheus.NewDesc("nfstats_exporter_sequence_lost_total", "Flows (v5), export packets (v9) or data records (IPFIX) that an exporter's sequence numbers miss.", []string{"exporter"}, nil)
	exporterProblems    = prometheus.NewDesc("nfstats_exporter_dropped_total", "Datagrams, sets, templates and records of an exporter that were refused or lost, by reason.", []string{"exporter", "reason"}, nil)
	exporterImplausible = prometheus.NewDesc("nfstats_exporter_implausible_total",
		"Flow records of an exporter whose counters no network can have carried, of up to 4096 exporters.", []string{"exporter"}, nil)

	exporterPlaces = prometheus.NewDesc("nfstats_decoder_exporter_places",
		"Places for exporters: known, stranger (sent little so far) and free.", []string{"state"}, nil)
	exportersRefused = prometheus.NewDesc("nfstats_decoder_refused_exporters_total",
		"Addresses that found no place with their first datagram.", nil, nil)
	exportersEvicted = prometheus.NewDesc("nfstats_decoder_evicted_exporters_total",
		"Strangers that lost their place to another exporter.", nil, nil)

	collectorDropped = prometheus.NewDesc("nfstats_collector_dropped_datagrams_total",
		"Datagrams that were lost before the journal: kernel_buffer_full (raise collector.receive_buffer), by socket, and not_allowed (collector.allow).", []string{"reason", "socket"}, nil)
)

// Describe sends the descriptions of the metrics.
func (d decoded) Describe(out chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{decodedDatagrams, decodedFlows, decodedProblems, decodedLost, decodedClamped, decodedResets, decodedUnknown,
		exporterDatagrams, exporterFlows, exporterLost, exporterProblems, exporterImplausible, decodedImplausible, collectorDropped,
		exporterPlaces, exportersRefused, exportersEvicted} {
		out <- desc
	}
}

// Collect asks the decoders.
func (d decoded) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	counter := func(desc *prometheus.Desc, value uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(value), labels...)
	}
	for _, s := range d.collector.sockets {
		counter(collectorDropped, s.drops.Load(), "kernel_buffer_full", s.name)
	}
	counter(collectorDropped, d.collector.metrics.notAllowed.Load(), "not_allowed", "")
	suspects, implausible := d.collector.implausible.list()
	counter(decodedImplausible, implausible)
	for _, s := range suspects {
		counter(exporterImplausible, s.records, s.exporter.String())
	}
	places := d.collector.places()
	for state, n := range map[string]int{"known": places.Known, "stranger": places.Taken - places.Known,
		"free": max(0, places.Max-places.Taken)} {
		out <- prometheus.MustNewConstMetric(exporterPlaces, prometheus.GaugeValue, float64(n), state)
	}
	counter(exportersRefused, places.Refused)
	counter(exportersEvicted, places.Evicted)
	total, err := d.collector.total(ctx)
	if err != nil {
		return // a scrape during a stop
	}
	counter(decodedDatagrams, total.Datagrams)
	counter(decodedFlows, total.Flows)
	counter(decodedLost, total.Lost())
	counter(decodedClamped, total.TimesClamped)
	counter(decodedResets, total.SequenceResets)
	counter(decodedUnknown, total.RateUnknown)
	for _, reason := range netflow.Reasons() {
		counter(decodedProblems, total.Dropped[reason], reason.String())
	}
	exporters, err := d.collector.Exporters(ctx)
	if err != nil {
		return
	}
	exporters = namedInMetrics(exporters, isPressed(places, time.Now()))
	for i := range exporters {
		c, label := &exporters[i].Counters, exporterLabel(&exporters[i])
		counter(exporterDatagrams, c.Datagrams, label)
		counter(exporterFlows, c.Flows, label)
		counter(exporterLost, c.Lost(), label)
		for reason, n := range c.Dropped {
			if n > 0 {
				counter(exporterProblems, n, label, netflow.Reason(reason).String())
			}
		}
	}
}

// exporterLabel is the address, with the port where that tells exporters apart.
func exporterLabel(e *netflow.ExporterStatus) string {
	if e.Port == 0 {
		return e.Address.String()
	}
	return netip.AddrPortFrom(e.Address, e.Port).String()
}

func (m *metrics) inserted(rows int, took time.Duration) {
	m.rows.Add(float64(rows))
	m.inserts.Inc()
	m.insertSeconds.Observe(took.Seconds())
}

func (m *metrics) setAside(rows, datagrams int) {
	m.refusedRows.Add(float64(rows))
	m.refusedDatagrams.Add(float64(datagrams))
}
