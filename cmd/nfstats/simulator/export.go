package simulator

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/nfstats/nfstats/decoder/netflow/generate"
)

// A protocol is a way in which routers export flows.
type protocol uint8

const (
	junosIPFIX protocol = iota // inline jflow: the sampling rate of the exporting process
	ciscoV9                    // flexible NetFlow: a table of samplers, and their ids in the records
	classicV5                  // the rate in each header
)

// exporter is what a router keeps between datagrams.
type exporter struct {
	sequence  uint32    // of the next datagram
	announced time.Time // templates and options
}

const (
	// announceInterval is the time after which templates and options are sent
	// again.
	announceInterval = time.Minute
	// payload is the UDP payload that fits an Ethernet frame.
	payload = 1472

	junosDomain = 0x80000
	ciscoDomain = 0

	template4, template6            = 256, 257
	samplingTemplate, namesTemplate = 512, 513
	asTrans                         = 23456 // RFC 6793 §9: AS numbers that do not fit 16 bits
)

// junosTemplate has the fields of Juniper's inline jflow that flow tables know.
func junosTemplate(id uint16, v6 bool) generate.Template {
	src, dst, hop, srcMask, dstMask, length := uint16(8), uint16(12), uint16(15), uint16(9), uint16(13), uint16(4)
	if v6 {
		src, dst, hop, srcMask, dstMask, length = 27, 28, 62, 29, 30, 16
	}
	return generate.Template{ID: id, Fields: []generate.Field{{ID: src, Length: length}, {ID: dst, Length: length}, {ID: 5, Length: 1}, {ID: 4, Length: 1},
		{ID: 7, Length: 2}, {ID: 11, Length: 2}, {ID: 10, Length: 4}, {ID: srcMask, Length: 1}, {ID: dstMask, Length: 1}, {ID: 16, Length: 4}, {ID: 17, Length: 4},
		{ID: hop, Length: length}, {ID: 6, Length: 1}, {ID: 14, Length: 4}, {ID: 1, Length: 8}, {ID: 2, Length: 8},
		{ID: 152, Length: 8}, {ID: 153, Length: 8}, {ID: 61, Length: 1}}}
}

// sampler returns the id of an interface's sampler, which follows from its rate.
func sampler(p *port) uint64 {
	switch p.spec.rate {
	case 1000:
		return 1
	case 500:
		return 2
	}
	return 3
}

func (r *Router) header(now time.Time) generate.Header {
	h := generate.Header{Export: now, Uptime: now.Sub(r.boot), Sequence: r.exporter.sequence}
	switch r.spec.protocol {
	case junosIPFIX:
		h.Version, h.Domain = generate.IPFIX, junosDomain
	case ciscoV9:
		h.Version, h.Domain = generate.NetFlowV9, ciscoDomain
	case classicV5:
		h.Version = generate.NetFlowV5
	}
	return h
}

// export sends flows as datagrams, after templates and options where they are
// due.
func (r *Router) export(flows []generate.Flow, now time.Time) {
	if r.spec.protocol == classicV5 {
		r.exportV5(flows, now)
		return
	}
	if now.Sub(r.exporter.announced) >= announceInterval {
		r.announce(now)
	}
	isV4 := func(f generate.Flow) bool { return f.Src.Is4() }
	v4, v6 := slices.DeleteFunc(slices.Clone(flows), func(f generate.Flow) bool { return !isV4(f) }), slices.DeleteFunc(flows, isV4)
	first, second := r.templates()
	r.exportData(first, v4, now)
	r.exportData(second, v6, now)
}

func (r *Router) templates() (v4, v6 generate.Template) {
	if r.spec.protocol == ciscoV9 {
		return generate.V9IPv4(template4), generate.V9IPv6(template6)
	}
	return junosTemplate(template4, false), junosTemplate(template6, true)
}

func (r *Router) exportData(t generate.Template, flows []generate.Flow, now time.Time) {
	for len(flows) > 0 {
		h := r.header(now)
		var records [][]byte
		for size := 32; len(flows) > 0; flows = flows[1:] { // 32: the largest header, the set's header and its padding
			record := t.Record(h, &flows[0])
			if size += len(record); size > payload {
				break
			}
			records = append(records, record)
		}
		r.send(generate.New(h).Data(t.ID, records...), len(records), now)
	}
}

