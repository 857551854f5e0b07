package main

import (
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/nfstats/nfstats/collector"
	"github.com/nfstats/nfstats/configs"
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
		File: filepath.Join(cfg.DataDir, "snmp-devices.json")}
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
