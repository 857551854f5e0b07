package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/nfstats/nfstats/cmd/nfstats/simulator"
)

// demoPlayer takes what the simulated routers export: into history first, then
// to the daemon by UDP, each router from its own address.
type demoPlayer struct {
	to    string // where the daemon receives flows
	out   io.Writer
	into  func(r *simulator.Router, at time.Time, datagram []byte)
	conns map[*simulator.Router]*net.UDPConn
	past  []simulator.Attack // in history
}

func (p *demoPlayer) send(r *simulator.Router, at time.Time, datagram []byte) {
	if p.into != nil {
		p.into(r, at, datagram)
		return
	}
	if conn := p.conns[r]; conn != nil {
		_, _ = conn.Write(datagram) // a router does not learn whether anybody listens
	}
}

// attacked notes an attack in history and tells of one that begins now.
func (p *demoPlayer) attacked(a simulator.Attack) {
	if p.into != nil {
		p.past = append(p.past, a)
		return
	}
	p.tell(a)
}

// tellAttacks tells of the newest attacks in history.
func (p *demoPlayer) tellAttacks() {
	for _, a := range p.past[max(0, len(p.past)-5):] {
		p.tell(a)
	}
}

func (p *demoPlayer) tell(a simulator.Attack) {
	fmt.Fprintf(p.out, "Attack on %v from %s to %s: about %.0f Mbit/s from UDP port %d\n", a.Target,
		a.Start.Local().Format("Mon 15:04"), a.End.Local().Format("15:04"), a.Megabits, a.Port)
}

const (
	// demoCommunity is what the demo's agents want to hear.
	demoCommunity = "demo"
	// demoAgentPort is where they listen, at the addresses of their routers.
	demoAgentPort = 1161
)

// live lets the network follow the clock until ctx ends.
func (p *demoPlayer) live(ctx context.Context, network *simulator.Network) error {
	p.into, p.conns = nil, map[*simulator.Router]*net.UDPConn{}
	for _, r := range network.Routers() {
		to, err := net.ResolveUDPAddr("udp", p.to)
		if err != nil {
			return fmt.Errorf("address of the daemon: %w", err)
		}
		conn, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(r.Address(), 0)), to)
		if err != nil {
			return fmt.Errorf("open the exporter of %s: %w", r.Name(), err)
		}
		defer conn.Close()
		p.conns[r] = conn
	}
	network.Announce()
	for ticker := time.NewTicker(demoStep); ; {
		network.Advance(time.Now())
		select {
		case <-ctx.Done():
			ticker.Stop()
			return nil
		case <-ticker.C:
		}
	}
}

// openAgents opens the SNMP agents of all routers.
func openAgents(network *simulator.Network) ([]*simulator.Agent, error) {
	var agents []*simulator.Agent
	for _, r := range network.Routers() {
		agent, err := simulator.ListenAgent(r, demoAgentPort, demoCommunity)
		if err != nil { // another demo runs
			if agent, err = simulator.ListenAgent(r, 0, demoCommunity); err != nil {
				return nil, err
			}
		}
		agents = append(agents, agent)
	}
	return agents, nil
}

func newDemoLoadCommand() *cobra.Command {
	var to string
	var network bool
	c := simulator.LoadConfig{}
	cmd := &cobra.Command{
		Use:     "load",
		Short:   "Send random flows at a given rate, to measure a collector",
		Example: `  nfstats demo load --to 127.0.0.1:2055 --rate 20000 --exporters 100 --duration 1m`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			resolved, err := net.ResolveUDPAddr("udp", to)
			if err != nil {
				return fmt.Errorf("--to: %w", err)
			}
			c.To = resolved.AddrPort()
			c.To = netip.AddrPortFrom(c.To.Addr().Unmap(), c.To.Port())
			if !c.To.Addr().IsLoopback() && !network {
				return fmt.Errorf("--to %s is not on this machine: add --network if the collector there and the network between can take %.0f flows/s of nonsense", c.To, c.Rate)
			}
			sent, err := simulator.Load(cmd.Context(), c)
			if err != nil {
				return err
			}
			seconds := sent.Elapsed.Seconds()
			fmt.Fprintf(cmd.OutOrStdout(), "sent %d flows in %d datagrams with %d octets from %d exporters in %.1f s: %.0f flows/s, %.0f datagrams/s, %.1f Mbit/s\n",
				sent.Flows, sent.Datagrams, sent.Octets, c.Exporters, seconds, float64(sent.Flows)/seconds, float64(sent.Datagrams)/seconds, float64(sent.Octets)*8/seconds/1e6)
			if sent.Refused > 0 {
				return fmt.Errorf("%d datagrams were refused: does nfstats listen there?", sent.Refused)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&to, "to", "127.0.0.1:2055", "UDP address of the collector")
	flags.BoolVar(&network, "network", false, "send to a collector that is not on this machine")
	flags.Float64Var(&c.Rate, "rate", 1000, "flows per second, of all exporters together")
	flags.IntVar(&c.Exporters, "exporters", 10, "number of exporters; on loopback each has an address of its own")
	flags.DurationVar(&c.Duration, "duration", 10*time.Second, "how long to send")
	flags.Uint64Var(&c.Seed, "seed", 1, "another seed makes other flows")
	return cmd
}
