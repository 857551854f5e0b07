package store

import (
	"math/bits"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/store/engine/enginetest"
)

// Flows that an nfstats from before stored are judged by their counters when the tables
// are brought up to date; so are those that somebody inserts with SQL.
func TestFlowsFromBeforeAreJudged(t *testing.T) {
	s := open(t, enginetest.Start(t))
	if err := s.createDatabase(t.Context()); err != nil {
		t.Fatal(err)
	}
	migrations, err := readMigrations(migrationFiles)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range migrations[:7] {
		for _, statement := range m.statements {
			if err := s.apply(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
	}
	const insert = `INSERT INTO flows (time_received, time_flow_start, time_flow_end, type, bytes, packets, sampling_rate)
SELECT now64(3) - 60, now64(3) - 61, now64(3) - 60, 'IPFIX', bytes, packets, rate
FROM values('bytes UInt64, packets UInt64, rate UInt32', (4611686018427387904, 1, 1000), (18446744073709551615, 1, 1), (1, 18446744073709551615, 1),
    (1500, 1, 1000), (0, 0, 0), (9007199254740992, 1, 1), (4294967295, 1, 4294967295))`
	expect := func(when string, count, octets uint64) {
		t.Helper()
		var implausible, sum uint64
		err := s.conn.QueryRow(t.Context(), "SELECT countIf(implausible), toUInt64(sum(bytes_scaled)) FROM flows").Scan(&implausible, &sum)
		if err != nil || implausible != count || sum != octets {
			t.Errorf("%s: %d are implausible, %d octets are not: %v", when, implausible, sum, err)
		}
	}
	if err := s.conn.Exec(t.Context(), insert); err != nil {
		t.Fatal(err)
	}
	if err := s.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect("from before", 4, 1<<53+1_500_000)
	if err := s.conn.Exec(t.Context(), insert); err != nil {
		t.Fatal(err)
	}
	expect("by SQL", 8, 1<<54+3_000_000)
	if err := s.conn.Exec(t.Context(), "OPTIMIZE TABLE flows FINAL"); err != nil {
		t.Fatal(err)
	}
	expect("merged", 8, 1<<54+3_000_000)
	from := time.Now().Add(-time.Hour)
	shares, err := s.Shares(t.Context(), Selection{From: from, To: from.Add(2 * time.Hour)}, "src_addr", 5)
	if err != nil || !near(shares.Total.BitsPerSecond*7200/8, 1<<54+3_000_000) {
		t.Errorf("%+v %v", shares, err)
	}
}

// Sums of more than 2⁶⁴ octets are shown as what they are, from every table.
func TestSumsBeyond64BitsDoNotWrap(t *testing.T) {
	s := prepared(t)
	const rows, each, rate = 4000, uint64(1) << 43, 1 << 10 // 2⁵³ each
	b := new(decoder.Batch)
	b.Extend(rows)
	r := rand.New(rand.NewPCG(1, 1))
	at := time.Now().Add(-2 * time.Hour).Truncate(time.Hour)
	for row := range rows {
		b.TimeReceived[row] = at.UnixMilli() + r.Int64N(3_600_000)
		b.TimeFlowStart[row], b.TimeFlowEnd[row] = b.TimeReceived[row], b.TimeReceived[row]
		b.Type[row], b.SamplingRate[row] = decoder.TypeIPFIX, rate
		b.ExporterAddr[row][15], b.Bytes[row], b.Packets[row] = byte(row), each, each
		b.SrcAS[row], b.InIf[row] = uint32(row%3), 1
	}
	if high, _ := bits.Mul64(rows, each*rate); high == 0 {
		t.Fatal("that is too few")
	}
	if err := s.InsertFlows(t.Context(), Block{Token: "t", Collector: "c", Source: "file"}, b); err != nil {
		t.Fatal(err)
	}
	if err := s.RollUpSource(t.Context(), "file", 0); err != nil {
		t.Fatal(err)
	}
	const want = float64(rows) * (1 << 53)
	for _, table := range []string{"flows", "flows_1m", "flows_1h", "flows_1m_in", "flows_1h_out", "flows_1h_path"} {
		var octets, packets float64
		if err := s.conn.QueryRow(t.Context(), "SELECT sum(bytes_scaled), sum(packets_scaled) FROM "+table).Scan(&octets, &packets); err != nil || octets != want || packets != want {
			t.Errorf("%s: %v octets, %v packets: %v", table, octets, packets, err)
		}
	}
	whole := Selection{From: at.Add(-6 * time.Hour), To: at.Add(2 * time.Hour)}
	seconds := whole.To.Sub(whole.From).Seconds()
	for _, by := range []string{"exporter", "src_as", "src_addr", "proto"} {
		series, err := s.Series(t.Context(), whole, by, 2, 48)
		shares, err2 := s.Shares(t.Context(), whole, by, 2)
		paths, err3 := s.Paths(t.Context(), whole, []string{by, "in_if"}, 2)
		if err != nil || err2 != nil || err3 != nil {
			t.Fatal(err, err2, err3)
		}
		for name, got := range map[string]float64{"series": series.Total.BitsPerSecond, "shares": shares.Total.BitsPerSecond, "paths": paths.Total.BitsPerSecond} {
			if !near(got*seconds/8, want) {
				t.Errorf("%s by %s: %v octets, want %v", name, by, got*seconds/8, want)
			}
		}
	}
	page, err := s.Flows(t.Context(), whole, "-bytes", 1, 0)
	if err != nil || page.Total.BytesScaled != want || page.Total.PacketsScaled != want {
		t.Errorf("%+v %v", page.Total, err)
	}
	if _, err := s.Roles(t.Context(), whole.From); err != nil {
		t.Error(err)
	}
}
