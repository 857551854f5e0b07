package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync/atomic"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/nfstats/nfstats/collector"
	"github.com/nfstats/nfstats/collector/journal"
	"github.com/nfstats/nfstats/configs"
	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/decoder/netflow"
	"github.com/nfstats/nfstats/httpui"
	"github.com/nfstats/nfstats/snmp"
	"github.com/nfstats/nfstats/store"
	"github.com/nfstats/nfstats/store/engine"
)

// gcPercent makes the garbage collector run at a quarter of its usual garbage. Nearly
// all of the daemon's memory are columns without pointers, which cost it nothing.
const gcPercent = 25

func newServeCommand(file *string) *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Collect flows and serve the web UI until stopped",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, used, err := loadConfig(*file)
			if err != nil {
				return err
			}
			logger, level, closeLog, err := newLogger(cfg.Log)
			if err != nil {
				return err
			}
			defer closeLog()
			if os.Getenv("GOGC") == "" {
				debug.SetGCPercent(gcPercent)
			}
			logger.Info("nfstats starts", zap.String("version", programVersion()), zap.String("configuration", used), zap.String("data_dir", cfg.DataDir))
			for _, name := range configs.UnknownVariables(os.Environ()) {
				logger.Warn("this environment variable is no configuration key", zap.String("variable", name))
			}
			if err := serve(cmd.Context(), cfg, logger, level); err != nil {
				return err
			}
			logger.Info("nfstats has stopped")
			return nil
		},
	}
}

// serve runs the daemon until ctx ends. What is started first is stopped last:
// the engine outlives the collector, which outlives its sockets.
func serve(ctx context.Context, cfg *configs.Config, logger *zap.Logger, level zap.AtomicLevel) error {
	if err := closeToOthers(cfg.DataDir, logger); err != nil {
		return err
	}
	for _, open := range cfg.Open() {
		logger.Warn(open)
	}
	storeConfig := serverConfig(cfg)
	var supervisor *engine.Supervisor
	if cfg.Store.ClickHouse == "" {
		var err error
		if supervisor, err = engine.New(engineConfig(cfg), logger.Named("engine")); err != nil {
			return err
		}
		if err := supervisor.Open(ctx); err != nil {
			return err
		}
		storeConfig.Dial, storeConfig.Key = supervisor.Dial, supervisor.Key()
	}
	engineRunning, stopEngine := context.WithCancel(context.WithoutCancel(ctx))
	var background errgroup.Group
	if supervisor != nil {
		background.Go(func() error { return supervisor.Run(engineRunning) })
	}
	err := serveFlows(ctx, cfg, storeConfig, supervisor, logger, level)
	stopEngine()
	return errors.Join(err, background.Wait())
}

