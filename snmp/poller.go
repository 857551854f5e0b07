package snmp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sync/semaphore"
)

// Config says whom to poll and how often.
type Config struct {
	Interval          time.Duration // between two readings of the counters
	DiscoveryInterval time.Duration // between two walks of the interfaces
	Timeout           time.Duration // of a request
	Retries           int           // of a request
	Concurrency       int           // devices read at the same time
	File              string        // keeps the devices that are added
	Devices           []Device      // of the configuration
}

// A Sink takes what devices tell.
type Sink interface {
	// Discovered takes the interfaces of a device: all that it has now.
	Discovered(ctx context.Context, exporter netip.Addr, system System, interfaces []Interface) error
	// Counters takes readings. It does not wait.
	Counters(exporter netip.Addr, counters []Counters)
	// Wanted returns the interfaces that flows of an exporter name. It is not changed.
	Wanted(exporter netip.Addr) map[uint32]bool
}

// ErrNoDevice reports an address that no device has.
var ErrNoDevice = errors.New("there is no SNMP device of this address")

// ErrFromConfig reports a device that cannot be changed while running.
var ErrFromConfig = errors.New("this device stands in the configuration file: change it there")

// A Poller polls devices.
type Poller struct {
	config    Config
	sink      Sink
	logger    *zap.Logger
	metrics   *metrics
	greetings *semaphore.Weighted // of devices that have yet to answer
	slots     *semaphore.Weighted // of devices that are read
	placeTime time.Duration       // how long a device has a place to itself: who takes longer keeps nobody waiting
	maxVisit  time.Duration       // the longest that one visit takes, however slowly the agent answers
	changed   chan struct{}

	mu     sync.Mutex
	agents map[netip.Addr]*agent
}

const (
	placeTime = 10 * time.Second
	maxVisit  = 5 * time.Minute
)

type metrics struct {
	polls    *prometheus.CounterVec
	readings prometheus.Counter
}

// New makes a poller and reads the file of the devices that were added.
func New(config Config, sink Sink, registry prometheus.Registerer, logger *zap.Logger) (*Poller, error) {
	if config.Interval < time.Second || config.DiscoveryInterval < config.Interval || config.Timeout <= 0 || config.Retries < 0 || config.Concurrency < 1 {
		return nil, fmt.Errorf("configure SNMP: intervals, timeout and concurrency must be positive (%+v)", config)
	}
	p := &Poller{config: config, sink: sink, logger: logger, greetings: semaphore.NewWeighted(maxGreetings), slots: semaphore.NewWeighted(int64(config.Concurrency)),
		placeTime: placeTime, maxVisit: maxVisit, changed: make(chan struct{}, 1), agents: map[netip.Addr]*agent{}}
	p.metrics = &metrics{
		polls:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "nfstats_snmp_polls_total", Help: "Visits of SNMP agents, by result."}, []string{"result"}),
		readings: prometheus.NewCounter(prometheus.CounterOpts{Name: "nfstats_snmp_readings_total", Help: "Readings of interface counters."}),
	}
	registry.MustRegister(p.metrics.polls, p.metrics.readings)
	added, err := loadDevices(config.File)
	if err != nil {
		return nil, err
	}
	for _, d := range added {
		p.agents[d.Address] = newAgent(p, d)
	}
	for _, d := range config.Devices { // they win over added ones
		if err := d.Validate(); err != nil {
			return nil, fmt.Errorf("SNMP device %s: %w", d.Address, err)
		}
		d.Source = FromConfig
		p.agents[d.Address] = newAgent(p, d)
	}
	return p, nil
}

