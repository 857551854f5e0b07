package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nfstats/nfstats/collector/journal"
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

// numbersIn returns the numbers in a segment of the journal.
func numbersIn(path string) (map[uint32]int, error) {
	r, err := journal.OpenSegment(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	numbers := map[uint32]int{}
	for {
		b, err := r.Next()
		if errors.Is(err, io.EOF) {
			return numbers, nil
		}
		if err != nil {
			return nil, err
		}
		var d journal.Datagram
		for cursor := b.Cursor(); cursor.Next(&d); {
			if n, ok := numberOf(d.Payload); ok {
				numbers[n]++
			}
		}
	}
}

// A recorder copies the journal's segments as they grow, so that the test knows
// what was journaled from the files alone.
type recorder struct {
	from, to string

	mu   sync.Mutex
	open map[string]*copying
	stop chan struct{}
	done chan struct{}
}

type copying struct {
	from, to *os.File // from can be read though it was removed
}

func startRecorder(t *testing.T, journalDir string) *recorder {
	r := &recorder{from: journalDir, to: t.TempDir(), open: map[string]*copying{}, stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(r.done)
		for {
			select {
			case <-r.stop:
				return
			case <-time.After(10 * time.Millisecond):
				if err := r.catchUp(); err != nil {
					t.Errorf("copy the journal: %v", err)
				}
			}
		}
	}()
	return r
}

// catchUp copies what the segments have grown by.
func (r *recorder) catchUp() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	paths, err := filepath.Glob(filepath.Join(r.from, "*.nfj"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		name := filepath.Base(path)
		if r.open[name] != nil {
			continue
		}
		from, err := os.Open(path)
		if errors.Is(err, os.ErrNotExist) {
			continue // an empty one
		}
		if err != nil {
			return err
		}
		to, err := os.OpenFile(filepath.Join(r.to, name), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
		r.open[name] = &copying{from, to}
	}
	for name, c := range r.open {
		if c.from == nil {
			continue
		}
		info, err := c.from.Stat()
		if err != nil {
			return err
		}
		if _, err := io.Copy(c.to, c.from); err != nil {
			return err
		}
		if info.Sys().(*syscall.Stat_t).Nlink == 0 { // removed before the copy: it is complete
			c.close()
			*r.open[name] = copying{}
		}
	}
	return nil
}

func (c *copying) close() { c.from.Close(); c.to.Close() }

// journaled ends the recorder and returns how often each number was journaled.
func (r *recorder) journaled() (map[uint32]int, error) {
	close(r.stop)
	<-r.done
	if err := r.catchUp(); err != nil {
		return nil, err
	}
	all := map[uint32]int{}
	for name := range r.open {
		numbers, err := numbersIn(filepath.Join(r.to, name))
		if err != nil {
			return nil, err
		}
		for n, times := range numbers {
			all[n] += times
		}
	}
	return all, nil
}

// damageLast truncates the newest segment or flips bits in it, and returns the
// numbers that this destroys. The daemon is dead.
func (r *recorder) damageLast(random *rand.Rand) (lost map[uint32]bool, what string, err error) {
	if err := r.catchUp(); err != nil {
		return nil, "", err
	}
	paths, err := filepath.Glob(filepath.Join(r.from, "*.nfj")) // names sort by position
	if err != nil || len(paths) == 0 {
		return nil, "nothing to damage", err
	}
	path := paths[len(paths)-1]
	before, err := numbersIn(path)
	if err != nil {
		return nil, "", err
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, "", err
	}
	const header = 64
	if len(content) <= header {
		return nil, "nothing to damage", nil
	}
	if random.IntN(2) == 0 {
		size := header + random.IntN(len(content)-header)
		what = fmt.Sprintf("truncate %d bytes to %d", len(content), size)
		err = os.Truncate(path, int64(size))
	} else {
		flips := 1 + random.IntN(5)
		for range flips {
			content[header+random.IntN(len(content)-header)] ^= 1 << random.IntN(8)
		}
		what = fmt.Sprintf("flip %d bits of %d bytes", flips, len(content))
		err = os.WriteFile(path, content, 0o600)
	}
	if err != nil {
		return nil, "", err
	}
	after, err := numbersIn(path)
	if err != nil {
		return nil, "", err
	}
	lost = map[uint32]bool{}
	for n := range before {
		if after[n] == 0 {
			lost[n] = true
		}
	}
	return lost, what, nil
}