// serveFlows runs everything that uses ClickHouse.
func serveFlows(ctx context.Context, cfg *configs.Config, storeConfig store.Config, supervisor *engine.Supervisor, logger *zap.Logger, level zap.AtomicLevel) error {
	flows, err := store.New(storeConfig, logger.Named("store"))
	if err != nil {
		return err
	}
	defer flows.Close()
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if supervisor != nil {
		registry.MustRegister(supervisor.Metrics()...)
	}
	name, err := collectorName(cfg)
	if err != nil {
		return err
	}
	networks, err := openNetworks(cfg.ASN, logger.Named("asn"))
	if err != nil {
		return err
	}
	config := collectorConfig(cfg, name)
	config.Networks = networks
	prepared := &preparedStore{flows: flows, prepared: make(chan struct{})}
	flowCollector, err := collector.New(config, prepared, registry, logger.Named("collector"))
	if err != nil {
		return err
	}
	poller, keeper, calibrator, err := newSNMP(cfg, flows, flowCollector, registry, logger.Named("snmp"))
	if err != nil {
		return err
	}
	losses := snmp.NewLosses(flowCollector.Exporters, logger.Named("snmp"))
	rates := &samplingRates{store: flows, collector: flowCollector, logger: logger.Named("snmp")}
	known := &knownExporters{configured: configuredExporters(cfg), poller: poller, store: flows, collector: flowCollector,
		logger: logger.Named("collector")}
	retention, err := store.NewRetention(flows, retentionSettings(cfg), registry, logger.Named("retention"))
	if err != nil {
		return err
	}
	imports := newImports(cfg, name, flows, retention, networks, logger.Named("import"))
	r := &readiness{supervisor: supervisor, store: flows, collector: flowCollector}
	ui, err := httpui.New(httpui.Config{Listen: cfg.HTTP.Listen, AllowedHosts: cfg.HTTP.AllowedHosts, Version: programVersion(), Access: accessConfig(cfg), Certificate: cfg.HTTP.TLS.Certificate, Key: cfg.HTTP.TLS.Key, Whois: cfg.HTTP.Whois, ReverseDNS: cfg.HTTP.ReverseDNS},
		httpui.Dependencies{Flows: flows, SQL: readOnlySQL(supervisor, flows), Live: flowCollector.Exporters, Templates: flowCollector.Templates, Problems: r.problems, Inventory: flows, Poller: poller, Seen: keeper.Seen, Lost: losses.Share, Retention: retention, Imports: imports, RatesChanged: rates.sync, Warnings: warnings(flowCollector, networks, supervisor, cfg.Open()), Journal: journalStatus(flowCollector), Addresses: flowCollector.Addresses, Registry: registry, Logger: logger.Named("http"), LogLevel: level})
	if err != nil {
		return err
	}
	if err := flowCollector.Open(ctx); err != nil {
		return err
	}
	if err := ui.Listen(ctx); err != nil {
		return err
	}
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	group, groupCtx := errgroup.WithContext(running)
	group.Go(func() error { return flowCollector.Run(groupCtx) })
	group.Go(func() error { return ui.Run(groupCtx) })
	group.Go(func() error { return watchdog(groupCtx, logger) })
	group.Go(func() error { return networks.Run(groupCtx) })
	group.Go(func() error {
		if err := flows.Prepare(groupCtx); err != nil {
			if groupCtx.Err() != nil {
				return nil
			}
			return err
		}
		close(prepared.prepared)
		r.prepared.Store(true)
		group.Go(func() error { return keeper.Run(groupCtx) })
		group.Go(func() error { return poller.Run(groupCtx) })
		group.Go(func() error { return calibrator.Run(groupCtx) })
		group.Go(func() error { return retention.Run(groupCtx) })
		group.Go(func() error { return rates.Run(groupCtx) })
		group.Go(func() error { return known.Run(groupCtx) })
		group.Go(func() error { return losses.Run(groupCtx) })
		group.Go(func() error { return imports.Run(groupCtx) })
		group.Go(func() error { return store.NewRollups(flows, name, flowCollector.StoredUntil).Run(groupCtx) })
		notify(systemd.SdNotifyReady, logger)
		announce(flowCollector, cfg, logger)
		return nil
	})
	err = group.Wait()
	notify(systemd.SdNotifyStopping, logger)
	return err
}

// A preparedStore takes flows once the tables are prepared: before that, those of an
// earlier program may drop what comes in.
type preparedStore struct {
	flows    *store.Store
	prepared chan struct{} // closed when they are
}

