package netflow

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/decoder/netflow/generate"
)

// value writes a number into so many octets.
func value(length int, v uint64) []byte {
	return binary.BigEndian.AppendUint64(nil, v)[8-length:]
}

// A fieldValue is a field with what stands in it.
type fieldValue struct {
	id     uint16
	octets []byte
}

func num(id uint16, length int, v uint64) fieldValue { return fieldValue{id, value(length, v)} }

func text(id uint16, s string) fieldValue { return fieldValue{id, []byte(s)} }

func fieldsOf(values []fieldValue) (fields []generate.Field, record []byte) {
	fields = []generate.Field{}
	for _, v := range values {
		fields = append(fields, generate.Field{ID: v.id, Length: uint16(len(v.octets))})
		record = append(record, v.octets...)
	}
	return fields, record
}

// optionsMessage is a datagram with an options template and one record for it.
func optionsMessage(version uint16, domain uint32, id uint16, scopes, values []fieldValue) []byte {
	h := header(version)
	h.Domain = domain
	scopeFields, scopeOctets := fieldsOf(scopes)
	fields, octets := fieldsOf(values)
	return generate.New(h).Templates(generate.Template{ID: id, Scopes: scopeFields, Fields: fields}).
		Data(id, append(scopeOctets, octets...)).Bytes()
}

// flowMessage is a datagram with a template and one flow record.
func flowMessage(version uint16, domain uint32, id uint16, values ...fieldValue) []byte {
	h := header(version)
	h.Domain = domain
	values = append([]fieldValue{num(8, 4, 0x0a000001), num(10, 4, 7), num(14, 4, 9)}, values...)
	fields, octets := fieldsOf(values)
	return generate.New(h).Templates(generate.Template{ID: id, Fields: fields}).Data(id, octets).Bytes()
}

func v5Message(interval uint16) []byte {
	flow := generate.Flow{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2"), InIf: 7, OutIf: 9,
		NextHop: netip.MustParseAddr("10.0.0.3"), Start: header(5).Export, End: header(5).Export}
	return generate.V5(header(generate.NetFlowV5), interval, []generate.Flow{flow})
}

func pointer(v uint32) *uint32 { return &v }

