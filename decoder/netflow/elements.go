package netflow

import "github.com/nfstats/nfstats/decoder"

// dest is where the value of a field goes: one column of the batch or one
// scratch column.
type dest = decoder.Columns

// Scratch columns hold what a row needs only while it is made.
const (
	destSampler  dest = 1 << (63 - iota) // sampler or selector ID of the record
	destBoot                             // systemInitTimeMilliseconds of the record
	destDuration                         // flow duration in microseconds

	scratch = destSampler | destBoot | destDuration
)

// conversion is how the octets of a field become the value of a dest.
type conversion uint8

const (
	asNumber conversion = iota // unsigned integer, cut to the width of the dest; of a time, milliseconds since 1970

	// What asNumber becomes in a plan.
	as8
	as16
	as32
	as64
	asTime
	asScratch
	as8Of6     // as8, in rows of IPv6 flows only
	asLittle32 // as32, in little-endian order

	asAddr4
	asAddr6
	asAddr6Of6     // asAddr6, in rows of IPv6 flows only
	asAddr6NonZero // asAddr6, where the address is not ::, or the IPv4 one is all zero too and the flow IPv6
	asUptime       // milliseconds since the exporter's start
	asSeconds
	asNTP         // RFC 7011 §6.1.9 and §6.1.10
	asDeltaMicros // microseconds before the export time
	asMicros      // of a duration in milliseconds
	asEtype       // IP version to Ethernet type
	frameLink     // a sampled packet header from the link layer on
	frameIP       // a sampled packet header from the IP header on
)

// fits reports whether a field of this length can be read: addresses have
// exactly 4 or 16 octets, numbers any length.
func (c conversion) fits(length int) bool {
	switch c {
	case asAddr4:
		return length == 4
	case asAddr6, asAddr6Of6, asAddr6NonZero:
		return length == 16
	}
	return true
}

// family marks elements that exist once for each IP version.
type family uint8

const (
	anyFamily family = iota
	ipv4
	ipv6
)

// element says what becomes of an information element. Where several elements
// of a record go to the same dest, the lowest rank wins, and of equal ones the
// first: repeated elements stand in the order of the packet's treatment, the
// outermost header first (RFC 7011 §8).
type element struct {
	dest    dest
	as      conversion
	rank    uint8
	family  family
	reverse bool  // counts the opposite direction of the flow
	octet   uint8 // not 0: only this octet of the value, counted from its end
}

