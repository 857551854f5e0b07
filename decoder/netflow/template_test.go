package netflow

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/decoder/netflow/generate"
)

// octetsTemplate has one field, the octets, in so many octets.
func octetsTemplate(id, length uint16) generate.Template {
	return generate.Template{ID: id, Fields: []generate.Field{{ID: 1, Length: length}}}
}

// decodeBytes decodes datagrams and returns the column of octets.
func decodeBytes(d *Decoder, datagrams ...[]byte) []uint64 {
	b := new(decoder.Batch)
	for _, datagram := range datagrams {
		d.Decode(receivedMs, testSource, datagram, b)
	}
	return slices.Clone(b.Bytes[:b.Len()])
}

func expectBytes(t *testing.T, got []uint64, want ...uint64) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("octets of the rows are %d, want %d", got, want)
	}
}

func TestTemplateLife(t *testing.T) {
	without := func(c *Config) { c.MaxWaiting = 0 }
	t.Run("redefinition takes effect at once", func(t *testing.T) {
		got := decodeBytes(newDecoder(t), message10().Templates(octetsTemplate(256, 2)).Data(256, []byte{1, 1, 0, 2}).
			Templates(octetsTemplate(256, 1)).Data(256, []byte{3, 4}).Bytes())
		expectBytes(t, got, 257, 2, 3, 4)
	})
	t.Run("withdrawal of one", func(t *testing.T) {
		got := decodeBytes(newDecoder(t, without), message10().Templates(octetsTemplate(256, 1), octetsTemplate(257, 1)).Withdraw(256, false).
			Data(256, []byte{1}).Data(257, []byte{2}).Bytes())
		expectBytes(t, got, 2)
	})
	t.Run("withdrawal of all", func(t *testing.T) {
		d := newDecoder(t, without)
		options, _ := generate.Sampler(10, 300, 1, 10)
		got := decodeBytes(d, message10().Templates(octetsTemplate(256, 1), octetsTemplate(257, 1)).Templates(options).Withdraw(2, false).
			Data(256, []byte{1}).Data(257, []byte{2}).Bytes())
		expectBytes(t, got)
		if left := d.Templates(testSource.Addr()); len(left) != 1 || left[0].ID != 300 {
			t.Errorf("left are %v", left)
		}
		decodeBytes(d, message10().Withdraw(3, true).Bytes())
		if left := d.Templates(testSource.Addr()); len(left) != 0 {
			t.Errorf("left are %v", left)
		}
	})
	t.Run("v9 knows no withdrawal", func(t *testing.T) {
		d := newDecoder(t)
		got := decodeBytes(d, message9().Templates(octetsTemplate(256, 4)).Bytes(), message9().Set(0, []byte{1, 0, 0, 0}).Bytes(), message9().Data(256, []byte{0, 0, 0, 9}).Bytes())
		if d.Total().Dropped[ReasonBadTemplate] != 1 {
			t.Error("a template without fields is not counted")
		}
		expectBytes(t, got) // and it takes its predecessor with it
	})
	t.Run("same ID in another domain", func(t *testing.T) {
		h := header(10)
		h.Domain = 2
		got := decodeBytes(newDecoder(t), message10().Templates(octetsTemplate(256, 1)).Bytes(), generate.New(h).Templates(octetsTemplate(256, 2)).Bytes(),
			message10().Data(256, []byte{1, 2}).Bytes(), generate.New(h).Data(256, []byte{1, 2}).Bytes())
		expectBytes(t, got, 1, 2, 258)
	})
	t.Run("expiry", func(t *testing.T) {
		d := newDecoder(t, without, func(c *Config) { c.TemplateExpiry = time.Minute })
		b := new(decoder.Batch)
		d.Decode(receivedMs, testSource, message10().Templates(octetsTemplate(256, 1)).Bytes(), b)
		d.Decode(receivedMs+60_000, testSource, message10().Data(256, []byte{1}).Bytes(), b)
		d.Decode(receivedMs+60_001, testSource, message10().Data(256, []byte{1}).Bytes(), b)
		if b.Len() != 1 || d.Total().Dropped[ReasonUnknownTemplate] != 1 {
			t.Errorf("%d rows, %d sets lost", b.Len(), d.Total().Dropped[ReasonUnknownTemplate])
		}
	})
	t.Run("from another port of the exporter", func(t *testing.T) {
		d, b := newDecoder(t), new(decoder.Batch)
		d.Decode(receivedMs, testSource, message10().Templates(octetsTemplate(256, 1)).Bytes(), b)
		d.Decode(receivedMs, netipWithPort(testSource, 1), message10().Data(256, []byte{7}).Bytes(), b)
		expectBytes(t, b.Bytes[:b.Len()], 7)
	})
	t.Run("exporters that share an address", func(t *testing.T) {
		d := newDecoder(t, func(c *Config) { c.SharedAddresses = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} })
		b, other := new(decoder.Batch), netipWithPort(testSource, 1)
		d.Decode(receivedMs, testSource, message10().Templates(octetsTemplate(256, 1)).Bytes(), b)
		d.Decode(receivedMs, other, message10().Templates(octetsTemplate(256, 2)).Bytes(), b)
		d.Decode(receivedMs, testSource, message10().Data(256, []byte{1, 1}).Bytes(), b)
		d.Decode(receivedMs, other, message10().Data(256, []byte{1, 1}).Bytes(), b)
		expectBytes(t, b.Bytes[:b.Len()], 1, 1, 257)
		if e := d.Exporters(); len(e) != 2 || e[0].Port != testSource.Port() || e[1].Port != 1 {
			t.Errorf("exporters are %v", e)
		}
		if templates := d.Templates(testSource.Addr()); len(templates) != 2 {
			t.Errorf("templates are %v", templates)
		}
	})
}

