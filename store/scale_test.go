package store

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/nfstats/nfstats/decoder"
)

const truthRate = 100 // the simulated router samples 1 packet in so many

// sampledTruth is the traffic of one interface, and what a router that samples
// exports of it: flows of 1 to 2,000 packets of sizes as they are on the internet.
// AS 1 to n have traffic, the first ones most.
func sampledTruth(n int, at time.Time, seed uint64) (truth []float64, exported *decoder.Batch) {
	r := rand.New(rand.NewPCG(seed, 11))
	truth = make([]float64, n+1)
	exported = new(decoder.Batch)
	sizes := []uint64{40, 80, 576, 1400, 1500}
	for as := 1; as <= n; as++ {
		for range 40 + 20_000/(as*as) {
			size := sizes[r.IntN(len(sizes))] // packets of a flow resemble each other
			packets := 1 + r.IntN(2000)
			var bytes, count uint64
			for range packets {
				length := size
				if r.IntN(8) == 0 {
					length = sizes[r.IntN(len(sizes))]
				}
				truth[as] += float64(length)
				if r.IntN(truthRate) == 0 {
					bytes += length
					count++
				}
			}
			if count == 0 {
				continue
			}
			i := exported.Len()
			exported.Extend(1)
			exported.TimeReceived[i] = at.UnixMilli() + 59_000
			exported.TimeFlowStart[i], exported.TimeFlowEnd[i] = at.UnixMilli()+1000, at.UnixMilli()+50_000
			exported.Type[i], exported.ExporterAddr[i], exported.InIf[i] = decoder.TypeIPFIX, decoder.Addr{10: 0xff, 11: 0xff, 12: 192, 14: 2, 15: 1}, 7
			exported.SrcAS[i], exported.Bytes[i], exported.Packets[i], exported.SamplingRate[i] = uint32(as), bytes, count, truthRate
		}
	}
	return truth, exported
}

// The 95 % interval holds the truth in 95 % of the cases, calibrated or not, and
// calibration makes the total exact.
func TestErrorBarsHoldTheTruth(t *testing.T) {
	s := prepared(t)
	at := time.Now().UTC().Add(-time.Hour).Truncate(5 * time.Minute)
	const slices = 60
	for _, calibrated := range []bool{false, true} {
		t.Run(fmt.Sprintf("calibrated %v", calibrated), func(t *testing.T) {
			held, all := 0, 0
			for seed := range uint64(6) {
				minute := at.Add(-time.Duration(seed) * 5 * time.Minute)
				if calibrated {
					minute = minute.Add(-5 * time.Hour)
				}
				truth, exported := sampledTruth(slices, minute, seed)
				var total float64
				for _, octets := range truth {
					total += octets
				}
				if err := s.InsertFlows(t.Context(), Block{Token: fmt.Sprint(calibrated, seed), Collector: "c", Source: fmt.Sprint(calibrated, seed)}, exported); err != nil {
					t.Fatal(err)
				}
				if err := s.RollUpSource(t.Context(), fmt.Sprint(calibrated, seed), 1); err != nil {
					t.Fatal(err)
				}
				if calibrated {
					var sampled float64
					for i := range exported.Len() {
						sampled += float64(exported.Bytes[i]) * truthRate
					}
					err := s.Conn().Exec(t.Context(), `INSERT INTO calibration (bucket, exporter_addr, if_index, direction, snmp_octets, flow_octets, coverage, factor_raw, factor, status) VALUES
						($1, toIPv6('192.0.2.1'), 7, 'in', $2, $3, $4, $5, $5, 'applied')`, minute, total, sampled, sampled/total, total/sampled)
					if err != nil {
						t.Fatal(err)
					}
				}
				shares, err := s.Shares(t.Context(), Selection{From: minute, To: minute.Add(time.Minute)}, "src_as", slices)
				if err != nil {
					t.Fatal(err)
				}
				if calibrated && (math.Abs(shares.Total.BitsPerSecond*60/8/total-1) > 1e-6 || shares.Scale.Coverage < 0.999 || shares.Scale.Applied != ScaleAuto || shares.Total.Error > 1) {
					t.Errorf("total %v octets, want %v: %+v", shares.Total.BitsPerSecond*60/8, total, shares.Scale)
				}
				if !calibrated && (shares.Scale.Applied != ScaleSampled || shares.Total.Error == 0) {
					t.Errorf("nothing to calibrate by: %+v, error %v", shares.Scale, shares.Total.Error)
				}
				for _, row := range shares.Rows {
					var as int
					if _, err := fmt.Sscan(row.Value, &as); err != nil {
						t.Fatal(err)
					}
					all++
					if math.Abs(row.BitsPerSecond*60/8-truth[as]) <= row.Error*60/8 {
						held++
					}
				}
			}
			// 360 cases: three standard deviations around 95 % are 91.6 and 98.4 %.
			if share := float64(held) / float64(all); share < 0.915 || share > 0.985 {
				t.Errorf("%.1f %% of %d intervals hold the truth, want 95 %%", 100*share, all)
			} else {
				t.Logf("%.1f %% of %d intervals hold the truth", 100*share, all)
			}
		})
	}
}