func (r *Router) exportV5(flows []generate.Flow, now time.Time) {
	for chunk := range slices.Chunk(flows, 30) {
		for i := range chunk {
			chunk[i].SrcAS, chunk[i].DstAS = as16(chunk[i].SrcAS), as16(chunk[i].DstAS)
		}
		datagram := generate.V5(r.header(now), uint16(min(r.faults.AnnouncedRate, 1<<14-1)), chunk)
		r.exporter.sequence += uint32(len(chunk))
		r.transmit(datagram, now)
	}
}

func as16(asn uint32) uint32 {
	if asn > math.MaxUint16 {
		return asTrans
	}
	return asn
}

// announce sends templates, sampling rates and interface names.
func (r *Router) announce(now time.Time) {
	r.exporter.announced = now
	v4, v6 := r.templates()
	sampling, rates := r.sampling()
	names, rows := r.interfaceNames()
	r.send(generate.New(r.header(now)).Templates(v4, v6).Templates(sampling, names), 0, now)
	if !r.faults.Unannounced {
		r.send(generate.New(r.header(now)).Data(samplingTemplate, rates...), len(rates), now)
	}
	for chunk := range slices.Chunk(rows, 10) {
		r.send(generate.New(r.header(now)).Data(namesTemplate, chunk...), len(chunk), now)
	}
}

// sampling returns the options that tell the sampling rates, as the maker of the
// router has them.
func (r *Router) sampling() (generate.Template, [][]byte) {
	told := func(rate uint32) uint32 {
		if r.faults.AnnouncedRate != 0 {
			return r.faults.AnnouncedRate
		}
		return rate
	}
	if r.spec.protocol == junosIPFIX {
		t := generate.Template{ID: samplingTemplate, Scopes: []generate.Field{{ID: 144, Length: 4}}, // exportingProcessId
			Fields: []generate.Field{{ID: 160, Length: 8}, {ID: 130, Length: 4}, {ID: 34, Length: 4}, {ID: 36, Length: 2}, {ID: 37, Length: 2}}}
		record := binary.BigEndian.AppendUint64([]byte{0, 0, 0, 1}, uint64(r.boot.UnixMilli()))
		record = append(record, r.address.AsSlice()...)
		record = binary.BigEndian.AppendUint32(record, told(r.spec.interfaces[0].rate))
		record = binary.BigEndian.AppendUint16(record, uint16(r.config.ActiveTimeout.Seconds()))
		return t, [][]byte{binary.BigEndian.AppendUint16(record, uint16(r.config.InactiveTimeout.Seconds()))}
	}
	t := generate.Template{ID: samplingTemplate, Scopes: []generate.Field{{ID: 1, Length: 4}}, // System
		Fields: []generate.Field{{ID: 48, Length: 1}, {ID: 49, Length: 1}, {ID: 50, Length: 4}, {ID: 84, Length: 16}}}
	var records [][]byte
	for id, rate := range []uint32{1000, 500, 100} {
		record := append(slices.Clone(r.address.AsSlice()), byte(id+1), 2) // 2: random sampling
		record = binary.BigEndian.AppendUint32(record, told(rate))
		records = append(records, append(record, padded("SAMPLER-"+string(rune('1'+id)), 16)...))
	}
	return t, records
}

// interfaceNames returns the options that tell the names and descriptions of the
// interfaces.
func (r *Router) interfaceNames() (generate.Template, [][]byte) {
	t := generate.Template{ID: namesTemplate, Scopes: []generate.Field{{ID: 144, Length: 4}},
		Fields: []generate.Field{{ID: 10, Length: 4}, {ID: 82, Length: 32}, {ID: 83, Length: 64}}}
	if r.spec.protocol == ciscoV9 {
		t.Scopes = []generate.Field{{ID: 1, Length: 4}}
	}
	var records [][]byte
	for _, p := range r.ports {
		record := binary.BigEndian.AppendUint32([]byte{0, 0, 0, 1}, p.index)
		record = append(record, padded(p.spec.name, 32)...)
		records = append(records, append(record, padded(p.spec.description, 64)...))
	}
	return t, records
}

func padded(text string, length int) []byte {
	b := make([]byte, length)
	copy(b, text)
	return b
}

// send counts a message the way its protocol does and transmits it.
func (r *Router) send(m *generate.Message, dataRecords int, now time.Time) {
	if r.spec.protocol == ciscoV9 {
		r.exporter.sequence++
	} else {
		r.exporter.sequence += uint32(dataRecords)
	}
	r.transmit(m.Bytes(), now)
}

func (r *Router) transmit(datagram []byte, now time.Time) {
	if r.config.Send == nil || r.random.Float64() < r.faults.Loss {
		return
	}
	r.config.Send(r, now, datagram)
}
