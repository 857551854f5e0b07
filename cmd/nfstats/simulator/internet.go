package simulator

import "net/netip"

// An application is how a kind of traffic looks on the wire: towards its client
// and towards its server.
type application struct {
	proto    uint8
	port     uint16 // of the server
	down, up packetMix
	lifetime float64 // mean of a conversation, seconds
}

// A packetMix says which share of the packets has which IP length.
type packetMix [3]struct {
	share  float64
	octets uint64
}

func (m packetMix) mean() float64 {
	sum := 0.0
	for _, class := range m {
		sum += class.share * float64(class.octets)
	}
	return sum
}

var (
	bulk      = packetMix{{0.86, 1492}, {0.06, 640}, {0.08, 52}}
	acks      = packetMix{{0.01, 300}, {0.14, 120}, {0.85, 60}}
	datagrams = packetMix{{0.90, 1350}, {0.04, 600}, {0.06, 80}}
	answers   = packetMix{{0.05, 500}, {0.55, 180}, {0.40, 110}}
	small     = packetMix{{0.02, 400}, {0.58, 160}, {0.40, 90}}

	web     = application{proto: 6, port: 443, down: bulk, up: acks, lifetime: 45}
	quic    = application{proto: 17, port: 443, down: datagrams, up: small, lifetime: 60}
	plain   = application{proto: 6, port: 80, down: bulk, up: acks, lifetime: 30}
	dns     = application{proto: 17, port: 53, down: answers, up: small, lifetime: 2}
	mail    = application{proto: 6, port: 993, down: bulk, up: acks, lifetime: 60}
	game    = application{proto: 17, port: 27015, down: answers, up: small, lifetime: 600}
	tunnel  = application{proto: 17, port: 51820, down: datagrams, up: datagrams, lifetime: 1200}
	storage = application{proto: 6, port: 22, down: bulk, up: acks, lifetime: 300}
)

// vectors are the services that attackers make amplify their traffic, with the
// length of what these answer.
var vectors = []application{
	{proto: 17, port: 123, down: packetMix{{1, 468}, {}, {}}, lifetime: 1},
	{proto: 17, port: 53, down: packetMix{{0.8, 1480}, {0.2, 512}, {}}, lifetime: 1},
	{proto: 17, port: 389, down: packetMix{{0.9, 1480}, {0.1, 1100}, {}}, lifetime: 1},
	{proto: 17, port: 1900, down: packetMix{{0.5, 330}, {0.5, 310}, {}}, lifetime: 1},
}

// A system is an autonomous system out on the Internet.
type system struct {
	asn      uint32
	eyeballs bool // serves people rather than content
	peer     bool // met at the exchanges, not behind transit
	v6Share  float64
	v4, v6   netip.Prefix
	apps     []application
}

var none = netip.Prefix{}

func prefix(text string) netip.Prefix { return netip.MustParsePrefix(text) }

