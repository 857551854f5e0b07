package netflow

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/nfstats/nfstats/decoder"
)

// Decoder turns datagrams into rows. It keeps the templates and sampling rates
// that exporters announce. A Decoder belongs to one goroutine.
type Decoder struct {
	config Config

	exporters    map[exporterKey]*exporter
	order        []*exporter    // the same in order of appearance
	hand         int            // of the clock that finds exporters to replace
	lastSource   netip.AddrPort // that was looked up
	lastExporter *exporter

	waitingBytes int      // of all exporters
	others       Counters // of datagrams without exporter, and of exporters that were replaced
	generation   uint64

	execution execution
	compiler  compiler
	fields    []field // scratch of the template parser
	asV5      []byte  // scratch: records of v1 and v7 in v5's form
	places    places
}

// Lengths of headers and records in octets.
const (
	headerV5    = 24
	recordV5    = 48
	headerV9    = 20
	headerIPFIX = 16
	headerSet   = 4
)

// maxRows bounds the rows that one datagram may bring, waiting data that it
// releases included: a template of tiny records would else make thousands of
// times its size of them.
const maxRows = 2048

var be = binary.BigEndian

// New makes a Decoder without exporters.
func New(config Config) (*Decoder, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("configure the decoder: %w", err)
	}
	return &Decoder{config: config, exporters: map[exporterKey]*exporter{}}, nil
}

// SetSamplingOverrides replaces Config.SamplingOverrides. So that decoding the
// same datagrams again makes the same rows, what is new in them must begin later
// than anything decoded yet was received.
func (d *Decoder) SetSamplingOverrides(overrides []SamplingOverride) error {
	config := d.config
	config.SamplingOverrides = overrides
	if err := config.Validate(); err != nil {
		return fmt.Errorf("set sampling rates: %w", err)
	}
	d.config = config
	for _, e := range d.order {
		e.rates.configured = overridesFor(overrides, e.address)
		e.rates.enforce(e.lastMs)
	}
	return nil
}

// message is the datagram that is being decoded.
type message struct {
	exporter *exporter
	domain   *domain
	source   netip.AddrPort
	version  uint16
	flowType decoder.Type

	receivedMs int64 // Unix milliseconds
	exportMs   int64 // the same, by the exporter's clock
	uptimeMs   uint32
	rate       uint32 // from the v5 header

	rowsLeft  int    // of maxRows
	learned   int    // new templates
	evictions int    // of templates
	records   uint32 // data records seen, as IPFIX counts them
	uncounted bool   // there were more records than could be counted
	err       error  // the first problem
}

// Decode appends the flow records of a datagram to b. It keeps nothing of
// payload, which it does not change.
//
// An error is an *Error that wraps a Reason; records that could be decoded are
// in b all the same. Every problem is counted with its exporter, an error tells
// the first. Data whose template has not come yet is no error: it waits.
//
// receivedMs is the time of reception in Unix milliseconds. It should not go
// backwards; all expiry goes by it, so the rows depend on nothing but the
// datagrams and their reception times.
func (d *Decoder) Decode(receivedMs int64, source netip.AddrPort, payload []byte, b *decoder.Batch) error {
	version, reason, ok := checkHeader(payload)
	if !ok {
		return d.refuse(source, version, reason, len(payload))
	}
	e := d.exporter(source, receivedMs)
	if e == nil {
		return d.refuse(source, version, ReasonTooManyExporters, len(payload))
	}
	e.lastMs = receivedMs
	if receivedMs < e.rates.from || receivedMs >= e.rates.until {
		e.rates.enforce(receivedMs)
	}
	e.counters.Datagrams++
	e.counters.Bytes += uint64(len(payload))
	first := b.Len()
	d.execution.batch = b
	m := &message{exporter: e, source: source, version: version, receivedMs: receivedMs, rowsLeft: maxRows}
	if len(e.waiting.sets) > 0 {
		d.expireWaiting(e, receivedMs)
	}
	switch version {
	case 5:
		d.decodeV5(m, payload)
	case 1, 7:
		d.decodeV1V7(m, payload)
	case 9:
		d.decodeV9(m, payload)
	case 10:
		d.decodeIPFIX(m, payload)
	}
	e.skewMs = m.exportMs - receivedMs
	e.counters.Flows += uint64(b.Len() - first)
	if e.stranger {
		d.establish(e)
	}
	return m.err
}

// checkHeader tells the version of a datagram and whether its header holds.
func checkHeader(payload []byte) (version uint16, reason Reason, ok bool) {
	if len(payload) < 2 {
		return 0, ReasonShort, false
	}
	version = be.Uint16(payload)
	switch version {
	case 5:
		return version, ReasonShort, len(payload) >= headerV5
	case 1:
		return version, ReasonShort, len(payload) >= headerV1
	case 7:
		return version, ReasonShort, len(payload) >= headerV7
	case 9:
		return version, ReasonShort, len(payload) >= headerV9
	case 10:
		if len(payload) < headerIPFIX {
			return version, ReasonShort, false
		}
		length := int(be.Uint16(payload[2:]))
		return version, ReasonLength, headerIPFIX <= length && length <= len(payload)
	}
	return version, ReasonVersion, false
}

// refuse counts a datagram that never reached an exporter's state.
func (d *Decoder) refuse(source netip.AddrPort, version uint16, reason Reason, octets int) error {
	counters := &d.others
	if e := d.exporters[d.keyOf(source)]; e != nil {
		counters = &e.counters
	}
	counters.Datagrams++
	counters.Bytes += uint64(octets)
	counters.Dropped[reason]++
	return &Error{Reason: reason, Exporter: source, Version: version}
}

// fail counts a problem of the datagram and remembers the first.
func (m *message) fail(reason Reason, set uint16) {
	m.exporter.counters.Dropped[reason]++
	if m.err == nil {
		e := &Error{Reason: reason, Exporter: m.source, Version: m.version, SetID: set}
		if m.domain != nil {
			e.Domain = m.domain.id
		}
		m.err = e
	}
}
