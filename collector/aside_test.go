package collector

import (
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/nfstats/nfstats/collector/journal"
	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/decoder/netflow"
	"github.com/nfstats/nfstats/store"
)

// picky is a store that refuses blocks with flows of 13 octets for their
// content, after telling so.
type picky struct {
	refusing
	before func(block store.Block) // a refusal
}

func (p *picky) InsertFlows(ctx context.Context, block store.Block, b *decoder.Batch) error {
	for _, octets := range b.Bytes[:b.Len()] {
		if octets == 13 {
			if p.before != nil {
				p.before(block)
			}
			return &clickhouse.Exception{Code: 469, Message: "Constraint `octets` is violated"}
		}
	}
	return p.refusing.InsertFlows(ctx, block, b)
}

// ipfix template 256 has octetDeltaCount of 4 octets; data are two flows.
var (
	octetsTemplate = []byte{0, 10, 0, 28, 0x69, 0x55, 0xb9, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 2, 0, 12, 1, 0, 0, 1, 0, 1, 0, 4}
	thirteenOctets = []byte{0, 10, 0, 28, 0x69, 0x55, 0xb9, 0, 0, 0, 0, 0, 0, 0, 0, 5, 1, 0, 0, 12, 0, 0, 0, 13, 0, 0, 0, 13}
)

func sendOne(t *testing.T, c *Collector, from byte, datagrams ...[]byte) {
	t.Helper()
	conn, err := net.DialUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 1, from)}, net.UDPAddrFromAddrPort(c.Addresses()[0]))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, d := range datagrams {
		conn.Write(d)
	}
}

func within(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain: " + what)
		}
	}
}

// TestRefusedBlockHasTheStateBeforeIt refuses data whose template came after the
// last checkpoint, in an earlier block.
func TestRefusedBlockHasTheStateBeforeIt(t *testing.T) {
	flows := &picky{refusing: refusing{tokens: map[string]int{}}}
	c, stop := run(t, flows, nil)
	sendOne(t, c, 1, octetsTemplate)
	within(t, "the template is decoded", func() bool {
		templates, err := c.Templates(t.Context(), netip.MustParseAddr("127.0.1.1"))
		return err == nil && len(templates) == 1
	})
	sendOne(t, c, 1, thirteenOctets, thirteenOctets)
	sendOne(t, c, 2, v5()) // an exporter of another or the same worker
	within(t, "the flows are set aside", func() bool { return testutil.ToFloat64(c.metrics.refusedRows) >= 4 })
	stop()

	list, err := journal.ListRejected(c.config.Journal.Dir)
	if err != nil || len(list) == 0 {
		t.Fatalf("%v, %v", list, err)
	}
	rows := 0
	for _, r := range list {
		_, block, state, err := journal.ReadRejected(c.config.Journal.Dir, r.Token)
		if err != nil {
			t.Fatal(err)
		}
		d, err := netflow.New(netflow.Default())
		if err != nil {
			t.Fatal(err)
		}
		if err := d.RestoreState(state, nil); err != nil {
			t.Fatal(err)
		}
		var batch decoder.Batch
		var datagram journal.Datagram
		for cursor := block.Cursor(); cursor.Next(&datagram); {
			if err := d.Decode(datagram.ReceivedMs, datagram.Source, datagram.Payload, &batch); err != nil {
				t.Error(err)
			}
		}
		for _, octets := range batch.Bytes[:batch.Len()] {
			if octets == 13 {
				rows++
			}
		}
	}
	if rows != 4 {
		t.Errorf("%d flows of 13 octets can be decoded again, want 4", rows)
	}
	if s := c.journal.Status(); s.Done != s.Written {
		t.Errorf("the journal is not done: %+v", s)
	}
}

// TestRefusedBlockWithoutSegmentStopsNothing removes the segment of a block that
// is refused.
func TestRefusedBlockWithoutSegmentStopsNothing(t *testing.T) {
	flows := &picky{refusing: refusing{tokens: map[string]int{}}}
	c, stop := run(t, flows, nil)
	flows.before = func(store.Block) {
		paths, err := filepath.Glob(filepath.Join(c.config.Journal.Dir, "*.nfj"))
		if err != nil {
			t.Error(err)
		}
		for _, path := range paths {
			os.Remove(path)
		}
	}
	sendOne(t, c, 1, octetsTemplate, thirteenOctets)
	within(t, "the loss is counted", func() bool { return testutil.ToFloat64(c.metrics.refusedLost) == 2 })
	stop()
	if s := c.journal.Status(); s.Done != s.Written {
		t.Errorf("the journal is not done: %+v", s)
	}
}
