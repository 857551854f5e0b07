package engine

import "github.com/prometheus/client_golang/prometheus"

// Metrics returns the collectors of what the engine's processes do.
func (s *Supervisor) Metrics() (all []prometheus.Collector) {
	for _, p := range s.processes() {
		labels := prometheus.Labels{"process": map[role]string{writer: "writer", reader: "reader"}[p.role]}
		all = append(all, prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "nfstats_engine_restarts_total",
			Help:        "Restarts of the embedded ClickHouse: of the writer, or of the reader for users' SQL.",
			ConstLabels: labels}, func() float64 { return float64(p.now().Restarts) }))
	}
	return all
}
