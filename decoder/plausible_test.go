package decoder

import (
	"math"
	"testing"
)

// judged marks one record of an exporter by itself, with the speeds of its interfaces 1 and 2.
func judged(octets, packets uint64, rate uint32, lifetimeMs int64, speeds Speeds) bool {
	var b Batch
	b.Extend(1)
	b.Bytes[0], b.Packets[0], b.SamplingRate[0] = octets, packets, rate
	b.TimeReceived[0] = 1_795_000_000_000
	b.TimeFlowEnd[0] = b.TimeReceived[0]
	b.TimeFlowStart[0] = b.TimeFlowEnd[0] - lifetimeMs
	b.InIf[0], b.OutIf[0] = 1, 2
	p := Plausibility{Speeds: func() Speeds { return speeds }}
	return p.Mark(&b, 0) == 1
}

func TestImplausibleRecords(t *testing.T) {
	const gigabit, hour = 1_000_000_000, 3_600_000
	in, out := Interface{IfIndex: 1}, Interface{IfIndex: 2}
	for name, c := range map[string]struct {
		octets, packets uint64
		rate            uint32
		lifetimeMs      int64
		speeds          Speeds
		want            bool
	}{
		"a packet":                             {1500, 1, 1, 0, nil, false},
		"a sampled packet":                     {9000, 1, 1 << 20, 0, nil, false},
		"nothing":                              {0, 0, math.MaxUint32, 0, nil, false},
		"events, without packets":              {0, 1, 1, 0, nil, false},
		"800 Gbit/s for an hour":               {360_000_000_000_000, 240_000_000_000, 1, hour, nil, false},
		"the same, sampled":                    {360_000_000_000, 240_000_000, 1000, hour, nil, false},
		"2^62 octets, sampled":                 {1 << 62, 1 << 40, 1000, hour, nil, true},
		"all ones of octets":                   {math.MaxUint64, 1, 1, hour, nil, true},
		"all ones of packets":                  {1000, math.MaxUint64, 1, hour, nil, true},
		"2^63 of both":                         {1 << 63, 1 << 63, 1, 0, nil, true},
		"all ones of all":                      {math.MaxUint64, math.MaxUint64, math.MaxUint32, 0, nil, true},
		"all ones of 32 bits, and of the rate": {math.MaxUint32, 1, math.MaxUint32, 0, nil, true},
		"octets that wrap to 0":                {1 << 62, 1, 1 << 4, 0, nil, true},
		"packets, times their least, wrap":     {0, 1 << 62, 1, hour, nil, true},
		"just 2^53, in a month":                {1 << 53, 1, 1, 30 * 24 * hour, nil, false},
		"more than 2^53, in a month":           {1<<53 + 1, 1, 1, 30 * 24 * hour, nil, true},
		"just 2^53, sampled":                   {1 << 51, 1, 4, 30 * 24 * hour, nil, false},
		"more than 2^53, sampled":              {1<<51 + 1, 1, 4, 30 * 24 * hour, nil, true},
		"2^52 in no time":                      {1 << 52, 1, 1, 0, nil, true},

		"two hours at full speed":        {gigabit / 8 * 7200, 600_000_000, 1, hour, Speeds{in: gigabit}, false},
		"five hours in one":              {gigabit / 8 * 5 * 3600, 1, 1, hour, Speeds{in: gigabit}, false},
		"seven hours in one":             {gigabit / 8 * 7 * 3600, 1, 1, hour, Speeds{in: gigabit}, true},
		"the same on a faster one":       {gigabit / 8 * 7 * 3600, 1, 1, hour, Speeds{in: 10 * gigabit}, false},
		"the slower one counts":          {gigabit / 8 * 7 * 3600, 1, 1, hour, Speeds{in: 10 * gigabit, out: gigabit}, true},
		"whatever is told of a slow one": {gigabit / 8 * 1800, 1, 1, 0, Speeds{out: 9600}, false},
		"its end is before its start":    {gigabit / 8 * 3 * 1800, 1, 1, -hour, Speeds{in: gigabit}, false},
		"too many packets for one":       {1000, 200_000_000_000, 1, hour, Speeds{in: gigabit}, true},
		"another exporter's speed":       {gigabit / 8 * 7 * 3600, 1, 1, hour, Speeds{{Exporter: Addr{1}, IfIndex: 1}: gigabit}, false},
		"faster than the fastest known":  {3_000_000_000_000_000, 1, 1, 0, Speeds{in: 51_200 * gigabit}, false},
	} {
		if got := judged(c.octets, c.packets, c.rate, c.lifetimeMs, c.speeds); got != c.want {
			t.Errorf("%s: implausible is %v", name, got)
		}
	}
}

// All plausible records of an exporter in a minute stay below MostOctets together, and
// what is left out of one exporter or minute is not of another.
func TestExportersSendAtMostSoMuchInAMinute(t *testing.T) {
	const records, each = 3000, MostOctets / 1000
	var p Plausibility
	plausible := func(exporter byte, minute int64) (sum uint64) {
		var b Batch
		b.Extend(records)
		for row := range records {
			b.ExporterAddr[row][15] = exporter
			b.TimeReceived[row] = minute * 60_000
			b.TimeFlowStart[row] = b.TimeReceived[row] - 3_600_000
			b.TimeFlowEnd[row] = b.TimeReceived[row]
			b.Bytes[row], b.Packets[row], b.SamplingRate[row] = each, 1, 1
		}
		marked := p.Mark(&b, 0)
		for row := range records {
			if b.Implausible[row] == 0 {
				sum += b.Bytes[row]
			} else {
				marked--
			}
		}
		if marked != 0 {
			t.Errorf("%d more were counted than marked", marked)
		}
		return sum
	}
	for _, at := range []struct {
		exporter byte
		minute   int64
		want     uint64
	}{{1, 10, 1000 * each}, {2, 10, 1000 * each}, {1, 10, 0}, {1, 11, 1000 * each}, {2, 10, 0}, {1, 9, 1000 * each}} {
		if got := plausible(at.exporter, at.minute); got != at.want {
			t.Errorf("exporter %d, minute %d: %d octets are plausible, want %d", at.exporter, at.minute, got, at.want)
		}
	}
	for minute := range int64(3 * minutesKept) {
		p.turn(exporterMinute{Addr{}, minute})
	}
	if len(p.carried) > minutesKept {
		t.Errorf("%d minutes are remembered", len(p.carried))
	}
}

func BenchmarkPlausibility(b *testing.B) {
	var batch Batch
	batch.Extend(30) // of a datagram
	for row := range batch.Len() {
		batch.Bytes[row], batch.Packets[row], batch.SamplingRate[row] = uint64(1500+row), 1, 1000
	}
	var p Plausibility
	minute := int64(0) // a thousand datagrams long
	for b.Loop() {
		minute++
		for row := range batch.Len() {
			batch.TimeReceived[row] = minute / 1000 * 60_000
		}
		p.Mark(&batch, 0)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/30, "ns/flow")
}
