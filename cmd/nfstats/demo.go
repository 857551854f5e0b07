package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/nfstats/nfstats/cmd/nfstats/simulator"
	"github.com/nfstats/nfstats/configs"
)

// demoOptions are the flags of `nfstats demo`.
type demoOptions struct {
	dir     string
	listen  string
	history time.Duration
	rate    float64
	faults  []string
	seed    uint64
}

const (
	// demoRate is about the mean of the flows that the simulated routers export,
	// over a day, at scale one, in flows/s.
	demoRate = 124
	// maxDemoRate keeps the traffic below the speed of the interfaces.
	maxDemoRate = 2000
	// demoAttacks is the mean time between two attacks.
	demoAttacks = 3 * time.Hour
	// demoStep is the resolution of simulated time in live operation.
	demoStep = 500 * time.Millisecond

	demoCollector = "demo"
)

func newDemoCommand() *cobra.Command {
	o := demoOptions{}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run NFStats on a simulated provider's network, with history, until stopped",
		Long: `Run NFStats on a simulated provider's network: three routers that export IPFIX,
NetFlow v9 and v5 from loopback addresses and answer SNMP. A day of history is
filled in first. Everything is in a temporary folder, which is removed at the
end, unless --dir names one.`,
		Example: `  nfstats demo
  nfstats demo --history 2h --fault core1:announced=100 --fault core2:loss=0.2`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return demo(cmd.Context(), o, cmd.OutOrStdout()) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.dir, "dir", "", "keep the data in this folder (default: a temporary one, removed at the end)")
	flags.StringVar(&o.listen, "listen", "127.0.0.1:8080", "TCP address of the web page")
	flags.DurationVar(&o.history, "history", 24*time.Hour, "fill in that much history; 0s: none")
	flags.Float64Var(&o.rate, "rate", demoRate, "flows per second that the routers export, about, as mean of a day")
	flags.StringArrayVar(&o.faults, "fault", nil, "let a router mislead, as router:fault[=value]; docs/demo.md lists the faults")
	flags.Uint64Var(&o.seed, "seed", 1, "another seed makes other traffic")
	cmd.AddCommand(newDemoLoadCommand())
	return cmd
}

// demo runs the simulated network and a daemon that watches it.
func demo(ctx context.Context, o demoOptions, out io.Writer) (err error) {
	if !(o.rate > 0 && o.rate <= maxDemoRate) || o.history < 0 || o.history > 240*time.Hour {
		return fmt.Errorf("want a --rate above zero and up to %d, and a --history of at most 240h", maxDemoRate)
	}
	faults := map[string]simulator.Faults{}
	for _, text := range o.faults {
		if err := simulator.ParseFault(text, faults); err != nil {
			return err
		}
	}
	if entries, err := os.ReadDir(o.dir); err == nil && len(entries) > 0 && o.history > 0 {
		fmt.Fprintf(out, "%s has data already: no history is filled in.\n", o.dir)
		o.history = 0
	}
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "nfstats-demo-"); err != nil {
			return fmt.Errorf("make a folder for the demo: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(o.dir)) }()
	}
	cfg, err := demoConfig(o)
	if err != nil {
		return err
	}
	logger, level, closeLog, err := newLogger(cfg.Log)
	if err != nil {
		return err
	}
	defer closeLog()
	player := &demoPlayer{to: cfg.Collector.Listen[0], out: out}
	network, err := simulator.New(simulator.Config{Seed: o.seed, Start: time.Now().Add(-o.history), Step: historyStep, Scale: o.rate / demoRate,
		AttackEvery: demoAttacks, Attacked: player.attacked, Faults: faults, Send: player.send})
	if err != nil {
		return err
	}
	if o.history > 0 {
		fmt.Fprintf(out, "Filling in %v of history; this takes a while.\n", o.history)
		if err := fillHistory(ctx, cfg, network, player, out); err != nil {
			if ctx.Err() != nil {
				return nil // stopped meanwhile
			}
			return err
		}
		player.tellAttacks()
	}
	return watchNetwork(ctx, cfg, network, player, logger, level, out)
}

// watchNetwork runs the daemon and the network until ctx ends.
func watchNetwork(ctx context.Context, cfg *configs.Config, network *simulator.Network, player *demoPlayer, logger *zap.Logger, level zap.AtomicLevel, out io.Writer) error {
	agents, err := openAgents(network)
	if err != nil {
		return err
	}
	cfg.SNMP.Credentials = []configs.SNMPCredential{{Name: "demo", Community: demoCommunity}}
	for _, agent := range agents {
		cfg.SNMP.Devices = append(cfg.SNMP.Devices, configs.SNMPDevice{Address: agent.Address().Addr(), Port: int(agent.Address().Port()), Credential: "demo"})
	}
	group, groupCtx := errgroup.WithContext(ctx)
	for _, agent := range agents {
		group.Go(func() error { return agent.Run(groupCtx) })
	}
	group.Go(func() error { return serve(groupCtx, cfg, logger.Named("nfstats"), level) })
	group.Go(func() error {
		if err := awaitReady(groupCtx, "http://"+cfg.HTTP.Listen); err != nil {
			return nil // serve tells why, or the demo ends
		}
		fmt.Fprintf(out, "\nThe demo runs. Open http://%s in a browser; Ctrl-C ends it.\n\n", cfg.HTTP.Listen)
		return player.live(groupCtx, network)
	})
	return group.Wait()
}

// demoConfig returns the configuration of the demo's daemon: the defaults and
// the environment, but nothing that reaches beyond this machine and the folder.
func demoConfig(o demoOptions) (*configs.Config, error) {
	cfg, err := configs.Load("", os.Environ())
	if err != nil {
		return nil, err
	}
	if cfg.DataDir, err = filepath.Abs(o.dir); err != nil {
		return nil, fmt.Errorf("folder of the demo: %w", err)
	}
	flows, err := freeUDP("127.0.0.1:2055")
	if err != nil {
		return nil, err
	}
	cfg.Collector.Listen, cfg.Collector.Name, cfg.Collector.Allow = []string{flows}, demoCollector, nil
	cfg.SNMP.ActiveTimeout = time.Minute     // that of the simulated routers
	page, err := net.Listen("tcp", o.listen) // before history takes its time
	if err != nil {
		return nil, fmt.Errorf("serve the web page (--listen sets another address): %w", err)
	}
	page.Close()
	cfg.HTTP.Listen = o.listen
	cfg.Store.ClickHouse = ""
	if cfg.Store.Embedded.Listen, err = freeTCP(cfg.Store.Embedded.Listen); err != nil {
		return nil, err
	}
	return cfg, cfg.Validate()
}

// freeUDP returns the preferred address, or another one where that is taken.
func freeUDP(preferred string) (string, error) {
	conn, err := net.ListenPacket("udp", preferred)
	if err != nil {
		if conn, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
			return "", fmt.Errorf("find a free UDP port: %w", err)
		}
	}
	defer conn.Close()
	return conn.LocalAddr().String(), nil
}

// freeTCP returns the preferred address, or another one where that is taken, by
// a real nfstats perhaps. "" stays "".
func freeTCP(preferred string) (string, error) {
	if preferred == "" {
		return "", nil
	}
	listener, err := net.Listen("tcp", preferred)
	if err != nil {
		if listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return "", fmt.Errorf("find a free TCP port: %w", err)
		}
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

// awaitReady waits until the daemon answers that it is ready, or ctx ends.
func awaitReady(ctx context.Context, base string) error {
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/readyz", nil)
		if err != nil {
			return fmt.Errorf("ask whether nfstats is ready: %w", err)
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}
