package collector

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/nfstats/nfstats/collector/journal"
)

// A socket is one bound UDP socket. Several share an address by SO_REUSEPORT;
// the kernel spreads exporters over them by source address and port, so that
// the datagrams of one exporter port stay in order.
type socket struct {
	conn  *net.UDPConn
	raw   syscall.RawConn
	name  string        // address and number, as /metrics shows it
	drops atomic.Uint64 // datagrams that found the receive buffer full
}

// listen opens n sockets on the address, each with the wanted receive buffer
// (bytes). granted is what the kernel gave.
func listen(ctx context.Context, address string, n, buffer int) (sockets []*socket, granted int, err error) {
	// With SO_REUSEPORT alone, a second daemon would silently take half of the
	// datagrams: find out first whether the address is free.
	probe, err := net.ListenPacket("udp", address)
	if err != nil {
		return nil, 0, listenError(address, err)
	}
	address = probe.LocalAddr().String() // port 0 has become a number
	probe.Close()

	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var optionError error
		if err := c.Control(func(fd uintptr) { granted, optionError = setSocketOptions(int(fd), buffer) }); err != nil {
			return err
		}
		return optionError
	}}
	for i := range n {
		conn, err := config.ListenPacket(ctx, "udp", address)
		if err != nil {
			closeSockets(sockets)
			return nil, 0, listenError(address, err)
		}
		udp := conn.(*net.UDPConn)
		raw, err := udp.SyscallConn()
		if err != nil {
			closeSockets(append(sockets, &socket{conn: udp}))
			return nil, 0, listenError(address, err)
		}
		sockets = append(sockets, &socket{conn: udp, raw: raw, name: fmt.Sprintf("%s#%d", address, i)})
	}
	return sockets, granted, nil
}

func listenError(address string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("receive flows on UDP %s: another program has this port (collector.listen; find it with: ss -ulnp)", address)
	}
	if errors.Is(err, syscall.EADDRNOTAVAIL) {
		return fmt.Errorf("receive flows on UDP %s: this machine does not have the address (collector.listen; list them with: ip address)", address)
	}
	return fmt.Errorf("receive flows on UDP %s: %w", address, err)
}

func closeSockets(sockets []*socket) {
	for _, s := range sockets {
		s.conn.Close()
	}
}

// receive reads bursts until ctx ends, then empties the socket's buffer, closes
// it and returns. deliver must not keep the datagrams.
func (s *socket) receive(ctx context.Context, logger *zap.Logger, deliver func(burst []journal.Datagram, kernelDrops uint32)) {
	defer s.conn.Close()
	stop := context.AfterFunc(ctx, func() { s.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	reader := newBurstReader(uint16(s.conn.LocalAddr().(*net.UDPAddr).Port))
	for {
		err := reader.read(s, deliver)
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			reader.drain(s, deliver)
			return
		case errors.Is(err, net.ErrClosed):
			return
		default:
			logger.Error("receive datagrams", zap.Stringer("on", s.conn.LocalAddr()), zap.Error(err))
			select { // such errors are rare and may repeat at once
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
}
