package collector

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the collector's own counters. Those of single exporters are kept
// by the decoders and read when somebody asks.
type metrics struct {
	datagrams, bytes                             prometheus.Counter
	kernelDrops, notAllowed, queueFull, malformed prometheus.Counter
	rows, inserts, insertErrors, notStored       prometheus.Counter
	insertSeconds                                prometheus.Histogram
}

func newMetrics(registry prometheus.Registerer, c *Collector) *metrics {
	counter := func(name, help string) prometheus.Counter {
		m := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		registry.MustRegister(m)
		return m
	}
	dropped := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "nfstats_collector_dropped_datagrams_total",
		Help: "Datagrams that were lost before decoding: kernel_buffer_full (raise collector.receive_buffer), not_allowed (collector.allow), queue_full (ClickHouse too slow or away)."},
		[]string{"reason"})
	seconds := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "nfstats_store_insert_seconds",
		Help: "Duration of successful inserts.", Buckets: prometheus.ExponentialBuckets(0.005, 2, 13)})
	waiting := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "nfstats_collector_queue_bytes",
		Help: "Bytes of received datagrams whose flows are not stored yet."}, func() float64 { return float64(c.queue.size()) })
	registry.MustRegister(dropped, seconds, waiting)
	return &metrics{
		datagrams:     counter("nfstats_collector_datagrams_total", "Datagrams received."),
		bytes:         counter("nfstats_collector_bytes_total", "UDP payload received from allowed exporters, in bytes."),
		kernelDrops:   dropped.WithLabelValues("kernel_buffer_full"),
		notAllowed:    dropped.WithLabelValues("not_allowed"),
		queueFull:     dropped.WithLabelValues("queue_full"),
		rows:          counter("nfstats_store_flows_total", "Flow records stored."),
		inserts:       counter("nfstats_store_inserts_total", "Blocks of flows stored."),
		insertErrors:  counter("nfstats_store_insert_errors_total", "Inserts that ClickHouse refused or did not answer; they are tried again."),
		notStored:     counter("nfstats_store_lost_flows_total", "Flow records given up because ClickHouse did not take them before a stop."),
		insertSeconds: seconds,
	}
}

func (m *metrics) inserted(rows int, took time.Duration) {
	m.rows.Add(float64(rows))
	m.inserts.Inc()
	m.insertSeconds.Observe(took.Seconds())
}
