package netflow

import (
	"net/netip"
	"testing"
	"time"

	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/decoder/netflow/generate"
)

// at returns a time relative to the export time of header, in milliseconds.
func at(offset time.Duration) int64 { return receivedMs + offset.Milliseconds() }

// ntpOf returns a time as an NTP timestamp, rounded up.
func ntpOf(ms int64) uint64 {
	return uint64(ms/1000+ntpEpoch)<<32 | (uint64(ms%1000)<<32+999)/1000
}

func TestFlowTimes(t *testing.T) {
	const v9, v10 = generate.NetFlowV9, generate.IPFIX
	const uptime = 3_600_000 // of header
	const day = 24 * time.Hour
	boot := uint64(receivedMs - uptime)
	ms := func(offset time.Duration) uint64 { return uint64(at(offset)) }
	cases := []struct {
		name       string
		version    uint16
		fields     []fieldValue
		start, end int64
		clamped    bool
	}{
		{"none", v9, nil, at(0), at(0), false},
		{"uptimes", v9, []fieldValue{num(22, 4, uptime-5000), num(21, 4, uptime-1000)}, at(-5 * time.Second), at(-time.Second), false},
		{"uptime from before its wrap", v9, []fieldValue{num(22, 4, 1<<32-1000), num(21, 4, uptime)}, at(-time.Hour - time.Second), at(0), false},
		{"uptime after that of the header", v9, []fieldValue{num(22, 4, uptime), num(21, 4, uptime+500)}, at(0), at(500 * time.Millisecond), false},
		{"seconds", v10, []fieldValue{num(150, 4, receivedMs/1000-9), num(151, 4, receivedMs/1000-1)}, at(-9 * time.Second), at(-time.Second), false},
		{"milliseconds", v10, []fieldValue{num(152, 8, ms(-1500*time.Millisecond)), num(153, 8, ms(-500*time.Millisecond))}, at(-1500 * time.Millisecond), at(-500 * time.Millisecond), false},
		{"milliseconds in v9", v9, []fieldValue{num(152, 8, ms(-time.Minute)), num(153, 8, ms(0))}, at(-time.Minute), at(0), false},
		{"NTP microseconds", v10, []fieldValue{num(154, 8, ntpOf(at(-1234*time.Millisecond))), num(155, 8, ntpOf(at(-1*time.Millisecond)))}, at(-1234 * time.Millisecond), at(-time.Millisecond), false},
		{"NTP nanoseconds", v10, []fieldValue{num(156, 8, ntpOf(at(-1234*time.Millisecond))), num(157, 8, ntpOf(at(0)))}, at(-1234 * time.Millisecond), at(0), false},
		{"microseconds before the export", v10, []fieldValue{num(158, 4, 9_876_544), num(159, 4, 1000)}, at(-9877 * time.Millisecond), at(-time.Millisecond), false},
		{"the finest of several", v10, []fieldValue{num(150, 4, 1), num(152, 8, ms(-time.Second)), num(151, 4, 1), num(153, 8, ms(0))}, at(-time.Second), at(0), false},
		{"IPFIX uptimes without start of the exporter", v10, []fieldValue{num(22, 4, 1), num(21, 4, 2)}, at(0), at(0), false},
		{"IPFIX uptimes with it in the record", v10, []fieldValue{num(22, 4, 1000), num(21, 4, 2000), num(160, 8, boot)}, at(-time.Hour + time.Second), at(-time.Hour + 2*time.Second), false},
		{"IPFIX uptimes after 100 days", v10, []fieldValue{num(160, 8, boot-100*24*3600*1000), num(22, 4, (uptime+100*24*3600*1000-5000)&(1<<32-1)), num(21, 4, (uptime+100*24*3600*1000)&(1<<32-1))}, at(-5 * time.Second), at(0), false},
		{"start and duration in milliseconds", v10, []fieldValue{num(152, 8, ms(-time.Minute)), num(161, 4, 2345)}, at(-time.Minute), at(-time.Minute + 2345*time.Millisecond), false},
		{"duration in microseconds alone", v10, []fieldValue{num(162, 4, 2_345_000)}, at(-2345 * time.Millisecond), at(0), false},
		{"end and duration", v10, []fieldValue{num(153, 8, ms(-time.Minute)), num(161, 4, 1000)}, at(-time.Minute - time.Second), at(-time.Minute), false},
		{"start alone lasts until the export", v10, []fieldValue{num(152, 8, ms(-time.Minute))}, at(-time.Minute), at(0), false},
		{"start after the export, alone", v10, []fieldValue{num(152, 8, ms(time.Minute))}, at(time.Minute), at(time.Minute), false},
		{"end alone", v10, []fieldValue{num(153, 8, ms(-time.Minute))}, at(-time.Minute), at(-time.Minute), false},
		{"start and event (NSEL)", v9, []fieldValue{num(152, 8, ms(-time.Minute)), num(323, 8, ms(-time.Second))}, at(-time.Minute), at(-time.Second), false},
		{"event alone", v10, []fieldValue{num(323, 8, ms(-time.Second))}, at(-time.Second), at(-time.Second), false},

		{"duration of 4,294,967 s (RouterOS)", v10, []fieldValue{num(152, 8, ms(-4_294_967*time.Second)), num(153, 8, ms(0))}, at(0), at(0), true},
		{"start in the far future", v10, []fieldValue{num(152, 8, ms(50*day)), num(153, 8, ms(0))}, at(0), at(0), true},
		{"end in the far future", v10, []fieldValue{num(152, 8, ms(-time.Second)), num(153, 8, ms(50*day))}, at(-time.Second), at(-time.Second), true},
		{"both in the far future", v10, []fieldValue{num(152, 8, ms(50*day)), num(153, 8, ms(51*day))}, at(0), at(0), true},
		{"never set", v10, []fieldValue{num(152, 8, 0), num(153, 8, 0)}, at(0), at(0), true},
		{"all ones", v10, []fieldValue{num(152, 8, 1<<64-1), num(153, 8, 1<<64-1)}, at(0), at(0), true},
		{"all ones in seconds", v10, []fieldValue{num(150, 8, 1<<64-1), num(151, 8, 1<<63)}, at(0), at(0), true},
		{"end two days before start", v10, []fieldValue{num(152, 8, ms(0)), num(153, 8, ms(-2*day))}, at(-2 * day), at(-2 * day), true},
		{"end a moment before start", v10, []fieldValue{num(152, 8, ms(0)), num(153, 8, ms(-15*time.Millisecond))}, at(0), at(-15 * time.Millisecond), false},
		{"a flow of a week", v10, []fieldValue{num(152, 8, ms(-7*day)), num(153, 8, ms(0))}, at(-7 * day), at(0), false},
		{"traffic of years ago", v10, []fieldValue{num(152, 8, ms(-6000*day)), num(153, 8, ms(-6000*day))}, at(-6000 * day), at(-6000 * day), false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d, b := newDecoder(t), new(decoder.Batch)
			if err := d.Decode(receivedMs, testSource, flowMessage(c.version, 1, 256, c.fields...), b); err != nil {
				t.Fatal(err)
			}
			if b.TimeFlowStart[0] != c.start || b.TimeFlowEnd[0] != c.end {
				t.Errorf("from %d to %d, want %d to %d (relative to the export time)", b.TimeFlowStart[0]-receivedMs, b.TimeFlowEnd[0]-receivedMs, c.start-receivedMs, c.end-receivedMs)
			}
			if clamped := d.Total().TimesClamped; clamped != 0 != c.clamped {
				t.Errorf("%d rows counted as clamped", clamped)
			}
		})
	}
}

