//go:build !linux

package collector

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/nfstats/nfstats/collector/journal"
)

const maxDatagram = 65535

// setSocketOptions returns the receive buffer that the kernel granted (bytes).
func setSocketOptions(fd, buffer int) (granted int, err error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return 0, err
	}
	// Systems without a clamp refuse what is too large: ask for less.
	for ; buffer >= 64<<10; buffer /= 2 {
		if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, buffer); err == nil {
			return buffer, nil
		}
	}
	return 0, err
}

// burstReader reads one datagram at a time, where there is no recvmmsg(2).
type burstReader struct {
	localPort uint16
	buffer    []byte
	burst     [1]journal.Datagram
}

func newBurstReader(localPort uint16) *burstReader {
	return &burstReader{localPort: localPort, buffer: make([]byte, maxDatagram)}
}

func (r *burstReader) read(s *socket, deliver func([]journal.Datagram, uint32)) error {
	n, source, err := s.conn.ReadFromUDPAddrPort(r.buffer)
	if err != nil {
		return err
	}
	r.burst[0] = journal.Datagram{ReceivedMs: time.Now().UnixMilli(), Source: source, LocalPort: r.localPort, Payload: r.buffer[:n]}
	deliver(r.burst[:], 0) // the kernel tells no drops
	return nil
}

// drain delivers what the socket holds.
func (r *burstReader) drain(s *socket, deliver func([]journal.Datagram, uint32)) {
	s.conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	for r.read(s, deliver) == nil {
	}
}
