package nfdump

import (
	"encoding/binary"

	"github.com/nfstats/nfstats/decoder"
)

// Types of records, of both layouts.
const (
	recordCommon0  = 1  // layout 1
	recordMap      = 2  // layout 1
	recordExporter = 7  // both
	recordCommon   = 10 // layout 1
	recordV3       = 11 // layout 2
)

const (
	protoICMP         = 1
	protoICMPv6       = 58
	etherTypeIPv4     = 0x0800
	etherTypeIPv6     = 0x86dd
	versionV9         = 9
	versionIPFIX      = 10
	labelBottom       = 1 // of a label stack entry (RFC 3032 §2.1)
	maxLabels         = 10
	exporterRecordLen = 32
)

// An exporter is one that a file tells of.
type exporter struct {
	addr    decoder.Addr
	version uint32 // of NetFlow; 9999 for sFlow
	id      uint32 // observation domain or engine
}

// A writer writes one row.
type writer struct {
	*decoder.Batch
	r   *Reader
	row int

	exporter   uint16 // its number in the file
	received   int64  // Unix milliseconds, 0 if not told
	event      int64  // likewise
	scaled     bool   // the collector has multiplied the counters
	router     bool   // the record tells its exporter
	engine     uint32
	flows      uint64
	v4         bool // the record has IPv4 addresses other than 0
	v6         bool // the record has IPv6 addresses
	v6zero     bool // which are 0
	outPackets uint64
	outBytes   uint64
}

// record handles a record. A flow that is not ok is malformed.
func (w *writer) record(kind uint16, p []byte) (isFlow, ok bool) {
	switch {
	case kind == recordV3 && w.r.header.Layout == 2:
		return true, w.flow2(p)
	case (kind == recordCommon || kind == recordCommon0) && w.r.header.Layout == 1:
		return true, w.flow1(kind, p)
	case kind == recordMap && w.r.header.Layout == 1:
		w.r.addMap(p)
	case kind == recordExporter && len(p) >= exporterRecordLen:
		w.r.addExporter(p)
	}
	return false, true
}

// addExporter keeps an exporter. Up to nfdump 1.7.7 the address is two numbers
// in the order of the machine and an IPv4 address the low half of the second,
// from 1.7.8 on it is in network byte order and the family is 0.
func (r *Reader) addExporter(p []byte) {
	e := exporter{version: le.Uint32(p[4:]), id: le.Uint32(p[28:])}
	ip, family := p[8:24], le.Uint16(p[24:])
	switch mapped := [12]byte{10: 0xff, 11: 0xff}; {
	case [12]byte(ip) == mapped, family == 0:
		copy(e.addr[:], ip)
	case le.Uint64(ip) == 0 && le.Uint32(ip[12:]) == 0:
		putV4(&e.addr, le.Uint32(ip[8:]))
	default:
		putV6(&e.addr, ip)
	}
	number := int(le.Uint16(p[26:]))
	if number >= len(r.exporters) {
		r.exporters = append(r.exporters, make([]*exporter, number+1-len(r.exporters))...)
	}
	r.exporters[number] = &e
}

// putV4 writes an address that is a number, mapped into IPv6.
func putV4(a *decoder.Addr, v uint32) {
	le.PutUint64(a[:8], 0)
	a[8], a[9], a[10], a[11] = 0, 0, 0xff, 0xff
	binary.BigEndian.PutUint32(a[12:], v)
}

// putV6 writes an address that is two numbers, the high one first.
func putV6(a *decoder.Addr, p []byte) {
	binary.BigEndian.PutUint64(a[:8], le.Uint64(p))
	binary.BigEndian.PutUint64(a[8:], le.Uint64(p[8:]))
}

// addresses4 writes source and destination. A record may carry both families,
// one of them zero: the one that is not is taken, IPv4 first.
func (w *writer) addresses4(p []byte) {
	src, dst := le.Uint32(p), le.Uint32(p[4:])
	zero := src|dst == 0
	w.v4 = !zero
	if zero && w.v6 && !w.v6zero {
		return
	}
	putV4(&w.SrcAddr[w.row], src)
	putV4(&w.DstAddr[w.row], dst)
	w.EType[w.row] = etherTypeIPv4
}

