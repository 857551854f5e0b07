package store

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/nfstats/nfstats/store/engine/enginetest"
)

// A benchDay is a day of traffic of a provider with four routers of two uplinks
// each, in a store of its own.
type benchDay struct {
	*Store
	dir      string // of the engine's data
	from, to time.Time
	flows    uint64
}

const (
	benchRouters   = 4
	benchUplinks   = 8    // ifIndex 1000·router + 1 and 2
	benchCustomers = 8192 // addresses, on 20 interfaces of each router
)

// benchSelect makes the flows received in five minutes: {at}, {rows}.
//
// With u uniform in (0, 1), ⌊u⁻²⌋ is Zipf distributed with the exponent 1.5: the five
// largest systems have 59 % of the flows, as networks of households see it, and the
// ones beyond the thousandth 3 %. Hosts and customers have the exponent 1 (⌊Kᵘ⌋). A
// system lies behind one uplink nine times of ten. Packets are sampled 1:1000, so
// that most flows have one or two of them; seven of ten flows come from outside; one
// of five is IPv6.
const benchSelect = `INSERT INTO flows (time_received, time_flow_start, time_flow_end, type, collector, exporter_addr, observation_domain_id,
    src_addr, dst_addr, next_hop, src_net, dst_net, in_if, out_if, src_as, dst_as, bytes, packets, sampling_rate, etype, proto,
    src_port, dst_port, tcp_flags, ip_tos)
WITH (SELECT groupArray(asn) FROM (SELECT asn FROM as_names ORDER BY cityHash64(asn) LIMIT 65536)) AS systems
SELECT received, ended - toIntervalMillisecond(if(sampled = 1, 0, least(60000, toUInt32(-log(u6) * 8000)))), received - toIntervalMillisecond(rand(7) %% 15000) AS ended,
    'IPFIX', 'bench', IPv4ToIPv6(toIPv4(toUInt32(3221225985 + router))), 0,
    if(inbound, outside, inside), if(inbound, inside, outside), IPv4ToIPv6(toIPv4(toUInt32(167772160 + uplink))), if(v6, 48, 24), if(v6, 32, 22),
    if(inbound, uplink_if, customer_if), if(inbound, customer_if, uplink_if), if(inbound, system, customer_as), if(inbound, customer_as, system),
    sampled * if(inbound, 100 + rand(8) %% 1400, 40 + rand(8) %% 400), sampled, 1000, if(v6, 34525, 2048), if(service IN (53, 3478) OR service = 443 AND rand(9) %% 4 = 0, 17, 6) AS protocol,
    if(inbound, service, ephemeral), if(inbound, ephemeral, service), if(protocol = 6, 16 + rand(10) %% 9, 0), if(rand(11) %% 20 = 0, 184, 0)
FROM (
    SELECT toDateTime64(%[1]d, 3, 'UTC') + toIntervalMillisecond(rand(12) %% 300000) AS received,
        rand(1) %% 10 < 7 AS inbound, rand(2) %% 5 = 0 AS v6,
        toUInt32(least(65536, pow((rand(3) + 0.5) / 4294967296, -2))) AS rank, systems[rank] AS system, cityHash64(system) AS place,
        if(rand(4) %% 10 = 0, rand(5) %% %[3]d, place %% %[3]d) AS uplink, intDiv(uplink, 2) AS router, 1000 * router + 1 + uplink %% 2 AS uplink_if,
        toUInt32(pow(%[4]d, (rand(13) + 0.5) / 4294967296)) AS customer, 1000 * router + 100 + customer %% 20 AS customer_if,
        if(customer %% 8 = 0, 64500 + customer %% 64 / 8, 64496) AS customer_as,
        toUInt32(pow(if(rank < 100, 65536, 1024), (rand(14) + 0.5) / 4294967296)) AS host,
        if(v6, toIPv6(toUInt128('42540528726795050063891204319802818560') + bitShiftLeft(toUInt128(place %% 16777216), 72) + host), IPv4ToIPv6(toIPv4(toUInt32(place %% 3489660928 + 16777216 + host)))) AS outside,
        if(v6, toIPv6(toUInt128('42540766411282592856903984951653826560') + bitShiftLeft(toUInt128(customer), 64) + rand(15) %% 4), IPv4ToIPv6(toIPv4(toUInt32(1681915904 + customer)))) AS inside,
        [443, 443, 443, 443, 443, 80, 53, 22, 8080, 3478][1 + rand(16) %% 10] AS service, 1024 + rand(17) %% 64000 AS ephemeral,
        (rand(18) + 0.5) / 4294967296 AS u6, 1 + toUInt64(least(50, -log((rand(19) + 0.5) / 4294967296) * 0.7)) AS sampled
    FROM numbers_mt(%[2]d)
)`

