package main

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/nfstats/nfstats/configs"
	"github.com/nfstats/nfstats/store"
	"github.com/nfstats/nfstats/store/engine"
)

// engineConfig translates the configuration of the embedded ClickHouse.
func engineConfig(cfg *configs.Config) engine.Config {
	return engine.Config{
		DataDir:               cfg.DataDir,
		Database:              cfg.Store.Database,
		Listen:                cfg.Store.Embedded.Listen,
		Library:               cfg.Store.Embedded.Library,
		MaxMemory:             int64(cfg.Store.Embedded.MaxMemory),
		ListenWithoutLandlock: cfg.Store.Embedded.ListenWithoutLandlock,
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
	if !errors.Is(err, engine.ErrNotRunning) {
		return store.Config{}, nil, err
	}
	own := engineConfig(cfg)
	own.Listen = ""
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
