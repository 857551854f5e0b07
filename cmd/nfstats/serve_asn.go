package main

import (
	"go.uber.org/zap"

	"github.com/nfstats/nfstats/collector"
	"github.com/nfstats/nfstats/configs"
	"github.com/nfstats/nfstats/store/engine"
	"github.com/nfstats/nfstats/store/ipas"
)

// openNetworks returns the configured database of AS numbers, read once.
func openNetworks(cfg configs.ASN, logger *zap.Logger) (*ipas.Database, error) {
	d, err := ipas.New(ipas.Source(cfg.Source), cfg.Database, logger)
	if err != nil {
		return nil, err
	}
	d.Open()
	return d, nil
}

// warnings returns what an operator should look at though the daemon is ready:
// last what is open, which does not pass by itself.
func warnings(c *collector.Collector, networks *ipas.Database, supervisor *engine.Supervisor, open []string) func() []string {
	return func() []string {
		all := c.Warnings()
		if supervisor != nil {
			if s := supervisor.ReaderState(); !s.Ready {
				all = append(all, s.Problem)
			}
		}
		if problem := networks.Problem(); problem != "" {
			all = append(all, problem)
		}
		return append(all, open...)
	}
}