func TestSetsAndPadding(t *testing.T) {
	template9 := message9().Templates(octetsTemplate(256, 2)).Bytes()
	template10 := message10().Templates(octetsTemplate(256, 2)).Bytes()
	cases := []struct {
		name     string
		datagram []byte
		template []byte
		want     []uint64
		reason   Reason // numReasons: none
	}{
		{"data, template and data", message9().Data(256, []byte{0, 1, 0, 2}).Templates(octetsTemplate(256, 2)).Data(256, []byte{0, 3, 0, 4}).Bytes(), nil, []uint64{3, 4, 1, 2}, Reason(numReasons)},
		{"padding shorter than a record", message10().Data(256, []byte{0, 1, 0}).Bytes(), template10, []uint64{1}, Reason(numReasons)},
		{"a datagram filled with zeros (PAN-OS)", append(message9().Data(256, []byte{0, 1, 0, 2}).Bytes(), octets(1000, 0)...), template9, []uint64{1, 2}, Reason(numReasons)},
		{"three octets after the last set", append(message9().Data(256, []byte{0, 1, 0, 2}).Bytes(), 0, 0, 0), template9, []uint64{1, 2}, Reason(numReasons)},
		{"octets after an IPFIX message", append(message10().Data(256, []byte{0, 1}).Bytes(), octets(20, 7)...), template10, []uint64{1}, Reason(numReasons)},
		{"a set longer than the message", append(message9().Data(256, []byte{0, 1, 0, 2}).Bytes(), 1, 0, 0, 99, 0, 3), template9, []uint64{1, 2}, ReasonBadSet},
		{"a set shorter than its header", append(message9().Data(256, []byte{0, 1, 0, 2}).Bytes(), 1, 0, 0, 3), template9, []uint64{1, 2}, ReasonBadSet},
		{"a reserved set between", message9().Data(256, []byte{0, 1, 0, 2}).Set(77, octets(8, 1)).Data(256, []byte{0, 3, 0, 4}).Bytes(), template9, []uint64{1, 2, 3, 4}, ReasonSetID},
		{"an unknown template between", message10().Data(256, []byte{0, 1}).Data(999, octets(8, 1)).Data(256, []byte{0, 3}).Bytes(), template10, []uint64{1, 3}, Reason(numReasons)},
		{"an empty set", message10().Data(256, []byte{}).Data(256, []byte{0, 3}).Bytes(), template10, []uint64{3}, Reason(numReasons)},
		{"a v9 set ID in IPFIX", message10().Set(0, octets(8, 1)).Data(256, []byte{0, 3}).Bytes(), template10, []uint64{3}, ReasonSetID},
		{"padding after templates", message9().Set(0, []byte{1, 44, 0, 1, 0, 1, 0, 1, 0, 0, 0, 0}).Data(300, []byte{5}).Bytes(), nil, []uint64{5, 0, 0, 0}, Reason(numReasons)},
		{"a cut-off template after a good one", message10().Set(2, []byte{1, 44, 0, 1, 0, 1, 0, 1, 1, 45, 0, 9}).Data(300, []byte{5}).Bytes(), nil, []uint64{5}, ReasonBadTemplate},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := newDecoder(t)
			if c.template != nil {
				decodeBytes(d, c.template)
			}
			expectBytes(t, decodeBytes(d, c.datagram), c.want...)
			for reason, count := range d.Total().Dropped {
				if (count != 0) != (Reason(reason) == c.reason) {
					t.Errorf("%s counted %d times", Reason(reason), count)
				}
			}
		})
	}
}

