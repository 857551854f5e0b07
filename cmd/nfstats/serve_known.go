package main

import (
	"context"
	"net/netip"
	"time"

	"go.uber.org/zap"

	"github.com/nfstats/nfstats/collector"
	"github.com/nfstats/nfstats/configs"
	"github.com/nfstats/nfstats/snmp"
	"github.com/nfstats/nfstats/store"
)

// knownExporters vouches for the exporters that operators have named: devices of
// SNMP, sampling rates, and names in the inventory. That flows name an exporter is
// not enough, since anybody can forge them.
type knownExporters struct {
	configured []netip.Addr
	poller     *snmp.Poller
	store      *store.Store
	collector  *collector.Collector
	logger     *zap.Logger
}

// configuredExporters returns the single addresses of sampling overrides.
func configuredExporters(cfg *configs.Config) (all []netip.Addr) {
	for _, o := range cfg.Decoder.SamplingOverrides {
		if o.Exporters.IsSingleIP() {
			all = append(all, o.Exporters.Addr())
		}
	}
	return all
}

// Run vouches for them until ctx ends.
func (k *knownExporters) Run(ctx context.Context) error {
	var last string
	for {
		switch err := k.sync(ctx); {
		case err == nil:
			last = ""
		case ctx.Err() == nil && err.Error() != last:
			k.logger.Warn("new routers that operators have named may find no place", zap.Error(err))
			last = err.Error()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(syncInterval):
		}
	}
}

// sync vouches for those that are named now.
func (k *knownExporters) sync(ctx context.Context) error {
	inventory, err := k.store.KnownExporters(ctx)
	if err != nil {
		return err
	}
	all := append([]netip.Addr(nil), k.configured...)
	for _, d := range k.poller.Devices() {
		all = append(all, d.Address)
	}
	for _, e := range inventory {
		if e.Name != "" || e.SamplingRate > 0 {
			all = append(all, e.Address)
		}
	}
	return k.collector.SetKnown(ctx, all)
}