// elements lists the information elements that become columns, by the numbers
// of the IANA IPFIX registry, which below 128 are those of NetFlow v9.
var elements = map[uint16][]element{
	// Counters. Deltas count the record's own interval, totals all since the
	// start of the flow: right for exporters that send one record a flow.
	1:   {{dest: decoder.ColumnBytes}},
	85:  {{dest: decoder.ColumnBytes, rank: 1}},
	23:  {{dest: decoder.ColumnBytes, rank: 2}},
	231: {{dest: decoder.ColumnBytes, rank: 3}},
	352: {{dest: decoder.ColumnBytes, rank: 4}}, // layer 2
	353: {{dest: decoder.ColumnBytes, rank: 5}},
	232: {{dest: decoder.ColumnBytes, rank: 3, reverse: true}},
	2:   {{dest: decoder.ColumnPackets}},
	86:  {{dest: decoder.ColumnPackets, rank: 1}},
	24:  {{dest: decoder.ColumnPackets, rank: 2}},
	298: {{dest: decoder.ColumnPackets, rank: 3}},
	299: {{dest: decoder.ColumnPackets, rank: 3, reverse: true}},

	// Network.
	8:   {{dest: decoder.ColumnSrcAddr, as: asAddr4, family: ipv4}},
	27:  {{dest: decoder.ColumnSrcAddr, as: asAddr6, family: ipv6}},
	12:  {{dest: decoder.ColumnDstAddr, as: asAddr4, family: ipv4}},
	28:  {{dest: decoder.ColumnDstAddr, as: asAddr6, family: ipv6}},
	9:   {{dest: decoder.ColumnSrcNet, family: ipv4}},
	29:  {{dest: decoder.ColumnSrcNet, family: ipv6}},
	13:  {{dest: decoder.ColumnDstNet, family: ipv4}},
	30:  {{dest: decoder.ColumnDstNet, family: ipv6}},
	15:  {{dest: decoder.ColumnNextHop, as: asAddr4, family: ipv4}},
	62:  {{dest: decoder.ColumnNextHop, as: asAddr6, family: ipv6}},
	18:  {{dest: decoder.ColumnBGPNextHop, as: asAddr4, family: ipv4}},
	63:  {{dest: decoder.ColumnBGPNextHop, as: asAddr6, family: ipv6}},
	16:  {{dest: decoder.ColumnSrcAS}},
	17:  {{dest: decoder.ColumnDstAS}},
	5:   {{dest: decoder.ColumnIPTos}},
	52:  {{dest: decoder.ColumnIPTTL}}, // minimumTTL
	192: {{dest: decoder.ColumnIPTTL, rank: 1}},
	53:  {{dest: decoder.ColumnIPTTL, rank: 2}}, // maximumTTL
	256: {{dest: decoder.ColumnEType}},
	60:  {{dest: decoder.ColumnEType, as: asEtype, rank: 1}},

	// Transport.
	4:   {{dest: decoder.ColumnProto}},
	6:   {{dest: decoder.ColumnTCPFlags}},
	7:   {{dest: decoder.ColumnSrcPort}},
	180: {{dest: decoder.ColumnSrcPort, rank: 1}}, // of UDP
	182: {{dest: decoder.ColumnSrcPort, rank: 2}}, // of TCP
	11:  {{dest: decoder.ColumnDstPort}},
	181: {{dest: decoder.ColumnDstPort, rank: 1}},
	183: {{dest: decoder.ColumnDstPort, rank: 2}},
	32:  icmpTypeAndCode(ipv4),
	139: icmpTypeAndCode(ipv6),
	176: {{dest: decoder.ColumnICMPType, family: ipv4}},
	178: {{dest: decoder.ColumnICMPType, family: ipv6}},
	177: {{dest: decoder.ColumnICMPCode, family: ipv4}},
	179: {{dest: decoder.ColumnICMPCode, family: ipv6}},

	// Where the flow was seen.
	10:  {{dest: decoder.ColumnInIf}},
	252: {{dest: decoder.ColumnInIf, rank: 1}}, // physical interface
	14:  {{dest: decoder.ColumnOutIf}},
	253: {{dest: decoder.ColumnOutIf, rank: 1}},
	234: {{dest: decoder.ColumnInVRF}},
	235: {{dest: decoder.ColumnOutVRF}},
	61:  {{dest: decoder.ColumnFlowDirection}},
	89:  {{dest: decoder.ColumnForwardingStatus}},

	// Link.
	56:  {{dest: decoder.ColumnSrcMAC}},
	81:  {{dest: decoder.ColumnSrcMAC, rank: 1}}, // after the observation point
	80:  {{dest: decoder.ColumnDstMAC}},
	57:  {{dest: decoder.ColumnDstMAC, rank: 1}},
	58:  {{dest: decoder.ColumnSrcVLAN}},
	243: {{dest: decoder.ColumnSrcVLAN, rank: 1}},
	59:  {{dest: decoder.ColumnDstVLAN}},
	254: {{dest: decoder.ColumnDstVLAN, rank: 1}},

	// Network address translation; 40001 to 40004 are those of the Cisco ASA
	// before 8.4(5), in NetFlow v9 only.
	225:   {{dest: decoder.ColumnSrcAddrXlate, as: asAddr4, family: ipv4}},
	281:   {{dest: decoder.ColumnSrcAddrXlate, as: asAddr6, family: ipv6}},
	40001: {{dest: decoder.ColumnSrcAddrXlate, as: asAddr4, family: ipv4, rank: 1}},
	226:   {{dest: decoder.ColumnDstAddrXlate, as: asAddr4, family: ipv4}},
	282:   {{dest: decoder.ColumnDstAddrXlate, as: asAddr6, family: ipv6}},
	40002: {{dest: decoder.ColumnDstAddrXlate, as: asAddr4, family: ipv4, rank: 1}},
	227:   {{dest: decoder.ColumnSrcPortXlate}},
	40003: {{dest: decoder.ColumnSrcPortXlate, rank: 1}},
	228:   {{dest: decoder.ColumnDstPortXlate}},
	40004: {{dest: decoder.ColumnDstPortXlate, rank: 1}},

	// Times, the finest first. The observation time stands for what is missing.
	156: {{dest: decoder.ColumnTimeFlowStart, as: asNTP}},
	154: {{dest: decoder.ColumnTimeFlowStart, as: asNTP, rank: 1}},
	152: {{dest: decoder.ColumnTimeFlowStart, rank: 2}},
	158: {{dest: decoder.ColumnTimeFlowStart, as: asDeltaMicros, rank: 3}},
	150: {{dest: decoder.ColumnTimeFlowStart, as: asSeconds, rank: 4}},
	22:  {{dest: decoder.ColumnTimeFlowStart, as: asUptime, rank: 5}},
	157: {{dest: decoder.ColumnTimeFlowEnd, as: asNTP}},
	155: {{dest: decoder.ColumnTimeFlowEnd, as: asNTP, rank: 1}},
	153: {{dest: decoder.ColumnTimeFlowEnd, rank: 2}},
	159: {{dest: decoder.ColumnTimeFlowEnd, as: asDeltaMicros, rank: 3}},
	151: {{dest: decoder.ColumnTimeFlowEnd, as: asSeconds, rank: 4}},
	21:  {{dest: decoder.ColumnTimeFlowEnd, as: asUptime, rank: 5}},
	325: observationTime(asNTP, 6),
	324: observationTime(asNTP, 7),
	323: observationTime(asNumber, 8),
	322: observationTime(asSeconds, 9),
	161: {{dest: destDuration, as: asMicros}},
	162: {{dest: destDuration, rank: 1}},
	160: {{dest: destBoot}},

	// Sampling. Further elements are in samplingElements.
	34:  {{dest: decoder.ColumnSamplingRate}},
	50:  {{dest: decoder.ColumnSamplingRate, rank: 1}},
	302: {{dest: destSampler}},
	48:  {{dest: destSampler, rank: 1}},
}