// systems is the Internet, the most popular first; tail is the rest. The addresses
// are about those that these systems announce.
var systems = []system{
	{15169, false, true, 0.60, prefix("142.250.0.0/15"), prefix("2a00:1450::/32"), []application{quic, web}},
	{2906, false, true, 0.70, prefix("45.57.0.0/17"), prefix("2a00:86c0::/32"), []application{web}},
	{32934, false, true, 0.65, prefix("157.240.0.0/16"), prefix("2a03:2880::/32"), []application{quic, web}},
	{20940, false, true, 0.40, prefix("23.32.0.0/11"), prefix("2a02:26f0::/32"), []application{web, plain}},
	{16509, false, true, 0.25, prefix("52.208.0.0/13"), prefix("2600:1f00::/24"), []application{web}},
	{13335, false, true, 0.45, prefix("104.16.0.0/13"), prefix("2606:4700::/32"), []application{quic, web, dns}},
	{8075, false, true, 0.30, prefix("20.33.0.0/16"), prefix("2603:1000::/24"), []application{web}},
	{54113, false, true, 0.30, prefix("151.101.0.0/16"), prefix("2a04:4e40::/32"), []application{web}},
	{3320, true, false, 0.55, prefix("79.192.0.0/10"), prefix("2003::/19"), []application{web, tunnel}},
	{714, false, true, 0.30, prefix("17.0.0.0/8"), prefix("2620:149::/32"), []application{web}},
	{46489, false, true, 0, prefix("52.223.192.0/18"), none, []application{web}},
	{24940, false, false, 0.35, prefix("95.216.0.0/16"), prefix("2a01:4f8::/32"), []application{web, storage}},
	{16276, false, false, 0.20, prefix("51.68.0.0/16"), prefix("2001:41d0::/32"), []application{web}},
	{32590, false, true, 0, prefix("155.133.224.0/19"), none, []application{plain, game}},
	{3209, true, false, 0.40, prefix("88.64.0.0/12"), prefix("2a02:8100::/22"), []application{web, tunnel}},
	{396982, false, true, 0.10, prefix("34.64.0.0/10"), prefix("2600:1900::/28"), []application{web}},
	{60068, false, true, 0.20, prefix("185.180.12.0/22"), prefix("2a02:6ea0::/32"), []application{web}},
	{6830, true, false, 0.30, prefix("62.194.0.0/16"), prefix("2a02:8080::/26"), []application{web, mail}},
	{1136, true, false, 0.45, prefix("77.160.0.0/11"), prefix("2a02:a400::/22"), []application{web}},
	{22822, false, false, 0.15, prefix("68.142.64.0/18"), prefix("2607:f4e8::/32"), []application{web, plain}},
	{7922, true, false, 0.50, prefix("73.0.0.0/8"), prefix("2601::/20"), []application{web}},
	{3215, true, false, 0.40, prefix("90.0.0.0/9"), prefix("2a01:c000::/19"), []application{web}},
	{14618, false, false, 0.10, prefix("44.192.0.0/10"), prefix("2600:1f18::/33"), []application{web}},
	{6805, true, false, 0.25, prefix("77.176.0.0/12"), prefix("2a02:3000::/23"), []application{web}},
	{36459, false, false, 0, prefix("140.82.112.0/20"), none, []application{web, storage}},
	{62041, false, false, 0.30, prefix("149.154.160.0/20"), prefix("2001:67c:4e8::/48"), []application{web}},
	{14061, false, false, 0.15, prefix("164.90.0.0/16"), prefix("2a03:b0c0::/32"), []application{web}},
	{9009, false, false, 0.10, prefix("146.70.0.0/16"), prefix("2a0d:5600::/32"), []application{tunnel}},
	{5089, true, false, 0, prefix("82.0.0.0/11"), none, []application{web}},
	{12322, true, false, 0.60, prefix("82.224.0.0/11"), prefix("2a01:e00::/26"), []application{web}},
	{33915, true, false, 0.20, prefix("84.24.0.0/13"), prefix("2001:1c00::/22"), []application{web}},
	{14907, false, true, 0.50, prefix("91.198.174.0/24"), prefix("2620:0:862::/48"), []application{web}},
	{42, false, true, 0.30, prefix("204.61.208.0/21"), prefix("2620:171::/40"), []application{dns}},
	{1103, false, true, 0.50, prefix("145.0.0.0/11"), prefix("2001:610::/32"), []application{web, storage}},
	{680, false, true, 0.50, prefix("141.0.0.0/11"), prefix("2001:638::/32"), []application{web, storage}},
	{4134, true, false, 0.05, prefix("116.16.0.0/12"), prefix("240e::/20"), []application{web, plain}},
}

// Rhythms of a day: the load at each full hour, UTC, against the day's peak.
var (
	evening = [24]float64{.62, .45, .34, .28, .25, .26, .30, .38, .46, .52, .55, .58, .61, .62, .63, .66, .71, .78, .86, .94, 1, .99, .92, .78}
	office  = [24]float64{.12, .10, .10, .10, .10, .12, .20, .45, .80, .95, 1, 1, .85, .95, 1, .97, .85, .60, .40, .30, .25, .20, .17, .14}
	steady  = [24]float64{.80, .72, .66, .62, .60, .62, .66, .72, .78, .82, .85, .88, .88, .88, .88, .90, .92, .94, .97, 1, 1, 1, .97, .90}
)
