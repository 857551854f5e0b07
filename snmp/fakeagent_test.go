package snmp

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"
)

// fakeAgent answers SNMP v2c for a table of interfaces, with the weaknesses of
// real agents.
type fakeAgent struct {
	interfaces int
	mostRows   int  // larger answers are not given
	silent     bool // instead of tooBig
	only32     bool // no ifHC counters
	stuck      bool // the same answer whatever was asked
	mostOctets int  // answers are cut, about, as by agents that keep to the MTU
	late       time.Duration
	twist      func(answer *gosnmp.SnmpPacket) // changes an answer
	garble     func(answer []byte) []byte      // and its octets
	elsewhere  bool                            // answers come from another port
	lastChange uint32                          // of all interfaces
	host       string                          // where it listens; "": 127.0.0.1

	mu     sync.Mutex    // for values, which tests change
	from   []string      // what was asked for last
	uptime atomic.Uint32 // hundredths of a second, added to by every answer
	asked  atomic.Int64
	port   uint16
	oids   []string // in order
	ids    [][]int  // the same
	values map[string]gosnmp.SnmpPDU
}

func (f *fakeAgent) start(t testing.TB) {
	t.Helper()
	f.fill()
	conn, err := net.ListenPacket("udp", cmp.Or(f.host, "127.0.0.1")+":0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { conn.Close(); <-done })
	f.port = uint16(conn.LocalAddr().(*net.UDPAddr).Port)
	out := conn
	if f.elsewhere {
		if out, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { out.Close() })
	}
	go func() {
		defer close(done)
		codec := &gosnmp.GoSNMP{Version: gosnmp.Version2c, Logger: gosnmp.Logger{}}
		buffer := make([]byte, 65536)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			request, err := codec.SnmpDecodePacket(buffer[:n])
			if err != nil {
				continue
			}
			if answer := f.answer(request); answer != nil {
				time.Sleep(f.late)
				if f.twist != nil {
					f.from = nil
					for _, v := range request.Variables {
						f.from = append(f.from, v.Name)
					}
					f.twist(answer)
				}
				octets, err := answer.MarshalMsg()
				if err != nil {
					continue
				}
				if f.garble != nil {
					octets = f.garble(octets)
				}
				out.WriteTo(octets, from)
			}
		}
	}()
}

func (f *fakeAgent) fill() {
	f.values = map[string]gosnmp.SnmpPDU{}
	set := func(oid string, kind gosnmp.Asn1BER, value any) {
		f.values[oid] = gosnmp.SnmpPDU{Name: oid, Type: kind, Value: value}
	}
	set(oidSysDescr, gosnmp.OctetString, []byte("fake"))
	set(oidSysUpTime, gosnmp.TimeTicks, uint32(0))
	set(oidSysName, gosnmp.OctetString, []byte("fake1"))
	for i := 1; i <= f.interfaces; i++ {
		index := strconv.Itoa(3 * i) // with holes
		set(ifEntry+".2."+index, gosnmp.OctetString, []byte("descr"+index))
		set(ifEntry+".3."+index, gosnmp.Integer, 6)
		set(ifEntry+".5."+index, gosnmp.Gauge32, uint32(100_000_000))
		set(ifEntry+".8."+index, gosnmp.Integer, 1)
		set(ifEntry+".10."+index, gosnmp.Counter32, uint32(i))
		set(ifEntry+".16."+index, gosnmp.Counter32, uint32(2*i))
		if f.only32 {
			continue
		}
		set(ifXEntry+".1."+index, gosnmp.OctetString, []byte("name"+index))
		set(ifXEntry+".6."+index, gosnmp.Counter64, uint64(i)<<40)
		set(ifXEntry+".10."+index, gosnmp.Counter64, uint64(i)<<41)
		set(ifXEntry+".15."+index, gosnmp.Gauge32, uint32(1000))
		for _, column := range []string{".7", ".8", ".9", ".11", ".12", ".13"} { // packets
			set(ifXEntry+column+"."+index, gosnmp.Counter64, uint64(i)<<30)
		}
		set(ifEntry+".7."+index, gosnmp.Integer, 1)
		set(ifEntry+".9."+index, gosnmp.TimeTicks, f.lastChange)
		set(ifEntry+".13."+index, gosnmp.Counter32, uint32(i))
		set(ifEntry+".19."+index, gosnmp.Counter32, uint32(i))
		set(ifXEntry+".19."+index, gosnmp.TimeTicks, uint32(0))
		if i%2 == 0 { // a sparse column
			set(ifXEntry+".18."+index, gosnmp.OctetString, []byte("customer "+index))
		}
	}
	f.sort()
}

