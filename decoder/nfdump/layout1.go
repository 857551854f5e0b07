package nfdump

const (
	commonLength  = 32
	common0Length = 28 // of the older record

	flag1IPv6      = 0x01
	flag1Packets64 = 0x02
	flag1Bytes64   = 0x04
	flag1Sampled   = 0x80

	extensionFlags = 8 // tos, direction and prefix lengths
	maxExtensions  = 64
)

// An extension is an optional part of a flow record: its number and length.
type extension struct {
	id   uint16
	size int
}

// extensionSize holds the lengths in octets. Those of 0 are of no length or
// not known.
var extensionSize = [...]int{
	4: 4, 5: 8, 6: 4, 7: 8, 8: 4, 9: 4, 10: 16, 11: 4, 12: 16, 13: 4, 14: 4, 15: 8, 16: 4, 17: 8, 18: 4, 19: 8,
	20: 16, 21: 16, 22: 40, 23: 4, 24: 16, 25: 4, 26: 8, 27: 8, 37: 20, 38: 4, 39: 8, 40: 32, 41: 24, 42: 24, 43: 72,
	45: 24, 46: 12, 48: 8,
}

// addMap keeps an extension map. It replaces an earlier one of its number. An
// extension of unknown length ends it: what follows cannot be found.
func (r *Reader) addMap(p []byte) {
	if len(p) < 10 {
		return
	}
	number := le.Uint16(p[4:])
	if number == 0xffff {
		number = 0
	}
	var extensions []extension
	for ids := p[8:]; len(ids) >= 2 && len(extensions) < maxExtensions; ids = ids[2:] {
		id := le.Uint16(ids)
		if id == 0 {
			break
		}
		if id <= 3 || id >= 28 && id <= 36 || id == 44 || id == 49 {
			continue // implied or reserved, of no length
		}
		if int(id) >= len(extensionSize) || extensionSize[id] == 0 {
			break
		}
		extensions = append(extensions, extension{id, extensionSize[id]})
	}
	r.maps[number] = extensions
}

// flow1 writes the row of a common record: a fixed part, addresses, counters,
// and the extensions that its map lists.
func (w *writer) flow1(kind uint16, p []byte) bool {
	length := commonLength
	if kind == recordCommon0 {
		length = common0Length
	}
	if len(p) < length {
		return false
	}
	w.begin()
	i, flags := w.row, p[4]
	w.scaled = flags&flag1Sampled != 0
	w.TimeFlowStart[i] = int64(le.Uint32(p[12:]))*1000 + int64(le.Uint16(p[8:]))
	w.TimeFlowEnd[i] = int64(le.Uint32(p[16:]))*1000 + int64(le.Uint16(p[10:]))
	w.ForwardingStatus[i], w.TCPFlags[i], w.Proto[i], w.IPTos[i] = p[20], uint16(p[21]), p[22], p[23]
	w.SrcPort[i], w.DstPort[i] = le.Uint16(p[24:]), le.Uint16(p[26:])
	number := le.Uint16(p[6:])
	if number == 0xffff {
		number = 0
	}
	if w.exporter = uint16(p[5]); kind == recordCommon {
		w.exporter = le.Uint16(p[28:])
	}
	rest, ok := w.required1(flags, p[length:])
	if !ok {
		return false
	}
	w.extensions(w.r.maps[number], rest)
	w.finish()
	return true
}

// required1 writes addresses and counters and returns what follows.
func (w *writer) required1(flags uint8, p []byte) (rest []byte, ok bool) {
	i, addresses, packets, octets := w.row, 8, 4, 4
	if flags&flag1IPv6 != 0 {
		addresses = 32
	}
	if flags&flag1Packets64 != 0 {
		packets = 8
	}
	if flags&flag1Bytes64 != 0 {
		octets = 8
	}
	if len(p) < addresses+packets+octets {
		return nil, false
	}
	if addresses == 32 {
		w.addresses6(p)
	} else {
		w.addresses4(p)
	}
	p = p[addresses:]
	w.Packets[i] = number(p[:packets])
	w.Bytes[i] = number(p[packets:][:octets])
	return p[packets+octets:], true
}

// number returns a number of 4 or 8 octets.
func number(p []byte) uint64 {
	if len(p) == 8 {
		return le.Uint64(p)
	}
	return uint64(le.Uint32(p))
}

// extensions writes the extensions that fit. nfdump 1.6.13 stored extension 8
// of some IPFIX records in two octets of no meaning: such a record is two octets
// shorter than its map tells.
func (w *writer) extensions(all []extension, p []byte) {
	total, flags := 0, false
	for _, e := range all {
		total += e.size
		flags = flags || e.id == extensionFlags
	}
	short := flags && len(p) == total-2
	for _, e := range all {
		if short && e.id == extensionFlags {
			p = p[2:]
			continue
		}
		if len(p) < e.size {
			return
		}
		w.extension(e.id, p[:e.size])
		p = p[e.size:]
	}
}

func (w *writer) extension(id uint16, p []byte) {
	i := w.row
	switch id {
	case 4:
		w.InIf[i], w.OutIf[i] = uint32(le.Uint16(p)), uint32(le.Uint16(p[2:]))
	case 5:
		w.InIf[i], w.OutIf[i] = le.Uint32(p), le.Uint32(p[4:])
	case 6:
		w.SrcAS[i], w.DstAS[i] = uint32(le.Uint16(p)), uint32(le.Uint16(p[2:]))
	case 7:
		w.SrcAS[i], w.DstAS[i] = le.Uint32(p), le.Uint32(p[4:])
	case extensionFlags:
		w.FlowDirection[i], w.SrcNet[i], w.DstNet[i] = min(p[1], 1), p[2], p[3]
	case 9:
		hop4(&w.NextHop[i], p)
	case 10:
		hop6(&w.NextHop[i], p)
	case 11:
		hop4(&w.BGPNextHop[i], p)
	case 12:
		hop6(&w.BGPNextHop[i], p)
	case 13:
		w.SrcVLAN[i], w.DstVLAN[i] = le.Uint16(p), le.Uint16(p[2:])
	case 14, 15:
		w.outPackets = number(p)
	case 16, 17:
		w.outBytes = number(p)
	case 18, 19:
		w.flows = number(p)
	case 20:
		w.macs(le.Uint64(p), le.Uint64(p[8:]))
	case 21:
		w.macs(le.Uint64(p[8:]), le.Uint64(p))
	case 22:
		w.labels(p)
	case 23:
		w.router4(p)
	case 24:
		w.router6(p)
	case 25:
		w.engine = uint32(p[2])<<8 | uint32(p[3])
	default:
		w.rareExtension(id, p)
	}
}

// rareExtension is the rest of extension.
func (w *writer) rareExtension(id uint16, p []byte) {
	i := w.row
	switch id {
	case 27:
		w.received = int64(le.Uint64(p))
	case 37: // firewall event
		w.event = int64(le.Uint64(p))
		if icmp := le.Uint16(p[12:]); icmp != 0 {
			w.DstPort[i] = icmp
		}
	case 38:
		w.SrcPortXlate[i], w.DstPortXlate[i] = le.Uint16(p), le.Uint16(p[2:])
	case 39:
		putV4(&w.SrcAddrXlate[i], le.Uint32(p))
		putV4(&w.DstAddrXlate[i], le.Uint32(p[4:]))
	case 40:
		putV6(&w.SrcAddrXlate[i], p)
		putV6(&w.DstAddrXlate[i], p[16:])
	case 46:
		w.OutVRF[i], w.InVRF[i] = le.Uint32(p[4:]), le.Uint32(p[8:])
	}
}
