package netflow

import (
	"slices"
	"testing"

	"github.com/nfstats/nfstats/decoder"
)

// oldMessage returns a v1 or v7 datagram of equal flows, exported when it is received.
func oldMessage(version uint16, flows int) []byte {
	message := be.AppendUint16(nil, version)
	message = be.AppendUint16(message, uint16(flows))
	message = be.AppendUint32(message, 3_600_000)
	message = be.AppendUint32(message, uint32(receivedMs/1000))
	message = be.AppendUint32(message, uint32(receivedMs%1000*1e6))
	if version == 7 {
		message = append(message, 0, 0, 0, 9, 0, 0, 0, 0) // sequence number, reserved
	}
	for range flows {
		message = append(message,
			192, 0, 2, 1, 198, 51, 100, 2, 203, 0, 113, 3, // source, destination, next hop
			0, 4, 0, 5, 0, 0, 0, 6, 0, 0, 7, 0) // interfaces, packets, octets
		message = be.AppendUint32(message, 3_590_000) // start and end, as uptimes
		message = be.AppendUint32(message, 3_599_000)
		message = append(message, 0, 22, 1, 187) // ports
		if version == 1 {
			message = append(message, 0, 0, 6, 0x48, 0x1b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0) // protocol, type of service, TCP flags
		} else {
			message = append(message, 0xff, 0x1b, 6, 0x48, 0xfb, 0xf4, 0xfb, 0xf5, 24, 25, 0xff, 0xff, 10, 0, 0, 1) // and ASes, prefixes, router
		}
	}
	return message
}

func TestV1AndV7(t *testing.T) {
	for _, version := range []uint16{1, 7} {
		d, b := newDecoder(t), new(decoder.Batch)
		datagram := oldMessage(version, 2)
		if err := d.Decode(receivedMs, testSource, datagram, b); err != nil {
			t.Fatal(err)
		}
		as, nets := [2]uint32{}, [2]uint8{}
		if version == 7 {
			as, nets = [2]uint32{64500, 64501}, [2]uint8{24, 25}
		}
		for i := range 2 {
			if b.SrcAddr[i] != mapped(192, 0, 2, 1) || b.DstAddr[i] != mapped(198, 51, 100, 2) || b.NextHop[i] != mapped(203, 0, 113, 3) ||
				b.InIf[i] != 4 || b.OutIf[i] != 5 || b.Packets[i] != 6 || b.Bytes[i] != 0x700 ||
				b.TimeFlowStart[i] != receivedMs-10_000 || b.TimeFlowEnd[i] != receivedMs-1000 || b.TimeReceived[i] != receivedMs ||
				b.SrcPort[i] != 22 || b.DstPort[i] != 443 || b.Proto[i] != 6 || b.IPTos[i] != 0x48 || b.TCPFlags[i] != 0x1b ||
				[2]uint32{b.SrcAS[i], b.DstAS[i]} != as || [2]uint8{b.SrcNet[i], b.DstNet[i]} != nets ||
				b.EType[i] != ethernetTypeIPv4 || b.SamplingRate[i] != 1 || b.Type[i] != decoder.TypeNetFlowV5 {
				t.Errorf("v%d: row %d is wrong", version, i)
			}
		}
		if b.Len() != 2 || d.Exporters()[0].Domains[0].Version != version {
			t.Errorf("v%d: %d rows, %+v", version, b.Len(), d.Exporters()[0].Domains)
		}
		be.PutUint16(datagram[2:], 3) // counts more than it has
		b.Reset()
		if err := d.Decode(receivedMs, testSource, datagram, b); err == nil || b.Len() != 2 {
			t.Errorf("v%d: %d rows of a datagram that is cut off: %v", version, b.Len(), err)
		}
		state := d.AppendState(nil)
		restored := newDecoder(t)
		if err := restored.RestoreState(state, nil); err != nil || !slices.Equal(restored.AppendState(nil), state) {
			t.Errorf("v%d: the state does not survive: %v", version, err)
		}
	}
}

func mapped(a, b, c, d byte) decoder.Addr {
	return decoder.Addr{10: 0xff, 11: 0xff, 12: a, 13: b, 14: c, 15: d}
}