// sort puts the OIDs in order.
func (f *fakeAgent) sort() {
	f.oids, f.ids = slices.Collect(maps.Keys(f.values)), nil
	slices.SortFunc(f.oids, func(a, b string) int { return slices.Compare(numbers(a), numbers(b)) })
	for _, oid := range f.oids {
		f.ids = append(f.ids, numbers(oid))
	}
}

// renumber moves an interface from one ifIndex to another.
func (f *fakeAgent) renumber(from, to int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, oid := range f.oids {
		if column, found := strings.CutSuffix(oid, "."+strconv.Itoa(from)); found && strings.HasPrefix(oid, ".1.3.6.1.2.1.") && len(numbers(oid)) > 9 {
			v := f.values[oid]
			delete(f.values, oid)
			v.Name = column + "." + strconv.Itoa(to)
			f.values[v.Name] = v
		}
	}
	f.sort()
}

// numbers returns the parts of an OID.
func numbers(oid string) (parts []int) {
	for part := range strings.SplitSeq(strings.TrimPrefix(oid, "."), ".") {
		n, _ := strconv.Atoi(part)
		parts = append(parts, n)
	}
	return parts
}

func (f *fakeAgent) answer(request *gosnmp.SnmpPacket) *gosnmp.SnmpPacket {
	f.asked.Add(1)
	answer := *request
	answer.PDUType, answer.Error, answer.ErrorIndex, answer.Variables = gosnmp.GetResponse, gosnmp.NoError, 0, nil
	answer.NonRepeaters, answer.MaxRepetitions = 0, 0
	if request.Community != "letmein" {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.values[oidSysUpTime] = gosnmp.SnmpPDU{Name: oidSysUpTime, Type: gosnmp.TimeTicks, Value: f.uptime.Add(100)}
	switch request.PDUType {
	case gosnmp.GetRequest:
		for _, v := range request.Variables {
			answer.Variables = append(answer.Variables, f.values[v.Name])
		}
	case gosnmp.GetBulkRequest:
		if f.mostRows > 0 && int(request.MaxRepetitions) > f.mostRows {
			if f.silent {
				return nil
			}
			answer.Error = gosnmp.TooBig
			return &answer
		}
		f.bulk(request, &answer)
	}
	return &answer
}

func (f *fakeAgent) bulk(request, answer *gosnmp.SnmpPacket) {
	at := make([]string, len(request.Variables))
	for i, v := range request.Variables {
		at[i] = v.Name
		if f.stuck && i > 0 {
			at[i] = ifXEntry + "." + strings.Split(strings.TrimPrefix(v.Name, ifXEntry+"."), ".")[0]
		}
	}
	next := make([]int, len(at))
	for i, oid := range at {
		var found bool
		if next[i], found = slices.BinarySearchFunc(f.ids, numbers(oid), slices.Compare); found {
			next[i]++
		}
	}
	size := 0
	for r := range max(1, int(request.MaxRepetitions)) {
		for i := range at {
			if r > 0 && i < int(request.NonRepeaters) {
				continue
			}
			if next[i] == len(f.oids) {
				answer.Variables = append(answer.Variables, gosnmp.SnmpPDU{Name: at[i], Type: gosnmp.EndOfMibView})
				continue
			}
			at[i] = f.oids[next[i]]
			next[i]++
			answer.Variables = append(answer.Variables, f.values[at[i]])
		}
		if size += 25 * len(at); f.mostOctets > 0 && size > f.mostOctets {
			return
		}
	}
}

// session opens a session with the agent.
func (f *fakeAgent) session(t testing.TB) *session {
	t.Helper()
	s, err := openSession(t.Context(), Device{Address: loopback, Port: f.port, Credential: Credential{Version: "2c", Community: "letmein"}}, 300*time.Millisecond, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

func (f *fakeAgent) String() string {
	return fmt.Sprintf("%d interfaces, at most %d rows, silent %t, 32 bits %t", f.interfaces, f.mostRows, f.silent, f.only32)
}