func (w *writer) addresses6(p []byte) {
	w.v6 = true
	w.v6zero = le.Uint64(p)|le.Uint64(p[8:])|le.Uint64(p[16:])|le.Uint64(p[24:]) == 0
	if w.v4 || w.v6zero && w.EType[w.row] != 0 {
		return
	}
	putV6(&w.SrcAddr[w.row], p)
	putV6(&w.DstAddr[w.row], p[16:])
	w.EType[w.row] = etherTypeIPv6
}

// hop4 and hop6 write a next hop, where 0 means none.
func hop4(a *decoder.Addr, p []byte) {
	if v := le.Uint32(p); v != 0 {
		putV4(a, v)
	}
}

func hop6(a *decoder.Addr, p []byte) {
	if le.Uint64(p)|le.Uint64(p[8:]) != 0 {
		putV6(a, p)
	}
}

func (w *writer) router4(p []byte) {
	if v := le.Uint32(p); v != 0 {
		w.router = true
		putV4(&w.ExporterAddr[w.row], v)
	}
}

func (w *writer) router6(p []byte) {
	if le.Uint64(p)|le.Uint64(p[8:]) != 0 {
		w.router = true
		putV6(&w.ExporterAddr[w.row], p)
	}
}

// macs takes a pair that only fills what is empty.
func (w *writer) macs(src, dst uint64) {
	if w.SrcMAC[w.row] == 0 {
		w.SrcMAC[w.row] = src & (1<<48 - 1)
	}
	if w.DstMAC[w.row] == 0 {
		w.DstMAC[w.row] = dst & (1<<48 - 1)
	}
}

// labels takes label stack entries (RFC 3032 §2.1), top first, up to the bottom.
func (w *writer) labels(p []byte) {
	var labels [maxLabels]uint32
	n := 0
	for ; n < maxLabels; n++ {
		entry := le.Uint32(p[4*n:])
		if entry == 0 {
			break
		}
		labels[n] = entry >> 4
		if entry&labelBottom != 0 {
			n++
			break
		}
	}
	if n > 0 {
		w.SetMPLSLabels(w.row, labels[:n])
	}
}

// begin writes what may be in no part of the record.
func (w *writer) begin() {
	i := w.row
	w.flows = 1
	w.TimeFlowStart[i], w.TimeFlowEnd[i] = 0, 0
	w.ExporterAddr[i] = decoder.Addr{}
	w.EType[i] = 0
}

// finish writes what follows from several parts of the record.
func (w *writer) finish() {
	i := w.row
	w.Type[i] = decoder.TypeNfdump
	var told *exporter
	if int(w.exporter) < len(w.r.exporters) {
		told = w.r.exporters[w.exporter]
	}
	if !w.router {
		w.ExporterAddr[i] = w.r.options.Exporter
		if told != nil {
			w.ExporterAddr[i] = told.addr
		}
	}
	if w.ObservationDomainID[i] == 0 {
		w.ObservationDomainID[i] = w.engine
		if told != nil && (told.version == versionV9 || told.version == versionIPFIX) {
			w.ObservationDomainID[i] = told.id
		}
	}
	w.times()
	w.SamplingRate[i] = w.r.options.SamplingRate
	if w.scaled {
		w.SamplingRate[i] = 1
		w.r.totals.Scaled++
	}
	if p := w.Proto[i]; p == protoICMP || p == protoICMPv6 {
		w.ICMPType[i], w.ICMPCode[i] = uint8(w.DstPort[i]>>8), uint8(w.DstPort[i])
	}
	w.r.totals.Flows += w.flows
	w.r.totals.OutPackets += w.outPackets
	w.r.totals.OutBytes += w.outBytes
}

// times fills in times that the record does not tell: those of events are the
// event's, and a flow was received at its end.
func (w *writer) times() {
	i := w.row
	otherwise := w.event
	if otherwise == 0 {
		otherwise = w.received
	}
	if w.TimeFlowStart[i] == 0 && w.TimeFlowEnd[i] == 0 {
		w.TimeFlowStart[i], w.TimeFlowEnd[i] = otherwise, otherwise
	}
	w.TimeReceived[i] = w.received
	if w.received == 0 {
		w.TimeReceived[i] = w.TimeFlowEnd[i]
	}
}
