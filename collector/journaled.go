package collector

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/nfstats/nfstats/collector/journal"
)

// journaled exposes what the journal tells about itself.
type journaled struct {
	collector *Collector
}

var (
	journalBytes    = prometheus.NewDesc("nfstats_journal_bytes", "Size of the journal's segments on disk.", nil, nil)
	journalMemory   = prometheus.NewDesc("nfstats_journal_memory_bytes", "Size of the datagrams that wait in memory because the disk takes no writes.", nil, nil)
	journalUnstored = prometheus.NewDesc("nfstats_journal_unstored_datagrams", "Datagrams journaled whose flows are not stored yet.", nil, nil)
	journalRejected = prometheus.NewDesc("nfstats_journal_rejected_blocks", "Blocks that ClickHouse refused for their content and that were set aside.", nil, nil)
	journalWritten  = prometheus.NewDesc("nfstats_journal_datagrams_total", "Datagrams journaled, over all restarts.", nil, nil)
	journalLost     = prometheus.NewDesc("nfstats_journal_lost_datagrams_total", "Datagrams that the journal lost, by reason.", []string{"reason"}, nil)
)

// Describe sends the descriptions of the metrics.
func (j journaled) Describe(out chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{journalBytes, journalMemory, journalUnstored, journalRejected, journalWritten, journalLost} {
		out <- desc
	}
}

// Collect asks the journal.
func (j journaled) Collect(out chan<- prometheus.Metric) {
	if j.collector.journal == nil {
		return // not open yet
	}
	s := j.collector.journal.Status()
	gauge := func(desc *prometheus.Desc, value float64) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value)
	}
	gauge(journalBytes, float64(s.Bytes))
	gauge(journalMemory, float64(s.MemoryBytes))
	gauge(journalUnstored, float64(s.Written.Datagrams-s.Done.Datagrams))
	gauge(journalRejected, float64(s.Rejected))
	out <- prometheus.MustNewConstMetric(journalWritten, prometheus.CounterValue, float64(s.Written.Datagrams))
	for reason, lost := range s.Lost {
		out <- prometheus.MustNewConstMetric(journalLost, prometheus.CounterValue, float64(lost.Datagrams), journal.Reason(reason).String())
	}
}
