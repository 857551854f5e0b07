package simulator

import "net/netip"

// A role says what an interface is for.
type role uint8

const (
	unused role = iota
	transit
	exchange
	core
	customer
)

// interfaceSpec describes an interface of a router. Its ifIndex is the router's
// first one plus its position.
type interfaceSpec struct {
	name, description string
	speed             uint64 // bits/s
	overhead          uint64 // octets of layer 2 that the counters count for each packet
	rate              uint32 // sampling: one packet in rate that enters here
	role              role
	to                string // core links: the router at the other end
}

// routerSpec describes a router.
type routerSpec struct {
	name, description, object string // sysName, sysDescr, sysObjectID
	protocol                  protocol
	firstIndex                uint32
	interfaces                []interfaceSpec
}

const (
	megabit = 1_000_000
	gigabit = 1000 * megabit
)

// routers is the provider's network. Traffic enters and leaves at the two core
// routers; edge1 hangs off core2.
var routers = []routerSpec{
	{name: "core1.fra", description: "Juniper Networks, Inc. mx204 internet router, kernel JUNOS 22.4R3.25 (simulated)", object: ".1.3.6.1.4.1.2636.1.1.1.2.542",
		protocol: junosIPFIX, firstIndex: 512, interfaces: []interfaceSpec{
			{"xe-0/0/0", "Transit: Arelion AS1299", 10 * gigabit, 18, 1000, transit, ""},
			{"xe-0/0/1", "Transit: Lumen AS3356", 10 * gigabit, 18, 1000, transit, ""},
			{"xe-0/0/2", "Peering: DE-CIX Frankfurt", 10 * gigabit, 18, 1000, exchange, ""},
			{"ae0", "Core: core2.ams", 20 * gigabit, 18, 1000, core, "core2.ams"},
			{"xe-0/1/0.100", "Customer: Nordlicht Kabel", 10 * gigabit, 22, 1000, customer, ""},
			{"xe-0/1/1.200", "Customer: Hanse Hosting", 10 * gigabit, 22, 1000, customer, ""},
			{"ge-0/2/0", "Customer: Uni Elbe", gigabit, 18, 1000, customer, ""},
			{"fxp0", "", gigabit, 18, 0, unused, ""}}},
	{name: "core2.ams", description: "Cisco IOS XR Software (ASR9K), Version 7.5.2 (simulated)", object: ".1.3.6.1.4.1.9.1.1639",
		protocol: ciscoV9, firstIndex: 3, interfaces: []interfaceSpec{
			{"TenGigE0/0/0/0", "Transit: Cogent AS174", 10 * gigabit, 18, 1000, transit, ""},
			{"TenGigE0/0/0/1", "Peering: AMS-IX", 10 * gigabit, 18, 1000, exchange, ""},
			{"Bundle-Ether1", "Core: core1.fra", 20 * gigabit, 18, 1000, core, "core1.fra"},
			{"TenGigE0/0/0/2", "Core: edge1.ham", 10 * gigabit, 18, 100, core, "edge1.ham"},
			{"TenGigE0/0/0/3.31", "Customer: Polder Fiber", 10 * gigabit, 22, 500, customer, ""},
			{"TenGigE0/0/0/4", "Customer: Grachten Cloud", 10 * gigabit, 18, 500, customer, ""},
			{"GigabitEthernet0/0/0/5", "Customer: Rijn Bank", gigabit, 18, 500, customer, ""},
			{"MgmtEth0/RSP0/CPU0/0", "", gigabit, 18, 0, unused, ""}}},
	{name: "edge1.ham", description: "Cisco IOS Software, C2900 Software, Version 15.7(3)M (simulated)", object: ".1.3.6.1.4.1.9.1.1045",
		protocol: classicV5, firstIndex: 1, interfaces: []interfaceSpec{
			{"GigabitEthernet0/0", "Core: core2.ams", gigabit, 18, 1, core, "core2.ams"},
			{"GigabitEthernet0/1", "Customer: Stadtwerke Deich", 100 * megabit, 18, 1, customer, ""},
			{"GigabitEthernet0/2", "Customer: Schule am Hafen", 100 * megabit, 18, 1, customer, ""},
			{"GigabitEthernet0/3", "Customer: Werft Nord", 100 * megabit, 18, 1, customer, ""}}},
}

// customerSpec is a customer network with the load of its busiest hour.
type customerSpec struct {
	router, port string // where it is attached
	asn          uint32
	v4, v6       netip.Prefix // v6 is not valid for those without
	down, up     float64      // Mbit/s to and from the customer
	rhythm       *[24]float64
	hosting      bool // serves others
}

// customers have the AS numbers and addresses that RFC 5398, RFC 5737 and
// RFC 3849 set aside for documentation.
var customers = []customerSpec{
	{"core1.fra", "xe-0/1/0.100", 64500, prefix("192.0.2.0/25"), prefix("2001:db8:100::/40"), 300, 30, &evening, false},
	{"core1.fra", "xe-0/1/1.200", 64501, prefix("192.0.2.128/26"), prefix("2001:db8:200::/40"), 40, 140, &steady, true},
	{"core1.fra", "ge-0/2/0", 64502, prefix("192.0.2.192/26"), prefix("2001:db8:300::/40"), 40, 12, &office, false},
	{"core2.ams", "TenGigE0/0/0/3.31", 64503, prefix("198.51.100.0/25"), prefix("2001:db8:400::/40"), 130, 15, &evening, false},
	{"core2.ams", "TenGigE0/0/0/4", 64504, prefix("198.51.100.128/26"), prefix("2001:db8:500::/40"), 20, 80, &steady, true},
	{"core2.ams", "GigabitEthernet0/0/0/5", 64505, prefix("198.51.100.192/26"), none, 20, 6, &office, false},
	{"edge1.ham", "GigabitEthernet0/1", 64506, prefix("203.0.113.0/25"), none, 4, 0.5, &evening, false},
	{"edge1.ham", "GigabitEthernet0/2", 64507, prefix("203.0.113.128/26"), none, 1.5, 0.2, &office, false},
	{"edge1.ham", "GigabitEthernet0/3", 64508, prefix("203.0.113.192/26"), none, 2, 0.6, &office, false},
}
