package snmp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gosnmp/gosnmp"
)

// errNoAnswer is what silence of an agent is called.
var errNoAnswer = errors.New("no answer: the address, the port or the community is wrong, a filter stands between, or the device answers from another of its addresses")

// A session speaks with one agent. It belongs to one goroutine.
type session struct {
	client  *gosnmp.GoSNMP
	unwatch func() bool
	retries int    // of a request
	rows    uint32 // asked for at once; adapts to what the agent can answer
	most    uint32 // rows that it may grow to
	good    int    // answers since most was last changed
}

// Bounds of a session.
const (
	startRows = 10
	maxRows   = 25
	// growAfter is how many good answers it takes to try larger ones again: what was too large may have been a lost datagram.
	growAfter = 1000
	// maxInterfaces bounds the rows that are taken of one agent.
	maxInterfaces = 50_000
	// maxIfIndex is the largest InterfaceIndex (RFC 2863 §6).
	maxIfIndex = 1<<31 - 1
	// maxError is the longest part of another's error that is told, in octets.
	maxError = 200
)

var (
	errNoUptime   = errors.New("the agent does not tell its sysUpTime, without which counters cannot be trusted: its view must include the system group (1.3.6.1.2.1.1)")
	errUnreadable = errors.New("the agent's answer is no valid SNMP")
	errNoProgress = errors.New("the agent's answers do not advance through the table")
)

func openSession(ctx context.Context, d Device, timeout time.Duration, retries int) (*session, error) {
	client := &gosnmp.GoSNMP{Target: d.host(), Port: d.Port, Transport: "udp", Context: ctx, Timeout: timeout, Retries: retries, MaxOids: gosnmp.MaxOids}
	if err := d.Credential.apply(client); err != nil {
		return nil, err
	}
	if err := client.Connect(); err != nil {
		return nil, fmt.Errorf("open a socket to %s: %w", d.host(), err)
	}
	conn := client.Conn
	return &session{client: client, retries: retries, rows: startRows, most: maxRows,
		unwatch: context.AfterFunc(ctx, func() { conn.Close() })}, nil // who waits for an answer waits no longer
}

func (s *session) close() {
	s.unwatch()
	s.client.Conn.Close()
}

// get asks for single values. A value that the agent does not have is nil.
func (s *session) get(ctx context.Context, oids ...string) ([]any, error) {
	s.client.Context, s.client.Retries = ctx, s.retries
	answer, err := s.client.Get(oids)
	if err != nil {
		return nil, explain(err)
	}
	switch answer.Error {
	case gosnmp.NoError:
	case gosnmp.AuthorizationError, gosnmp.NoAccess:
		return nil, errors.New("the agent wants another security level (authentication, privacy) of this user, or shows it nothing")
	default:
		return nil, fmt.Errorf("the agent refuses: %s", answer.Error)
	}
	if len(answer.Variables) != len(oids) {
		return nil, fmt.Errorf("the agent answered %d of %d values", len(answer.Variables), len(oids))
	}
	values := make([]any, len(oids))
	for i, v := range answer.Variables {
		if v.Type != gosnmp.NoSuchObject && v.Type != gosnmp.NoSuchInstance && v.Type != gosnmp.Null {
			values[i] = v.Value
		}
	}
	return values, nil
}

// explain says in an operator's words why an agent could not be asked.
func explain(err error) error {
	var network net.Error
	text := err.Error()
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.As(err, &network) && network.Timeout(), strings.Contains(text, "timeout"):
		return errNoAnswer
	case strings.Contains(text, "connection refused"):
		return errors.New("the device refuses: no SNMP agent on this port")
	case errors.Is(err, gosnmp.ErrUnknownUsername), errors.Is(err, gosnmp.ErrWrongDigest), strings.Contains(text, "not authentic"):
		return errors.New("the agent does not know this user, or the authentication password or protocol is wrong")
	case errors.Is(err, gosnmp.ErrDecryption):
		return errors.New("the privacy password or protocol is wrong")
	case errors.Is(err, gosnmp.ErrUnknownSecurityLevel):
		return errors.New("the agent does not offer this security level (authentication, privacy) for this user")
	case strings.HasPrefix(text, "recover:"): // the parser gave up; its stack is nothing to show
		return errUnreadable
	case len(text) > maxError:
		text = strings.ToValidUTF8(text[:maxError], "") + "…"
	}
	return fmt.Errorf("ask the agent: %s", text)
}

