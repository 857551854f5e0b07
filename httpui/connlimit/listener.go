package connlimit

import (
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// Listener accepts connections within limits.
type Listener struct {
	net.Listener
	total, perAddress int
	started           time.Time

	mu     sync.Mutex
	open   map[netip.Prefix]map[*conn]bool // by client; the zero one for clients without an IP address
	counts Counts
}

// Counts tell what became of connections.
type Counts struct {
	Open           int    // now
	Closed         uint64 // that waited for their clients, to make room
	RefusedAddress uint64 // new ones: all of the client address's were at work
	RefusedTotal   uint64 // new ones: all were at work
}

// Listen returns a listener that has at most total connections of l open, and
// at most perAddress from one address; 0 stands for no limit. Unless a server is
// watched, no connection is known to be at work, and any may be closed for a new one.
func Listen(l net.Listener, total, perAddress int) *Listener {
	return &Listener{Listener: l, total: total, perAddress: perAddress, started: time.Now(),
		open: map[netip.Prefix]map[*conn]bool{}}
}

// share is the part of the process's file descriptors that connections may
// have. The others are for files, sockets and connections to elsewhere.
const share = 4

// Places returns how many connections a server may have that would like want:
// no more than a quarter of the files that the process may open (RLIMIT_NOFILE),
// but one.
func Places(want int) int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return want // on this system nothing tells
	}
	if files := uint64(limit.Cur) / share; files < uint64(want) {
		return max(int(files), 1)
	}
	return want
}

// Counts returns what became of connections so far.
func (l *Listener) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts
}

// Accept returns the next connection that there is a place for.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &conn{Conn: raw, listener: l, client: clientOf(raw.RemoteAddr())}
		c.waits()
		out, ok := l.admit(c)
		if out != nil {
			out.Conn.Close()
		}
		if ok {
			return c, nil
		}
		raw.Close()
	}
}

// admit takes a place for a connection. Out is one to be closed for it.
func (l *Listener) admit(c *conn) (out *conn, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.perAddress > 0 && len(l.open[c.client]) >= l.perAddress:
		if out = longestWaiting(l.open[c.client]); out == nil {
			l.counts.RefusedAddress++
			return nil, false
		}
	case l.total > 0 && l.counts.Open >= l.total:
		if out = l.superfluous(); out == nil {
			l.counts.RefusedTotal++
			return nil, false
		}
	}
	if out != nil {
		l.counts.Closed++
		l.remove(out)
	}
	if l.open[c.client] == nil {
		l.open[c.client] = map[*conn]bool{}
	}
	l.open[c.client][c] = true
	l.counts.Open++
	return out, true
}

// superfluous returns the connection that has waited longest, of the client that
// has most connections among those with one that waits; nil if none waits.
func (l *Listener) superfluous() (found *conn) {
	most := 0
	for _, of := range l.open {
		if len(of) < most {
			continue
		}
		c := longestWaiting(of)
		if c == nil || found != nil && len(of) == most && c.since.Load() >= found.since.Load() {
			continue
		}
		found, most = c, len(of)
	}
	return found
}

// longestWaiting returns the connection that has waited longest for its client;
// nil if none waits.
func longestWaiting(connections map[*conn]bool) (found *conn) {
	for c := range connections {
		if c.waiting() && (found == nil || c.since.Load() < found.since.Load()) {
			found = c
		}
	}
	return found
}

// remove gives a connection's place back, once.
func (l *Listener) remove(c *conn) {
	of := l.open[c.client]
	if !of[c] {
		return
	}
	delete(of, c)
	if len(of) == 0 {
		delete(l.open, c.client)
	}
	l.counts.Open--
}

// clientOf returns whom a connection counts for: of IPv6 the /64, which one
// network, and often one host, has.
func clientOf(remote net.Addr) netip.Prefix {
	tcp, ok := remote.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	address := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := 32
	if address.Is6() {
		bits = 64
	}
	prefix, _ := address.Prefix(bits) // cannot fail: the bits fit
	return prefix
}
