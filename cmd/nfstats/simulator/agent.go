package simulator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/gosnmp/gosnmp"
)

// Agent is the SNMP v2c agent of a router: Get, GetNext and GetBulk.
type Agent struct {
	router    *Router
	community string
	conn      *net.UDPConn
	codec     gosnmp.GoSNMP
}

const (
	maxRequest     = 8192 // octets
	maxVariables   = 128  // of a request
	maxRepetitions = 128
	maxBulk        = 1400 // octets of variables in an answer to GetBulk, about
)

// ListenAgent opens the agent of a router at the router's address; port 0 takes
// a free one.
func ListenAgent(r *Router, port uint16, community string) (*Agent, error) {
	at := netip.AddrPortFrom(r.Address(), port)
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, fmt.Errorf("open the SNMP agent of %s: %w", r.Name(), err)
	}
	return &Agent{router: r, community: community, conn: conn, codec: gosnmp.GoSNMP{Version: gosnmp.Version2c, MaxOids: maxVariables}}, nil
}

// Address returns where the agent listens.
func (a *Agent) Address() netip.AddrPort { return a.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// Run answers requests until ctx ends, and closes the agent.
func (a *Agent) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { a.conn.Close() })()
	buffer := make([]byte, maxRequest)
	for {
		n, from, err := a.conn.ReadFromUDPAddrPort(buffer)
		switch {
		case ctx.Err() != nil:
			a.conn.Close()
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("receive SNMP requests for %s: %w", a.router.Name(), err)
		case err != nil:
			continue // of an earlier answer that nobody took
		}
		if answer := a.answer(buffer[:n]); answer != nil {
			_, _ = a.conn.WriteToUDPAddrPort(answer, from) // who asks asks again
		}
	}
}

// answer returns the answer to a request, or nil for one that deserves none: an
// agent is silent about what it does not understand and to whom does not know
// the community.
func (a *Agent) answer(request []byte) (answer []byte) {
	defer func() {
		if recover() != nil { // the codec is made for answers from devices, and anybody can send a request
			answer = nil
		}
	}()
	packet, err := a.codec.SnmpDecodePacket(request)
	if err != nil || packet.Version != gosnmp.Version2c || packet.Community != a.community {
		return nil
	}
	snapshot := a.router.Snapshot()
	if !snapshot.Up {
		return nil
	}
	response := gosnmp.SnmpPacket{Version: gosnmp.Version2c, Community: a.community, PDUType: gosnmp.GetResponse, RequestID: packet.RequestID}
	tree := a.router.objects(snapshot)
	switch {
	case len(packet.Variables) > maxVariables:
		response.Error = gosnmp.TooBig
	case packet.PDUType == gosnmp.GetRequest:
		response.Variables = each(tree, packet.Variables, get)
	case packet.PDUType == gosnmp.GetNextRequest:
		response.Variables = each(tree, packet.Variables, next)
	case packet.PDUType == gosnmp.GetBulkRequest:
		response.Variables = getBulk(tree, packet)
	case packet.PDUType == gosnmp.SetRequest:
		response.Error, response.ErrorIndex, response.Variables = gosnmp.NotWritable, 1, packet.Variables
	default:
		return nil
	}
	if answer, err = response.MarshalMsg(); err != nil {
		return nil
	}
	return answer
}

func each(tree []object, variables []gosnmp.SnmpPDU, look func([]object, string) gosnmp.SnmpPDU) []gosnmp.SnmpPDU {
	var found []gosnmp.SnmpPDU
	for _, v := range variables {
		found = append(found, look(tree, v.Name))
	}
	return found
}

// get returns the object of that name (RFC 3416 §4.2.1).
func get(tree []object, name string) gosnmp.SnmpPDU {
	i, found := search(tree, name)
	if !found {
		return gosnmp.SnmpPDU{Name: name, Type: gosnmp.NoSuchInstance}
	}
	return gosnmp.SnmpPDU{Name: name, Type: tree[i].kind, Value: tree[i].data}
}

// next returns the object after that name (RFC 3416 §4.2.2).
func next(tree []object, name string) gosnmp.SnmpPDU {
	i, found := search(tree, name)
	if found {
		i++
	}
	if i == len(tree) {
		return gosnmp.SnmpPDU{Name: name, Type: gosnmp.EndOfMibView}
	}
	return gosnmp.SnmpPDU{Name: formatID(tree[i].id), Type: tree[i].kind, Value: tree[i].data}
}

func search(tree []object, name string) (int, bool) {
	id, ok := parseID(name)
	if !ok {
		return len(tree), false
	}
	return slices.BinarySearchFunc(tree, id, func(o object, id []uint32) int { return slices.Compare(o.id, id) })
}

// getBulk returns the next object of some names once and of the others again and
// again (RFC 3416 §4.2.3).
func getBulk(tree []object, request *gosnmp.SnmpPacket) []gosnmp.SnmpPDU {
	once := min(int(request.NonRepeaters), len(request.Variables))
	found := each(tree, request.Variables[:once], next)
	row := request.Variables[once:]
	size := 0
	for range min(request.MaxRepetitions, maxRepetitions) {
		if row = each(tree, row, next); len(row) == 0 {
			break
		}
		over := true
		for _, v := range row {
			if size += octets(v); size > maxBulk && len(found) > 0 {
				return found
			}
			found = append(found, v)
			over = over && v.Type == gosnmp.EndOfMibView
		}
		if over {
			break
		}
	}
	return found
}

// octets returns about how long a variable is on the wire.
func octets(v gosnmp.SnmpPDU) int {
	size := 8 + len(v.Name)/2
	switch value := v.Value.(type) {
	case string:
		return size + len(value)
	case []byte:
		return size + len(value)
	}
	return size + 9
}