// TestClocksThatDiffer wants times untouched when the exporter's clock is wrong.
func TestClocksThatDiffer(t *testing.T) {
	for _, skew := range []time.Duration{-30 * 365 * 24 * time.Hour, -time.Hour, 0, 5 * time.Hour, 3650 * 24 * time.Hour} {
		export := time.UnixMilli(receivedMs).Add(skew)
		h := generate.Header{Version: generate.NetFlowV9, Domain: 1, Export: export, Uptime: time.Hour}
		flow := generate.Flow{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2"), Start: export.Add(-time.Minute), End: export}
		template := generate.V9IPv4(256)
		d, b := newDecoder(t), new(decoder.Batch)
		d.Decode(receivedMs, testSource, generate.New(h).Templates(template).Data(256, template.Record(h, &flow)).Bytes(), b)
		if b.TimeFlowStart[0] != flow.Start.UnixMilli() || b.TimeFlowEnd[0] != flow.End.UnixMilli() || d.Total().TimesClamped != 0 {
			t.Errorf("clock off by %s: flow from %d to %d", skew, b.TimeFlowStart[0], b.TimeFlowEnd[0])
		}
		if got := d.Exporters()[0].ClockSkewMs; got != skew.Milliseconds() {
			t.Errorf("clock off by %s is reported as %d ms", skew, got)
		}
	}
}

// TestSystemInitTime wants uptimes of IPFIX counted from what options data told,
// of the same domain or of another.
func TestSystemInitTime(t *testing.T) {
	boot := uint64(receivedMs - 3_600_000)
	for _, told := range []uint32{1, 2} {
		d, b := newDecoder(t), new(decoder.Batch)
		d.Decode(receivedMs, testSource, optionsMessage(10, told, 338, []fieldValue{num(149, 4, uint64(told))}, []fieldValue{num(160, 8, boot)}), b)
		d.Decode(receivedMs, testSource, flowMessage(10, 1, 256, num(22, 4, 3_590_000), num(21, 4, 3_599_000)), b)
		if b.TimeFlowStart[0] != receivedMs-10_000 || b.TimeFlowEnd[0] != receivedMs-1000 {
			t.Errorf("told by domain %d: from %d to %d", told, b.TimeFlowStart[0]-receivedMs, b.TimeFlowEnd[0]-receivedMs)
		}
	}
}