func TestBadDatagrams(t *testing.T) {
	for _, c := range []struct {
		name     string
		datagram []byte
		reason   Reason
	}{
		{"nothing", nil, ReasonShort},
		{"one octet", []byte{0}, ReasonShort},
		{"half a v5 header", append([]byte{0, 5}, octets(21, 0)...), ReasonShort},
		{"half a v9 header", append([]byte{0, 9}, octets(17, 0)...), ReasonShort},
		{"half an IPFIX header", append([]byte{0, 10}, octets(13, 0)...), ReasonShort},
		{"v1 without records", append([]byte{0, 1}, octets(100, 0)...), ReasonLength},
		{"v1 cut off", append([]byte{0, 1}, octets(10, 0)...), ReasonShort},
		{"v7 cut off", append([]byte{0, 7}, octets(20, 0)...), ReasonShort},
		{"v2", append([]byte{0, 2}, octets(100, 0)...), ReasonVersion},
		{"v8", append([]byte{0, 8}, octets(100, 0)...), ReasonVersion},
		{"IPFIX longer than the datagram", append([]byte{0, 10, 0, 17}, octets(12, 0)...), ReasonLength},
		{"IPFIX shorter than its header", append([]byte{0, 10, 0, 15}, octets(12, 0)...), ReasonLength},
		{"v5 without records", append([]byte{0, 5, 0, 0}, octets(20, 0)...), ReasonLength},
		{"v5 with more records than there are", append([]byte{0, 5, 0, 3}, octets(20+48, 0)...), ReasonLength},
	} {
		d := newDecoder(t)
		err := d.Decode(receivedMs, testSource, c.datagram, new(decoder.Batch))
		var detail *Error
		if !errors.Is(err, c.reason) || !errors.As(err, &detail) || detail.Exporter != testSource {
			t.Errorf("%s: error is %v, want %s", c.name, err, c.reason)
		}
		if got := d.Total(); got.Dropped[c.reason] != 1 || got.Datagrams != 1 {
			t.Errorf("%s: counted %+v", c.name, got)
		}
	}
}

func TestReasonsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Reasons() {
		if r.String() == "" || seen[r.String()] {
			t.Errorf("reason %d is called %q", r, r)
		}
		seen[r.String()] = true
	}
	if len(seen) != numReasons {
		t.Errorf("%d names for %d reasons", len(seen), numReasons)
	}
}