// TestSamplingRates sends announcements and then a flow, whose rate must come
// from the strongest source.
func TestSamplingRates(t *testing.T) {
	const v9, v10 = generate.NetFlowV9, generate.IPFIX
	none := []fieldValue{}
	system := []fieldValue{num(1, 4, 0)}
	sampler9 := func(domain uint32, id, rate uint64) []byte {
		return optionsMessage(v9, domain, 257, system, []fieldValue{num(48, 2, id), num(49, 1, 2), num(50, 4, rate)})
	}
	anyExporter := netip.MustParsePrefix("0.0.0.0/0")
	override := func(o ...SamplingOverride) func(*Config) {
		return func(c *Config) { c.SamplingOverrides = o }
	}
	cases := []struct {
		name      string
		config    func(*Config)
		datagrams [][]byte // the last one has the flow
		rate      uint32
		origin    Origin
	}{
		{"nothing told", nil, [][]byte{flowMessage(v9, 1, 256)}, 1, OriginUnknown},
		{"configured default", func(c *Config) { c.DefaultSamplingRate = 50 }, [][]byte{flowMessage(v9, 1, 256)}, 50, OriginConfigured},
		{"v5 header without its mode bits", nil, [][]byte{v5Message(1000)}, 1000, OriginHeader},
		{"v5 header that tells nothing", func(c *Config) { c.DefaultSamplingRate = 50 }, [][]byte{v5Message(0)}, 50, OriginConfigured},
		{"v9 options, scope of length 0 (Juniper)", nil,
			[][]byte{optionsMessage(v9, 1, 257, []fieldValue{{1, nil}}, []fieldValue{num(35, 1, 2), num(34, 4, 100)}), flowMessage(v9, 1, 256)}, 100, OriginOptions},
		{"v9 two samplers (IOS XR), the record's", nil, [][]byte{sampler9(1, 1, 2000), sampler9(1, 2, 4000), flowMessage(v9, 1, 256, num(48, 2, 2))}, 4000, OriginOptions},
		{"v9 sampler of 1 octet announced, of 4 in the record (IOS)", nil,
			[][]byte{optionsMessage(v9, 1, 257, system, []fieldValue{num(48, 1, 3), num(49, 1, 2), num(50, 4, 300)}), flowMessage(v9, 1, 256, num(48, 4, 3))}, 300, OriginOptions},
		{"v9 sampler announced in another domain (Catalyst 9300)", nil, [][]byte{sampler9(512, 5, 500), sampler9(512, 6, 600), flowMessage(v9, 1, 256, num(48, 4, 5))}, 500, OriginOptions},
		{"the sampler of the own domain before that of another", nil, [][]byte{sampler9(1, 5, 100), sampler9(2, 5, 200), flowMessage(v9, 1, 256, num(48, 4, 5))}, 100, OriginOptions},
		{"one sampler known, the record tells none", nil, [][]byte{sampler9(2, 5, 500), flowMessage(v9, 1, 256)}, 500, OriginOptions},
		{"two samplers known, the record tells none", nil, [][]byte{sampler9(1, 1, 500), sampler9(1, 2, 600), flowMessage(v9, 1, 256)}, 1, OriginUnknown},
		{"a sampler that is announced anew", nil, [][]byte{sampler9(1, 1, 500), sampler9(1, 1, 600), flowMessage(v9, 1, 256, num(48, 1, 1))}, 600, OriginOptions},
		{"IPFIX selector as scope, population over size (IOS XR)", nil,
			[][]byte{optionsMessage(v10, 1, 257, []fieldValue{num(302, 4, 1)}, []fieldValue{num(305, 4, 1), num(304, 2, 3), num(309, 4, 1), num(310, 4, 256)}), flowMessage(v10, 1, 256, num(302, 4, 1))}, 256, OriginOptions},
		{"IPFIX interval and space by template (Nokia)", nil,
			[][]byte{optionsMessage(v10, 1, 257, []fieldValue{num(149, 4, 1), num(145, 2, 256)}, []fieldValue{num(304, 2, 1), num(305, 4, 1), num(306, 4, 9)}),
				optionsMessage(v10, 1, 258, []fieldValue{num(149, 4, 1), num(145, 2, 300)}, []fieldValue{num(304, 2, 1), num(305, 4, 1), num(306, 4, 999)}), flowMessage(v10, 1, 256)}, 10, OriginOptions},
		{"IPFIX for a domain that the scope names", nil,
			[][]byte{optionsMessage(v10, 9, 257, []fieldValue{num(149, 4, 2)}, []fieldValue{num(34, 4, 20)}), optionsMessage(v10, 9, 257, []fieldValue{num(149, 4, 3)}, []fieldValue{num(34, 4, 30)}), flowMessage(v10, 3, 256)}, 30, OriginOptions},
		{"IPFIX interval of 2 octets (softflowd)", nil,
			[][]byte{optionsMessage(v10, 1, 257, []fieldValue{num(143, 4, 0)}, []fieldValue{num(160, 8, 1), num(304, 2, 1), num(305, 2, 1), num(306, 4, 9)}), flowMessage(v10, 1, 256)}, 10, OriginOptions},
		{"IPFIX interval with space 0: everything", nil,
			[][]byte{optionsMessage(v10, 1, 257, []fieldValue{num(143, 4, 0)}, []fieldValue{num(305, 4, 5), num(306, 4, 0)}), flowMessage(v10, 1, 256)}, 1, OriginOptions},
		{"IPFIX probability", nil,
			[][]byte{optionsMessage(v10, 1, 257, []fieldValue{num(143, 4, 0)}, []fieldValue{num(311, 8, math.Float64bits(0.001))}), flowMessage(v10, 1, 256)}, 1000, OriginOptions},
		{"IPFIX flow sampling", nil,
			[][]byte{optionsMessage(v10, 1, 257, []fieldValue{num(143, 4, 0)}, []fieldValue{num(396, 4, 1), num(397, 4, 3)}), flowMessage(v10, 1, 256)}, 4, OriginOptions},
		{"interface as scope", nil,
			[][]byte{optionsMessage(v9, 1, 257, []fieldValue{num(2, 4, 7)}, []fieldValue{num(34, 4, 70)}), optionsMessage(v9, 1, 257, []fieldValue{num(2, 4, 8)}, []fieldValue{num(34, 4, 80)}), flowMessage(v9, 1, 256)}, 70, OriginOptions},
		{"interface 0 is the whole exporter (softflowd)", nil,
			[][]byte{optionsMessage(v9, 1, 257, []fieldValue{num(2, 4, 0)}, []fieldValue{num(34, 4, 70)}), flowMessage(v9, 1, 256)}, 70, OriginOptions},
		{"the record's interval before what is announced (Huawei)", nil, [][]byte{sampler9(1, 1, 500), flowMessage(v9, 1, 256, num(34, 4, 2048), num(35, 1, 1))}, 2048, OriginRecord},
		{"the record's interval of 0 tells nothing (H3C)", nil, [][]byte{sampler9(1, 1, 500), flowMessage(v9, 1, 256, num(34, 4, 0))}, 500, OriginOptions},
		{"the record's interval and space", nil, [][]byte{flowMessage(v10, 1, 256, num(305, 4, 1), num(306, 4, 99))}, 100, OriginRecord},
		{"little-endian interval (RouterOS 6)", func(c *Config) { c.LittleEndianSampling = []netip.Prefix{anyExporter} },
			[][]byte{flowMessage(v9, 1, 256, num(34, 4, 0xe8030000))}, 1000, OriginRecord},
		{"little-endian interval in options", func(c *Config) { c.LittleEndianSampling = []netip.Prefix{anyExporter} },
			[][]byte{optionsMessage(v9, 1, 257, system, []fieldValue{num(34, 4, 0xe8030000)}), flowMessage(v9, 1, 256)}, 1000, OriginOptions},
		{"override before everything", override(SamplingOverride{Exporters: anyExporter, Rate: 3}), [][]byte{sampler9(1, 1, 500), flowMessage(v9, 1, 256, num(34, 4, 2048))}, 3, OriginConfigured},
		{"override of v5", override(SamplingOverride{Exporters: anyExporter, Rate: 3}), [][]byte{v5Message(1000)}, 3, OriginConfigured},
		{"the longest prefix", override(SamplingOverride{Exporters: anyExporter, Rate: 3}, SamplingOverride{Exporters: netip.MustParsePrefix("192.0.2.0/24"), Rate: 4}),
			[][]byte{flowMessage(v9, 1, 256)}, 4, OriginConfigured},
		{"the domain before the prefix", override(SamplingOverride{Exporters: anyExporter, Domain: pointer(1), Rate: 5}, SamplingOverride{Exporters: netip.MustParsePrefix("192.0.2.0/24"), Rate: 4}),
			[][]byte{flowMessage(v9, 1, 256)}, 5, OriginConfigured},
		{"the interface before the domain", override(SamplingOverride{Exporters: anyExporter, Domain: pointer(1), Rate: 5}, SamplingOverride{Exporters: anyExporter, Interface: pointer(7), Rate: 6}),
			[][]byte{flowMessage(v9, 1, 256)}, 6, OriginConfigured},
		{"override of another interface", override(SamplingOverride{Exporters: anyExporter, Interface: pointer(8), Rate: 6}), [][]byte{sampler9(1, 1, 500), flowMessage(v9, 1, 256)}, 500, OriginOptions},
		{"override of v5 by interface", override(SamplingOverride{Exporters: anyExporter, Interface: pointer(7), Rate: 6}), [][]byte{v5Message(100)}, 6, OriginConfigured},
		{"override of another exporter", override(SamplingOverride{Exporters: netip.MustParsePrefix("198.51.100.0/24"), Rate: 6}), [][]byte{flowMessage(v9, 1, 256)}, 1, OriginUnknown},
		{"larger than a column", nil, [][]byte{flowMessage(v10, 1, 256, num(309, 4, 1), num(310, 8, 1<<40))}, math.MaxUint32, OriginRecord},
		{"options without scope values", nil, [][]byte{optionsMessage(v9, 1, 257, none, []fieldValue{num(34, 4, 5)}), flowMessage(v9, 1, 256)}, 5, OriginOptions},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := newDecoder(t)
			if c.config != nil {
				d = newDecoder(t, c.config)
			}
			b := new(decoder.Batch)
			for _, datagram := range c.datagrams {
				b.Reset()
				if err := d.Decode(receivedMs, testSource, datagram, b); err != nil {
					t.Fatal(err)
				}
			}
			if b.Len() != 1 || b.SamplingRate[0] != c.rate {
				t.Errorf("%d rows, rate %d, want %d", b.Len(), b.SamplingRate[0], c.rate)
			}
			exporter := d.Exporters()[0]
			want := []InterfaceRate{{IfIndex: 7, Rate: c.rate, Origin: c.origin}}
			if !slices.Equal(exporter.SamplingRates, want) {
				t.Errorf("rates in force are %v, want %v", exporter.SamplingRates, want)
			}
			if unknown := exporter.Counters.RateUnknown; unknown != 0 != (c.origin == OriginUnknown) {
				t.Errorf("%d flows of unknown rate", unknown)
			}
		})
	}
}

