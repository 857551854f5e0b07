package httpui

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/netip"
	"slices"

	"github.com/nfstats/nfstats/snmp"
	"github.com/nfstats/nfstats/store"
)

// deviceAnswer is one device of GET /api/v1/devices. It has no secrets.
type deviceAnswer struct {
	ID      string     `json:"id"` // the address
	Address netip.Addr `json:"address"`
	Name    string     `json:"name"`
	Source  string     `json:"source"` // config, ui or flows
	SNMP    snmpAnswer `json:"snmp"`
}

type snmpAnswer struct {
	Configured  bool    `json:"configured"`
	Version     string  `json:"version,omitempty"`
	Host        string  `json:"host,omitempty"` // where the agent listens, if not at the address
	Port        uint16  `json:"port,omitempty"`
	Credential  string  `json:"credential,omitempty"`   // how it is called
	LastPollMs  int64   `json:"last_poll_ms,omitempty"` // Unix milliseconds of the last visit that went well
	LatencyMs   float64 `json:"latency_ms,omitempty"`
	Error       string  `json:"error,omitempty"`    // of the last visit; without failures, what is worth knowing of it
	Failures    int     `json:"failures,omitempty"` // visits in a row that failed
	Interfaces  int     `json:"interfaces"`
	Description string  `json:"description,omitempty"` // sysDescr
}

// devices answers GET /api/v1/devices: whoever is polled or sent flows.
func (s *Server) devices(r *http.Request) (any, error) {
	all, err := s.describeDevices(r.Context())
	return map[string]any{"devices": all}, err
}

func (s *Server) describeDevices(ctx context.Context) ([]deviceAnswer, error) {
	known, err := s.deps.Inventory.KnownExporters(ctx)
	if err != nil {
		return nil, err
	}
	answers := []deviceAnswer{}
	names := map[netip.Addr]string{}
	for _, e := range known {
		names[e.Address] = e.Name
	}
	polled := map[netip.Addr]bool{}
	for _, d := range s.deps.Poller.Devices() {
		polled[d.Address] = true
		answers = append(answers, describeDevice(d, names[d.Address]))
	}
	for _, e := range known {
		if !polled[e.Address] {
			answers = append(answers, deviceAnswer{ID: e.Address.String(), Address: e.Address, Name: e.Name, Source: "flows"})
		}
	}
	slices.SortFunc(answers, func(a, b deviceAnswer) int { return a.Address.Compare(b.Address) })
	return answers, nil
}

func describeDevice(d snmp.Status, name string) deviceAnswer {
	a := deviceAnswer{ID: d.Address.String(), Address: d.Address, Name: cmp.Or(d.Name, name), Source: string(d.Source)}
	a.SNMP = snmpAnswer{Configured: true, Version: d.Credential.Version, Host: d.Host, Port: d.Port, Credential: d.CredentialName,
		LatencyMs: float64(d.Latency.Microseconds()) / 1000, Error: d.Error, Failures: d.Failures, Interfaces: d.Interfaces, Description: d.System.Description}
	if !d.LastPoll.IsZero() {
		a.SNMP.LastPollMs = d.LastPoll.UnixMilli()
	}
	return a
}

// deviceInput is what POST and PATCH take. What PATCH leaves out stays.
type deviceInput struct {
	Address    *string          `json:"address"`
	Name       *string          `json:"name"`
	Host       *string          `json:"host"`
	Port       *uint16          `json:"port"`
	Credential *snmp.Credential `json:"credential"`
}

// addDevice answers POST /api/v1/devices. Without a credential it only names an
// exporter.
func (s *Server) addDevice(r *http.Request) (any, error) {
	var in deviceInput
	if err := readInput(r, &in); err != nil {
		return nil, err
	}
	if in.Address == nil {
		return nil, snmp.FieldErrors{"address": "is needed"}
	}
	address, err := netip.ParseAddr(*in.Address)
	if err != nil || address.Zone() != "" {
		return nil, snmp.FieldErrors{"address": "is not an address"}
	}
	if _, exists := s.deps.Poller.Device(address); exists {
		return nil, snmp.FieldErrors{"address": "is that of a device that is polled already"}
	}
	if in.Credential == nil {
		return s.nameHost(r.Context(), address, in)
	}
	return s.setDevice(r.Context(), snmp.Device{Address: address}, in)
}

