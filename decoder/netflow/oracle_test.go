package netflow

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	goflow2 "github.com/netsampler/goflow2/v2/decoders/netflow"
	"github.com/netsampler/goflow2/v2/decoders/netflowlegacy"
	"github.com/netsampler/goflow2/v2/producer"
	protoproducer "github.com/netsampler/goflow2/v2/producer/proto"

	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/decoder/netflow/generate"
)

// The oracle is goflow2 v2.2.6 with its producer. What it does differently is
// known, and compared nowhere:
//
//   - Sampling rates: it knows one for each exporter and domain, see
//     TestSamplingRates for what is right.
//   - Columns for which a template has several fields: it takes the last one,
//     we the preferred and of equals the first (RFC 7011 §8: the outer header).
//   - Elements that it does not know: totals (85, 86), layer 2 and initiator
//     counters, physical interfaces, 802.1Q VLANs, IPFIX uptimes (21, 22), times
//     of IPFIX in v9, ports of 180 to 183, ipTTL, durations, VRFs, NAT.
//   - A missing start or end: it takes the export time for each, we also what
//     the record does tell.
//   - v5 uptimes later than the header's: it goes back 49.7 days.
//   - Sampled headers: it leaves the length to the section, we take the packet's.
//   - It gives up a datagram at the first bad number, set or record, stops after
//     as many v9 sets as the header counts records, and never ends with
//     templates without octets, so it must not see those, nor withdrawals.
type oracle struct {
	templates goflow2.NetFlowTemplateSystem
	config    protoproducer.ProtoProducerConfig
}

func newOracle(t *testing.T) *oracle {
	t.Helper()
	config, err := (&protoproducer.ProducerConfig{}).Compile()
	if err != nil {
		t.Fatal(err)
	}
	return &oracle{templates: goflow2.CreateTemplateSystem(), config: config}
}

// An oracleRow is what goflow2 makes of a record, with the template's fields,
// none for v5.
type oracleRow struct {
	*protoproducer.ProtoProducerMessage
	version uint16
	fields  []goflow2.Field
}

// decode returns the rows of a datagram, or an error where goflow2 gives up.
func (o *oracle) decode(datagram []byte) ([]oracleRow, error) {
	if be.Uint16(datagram) == 5 {
		var packet netflowlegacy.PacketNetFlowV5
		if err := netflowlegacy.DecodeMessageVersion(bytes.NewBuffer(datagram), &packet); err != nil {
			return nil, err
		}
		messages, err := protoproducer.ProcessMessageNetFlowLegacy(&packet)
		return oracleRows(5, messages, nil), err
	}
	var v9 goflow2.NFv9Packet
	var ipfix goflow2.IPFIXPacket
	if err := goflow2.DecodeMessageVersion(bytes.NewBuffer(datagram), o.templates, &v9, &ipfix); err != nil {
		return nil, err
	}
	version, domain, sets := uint16(9), v9.SourceId, v9.FlowSets
	messages, err := []producer.ProducerMessage(nil), error(nil)
	if be.Uint16(datagram) == 10 {
		version, domain, sets = 10, ipfix.ObservationDomainId, ipfix.FlowSets
		messages, err = protoproducer.ProcessMessageIPFIXConfig(&ipfix, nil, o.config)
	} else {
		messages, err = protoproducer.ProcessMessageNetFlowV9Config(&v9, nil, o.config)
	}
	var fields [][]goflow2.Field
	for _, set := range sets {
		if data, ok := set.(goflow2.DataFlowSet); ok {
			template, _ := o.templates.GetTemplate(version, domain, data.Id)
			for range data.Records {
				fields = append(fields, template.(goflow2.TemplateRecord).Fields)
			}
		}
	}
	return oracleRows(version, messages, fields), err
}

func oracleRows(version uint16, messages []producer.ProducerMessage, fields [][]goflow2.Field) []oracleRow {
	rows := make([]oracleRow, len(messages))
	for i, m := range messages {
		rows[i] = oracleRow{ProtoProducerMessage: m.(*protoproducer.ProtoProducerMessage), version: version}
		if fields != nil {
			rows[i].fields = fields[i]
		}
	}
	return rows
}