// InsertFlows waits until the tables are prepared, and inserts.
func (p *preparedStore) InsertFlows(ctx context.Context, block store.Block, b *decoder.Batch) error {
	select {
	case <-p.prepared:
		return p.flows.InsertFlows(ctx, block, b)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// collectorConfig translates the configuration of the collector.
func collectorConfig(cfg *configs.Config, name string) collector.Config {
	return collector.Config{
		Listen: cfg.Collector.Listen, Name: name, Allow: configs.Prefixes(cfg.Collector.Allow),
		ReceiveBuffer: int(cfg.Collector.ReceiveBuffer), Sockets: cfg.Collector.Sockets,
		RatesFile: filepath.Join(cfg.DataDir, ratesFile),
		Journal:   journalConfig(cfg),
		Decoder:   decoderConfig(cfg.Decoder),
	}
}

// journalConfig translates the configuration of the journal.
func journalConfig(cfg *configs.Config) journal.Config {
	j := journal.Default()
	j.Dir = filepath.Join(cfg.DataDir, "journal")
	j.MaxSize, j.SegmentSize = int64(cfg.Collector.Journal.MaxSize), int64(cfg.Collector.Journal.SegmentSize)
	j.SyncInterval, j.MemoryBound = cfg.Collector.Journal.SyncInterval, int64(cfg.Collector.Journal.Memory)
	j.BlockSize, j.BlockAge = int64(cfg.Collector.BlockSize), cfg.Collector.BlockAge
	return j
}

// decoderConfig translates the configuration of the decoder.
func decoderConfig(cfg configs.Decoder) netflow.Config {
	c := netflow.Default()
	c.DefaultSamplingRate = cfg.DefaultSamplingRate
	for _, o := range cfg.SamplingOverrides {
		c.SamplingOverrides = append(c.SamplingOverrides, netflow.SamplingOverride{
			Exporters: o.Exporters.Prefix, Domain: o.Domain, Interface: o.Interface, Rate: o.Rate})
	}
	c.SharedAddresses = configs.Prefixes(cfg.SharedAddresses)
	c.LittleEndianSampling = configs.Prefixes(cfg.LittleEndianSampling)
	c.TemplateExpiry, c.MaxWaiting, c.MaxWaitingBytes = cfg.TemplateExpiry, cfg.WaitingTime, int(cfg.WaitingBytes)
	c.MaxExporters, c.MaxTemplates, c.MaxFields = cfg.MaxExporters, cfg.MaxTemplates, cfg.MaxFields
	return c
}

// retentionSettings translates the configuration of the retention.
func retentionSettings(cfg *configs.Config) store.RetentionSettings {
	r := cfg.Store.Retention
	return store.RetentionSettings{MaxDisk: cfg.Store.MaxDisk, Days: map[string]int{
		"flows": int(r.Flows), "flows_1m": int(r.Flows1m), "flows_1h": int(r.Flows1h),
		"if_counters": int(r.IfCounters), "calibration": int(r.Calibration)}}
}

// announce says where to point routers and browsers.
func announce(c *collector.Collector, cfg *configs.Config, logger *zap.Logger) {
	logger.Info("point your routers' NetFlow v5, v9 or IPFIX export to one of these", zap.Strings("udp", httpui.Reachable(c.Addresses())))
	if cfg.Store.ClickHouse == "" && cfg.Store.Embedded.Listen != "" {
		logger.Info("query with SQL, read-only", zap.String("url", "http://"+cfg.Store.Embedded.Listen))
	}
	logger.Info("ready; open the page in a browser", zap.String("url", pageURL(cfg)))
}

// readiness tells why flows cannot be stored or shown now.
type readiness struct {
	supervisor *engine.Supervisor // nil with the user's ClickHouse
	store      *store.Store
	collector  *collector.Collector
	prepared   atomic.Bool
}

func (r *readiness) problems(ctx context.Context) []string {
	problems := r.collector.Problems()
	if r.supervisor != nil {
		if s := r.supervisor.State(); !s.Ready {
			return append(problems, s.Problem)
		}
	}
	if !r.prepared.Load() {
		return append(problems, "the tables in ClickHouse are being prepared")
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if err := r.store.Ping(ctx); err != nil {
		problems = append(problems, err.Error())
	}
	return problems
}

// watchdog tells systemd that the daemon is alive, where it asks for that.
func watchdog(ctx context.Context, logger *zap.Logger) error {
	interval, err := systemd.SdWatchdogEnabled(false)
	if err != nil || interval == 0 {
		return nil // not under systemd, or no watchdog wanted
	}
	for ticker := time.NewTicker(interval / 2); ; {
		select {
		case <-ctx.Done():
			ticker.Stop()
			return nil
		case <-ticker.C:
			notify(systemd.SdNotifyWatchdog, logger)
		}
	}
}

func notify(state string, logger *zap.Logger) {
	if _, err := systemd.SdNotify(false, state); err != nil {
		logger.Warn("tell systemd", zap.String("state", state), zap.Error(err))
	}
}