// Each scale applies what it says: auto leaves out what was refused, and hours
// weigh their buckets.
func TestScales(t *testing.T) {
	s := prepared(t)
	from := time.Now().UTC().Add(-6 * 24 * time.Hour).Truncate(time.Hour)
	b := filled(12, 1)
	for i := range 12 { // one flow of 1000 octets in each 5 minutes
		b.TimeReceived[i] = from.Add(time.Duration(i)*5*time.Minute + 90*time.Second).UnixMilli()
		b.TimeFlowStart[i], b.TimeFlowEnd[i] = b.TimeReceived[i]-2000, b.TimeReceived[i]-1000
		b.Bytes[i], b.Packets[i], b.SamplingRate[i], b.InIf[i], b.OutIf[i] = 1000, 2, 10, 7, 8
		b.ExporterAddr[i] = decoder.Addr{10: 0xff, 11: 0xff, 12: 192, 14: 2, 15: 1}
	}
	if err := s.InsertFlows(t.Context(), Block{Token: "t", Collector: "c"}, b); err != nil {
		t.Fatal(err)
	}
	if err := s.RollUpSource(t.Context(), "", 0); err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		factor, status := 1.5, "applied"
		switch {
		case i >= 9:
			factor, status = 8, "refused"
		case i >= 6:
			factor, status = 2, "amber"
		}
		if err := s.Conn().Exec(t.Context(), `INSERT INTO calibration (bucket, exporter_addr, if_index, direction, snmp_octets, flow_octets, coverage, factor_raw, factor, status) VALUES
			($1, toIPv6('192.0.2.1'), 7, 'in', 1, 10000, 1, $2, $2, $3)`, from.Add(time.Duration(i)*5*time.Minute), factor, status); err != nil {
			t.Fatal(err)
		}
	}
	type result struct{ octets, coverage float64 }
	for _, table := range []struct {
		name string
		to   time.Time
		want map[string]result
	}{
		{"flows_1m_in", from.Add(time.Hour), map[string]result{
			"raw in": {12_000, 0}, "sampled in": {120_000, 0}, "auto out": {120_000, 0}, "calibrated out": {120_000, 0},
			"auto in":       {6*15_000 + 3*20_000 + 3*10_000, 150. / 180},
			"calibrated in": {6*15_000 + 3*20_000 + 3*80_000, 1}}},
		// An hour has one factor: the mean of those that are applied.
		{"flows_1h_in", from.Add(4 * 24 * time.Hour), map[string]result{
			"raw in": {12_000, 0}, "sampled in": {120_000, 0}, "auto in": {120_000 * 15. / 9, 1}, "calibrated in": {390_000, 1}}},
		{"flows", from.Add(time.Hour), map[string]result{
			"raw in": {12_000, 0}, "sampled in": {120_000, 0}, "auto in": {180_000, 150. / 180}, "calibrated in": {390_000, 1}}},
	} {
		for name, want := range table.want {
			selection := Selection{From: from, To: table.to}
			fmt.Sscan(name, (*string)(&selection.Scale), &selection.Direction)
			by := "src_as"
			if table.name == "flows" {
				by = "src_addr"
			}
			shares, err := s.Shares(t.Context(), selection, by, 50)
			if err != nil {
				t.Fatal(err)
			}
			octets := shares.Total.BitsPerSecond * float64(shares.To-shares.From) / 8
			if shares.Meta.Table != table.name || !near(octets, want.octets) || !near(shares.Scale.Coverage, want.coverage) {
				t.Errorf("%s, %s: %s, %v octets, coverage %v; want %v, %v", table.name, name, shares.Meta.Table, octets, shares.Scale.Coverage, want.octets, want.coverage)
			}
		}
	}
}