// compareRow returns the columns that differ and how many are equal.
func compareRow(b *decoder.Batch, i int, theirs oracleRow) (differing []string, equal int) {
	for _, c := range oracleColumns {
		if !theirs.comparable(c.column, c.elements) {
			continue
		}
		mine, other := c.ours(b, i), c.theirs(theirs)
		if mine != other && !excusable(c.column, mine, other, b.TimeReceived[i]) {
			differing = append(differing, fmt.Sprintf("%s is %v, goflow2 has %v", c.name, mine, other))
			continue
		}
		equal++
	}
	return differing, equal
}

// excusable reports whether two times differ as they may: by a millisecond
// because goflow2 converts fractions in floating point, by the wrap of uptimes,
// or because goflow2's is absurd.
func excusable(column decoder.Columns, mine, other any, receivedMs int64) bool {
	if column&destsTime == 0 {
		return false
	}
	difference := mine.(int64) - other.(int64)
	absurd := other.(int64) < earliestMs || other.(int64) > receivedMs+maxAheadMs
	return difference == 1 || difference == -1 || difference == 1<<32 || difference == -1<<32 || absurd
}

// safe reports whether goflow2 may see the datagram: whether every template in
// it has octets.
func safe(datagram []byte) bool {
	d, err := New(Default())
	if err != nil {
		return false
	}
	d.Decode(receivedMs, testSource, datagram, new(decoder.Batch))
	dropped := d.Total().Dropped
	if len(datagram) >= headerIPFIX && be.Uint16(datagram) == 10 && hasWithdrawal(datagram[headerIPFIX:]) {
		return false
	}
	for _, r := range []Reason{ReasonBadTemplate, ReasonTemplateTooLarge, ReasonTooManyTemplates, ReasonBadSet, ReasonSetID, ReasonShort, ReasonVersion, ReasonLength} {
		if dropped[r] != 0 {
			return false
		}
	}
	return true
}

// hasWithdrawal reports whether a template set has a template without fields.
func hasWithdrawal(sets []byte) bool {
	for len(sets) >= headerSet {
		id, length := be.Uint16(sets), int(be.Uint16(sets[2:]))
		if length < headerSet || length > len(sets) {
			return false
		}
		for body := sets[headerSet:length]; (id == 2 || id == 3) && len(body) >= 4; {
			header, count, _ := templateHeader(10, id == 3, body)
			if header == 0 || count == 0 {
				return true
			}
			body = body[header:]
			for range count {
				size := 4
				if len(body) >= 4 && body[0]&0x80 != 0 {
					size = 8
				}
				body = body[min(size, len(body)):]
			}
		}
		sets = sets[length:]
	}
	return false
}

// TestCorpusAgainstGoflow2 decodes the corpus with both.
func TestCorpusAgainstGoflow2(t *testing.T) {
	values, rows := 0, 0
	for _, file := range captures(t) {
		t.Run(captureName(file), func(t *testing.T) {
			oracles := map[netip.AddrPort]*oracle{}
			d := newDecoder(t)
			for i, g := range readCapture(t, file) {
				b := new(decoder.Batch)
				d.Decode(receivedMs, g.source, g.payload, b)
				if !safe(g.payload) {
					t.Logf("datagram %d and what follows is not for goflow2", i+1)
					return
				}
				if oracles[g.source] == nil {
					oracles[g.source] = newOracle(t)
				}
				theirs, err := oracles[g.source].decode(g.payload)
				if err != nil || len(theirs) != b.Len() {
					continue // templates that came late or from elsewhere, a wrong count, rows of the other direction
				}
				for row := range theirs {
					differing, equal := compareRow(b, row, theirs[row])
					values += equal
					rows++
					if len(differing) > 0 {
						t.Errorf("datagram %d, row %d: %v", i+1, row+1, differing)
					}
				}
			}
		})
	}
	t.Logf("%d rows with %d values are the same", rows, values)
	if rows < 10_000 {
		t.Errorf("only %d rows were compared", rows)
	}
}