// Run polls until ctx ends.
func (p *Poller) Run(ctx context.Context) error {
	var running sync.WaitGroup
	stops := map[*agent]context.CancelFunc{}
	for {
		p.mu.Lock()
		agents := slices.Collect(maps.Values(p.agents))
		p.mu.Unlock()
		for a, stop := range stops {
			if !slices.Contains(agents, a) {
				stop()
				delete(stops, a)
			}
		}
		for _, a := range agents {
			if stops[a] == nil {
				agentCtx, stop := context.WithCancel(ctx)
				stops[a] = stop
				running.Go(func() { a.run(agentCtx) })
			}
		}
		select {
		case <-ctx.Done():
			for _, stop := range stops {
				stop()
			}
			running.Wait()
			return nil
		case <-p.changed:
		}
	}
}

// within runs f as soon as there is a place, which it has for placeTime.
func (p *Poller) within(ctx context.Context, places *semaphore.Weighted, f func() error) error {
	if err := places.Acquire(ctx, 1); err != nil {
		return err
	}
	leave := sync.OnceFunc(func() { places.Release(1) })
	defer time.AfterFunc(p.placeTime, leave).Stop()
	defer leave()
	return f()
}

// Devices returns all devices by address.
func (p *Poller) Devices() []Status {
	p.mu.Lock()
	agents := slices.Collect(maps.Values(p.agents))
	p.mu.Unlock()
	all := make([]Status, 0, len(agents))
	for _, a := range agents {
		all = append(all, a.snapshot())
	}
	slices.SortFunc(all, func(a, b Status) int { return a.Address.Compare(b.Address) })
	return all
}

// Device returns the device of an address.
func (p *Poller) Device(address netip.Addr) (Status, bool) {
	p.mu.Lock()
	a := p.agents[address.Unmap()]
	p.mu.Unlock()
	if a == nil {
		return Status{}, false
	}
	return a.snapshot(), true
}

// Add adds a device, or replaces the one of its address. A credential without a
// version keeps the one that the device had. Errors that the input explains are
// FieldErrors.
func (p *Poller) Add(d Device) error {
	d.Address, d.Source, d.Label = d.Address.Unmap(), FromUI, ""
	return p.change(d.Address, func(old *agent) (*agent, error) {
		if old != nil && d.Credential == (Credential{}) {
			d.Credential = old.device.Credential
		}
		if err := d.Validate(); err != nil {
			return nil, err
		}
		return newAgent(p, d), nil
	})
}

// Remove removes a device that was added.
func (p *Poller) Remove(address netip.Addr) error {
	return p.change(address.Unmap(), func(old *agent) (*agent, error) {
		if old == nil {
			return nil, ErrNoDevice
		}
		return nil, nil
	})
}

// change replaces the agent of an address by what update returns, in the file
// and then here.
func (p *Poller) change(address netip.Addr, update func(old *agent) (*agent, error)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.agents[address]
	if old != nil && old.device.Source == FromConfig {
		return ErrFromConfig
	}
	next, err := update(old)
	if err != nil {
		return err
	}
	var kept []Device
	for a, other := range p.agents {
		if a != address && other.device.Source == FromUI {
			kept = append(kept, other.device)
		}
	}
	if next != nil {
		kept = append(kept, next.device)
	}
	slices.SortFunc(kept, func(a, b Device) int { return a.Address.Compare(b.Address) })
	if err := saveDevices(p.config.File, kept); err != nil {
		return err
	}
	delete(p.agents, address)
	if next != nil {
		p.agents[address] = next
	}
	p.signal()
	return nil
}

func (p *Poller) signal() {
	select {
	case p.changed <- struct{}{}:
	default: // Run will look anyway
	}
}

// Discover starts a walk of a device's interfaces.
func (p *Poller) Discover(address netip.Addr) error {
	p.mu.Lock()
	a := p.agents[address.Unmap()]
	p.mu.Unlock()
	if a == nil {
		return ErrNoDevice
	}
	a.mu.Lock()
	a.status.Discovery = Discovery{State: "running"}
	a.mu.Unlock()
	select {
	case a.kick <- struct{}{}:
	default: // one is asked for already
	}
	return nil
}