// TestSamplingRatesOfOneSet wants each row of a data set to have its own rate.
func TestSamplingRatesOfOneSet(t *testing.T) {
	d, b := newDecoder(t), new(decoder.Batch)
	for id, rate := range map[uint64]uint64{1: 100, 2: 200} {
		d.Decode(receivedMs, testSource, optionsMessage(9, 1, 257, []fieldValue{num(1, 4, 0)}, []fieldValue{num(48, 1, id), num(50, 4, rate)}), b)
	}
	template := generate.Template{ID: 256, Fields: []generate.Field{{ID: 48, Length: 1}, {ID: 10, Length: 1}, {ID: 34, Length: 2}}}
	records := [][]byte{{1, 1, 0, 0}, {2, 2, 0, 0}, {2, 2, 0, 9}, {3, 3, 0, 0}, {1, 1, 0, 0}}
	d.Decode(receivedMs, testSource, message9().Templates(template).Data(256, records...).Bytes(), b)
	if want := []uint32{100, 200, 9, 1, 100}; !slices.Equal(b.SamplingRate[:b.Len()], want) {
		t.Errorf("rates are %v, want %v", b.SamplingRate[:b.Len()], want)
	}
	want := []InterfaceRate{{1, 100, OriginOptions}, {2, 9, OriginRecord}, {3, 1, OriginUnknown}}
	if got := d.Exporters()[0].SamplingRates; !slices.Equal(got, want) {
		t.Errorf("rates in force are %v, want %v", got, want)
	}
}