func TestLimits(t *testing.T) {
	t.Run("the least recently used template makes room", func(t *testing.T) {
		d, b := newDecoder(t, func(c *Config) { c.MaxTemplates = 2 }), new(decoder.Batch)
		decode := func(after int64, m *generate.Message) { d.Decode(receivedMs+after, testSource, m.Bytes(), b) }
		decode(0, message10().Templates(octetsTemplate(256, 1), octetsTemplate(257, 1)))
		decode(1, message10().Data(256, []byte{1}))
		decode(2, message10().Templates(octetsTemplate(258, 1)))
		var ids []uint16
		for _, s := range d.Templates(testSource.Addr()) {
			ids = append(ids, s.ID)
		}
		if !slices.Equal(ids, []uint16{256, 258}) {
			t.Errorf("left are %v", ids)
		}
	})
	t.Run("an exporter that is active is not replaced", func(t *testing.T) {
		d, b := newDecoder(t, func(c *Config) { c.MaxExporters, c.ExporterExpiry = 2, time.Minute }), new(decoder.Batch)
		for i := range 2 {
			d.Decode(receivedMs+int64(i), exporterAddress(i), v5Message(1), b)
		}
		if err := d.Decode(receivedMs+60_000-1, exporterAddress(2), v5Message(1), b); !errors.Is(err, ReasonTooManyExporters) {
			t.Errorf("error is %v", err)
		}
		if err := d.Decode(receivedMs+60_000, exporterAddress(3), v5Message(1), b); err != nil {
			t.Errorf("an expired exporter is not replaced: %v", err)
		}
		exporters := d.Exporters()
		if len(exporters) != 2 || exporters[0].Address != exporterAddress(1).Addr() || exporters[1].Address != exporterAddress(3).Addr() {
			t.Errorf("exporters are %v", exporters)
		}
		if got := d.Total(); got.Datagrams != 4 || got.Flows != 3 || got.Dropped[ReasonTooManyExporters] != 1 {
			t.Errorf("the counters of a replaced exporter are lost: %+v", got)
		}
	})
	t.Run("a domain that is in use is not replaced", func(t *testing.T) {
		d, b := newDecoder(t, func(c *Config) { c.MaxDomains, c.ExporterExpiry = 2, time.Minute }), new(decoder.Batch)
		decode := func(after int64, domain uint32) error {
			return d.Decode(receivedMs+after, testSource, flowMessage(9, domain, 256), b)
		}
		decode(0, 1)
		decode(1, 2)
		if err := decode(60_000-1, 3); !errors.Is(err, ReasonTooManyDomains) {
			t.Errorf("error is %v", err)
		}
		if err := decode(60_000, 4); err != nil {
			t.Errorf("an unused domain is not replaced: %v", err)
		}
		if templates := d.Templates(testSource.Addr()); len(templates) != 2 || templates[0].Domain != 2 || templates[1].Domain != 4 {
			t.Errorf("templates are %v", templates)
		}
	})
}

func TestTemplateStatus(t *testing.T) {
	d, b := newDecoder(t), new(decoder.Batch)
	template := generate.Template{ID: 256, Fields: []generate.Field{{ID: 8, Length: 4}, {ID: 82, Length: generate.Variable},
		{ID: 1, Length: 8, Enterprise: reverseEnterprise}, {ID: 137, Length: 2, Enterprise: 2636}, {ID: 1, Length: 4, Enterprise: 0}}}
	d.Decode(receivedMs, testSource, message10().Templates(template).Bytes(), b)
	d.Decode(receivedMs+5, testSource, message10().Templates(template).Bytes(), b)
	record := append(append([]byte{1, 2, 3, 4, 2, 'a', 'b'}, octets(10, 0)...), 0, 0, 0, 9)
	d.Decode(receivedMs+7, testSource, message10().Data(256, record, record).Bytes(), b)
	d.Decode(receivedMs+7, testSource, optionsMessage(9, 3, 300, []fieldValue{num(2, 4, 1)}, []fieldValue{num(34, 4, 1)}), b)
	got := d.Templates(testSource.Addr())
	if len(got) != 2 {
		t.Fatalf("%d templates", len(got))
	}
	want := []FieldStatus{{8, 0, "sourceIPv4Address", 4, false}, {82, 0, "interfaceName", 65535, false}, {1, reverseEnterprise, "reverse octetDeltaCount", 8, false},
		{137, 2636, "", 2, false}, {1, 0, "octetDeltaCount", 4, false}}
	if !slices.Equal(got[1].Fields, want) {
		t.Errorf("fields are %v", got[1].Fields)
	}
	got[1].Fields = nil
	if s := got[1]; s.Version != 10 || s.Domain != 1 || s.ID != 256 || s.Options || s.Length != 4+1+8+2+4 ||
		s.LearnedMs != receivedMs || s.SentMs != receivedMs+5 || s.UsedMs != receivedMs+7 || s.Sets != 1 || s.Records != 2 {
		t.Errorf("status is %+v", s)
	}
	if s := got[0]; !s.Options || !s.Fields[0].Scope || s.Fields[0].Name != "Interface" || s.Fields[1].Name != "samplingInterval" {
		t.Errorf("status of options is %+v", s)
	}
	if d.Templates(netip.MustParseAddr("192.0.2.99")) == nil {
		t.Error("no list for an unknown exporter")
	}
}