// newBenchDay makes a day of NFSTATS_BENCH_FLOWS flows (default 10 million), rolled
// up as they are live, and thirty days of flows_1h.
func newBenchDay(b *testing.B) *benchDay {
	b.Helper()
	d := &benchDay{dir: b.TempDir(), to: time.Now().UTC().Truncate(time.Hour), flows: 10_000_000}
	d.from = d.to.Add(-24 * time.Hour)
	if text := os.Getenv("NFSTATS_BENCH_FLOWS"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			b.Fatal("NFSTATS_BENCH_FLOWS:", err)
		}
		d.flows = n
	}
	d.Store = open(b, enginetest.StartIn(b, d.dir))
	if err := d.Prepare(b.Context()); err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	for at := d.from; at.Before(d.to); at = at.Add(5 * time.Minute) {
		d.exec(b, fmt.Sprintf(benchSelect, at.Unix(), d.flows/288, benchUplinks, benchCustomers))
	}
	inserted := time.Since(start)
	start = time.Now()
	if err := NewRollups(d.Store, "bench", func() time.Time { return d.to }).CatchUp(b.Context()); err != nil {
		b.Fatal(err)
	}
	rolled := time.Since(start)
	for _, table := range withNarrow("flows_1h") {
		for day := range 29 {
			d.exec(b, fmt.Sprintf("INSERT INTO %[1]s SELECT * REPLACE (time - toIntervalDay(%[2]d) AS time) FROM (SELECT * FROM %[1]s WHERE time >= toDateTime(%[3]d, 'UTC'))", table, day+1, d.from.Unix()))
		}
	}
	b.Logf("%d flows made and inserted in %v, rolled up in %v", d.count(b, "flows"), inserted.Round(time.Second), rolled.Round(time.Second))
	for _, table := range importedTables {
		var rows, bytes uint64
		if err := d.conn.QueryRow(b.Context(), "SELECT sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active AND table = $1 AND database = currentDatabase()", table).Scan(&rows, &bytes); err != nil {
			b.Fatal(err)
		}
		b.Logf("%s: %d rows of %.1f octets", table, rows, float64(bytes)/float64(rows))
	}
	return d
}

// calibrate gives every uplink a factor for each five minutes of the day.
func (d *benchDay) calibrate(b *testing.B) {
	b.Helper()
	for router := range benchRouters {
		d.exec(b, fmt.Sprintf(`INSERT INTO calibration (bucket, exporter_addr, if_index, direction, snmp_octets, flow_octets, flow_packets, sampling_rate, coverage, factor_raw, factor, status, final)
SELECT toDateTime(%d, 'UTC') + toIntervalMinute(5 * number), IPv4ToIPv6(toIPv4(toUInt32(3221225985 + %[2]d))), 1000 * %[2]d + 1 + uplink, 'in', 1e9, 1e9, 1000, 1000, 1, 1.02, 1.02, 'applied', 1
FROM numbers(288) ARRAY JOIN [0, 1] AS uplink`, d.from.Unix(), router))
	}
}

func (d *benchDay) exec(b *testing.B, query string) {
	b.Helper()
	if err := d.conn.Exec(b.Context(), query); err != nil {
		b.Fatal(err)
	}
}

func (d *benchDay) count(b *testing.B, table string) (n uint64) {
	b.Helper()
	if err := d.conn.QueryRow(b.Context(), "SELECT count() FROM "+table).Scan(&n); err != nil {
		b.Fatal(err)
	}
	return n
}
