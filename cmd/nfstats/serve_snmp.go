package main

import (
	"context"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/nfstats/nfstats/collector"
	"github.com/nfstats/nfstats/configs"
	"github.com/nfstats/nfstats/decoder/netflow"
	"github.com/nfstats/nfstats/snmp"
	"github.com/nfstats/nfstats/store"
)

// newSNMP makes what asks devices and calibrates flows with their answers.
func newSNMP(cfg *configs.Config, flows *store.Store, c *collector.Collector, registry prometheus.Registerer, logger *zap.Logger) (*snmp.Poller, *snmp.Keeper, *snmp.Calibrator, error) {
	keeper := snmp.NewKeeper(flows, c.Names, registry, logger)
	poller, err := snmp.New(snmpConfig(cfg), keeper, registry, logger)
	if err != nil {
		return nil, nil, nil, err
	}
	return poller, keeper, snmp.NewCalibrator(flows, cfg.SNMP.ActiveTimeout, logger), nil
}

// snmpConfig translates the configuration of SNMP.
func snmpConfig(cfg *configs.Config) snmp.Config {
	s := cfg.SNMP
	config := snmp.Config{Interval: s.Interval, DiscoveryInterval: s.DiscoveryInterval, Timeout: s.Timeout, Retries: s.Retries, Concurrency: s.Concurrency,
		File: filepath.Join(cfg.DataDir, snmpFile)}
	for _, d := range s.Devices {
		c, _ := s.Credential(d.Credential) // Validate has found it
		credential := snmp.Credential{Version: "2c", Community: c.Community}
		if c.User != "" {
			credential = snmp.Credential{Version: "3", User: c.User, AuthProtocol: c.AuthProtocol, AuthPassword: c.AuthPassword,
				PrivacyProtocol: c.PrivacyProtocol, PrivacyPassword: c.PrivacyPassword}
		}
		config.Devices = append(config.Devices, snmp.Device{Address: d.Address, Host: d.Host, Port: uint16(d.Port), Name: d.Name, Credential: credential, Label: d.Credential})
	}
	return config
}

// samplingRates brings the sampling rates that operators set, here or at another
// collector of the same store, to the decoders, and how fast interfaces are.
type samplingRates struct {
	store     *store.Store
	collector *collector.Collector
	logger    *zap.Logger
}

// syncInterval is the time between two looks at the rates in the store.
const syncInterval = 15 * time.Second

// Run brings them until ctx ends.
func (r *samplingRates) Run(ctx context.Context) error {
	var last string
	for {
		switch err := r.sync(ctx); {
		case err == nil:
			last = ""
		case ctx.Err() == nil && err.Error() != last:
			r.logger.Warn("sampling rates that operators set and speeds of interfaces are not known", zap.Error(err))
			last = err.Error()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(syncInterval):
		}
	}
}

// sync brings what is in the store now.
func (r *samplingRates) sync(ctx context.Context) error {
	speeds, err := r.store.InterfaceSpeeds(ctx)
	if err != nil {
		return err
	}
	r.collector.SetInterfaceSpeeds(speeds)
	set, err := r.store.SamplingRates(ctx)
	if err != nil {
		return err
	}
	overrides := make([]netflow.SamplingOverride, 0, len(set))
	for _, s := range set {
		o := netflow.SamplingOverride{Exporters: netip.PrefixFrom(s.Exporter, s.Exporter.BitLen()), Rate: s.Rate}
		if s.IfIndex != 0 {
			o.Interface = &s.IfIndex
		}
		overrides = append(overrides, o)
	}
	return r.collector.SetSamplingRates(ctx, overrides)
}