// nameHost names an exporter that is not polled.
func (s *Server) nameHost(ctx context.Context, address netip.Addr, in deviceInput) (any, error) {
	switch {
	case in.Name == nil || in.Host != nil || in.Port != nil:
		return nil, snmp.FieldErrors{"credential": "is needed for a device that is to be polled"}
	case len(*in.Name) > 255:
		return nil, snmp.FieldErrors{"name": "is longer than 255 characters"}
	}
	return s.nameDevice(ctx, address, *in.Name)
}

// changeDevice answers PATCH /api/v1/devices/{id}. Of an exporter that only sent
// flows it makes a device that is polled, if a credential is given.
func (s *Server) changeDevice(r *http.Request) (any, error) {
	address, err := exporterOf(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	var in deviceInput
	if err := readInput(r, &in); err != nil {
		return nil, err
	}
	if in.Address != nil && *in.Address != address.String() {
		return nil, snmp.FieldErrors{"address": "cannot be changed: remove the device and add another one"}
	}
	device := snmp.Device{Address: address}
	old, polled := s.deps.Poller.Device(address)
	switch {
	case polled && old.Source == snmp.FromConfig:
		return nil, snmp.ErrFromConfig
	case polled && in.Credential == nil && in.Host != nil && *in.Host != old.Host:
		// Credentials cannot be read here, so they must not be sent to wherever somebody likes either.
		return nil, snmp.FieldErrors{"credential": "is needed again for another host"}
	case polled:
		device = old.Device
	case in.Credential == nil:
		return s.nameHost(r.Context(), address, in)
	}
	return s.setDevice(r.Context(), device, in)
}

// setDevice adds or replaces a device.
func (s *Server) setDevice(ctx context.Context, d snmp.Device, in deviceInput) (any, error) {
	if in.Name != nil {
		d.Name = *in.Name
	}
	if in.Host != nil {
		d.Host = *in.Host
	}
	if in.Port != nil {
		d.Port = *in.Port
	}
	if in.Credential != nil {
		d.Credential = *in.Credential
	}
	if err := s.deps.Poller.Add(d); err != nil {
		return nil, err
	}
	return s.nameDevice(ctx, d.Address, d.Name)
}

// nameDevice keeps an exporter's name in the inventory and returns the device.
func (s *Server) nameDevice(ctx context.Context, address netip.Addr, name string) (any, error) {
	err := s.deps.Inventory.ChangeExporter(ctx, address, func(e *store.KnownExporter) { e.EditedName = name })
	if err != nil {
		return nil, err
	}
	all, err := s.describeDevices(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range all {
		if d.Address == address.Unmap() {
			return d, nil
		}
	}
	return nil, errors.New("the device vanished meanwhile")
}

// removeDevice answers DELETE /api/v1/devices/{id}. Of a device that was added here,
// SNMP access is removed; what it told stays. A host that is not polled is
// forgotten. Flows are still received, so one that sends is back within a minute.
func (s *Server) removeDevice(r *http.Request) (any, error) {
	address, err := exporterOf(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	err = s.deps.Poller.Remove(address)
	if !errors.Is(err, snmp.ErrNoDevice) {
		return map[string]any{"removed": address, "note": "SNMP access is removed. The host stays in the list, with its names and flows."}, err
	}
	names, failed := s.exporterNames(r.Context())
	if failed != nil {
		return nil, failed
	}
	if _, known := names[address]; !known {
		return nil, err
	}
	if err := s.deps.Inventory.ForgetExporter(r.Context(), address); err != nil {
		return nil, err
	}
	if err := s.deps.RatesChanged(r.Context()); err != nil {
		return nil, err
	}
	return map[string]any{"removed": address, "note": "Its name, its interfaces and what was set for them are forgotten. Its flows stay, and with its next flow it is in the list again."}, nil
}

// startDiscovery answers POST /api/v1/devices/{id}/discover.
func (s *Server) startDiscovery(r *http.Request) (any, error) {
	address, err := exporterOf(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if err := s.deps.Poller.Discover(address); err != nil {
		return nil, err
	}
	return s.discovery(r)
}

// discovery answers GET /api/v1/devices/{id}/discover.
func (s *Server) discovery(r *http.Request) (any, error) {
	address, err := exporterOf(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	d, ok := s.deps.Poller.Device(address)
	if !ok {
		return nil, notFound("There is no such device.")
	}
	return d.Discovery, nil
}
