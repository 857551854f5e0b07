package netflow

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/decoder/netflow/generate"
)

// What one datagram may cost.
const (
	maxDatagramTime   = 10 * time.Millisecond // of processor time
	maxDatagramOctets = 1 << 20               // allocated, a new batch included
)

var testSource = netip.MustParseAddrPort("192.0.2.1:50000")

func header(version uint16) generate.Header {
	return generate.Header{Version: version, Domain: 1, Export: time.UnixMilli(receivedMs), Uptime: time.Hour}
}

func message9() *generate.Message { return generate.New(header(generate.NetFlowV9)) }

func message10() *generate.Message { return generate.New(header(generate.IPFIX)) }

// repeated returns n times the same field.
func repeated(n int, f generate.Field) []generate.Field {
	fields := make([]generate.Field, n)
	for i := range fields {
		fields[i] = f
	}
	return fields
}

func octets(n int, v byte) []byte { return bytes.Repeat([]byte{v}, n) }

func fromHex(t testing.TB, text string) []byte {
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type hostileCase struct {
	name      string
	datagrams [][]byte
	rows      int      // that must come of it, at most maxRows for each datagram
	reasons   []Reason // that must be counted
}

// hostileCases are datagrams made to make a collector loop, allocate or crash.
func hostileCases(t testing.TB) []hostileCase {
	one := generate.Field{ID: 5, Length: 1}
	data := func(id uint16, octets []byte) []byte { return message9().Data(id, octets).Bytes() }
	cases := []hostileCase{
		{"v9 template without fields, and data, in one datagram",
			[][]byte{fromHex(t, "00090002000003e86955b9000000000100000000000000080100000001000004")}, 0, []Reason{ReasonBadTemplate, ReasonUnknownTemplate}},
		{"v9 template of zero-length fields",
			[][]byte{message9().Templates(generate.Template{ID: 256, Fields: repeated(3, generate.Field{ID: 1})}).Data(256).Bytes(), data(256, octets(40, 1))},
			0, []Reason{ReasonBadTemplate, ReasonUnknownTemplate}},
		{"v9 options template without fields",
			[][]byte{message9().Templates(generate.Template{ID: 256, Scopes: []generate.Field{}}).Data(256).Bytes()}, 0, []Reason{ReasonBadTemplate}},
		{"IPFIX options template of zero-length fields",
			[][]byte{message10().Templates(generate.Template{ID: 256, Scopes: []generate.Field{{ID: 149}}, Fields: []generate.Field{{ID: 34}}}).Data(256).Bytes()},
			0, []Reason{ReasonBadTemplate}},
		{"IPFIX options template with more scopes than fields",
			[][]byte{message10().Set(3, []byte{1, 0, 0, 1, 0, 2, 0, 149, 0, 4}).Bytes()}, 0, []Reason{ReasonBadTemplate}},
		{"IPFIX withdrawal, then data",
			[][]byte{message10().Templates(generate.IPFIXIPv4(256)).Withdraw(256, false).Data(256, octets(71, 1)).Bytes()}, 0, []Reason{ReasonUnknownTemplate}},
		{"template of one octet and 340 zero-length fields",
			[][]byte{message9().Templates(generate.Template{ID: 256, Fields: append(repeated(340, generate.Field{ID: 1}), one)}).Bytes(), data(256, octets(1400, 1))},
			1400, nil},
		{"template of one octet and 16,000 zero-length fields",
			[][]byte{message9().Templates(generate.Template{ID: 256, Fields: append(repeated(16_000, generate.Field{ID: 1}), one)}).Bytes(), data(256, octets(4096, 1))},
			0, []Reason{ReasonTemplateTooLarge, ReasonUnknownTemplate}},
		{"field count 65535", [][]byte{message9().Set(0, []byte{1, 0, 0xff, 0xff}).Bytes()}, 0, []Reason{ReasonBadTemplate}},
		{"v5 count 65535 in a header without records",
			[][]byte{append([]byte{0, 5, 0xff, 0xff}, octets(20, 0)...)}, 0, []Reason{ReasonLength}},
		{"IPFIX template with only variable-length fields",
			[][]byte{message10().Templates(generate.Template{ID: 256, Fields: repeated(2, generate.Field{ID: 82, Length: generate.Variable})}).
				Data(256, []byte{1, 'a', 2, 'b', 'c'}).Bytes()}, 1, nil},
	}
	return append(cases, floods()...)
}

// floods are datagrams of the largest size, full of whatever costs most.
func floods() []hostileCase {
	const full = 64_000
	many := func(record []byte) [][]byte {
		var records [][]byte
		for size := 0; size < full; size += len(record) {
			records = append(records, record)
		}
		return records
	}
	octet := generate.Template{ID: 256, Fields: []generate.Field{{ID: 5, Length: 1}}}
	var templates []generate.Template
	for id := range 7000 {
		templates = append(templates, generate.Template{ID: uint16(256 + id), Fields: []generate.Field{{ID: 5, Length: 1}}})
	}
	wide := generate.Template{ID: 256, Fields: repeated(512, generate.Field{ID: 82, Length: generate.Variable})}
	mixed := generate.Template{ID: 256, Fields: append(repeated(250, generate.Field{ID: 8, Length: 4}), repeated(250, generate.Field{ID: 28, Length: 16})...)}
	frames := generate.Template{ID: 256, Fields: []generate.Field{{ID: 315, Length: generate.Variable}, {ID: 70, Length: 3}}}
	names := generate.Template{ID: 256, Scopes: []generate.Field{{ID: 10, Length: 4}}, Fields: []generate.Field{{ID: 82, Length: 20}}}
	domains := generate.Template{ID: 256, Scopes: []generate.Field{{ID: 149, Length: 4}}, Fields: []generate.Field{{ID: 34, Length: 4}}}
	biflow := generate.Template{ID: 256, Fields: []generate.Field{{ID: 231, Length: 1}, {ID: 232, Length: 1}}}
	numbered := func(length int) [][]byte {
		records := many(make([]byte, length))
		for i := range records {
			records[i] = binary.BigEndian.AppendUint32(nil, uint32(i))
			records[i] = append(records[i], octets(length-4, byte('a'+i%26))...)
		}
		return records
	}
	sets := message10()
	for sets.Len() < full {
		sets.Data(uint16(300+sets.Len()%40_000), []byte{})
	}
	withdrawals := message10().Templates(templates[:100]...)
	for withdrawals.Len() < full {
		withdrawals.Withdraw(2, false)
	}
	rateThenData := message10().Templates(domains).Templates(generate.Template{ID: 257, Fields: octet.Fields})
	for i := 0; rateThenData.Len() < full; i++ {
		rateThenData.Data(256, binary.BigEndian.AppendUint64(nil, uint64(i)<<32|uint64(1+i))).Data(257, []byte{1})
	}
	return []hostileCase{
		{"records of one octet", [][]byte{message9().Templates(octet).Bytes(), message9().Data(256, octets(full, 1)).Bytes()}, maxRows, []Reason{ReasonTooManyRows}},
		{"templates", [][]byte{message9().Templates(templates...).Bytes(), message9().Templates(templates...).Bytes(), message9().Templates(templates...).Bytes()},
			0, []Reason{ReasonTooManyTemplates}},
		{"records of 512 variable-length fields", [][]byte{message10().Templates(wide).Bytes(), message10().Data(256, octets(full, 0)).Bytes()}, 125, nil},
		{"a mixed template", [][]byte{message10().Templates(mixed).Bytes(), message10().Data(256, octets(full, 1)).Bytes()}, 12, nil},
		{"tiny frames", [][]byte{message10().Templates(frames).Bytes(), message10().Data(256, many([]byte{2, 8, 0, 1, 2, 16})...).Bytes()}, maxRows, []Reason{ReasonTooManyRows}},
		{"names", [][]byte{message10().Templates(names).Bytes(), message10().Data(256, numbered(24)...).Bytes()}, 0, []Reason{ReasonTooManyRows}},
		{"rates of many domains", [][]byte{message10().Templates(domains).Bytes(), message10().Data(256, numbered(8)...).Bytes()}, 0, []Reason{ReasonTooManyRows}},
		{"flows of two directions", [][]byte{message10().Templates(biflow).Bytes(), message10().Data(256, octets(full, 1)).Bytes()}, maxRows, []Reason{ReasonTooManyRows}},
		{"sets without template", [][]byte{sets.Bytes(), sets.Bytes()}, 0, []Reason{ReasonWaitingFull}},
		{"withdrawals", [][]byte{withdrawals.Bytes()}, 0, nil},
		{"rates and data in turns", [][]byte{rateThenData.Bytes()}, maxRows, []Reason{ReasonTooManyRows}},
		{"waiting data of one-octet records", [][]byte{message9().Data(256, octets(full, 1)).Bytes(), message9().Data(256, octets(full, 1)).Bytes(),
			message9().Templates(octet).Bytes(), message9().Bytes(), message9().Bytes()}, 2 * maxRows, []Reason{ReasonTooManyRows}},
	}
}

func TestHostileDatagrams(t *testing.T) {
	for _, c := range hostileCases(t) {
		t.Run(c.name, func(t *testing.T) {
			d := newDecoder(t)
			rows := 0
			for i, datagram := range c.datagrams {
				b := new(decoder.Batch)
				octets := allocated(func() { d.Decode(receivedMs, testSource, datagram, b) })
				if octets > maxDatagramOctets {
					t.Errorf("datagram %d of %d octets allocates %d octets", i, len(datagram), octets)
				}
				if b.Len() > maxRows {
					t.Errorf("datagram %d brings %d rows", i, b.Len())
				}
				rows += b.Len()
			}
			d.Expire(receivedMs + Default().MaxWaiting.Milliseconds() + 1)
			if rows != c.rows {
				t.Errorf("%d rows, want %d", rows, c.rows)
			}
			counters := d.Total()
			for _, reason := range c.reasons {
				if counters.Dropped[reason] == 0 {
					t.Errorf("%s is not counted", reason)
				}
			}
		})
	}
}

// TestHostileDatagramsTakeNoTime wants each datagram decoded in a bounded
// processor time, of which the least of several tries counts.
func TestHostileDatagramsTakeNoTime(t *testing.T) {
	for _, c := range hostileCases(t) {
		least := make([]time.Duration, len(c.datagrams))
		for try := range 5 {
			d := newDecoder(t)
			for i, datagram := range c.datagrams {
				b := new(decoder.Batch)
				start := processorTime(t)
				d.Decode(receivedMs, testSource, datagram, b)
				if took := processorTime(t) - start; try == 0 || took < least[i] {
					least[i] = took
				}
			}
		}
		for i, took := range least {
			if took > slowdown*maxDatagramTime {
				t.Errorf("%s: datagram %d takes %s", c.name, i, took)
			}
		}
	}
}

// allocated returns how many octets f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// processorTime returns the processor time that the process has used.
func processorTime(t testing.TB) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// Rates that an exporter announces for more interfaces than any router has are
// bounded for all its domains together; what is known can still change.
func TestAnnouncedRatesAreBounded(t *testing.T) {
	d, err := New(Default())
	if err != nil {
		t.Fatal(err)
	}
	var b decoder.Batch
	announce := func(domain, first, rate uint32, interfaces int) {
		t.Helper()
		h := header(generate.IPFIX)
		h.Domain = domain
		records := make([][]byte, interfaces)
		for i := range records {
			records[i] = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, first+uint32(i)), rate)
		}
		m := generate.New(h).Templates(generate.Template{ID: 256, Scopes: []generate.Field{{ID: 10, Length: 4}}, Fields: []generate.Field{{ID: 34, Length: 4}}}).Data(256, records...)
		if err := d.Decode(receivedMs, testSource, m.Bytes(), &b); err != nil {
			t.Fatal(err)
		}
	}
	for domain := range uint32(40) {
		for first := range uint32(2) {
			announce(domain, 1+first*1000, 100+domain, 1000)
		}
	}
	announce(3, 7, 9999, 1)
	rates := &d.order[0].rates
	known := 0
	for _, dom := range d.order[0].domains {
		known += len(dom.rates.interfaces)
	}
	if known != maxExporterRates || rates.entries != known {
		t.Errorf("%d rates are kept, %d counted, of %d at most", known, rates.entries, maxExporterRates)
	}
	if rates.announced[9999] != 1 {
		t.Error("a known interface cannot change its rate any more")
	}
}