// A row is one row of a table: a value for each column, nil where there is none.
type row struct {
	index  uint32
	values []any
	sys    reading // when the agent answered
}

// reading is the time of an answer.
type reading struct {
	atMs     int64  // Unix milliseconds, ours
	uptimeMs uint64 // sysUpTime
}

// table reads columns of a table that is indexed by ifIndex, and hands on one row
// after the other, so that nothing of an answer is kept. indexes are the rows
// wanted, in order; nil: all, up to maxInterfaces. Rows that do not exist are left
// out. more reports that there are more than that.
func (s *session) table(ctx context.Context, columns []string, indexes []uint32, each func(row)) (more bool, err error) {
	after, end, taken := uint32(0), false, 0
	for !end { // each answer reaches further
		if indexes != nil {
			next, _ := slices.BinarySearch(indexes, after+1)
			if next == len(indexes) {
				break
			}
			after = indexes[next] - 1
		}
		var rows []row
		if rows, after, end, err = s.bulk(ctx, columns, after); err != nil {
			return false, err
		}
		for _, r := range rows {
			if _, wanted := slices.BinarySearch(indexes, r.index); !wanted && indexes != nil {
				continue
			}
			if taken++; taken > maxInterfaces {
				return true, nil
			}
			each(r)
		}
	}
	return false, nil
}

// bulk asks once for the rows after an index, for fewer where the agent cannot
// answer so many. It returns the rows of which every column is known, the index
// that they reach to, and whether the table ends there.
func (s *session) bulk(ctx context.Context, columns []string, after uint32) (rows []row, reached uint32, end bool, err error) {
	oids := []string{".1.3.6.1.2.1.1.3"} // sysUpTime, with every answer
	for _, c := range columns {
		if after > 0 {
			c += "." + strconv.FormatUint(uint64(after), 10)
		}
		oids = append(oids, c)
	}
	s.client.Context = ctx
	for {
		if s.client.Retries = s.retries; s.rows > 1 {
			s.client.Retries = 0 // asking for less is another try
		}
		answer, err := s.client.GetBulk(oids, 1, s.rows)
		at := time.Now().UnixMilli()
		switch {
		case err == nil && answer.Error == gosnmp.NoError && len(answer.Variables) > len(columns):
			if s.good++; s.good >= growAfter {
				s.most, s.good = min(2*s.most, maxRows), 0
			}
			s.rows = min(s.rows+1, s.most)
			uptime, told := uptimeOf(answer.Variables[0])
			if !told {
				return nil, after, false, errNoUptime
			}
			rows, reached, end = readRows(answer.Variables[1:], columns, after, reading{atMs: at, uptimeMs: uptime})
			if !end && reached <= after {
				return nil, after, false, errNoProgress
			}
			return rows, reached, end, nil
		case ctx.Err() != nil:
			return nil, after, false, context.Cause(ctx)
		case s.rows > 1: // some agents fall silent, or err, where an answer would be too big
			s.rows /= 2
			s.most, s.good = s.rows, 0
		case err != nil:
			return nil, after, false, explain(err)
		case answer.Error == gosnmp.NoError:
			return nil, after, false, fmt.Errorf("the agent answers %d of %d values", len(answer.Variables), 1+len(columns))
		default:
			return nil, after, false, fmt.Errorf("the agent answers no table: %s", answer.Error)
		}
	}
}

// readRows sorts the variables of an answer into rows.
func readRows(variables []gosnmp.SnmpPDU, columns []string, after uint32, sys reading) (rows []row, reached uint32, end bool) {
	last, ended := make([]uint32, len(columns)), make([]bool, len(columns))
	for i := range last {
		last[i] = after
	}
	byIndex := map[uint32]*row{}
	for i, v := range variables {
		c := i % len(columns)
		index, in := indexOf(v.Name, columns[c])
		if !in || v.Type == gosnmp.EndOfMibView || index <= last[c] {
			ended[c] = ended[c] || !in || v.Type == gosnmp.EndOfMibView
			continue
		}
		last[c] = index
		if byIndex[index] == nil {
			byIndex[index] = &row{index: index, values: make([]any, len(columns)), sys: sys}
		}
		byIndex[index].values[c] = v.Value
	}
	reached, end = maxIfIndex, true
	for c := range columns {
		if !ended[c] {
			reached, end = min(reached, last[c]), false
		}
	}
	for index, r := range byIndex {
		if index <= reached {
			rows = append(rows, *r)
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return int(int64(a.index) - int64(b.index)) })
	return rows, reached, end
}
