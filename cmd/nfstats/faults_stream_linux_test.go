package main

import (
	"encoding/binary"
	"net"
	"time"
)

const (
	streamExporters = 20 // half of them NetFlow v5, half IPFIX
	streamFlows     = 20 // of each datagram
)

// A stream sends numbered datagrams at a steady rate from many exporters,
// whether somebody receives them or not. The number is in column packets of each
// of the datagram's flows, which src_port numbers.
type stream struct {
	sockets  []*net.UDPConn
	to       *net.UDPAddr
	sequence [streamExporters]uint32
	sent     uint32 // datagrams, numbered from 1; after wait
	stop     chan struct{}
	stopped  chan struct{}
}

// startStream sends rate datagrams a second to the daemon.
func startStream(d *daemon, rate int) *stream {
	d.t.Helper()
	to, err := net.ResolveUDPAddr("udp4", d.udp)
	if err != nil {
		d.t.Fatal(err)
	}
	s := &stream{to: to, stop: make(chan struct{}), stopped: make(chan struct{})}
	for i := range streamExporters {
		socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 2, byte(1+i))})
		if err != nil {
			d.t.Fatal(err)
		}
		s.sockets = append(s.sockets, socket)
	}
	go s.run(rate)
	d.t.Cleanup(s.wait)
	return s
}

func (s *stream) run(rate int) {
	defer close(s.stopped)
	const tick = 5 * time.Millisecond
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	start := time.Now()
	for {
		select {
		case <-s.stop:
			return
		case now := <-ticker.C:
			for due := uint32(now.Sub(start).Seconds() * float64(rate)); s.sent < due; {
				s.sent++
				s.send(s.sent)
			}
		}
	}
}

// wait ends the stream.
func (s *stream) wait() {
	select {
	case <-s.stop:
	default:
		close(s.stop)
	}
	<-s.stopped
	for _, socket := range s.sockets {
		socket.Close()
	}
}

func (s *stream) send(number uint32) {
	exporter := int(number % streamExporters)
	socket, sequence := s.sockets[exporter], &s.sequence[exporter]
	if exporter%2 == 0 {
		socket.WriteToUDP(numberedV5(number, *sequence), s.to) // nobody listens while the daemon is dead
	} else {
		if number/streamExporters%50 == 0 { // templates come again, as damage may have hit the last one
			socket.WriteToUDP(ipfixMessage(*sequence, 2, numberedTemplate), s.to)
		}
		socket.WriteToUDP(ipfixMessage(*sequence, 256, numberedRecords(number)), s.to)
	}
	*sequence += streamFlows
}

func numberedV5(number, sequence uint32) []byte {
	d := v5Datagram(sequence, streamFlows)
	for i := range streamFlows {
		binary.BigEndian.PutUint32(d[24+48*i+16:], number)
		binary.BigEndian.PutUint16(d[24+48*i+32:], uint16(i))
	}
	return d
}

// numberedTemplate is template 256: packetDeltaCount, octetDeltaCount,
// sourceTransportPort, destinationTransportPort.
var numberedTemplate = []byte{1, 0, 0, 4, 0, 2, 0, 4, 0, 1, 0, 4, 0, 7, 0, 2, 0, 11, 0, 2}

func numberedRecords(number uint32) []byte {
	var b []byte
	for i := range streamFlows {
		b = binary.BigEndian.AppendUint32(b, number)
		b = binary.BigEndian.AppendUint32(b, 1000)
		b = binary.BigEndian.AppendUint16(b, uint16(i))
		b = binary.BigEndian.AppendUint16(b, 443)
	}
	return b
}

// ipfixMessage is a message of one set (RFC 7011 section 3).
func ipfixMessage(sequence uint32, set uint16, content []byte) []byte {
	be := binary.BigEndian
	b := be.AppendUint16(nil, 10)
	b = be.AppendUint16(b, uint16(20+len(content)))
	b = be.AppendUint32(b, uint32(time.Now().Unix()))
	b = be.AppendUint32(b, sequence)
	b = be.AppendUint32(b, 5)
	b = be.AppendUint16(b, set)
	b = be.AppendUint16(b, uint16(4+len(content)))
	return append(b, content...)
}

// numberOf returns the number of a datagram of the stream, and false for
// templates.
func numberOf(payload []byte) (uint32, bool) {
	if binary.BigEndian.Uint16(payload) == 5 {
		return binary.BigEndian.Uint32(payload[24+16:]), true
	}
	return binary.BigEndian.Uint32(payload[20:]), binary.BigEndian.Uint16(payload[16:]) == 256
}
