package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/nfstats/nfstats/configs"
	"github.com/nfstats/nfstats/store"
	"github.com/nfstats/nfstats/store/engine"
)

// engineConfig translates the configuration of the embedded ClickHouse.
func engineConfig(cfg *configs.Config) engine.Config {
	return engine.Config{
		DataDir:      cfg.DataDir,
		Database:     cfg.Store.Database,
		Listen:       cfg.Store.Embedded.Listen,
		AllowedHosts: cfg.HTTP.AllowedHosts,
		Library:      cfg.Store.Embedded.Library,
		MaxMemory:    int64(cfg.Store.Embedded.MaxMemory),
	}
}

// serverConfig tells how to reach the user's ClickHouse.
func serverConfig(cfg *configs.Config) store.Config {
	s := cfg.Store
	return store.Config{URL: s.ClickHouse, Database: s.Database, Cluster: s.Cluster, PasswordFile: s.PasswordFile,
		TLS: store.TLS{CA: s.TLS.CA, Certificate: s.TLS.Certificate, Key: s.TLS.Key, SkipVerify: s.TLS.SkipVerify}, ASNames: cfg.ASN.Names}
}

// attach returns how to reach the configured ClickHouse: the user's server, the
// embedded one of the running daemon, or one started for the moment where no
// daemon runs. detach ends what attach began.
func attach(ctx context.Context, cfg *configs.Config) (connection store.Config, detach func(), err error) {
	if cfg.Store.ClickHouse != "" {
		return serverConfig(cfg), func() {}, nil
	}
	dial, key, err := engine.Attach(ctx, cfg.DataDir)
	if err == nil {
		return store.Config{Dial: dial, Key: key, Database: cfg.Store.Database}, func() {}, nil
	}
	if errors.Is(err, fs.ErrPermission) {
		return store.Config{}, nil, fmt.Errorf("%w: run this as the user of the daemon, such as: sudo -u nfstats nfstats …", err)
	}
	if !errors.Is(err, engine.ErrNotRunning) {
		return store.Config{}, nil, err
	}
	if err := needOwner(cfg.DataDir); err != nil {
		return store.Config{}, nil, err
	}
	own := engineConfig(cfg)
	own.WithoutReader = true
	supervisor, err := engine.New(own, zap.NewNop())
	if err != nil {
		return store.Config{}, nil, err
	}
	if err := supervisor.Open(ctx); err != nil {
		return store.Config{}, nil, err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	stopped := make(chan struct{})
	go func() { defer close(stopped); supervisor.Run(running) }()
	detach = func() { stop(); <-stopped }
	for !supervisor.State().Ready {
		select {
		case <-ctx.Done():
			detach()
			return store.Config{}, nil, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
		if s := supervisor.State(); s.Restarts > 2 {
			detach()
			return store.Config{}, nil, errors.New("the embedded ClickHouse does not start: " + s.Problem)
		}
	}
	return store.Config{Dial: supervisor.Dial, Key: supervisor.Key(), Database: cfg.Store.Database}, detach, nil
}

// needOwner refuses to start an engine on a data folder of another user: files
// that root made there would keep the daemon from starting.
func needOwner(dataDir string) error {
	info, err := os.Stat(dataDir)
	if err != nil {
		return nil // a folder that is not there yet will be ours
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != os.Geteuid() {
		return fmt.Errorf("the data folder %s belongs to user %d and no daemon runs on it: run this as that user, such as: sudo -u '#%[2]d' nfstats …", dataDir, stat.Uid)
	}
	return nil
}

// needTables refuses to make an empty ClickHouse for somebody who only asks, in
// the wrong folder or with the wrong configuration.
func needTables(cfg *configs.Config) error {
	if cfg.Store.ClickHouse != "" {
		return nil
	}
	path := filepath.Join(cfg.DataDir, "clickhouse")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if absolute, err := filepath.Abs(cfg.DataDir); err == nil {
			path = absolute
		}
		return fmt.Errorf("no ClickHouse is in data_dir %s: name the daemon's configuration (--config, NFSTATS_DATA_DIR), or start nfstats serve first", path)
	}
	return nil
}
