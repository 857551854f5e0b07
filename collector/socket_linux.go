package collector

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nfstats/nfstats/collector/journal"
)

const (
	burstSize   = 64
	maxDatagram = 65535

	// drainReads bounds what is read after the stop signal, in case exporters
	// send faster than one socket is emptied.
	drainReads = 4096
)

// setSocketOptions returns the receive buffer that the kernel granted, in the
// bytes that were asked for (it doubles the number for its bookkeeping, see
// socket(7)).
func setSocketOptions(fd, buffer int) (granted int, err error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return 0, err
	}
	// Privileged processes may exceed net.core.rmem_max.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffer) != nil {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, buffer); err != nil {
			return 0, err
		}
	}
	// The kernel's count of datagrams that found the buffer full.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1); err != nil {
		return 0, err
	}
	granted, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	return granted / 2, err
}

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	header unix.Msghdr
	length uint32
	_      [4]byte
}

// burstReader reads up to burstSize datagrams with one system call, without
// allocating.
type burstReader struct {
	messages [burstSize]mmsghdr
	vectors  [burstSize]unix.Iovec
	names    [burstSize]unix.RawSockaddrInet6 // large enough for IPv4 too
	controls [burstSize][64]byte
	buffers  []byte
	burst    [burstSize]journal.Datagram

	localPort uint16
	drops     uint32 // the socket's last SO_RXQ_OVFL count
	received  int
	errno     syscall.Errno
}

func newBurstReader(localPort uint16) *burstReader {
	r := &burstReader{localPort: localPort, buffers: make([]byte, burstSize*maxDatagram)}
	for i := range r.messages {
		r.vectors[i].Base = &r.buffers[i*maxDatagram]
		r.vectors[i].SetLen(maxDatagram)
		h := &r.messages[i].header
		h.Name = (*byte)(unsafe.Pointer(&r.names[i]))
		h.Iov = &r.vectors[i]
		h.SetIovlen(1)
		h.Control = &r.controls[i][0]
	}
	return r
}

// read waits for datagrams and delivers them as one burst.
func (r *burstReader) read(s *socket, deliver func([]journal.Datagram, uint32)) error {
	if err := s.raw.Read(r.receive); err != nil {
		return err
	}
	if r.errno != 0 {
		return r.errno
	}
	deliver(r.collect())
	return nil
}

// drain delivers what the socket holds, without waiting.
func (r *burstReader) drain(s *socket, deliver func([]journal.Datagram, uint32)) {
	for range drainReads {
		if err := s.raw.Control(func(fd uintptr) { r.receive(fd) }); err != nil || r.errno != 0 || r.received == 0 {
			return
		}
		deliver(r.collect())
	}
}

// receive reports false when there is nothing to read yet.
func (r *burstReader) receive(fd uintptr) bool {
	for i := range r.messages {
		r.messages[i].header.Namelen = uint32(unsafe.Sizeof(r.names[i]))
		r.messages[i].header.SetControllen(len(r.controls[i]))
	}
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&r.messages)), burstSize, unix.MSG_DONTWAIT, 0, 0)
	r.received, r.errno = int(n), errno
	switch errno {
	case 0:
		return true
	case unix.EAGAIN, unix.EINTR:
		r.received = 0
		return false
	}
	r.received = 0
	return true
}

// collect returns the burst that receive read and how many datagrams the kernel
// has dropped since the last one.
func (r *burstReader) collect() (burst []journal.Datagram, newDrops uint32) {
	now := time.Now().UnixMilli()
	for i := range r.received {
		m := &r.messages[i]
		r.burst[i] = journal.Datagram{ReceivedMs: now, Source: sourceAddress(&r.names[i]), LocalPort: r.localPort,
			Payload: r.buffers[i*maxDatagram : i*maxDatagram+int(m.length)]}
		if total, ok := overflowCount(r.controls[i][:m.header.Controllen]); ok {
			newDrops += total - r.drops // counts modulo 2³²
			r.drops = total
		}
	}
	return r.burst[:r.received], newDrops
}

func sourceAddress(name *unix.RawSockaddrInet6) netip.AddrPort {
	if name.Family == unix.AF_INET {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), networkPort(&v4.Port))
	}
	return netip.AddrPortFrom(netip.AddrFrom16(name.Addr).Unmap(), networkPort(&name.Port))
}

func networkPort(port *uint16) uint16 {
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(port))[:])
}

// overflowCount finds SO_RXQ_OVFL among a datagram's control messages.
func overflowCount(control []byte) (total uint32, ok bool) {
	if len(control) < unix.SizeofCmsghdr+4 {
		return 0, false
	}
	h := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
	if h.Level != unix.SOL_SOCKET || h.Type != unix.SO_RXQ_OVFL {
		return 0, false
	}
	return binary.NativeEndian.Uint32(control[unix.SizeofCmsghdr:]), true
}