func icmpTypeAndCode(f family) []element {
	return []element{
		{dest: decoder.ColumnICMPType, rank: 1, family: f, octet: 2},
		{dest: decoder.ColumnICMPCode, rank: 1, family: f, octet: 1},
	}
}

func observationTime(as conversion, rank uint8) []element {
	return []element{
		{dest: decoder.ColumnTimeFlowStart, as: as, rank: rank},
		{dest: decoder.ColumnTimeFlowEnd, as: as, rank: rank},
	}
}

// measured are the columns that may have values of their own in the opposite
// direction of a flow. Others identify the flow, and are turned.
const measured = decoder.ColumnBytes | decoder.ColumnPackets | decoder.ColumnTimeFlowStart | decoder.ColumnTimeFlowEnd |
	decoder.ColumnTCPFlags | decoder.ColumnIPTos | decoder.ColumnIPTTL | decoder.ColumnICMPType | decoder.ColumnICMPCode |
	decoder.ColumnSrcMAC | decoder.ColumnDstMAC | decoder.ColumnSrcVLAN | decoder.ColumnDstVLAN |
	decoder.ColumnNextHop | decoder.ColumnBGPNextHop | decoder.ColumnForwardingStatus

// Elements that are not one value for one column.
const (
	firstLabelElement = 70 // mplsTopLabelStackSection … mplsLabelStackSection10
	lastLabelElement  = 79

	frameElement       = 315   // dataLinkFrameSection
	frameElementV9     = 104   // layer2packetSectionData
	frameSizeElement   = 312   // dataLinkFrameSize
	frameSizeElementV9 = 103   // layer2packetSectionSize
	ipHeaderElement    = 313   // ipHeaderPacketSection
	reverseEnterprise  = 29305 // RFC 5103
	variableLength     = 0xffff
	ethernetTypeIPv4   = 0x0800
	ethernetTypeIPv6   = 0x86dd
)