func TestConfigIsValidated(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Errorf("the default is not valid: %v", err)
	}
	for _, c := range []struct {
		name   string
		change func(*Config)
		says   string
	}{
		{"no exporters", func(c *Config) { c.MaxExporters = 0 }, "max_exporters"},
		{"too many fields", func(c *Config) { c.MaxFields = 10_000 }, "max_fields"},
		{"negative expiry", func(c *Config) { c.TemplateExpiry = -1 }, "template_expiry"},
		{"negative waiting", func(c *Config) { c.MaxWaiting = -1 }, "waiting_time"},
		{"negative exporter expiry", func(c *Config) { c.ExporterExpiry = -1 }, "exporter_expiry"},
		{"override with rate 0", func(c *Config) {
			c.SamplingOverrides = []SamplingOverride{{Exporters: netip.MustParsePrefix("10.0.0.0/8")}}
		}, "10.0.0.0/8"},
		{"override without exporters", func(c *Config) { c.SamplingOverrides = []SamplingOverride{{Rate: 1}} }, "prefix"},
		{"invalid prefix", func(c *Config) { c.SharedAddresses = []netip.Prefix{{}} }, "prefix"},
	} {
		config := Default()
		c.change(&config)
		if _, err := New(config); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v does not speak of %q", c.name, err, c.says)
		}
	}
}

func TestStatusIsJSON(t *testing.T) {
	d := newDecoder(t)
	d.Decode(receivedMs, testSource, flowMessage(9, 1, 256), new(decoder.Batch))
	d.Decode(receivedMs, testSource, []byte{0, 2, 0, 0}, new(decoder.Batch))
	octets, err := json.Marshal(d.Exporters())
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"address":"192.0.2.1"`, `"domains":[{"version":9,"id":1,"templates":1}]`, `"dropped":{"unknown_version":1}`,
		`"sampling_rates":[{"if_index":7,"rate":1,"origin":"unknown"}]`, fmt.Sprintf(`"first_seen_ms":%d`, receivedMs), `"sampling_rate_unknown":1`} {
		if !strings.Contains(string(octets), part) {
			t.Errorf("no %s in %s", part, octets)
		}
	}
}