// TestGeneratedAgainstGoflow2 compares random records of random templates.
func TestGeneratedAgainstGoflow2(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	values := 0
	for range 3000 {
		version := []uint16{generate.NetFlowV5, generate.NetFlowV9, generate.IPFIX}[r.IntN(3)]
		h := generate.Header{Version: version, Domain: 1, Export: time.UnixMilli(receivedMs), Uptime: time.Duration(r.Uint32()) * time.Millisecond}
		datagrams := [][]byte{randomDatagram(r, h)}
		if version != generate.NetFlowV5 {
			template := randomTemplate(r)
			datagrams = [][]byte{generate.New(h).Templates(template).Bytes(), generate.New(h).Data(template.ID, randomRecords(r, h, template, 1+r.IntN(20))...).Bytes()}
		}
		d, o, b := newDecoder(t), newOracle(t), new(decoder.Batch)
		var theirs []oracleRow
		for _, datagram := range datagrams {
			d.Decode(receivedMs, testSource, datagram, b)
			rows, err := o.decode(datagram)
			if err != nil {
				t.Fatalf("goflow2: %v", err)
			}
			theirs = append(theirs, rows...)
		}
		if len(theirs) != b.Len() {
			t.Fatalf("%d rows, goflow2 has %d", b.Len(), len(theirs))
		}
		for row := range theirs {
			differing, equal := compareRow(b, row, theirs[row])
			values += equal
			if len(differing) > 0 {
				t.Fatalf("version %d, template %v: %v", version, theirs[row].fields, differing)
			}
		}
	}
	t.Logf("%d values are the same", values)
}

func randomDatagram(r *rand.Rand, h generate.Header) []byte {
	var flows []generate.Flow
	for range 1 + r.IntN(30) {
		flows = append(flows, generate.RandomFlow(r, h.Export, false))
	}
	return generate.V5(h, 0, flows)
}

// randomTemplate picks elements that become columns, each at most once, with
// lengths that goflow2 takes, among some that are skipped.
func randomTemplate(r *rand.Rand) generate.Template {
	t := generate.Template{ID: 256}
	seen := map[uint16]bool{}
	for range 1 + r.IntN(40) {
		c := oracleColumns[r.IntN(len(oracleColumns))]
		id := c.elements[r.IntN(len(c.elements))]
		if seen[id] {
			continue
		}
		seen[id] = true
		length := 1 + r.IntN(8)
		e := elements[id][0]
		switch {
		case e.as == asAddr4:
			length = 4
		case e.as == asAddr6:
			length = 16
		case e.as == asUptime || e.as == asSeconds || e.as == asDeltaMicros:
			length = 4
		case e.octet != 0:
			length = 2
		case c.column&destsTime != 0:
			length = 8
		}
		t.Fields = append(t.Fields, generate.Field{ID: id, Length: uint16(length)})
		if r.IntN(4) == 0 {
			t.Fields = append(t.Fields, generate.Field{ID: 210, Length: uint16(r.IntN(9))}) // padding
		}
	}
	return t
}

// randomRecords returns records with plausible times and anything else in the
// other fields.
func randomRecords(r *rand.Rand, h generate.Header, t generate.Template, n int) [][]byte {
	records := make([][]byte, n)
	for i := range records {
		flow := generate.RandomFlow(r, h.Export, false)
		records[i] = t.Record(h, &flow)
		at := 0
		for _, f := range t.Fields {
			isTime := len(elements[f.ID]) > 0 && elements[f.ID][0].dest&destsTime != 0 && elements[f.ID][0].as != asDeltaMicros
			for k := range int(f.Length) {
				if !isTime {
					records[i][at+k] = byte(r.Uint32())
				}
			}
			at += int(f.Length)
		}
	}
	return records
}
